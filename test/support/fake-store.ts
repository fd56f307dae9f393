import { after } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import { FakeMlflow } from "./fake-mlflow.js";

const { server: settings } = resolveConfig({}, {});
const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing) await close();
});

/** The store of a server, as another process would have it. */
export function storeOf(server: FakeMlflow): HttpStore {
  const store = new HttpStore(new URL(server.url), settings);
  closing.unshift(() => store.close());
  return store;
}

/** A server in memory and its store, until the end of the file. */
export async function served(): Promise<{ store: HttpStore; server: FakeMlflow }> {
  const server = await FakeMlflow.start();
  closing.push(() => server.close());
  return { store: storeOf(server), server };
}
