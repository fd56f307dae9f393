import { after } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import type { ServerSettings } from "../../src/config/server.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import { FakeMlflow } from "./fake-mlflow.js";
import { type Scripted, type ScriptedServer, type Seen, scripted } from "./scripted-server.js";

const { server: settings } = resolveConfig({}, {});
const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing) await close();
});

/** The store of a server, as another process would have it. */
export function storeOf(server: { readonly url: string }, more: Partial<ServerSettings> = {}): HttpStore {
  const store = new HttpStore(new URL(server.url), { ...settings, ...more });
  closing.unshift(() => store.close());
  return store;
}

/** An MLflow in memory and its store, until the end of the file. */
export async function served(): Promise<{ store: HttpStore; server: FakeMlflow }> {
  const server = await FakeMlflow.start();
  closing.push(() => server.close());
  return { store: storeOf(server), server };
}

/** A server that answers as told and its store, until the end of the file. */
export async function scriptedStore(
  answer: (seen: Seen) => Scripted | undefined,
  more: Partial<ServerSettings> = {},
): Promise<{ store: HttpStore; server: ScriptedServer }> {
  const server = await scripted(answer);
  closing.push(() => server.close());
  return { store: storeOf(server, { requestTimeoutMs: 20_000, ...more }), server };
}
