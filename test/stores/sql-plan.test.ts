import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.js";
import type { Outcome, RunChange, TrackingStore } from "../../src/contracts/tracking-store.js";
import { type Database, openDatabase, real } from "../../src/stores/sql/driver.js";
import { type Plan, Planner, type Step } from "../../src/stores/sql/plan.js";
import { createSchema, inspectSchema } from "../../src/stores/sql/schema.js";
import type { SqlRow } from "../../src/stores/sql/sql-values.js";
import { statements } from "../../src/stores/sql/statements.js";
import { change, start, storeContract } from "../contract/store-contract.js";
import { readRun } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

/**
 * An executor as a driver of a server would have it: it waits for each answer, and is given other statements meanwhile.
 */
class Waiting implements TrackingStore {
  readonly #db: Database;
  readonly #planner: Planner;
  readonly #texts: ReturnType<typeof statements>;
  #open = true;

  constructor(path: string, isNew: boolean) {
    this.#db = openDatabase(path);
    if (isNew) createSchema(this.#db, "file:///0", 1);
    const schema = inspectSchema(this.#db, path);
    this.#texts = statements(schema);
    this.#planner = new Planner({
      schema,
      locate: (id) => `file:///${id}`,
      now: Date.now,
      id: systemClock.id,
      double: real,
    });
  }

  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    this.#planner.begin();
    const outcomes: Outcome[] = [];
    for (const each of changes) outcomes.push(await this.#carryOut(this.#planner.write(each, false)));
    return outcomes;
  }

  async close(): Promise<void> {
    if (this.#open) this.#db.close();
    this.#open = false;
  }

  async #carryOut<R>(plan: Plan<R>): Promise<R> {
    let next = plan.next();
    while (!next.done) next = plan.next(await this.#execute(next.value));
    return next.value;
  }

  async #execute(step: Step): Promise<number | SqlRow | undefined> {
    await turn();
    assert.ok(step.kind !== "item"); // nothing is written apart here
    const statement = this.#db.prepare(this.#texts[step.statement]);
    if (step.kind === "read") return statement.get(...(step.rows[0] ?? []));
    if (step.kind === "count") return Number(statement.run(...(step.rows[0] ?? [])).changes);
    for (const row of step.rows) statement.run(...row);
    return undefined;
  }
}

storeContract("the same plans, carried out by an executor that waits", async () => {
  const folder = tempFolder("plan");
  const path = join(folder, "mlflow.db");
  return {
    store: new Waiting(path, true),
    reader: { readRun: async (runId) => readRun(path, runId) },
    reopen: () => new Waiting(path, false),
    dispose: () => {},
  };
});

test("a short run is a few steps, each of one statement with all its rows", () => {
  const planner = new Planner({
    schema: { experimentTimes: true, inputs: true },
    locate: String,
    now: () => 5,
    id: () => "id",
    double: (value) => value,
  });
  const point = (key: string, value: number) => ({ key, value, timestamp: 2, step: 0 });
  const whole = change("a", {
    create: start(),
    params: [{ key: "lr", value: "1" }],
    metrics: [point("loss", 1), point("acc", Number.NaN), point("loss", Number.POSITIVE_INFINITY)],
    end: { status: "FINISHED", endTime: 9 },
  });
  const seen: unknown[] = [];
  const plan = planner.write(whole, false);
  const experiment = { experiment_id: 7, artifact_location: "file:///7", lifecycle_stage: "active" };
  for (let next = plan.next(); ; ) {
    if (next.done) {
      assert.deepEqual(next.value, { kind: "done", ids: { runId: "a", experimentId: "7" } });
      break;
    }
    const step = next.value;
    assert.ok(step.kind !== "item");
    seen.push([step.kind, step.statement, step.rows]);
    next = plan.next(step.kind === "read" ? experiment : 1);
  }
  assert.deepEqual(seen, [
    ["read", "experimentByName", [["Contract"]]],
    ["count", "addRun", [["a", "a run", "me", "FINISHED", 1_000, 9, "file:///7/a/artifacts", 7]]],
    [
      "write",
      "putTag",
      [
        ["mlflow.user", "me", "a"],
        ["mlflow.runName", "a run", "a"],
      ],
    ],
    ["count", "addParam", [["lr", "1", "a"]]],
    [
      "write",
      "addMetric",
      [
        ["loss", 1, 2, "a", 0, 0],
        ["acc", 0, 2, "a", 0, 1],
        ["loss", Number.MAX_VALUE, 2, "a", 0, 0],
      ],
    ],
    [
      "write",
      "putLatest",
      [
        ["loss", Number.MAX_VALUE, 2, "a", 0, 0],
        ["acc", 0, 2, "a", 0, 1],
      ],
    ],
  ]);
});
