import { join } from "node:path";
import { after } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import type { StoreSubject } from "../../src/testing/index.js";
import { storeContract } from "../contract/store-contract.js";
import { tempFolder } from "../support/folders.js";
import { readRun } from "../support/rest.js";
import { startServer } from "./peer.js";
import { denials, refusals } from "./refusals.js";
import { startStack } from "./stack.js";

const folder = tempFolder("http");
const { server: settings } = resolveConfig({}, {});

const [newest, old, stack] = await Promise.all([
  startServer("newest", `sqlite:///${join(folder, "newest.db")}`, folder),
  startServer("old", `sqlite:///${join(folder, "old.db")}`, folder),
  startStack(),
]);
after(async () => {
  await Promise.all([newest.stop(), old.stop(), stack.stop()]);
});

function subject(url: string, auth?: { username: string; password: string }): () => Promise<StoreSubject> {
  const headers = auth && {
    authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}`,
  };
  return async () => {
    const open = (): HttpStore => new HttpStore(new URL(url), { ...settings, auth });
    const reader = { readRun: (runId: string) => readRun(url, runId, headers) };
    return { store: open(), keepsEndTime: true, reader, reopen: open, dispose: () => undefined };
  };
}

refusals("newest MLflow on SQLite", newest);
refusals("MLflow 2.22 on SQLite", old);
const { url, username, password } = stack;
refusals("newest MLflow on PostgreSQL with basic auth", { url, auth: { username, password } });
denials("newest MLflow on PostgreSQL with basic auth", { url, auth: { username, password } });
storeContract("newest MLflow on SQLite", subject(newest.url));
storeContract("MLflow 2.22 on SQLite", subject(old.url));
storeContract("newest MLflow on PostgreSQL with basic auth", subject(stack.url, stack));
