import { join } from "node:path";
import { systemClock } from "../../src/base/clock.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { MlrunsStore } from "../../src/stores/mlruns/mlruns-store.js";
import { SqliteStore } from "../../src/stores/sql/sqlite-store.js";
import { readRun } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { readRun as readMlrun } from "../support/mlruns.js";
import { storeContract } from "./store-contract.js";

storeContract("memory", async () => {
  const store = new MemoryStore();
  return { store, reader: store, dispose: () => undefined };
});

storeContract("sqlite", async () => {
  const folder = tempFolder("contract");
  const path = join(folder, "mlflow.db");
  const open = (): SqliteStore => new SqliteStore(path, { clock: systemClock });
  return {
    store: open(),
    reader: { readRun: async (runId) => readRun(path, runId) },
    reopen: open,
    dispose: () => {},
  };
});

storeContract("mlruns", async () => {
  const folder = tempFolder("contract");
  const root = join(folder, "mlruns");
  const open = (): MlrunsStore => new MlrunsStore(root, { clock: systemClock });
  return {
    store: open(),
    reader: { readRun: async (runId) => readMlrun(root, runId) },
    reopen: open,
    dispose: () => {},
  };
});
