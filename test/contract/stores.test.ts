import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/clock.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { SqliteStore } from "../../src/stores/sql/sqlite-store.js";
import { readRun } from "../support/database.js";
import type { Subject } from "./carrier.js";
import { storeContract } from "./store-contract.js";

storeContract("memory", async (): Promise<Subject> => {
  const store = new MemoryStore();
  return {
    store,
    async read(runId) {
      const run = store.runs.get(runId);
      if (!run) return undefined;
      return {
        experiment: [...store.experiments].find(([, id]) => id === run.experimentId)?.[0] ?? "",
        name: run.name,
        status: run.status,
        startTime: run.startTime,
        endTime: run.endTime ?? null,
        params: Object.fromEntries(run.params),
        tags: Object.fromEntries(run.tags),
        metrics: Object.fromEntries(
          [...run.metrics].map(([key, points]) => [key, points.map(({ step, timestamp, value }) => [step, timestamp, value])]),
        ),
      };
    },
    dispose: () => store.close(),
  };
});

storeContract("sqlite", async (): Promise<Subject> => {
  const folder = mkdtempSync(join(tmpdir(), "pulse-contract-"));
  const path = join(folder, "mlflow.db");
  const store = new SqliteStore(path, { clock: systemClock });
  return {
    store,
    read: async (runId) => readRun(path, runId),
    async dispose() {
      await store.close();
      rmSync(folder, { recursive: true });
    },
  };
});
