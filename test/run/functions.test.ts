import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  configure,
  flush,
  logExperiment,
  PulseError,
  shutdown,
  startRun,
  stats,
  tracked,
  withRun,
} from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { openDatabase, query, readRun } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { steps, values } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";

const folder = tempFolder("functions");

test("tracked gives each call a run with its arguments and result", async () => {
  const tracker = createTestTracker();
  async function train(lr: number, options: { epochs: number }): Promise<{ loss: number }> {
    return { loss: lr * options.epochs };
  }
  const trackedTrain = tracked(train, {
    experiment: "Sweep",
    params: ["lr", "1.epochs"],
    metrics: "loss",
    tags: { kind: "fn" },
  });
  assert.equal(trackedTrain.name, "train");
  assert.equal(trackedTrain.length, 2);
  for (const lr of [1, 2]) assert.deepEqual(await tracker.run(() => trackedTrain(lr, { epochs: 3 })), { loss: lr * 3 });
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.name, run.params, values(run), run.experiment, run.tags["kind"]]),
    [1, 2].map((lr) => ["train", { lr: String(lr), "1.epochs": "3" }, { loss: [lr * 3] }, "Sweep", "fn"]),
  );
});

test("tracked around a tracked function is an ordinary tracked caller of it", async () => {
  const tracker = createTestTracker();
  const inner = tracked(() => 1, { runName: "inner", metrics: "n" });
  tracker.run(() => tracked(inner, { runName: "outer" })());
  const [outer, child] = tracker.runs;
  assert.deepEqual([outer?.name, child?.name], ["outer", "inner"]);
  assert.equal(child?.parentId, outer?.id);
});

test("a tracked function keeps own properties and this", () => {
  const tracker = createTestTracker();
  const fn = Object.assign(
    function (this: { factor: number }, n: number) {
      return this.factor * n;
    },
    { version: 3, [Symbol.for("mark")]: true },
  );
  const wrapped = tracked(fn);
  assert.equal(wrapped.version, 3);
  assert.equal(wrapped[Symbol.for("mark") as unknown as "version"], true);
  assert.equal(
    tracker.run(() => wrapped.call({ factor: 4 }, 5)),
    20,
  );
});

test("withRun logs its result and passes the run, or the open one when joined", async () => {
  const tracker = createTestTracker();
  const result = await tracker.withRun({ metrics: { final: "loss" }, params: { a: 1 } }, async (outer) => {
    withRun({ nest: "join", tags: { joined: true } }, (inner) => assert.equal(inner, outer));
    return { loss: 2 };
  });
  assert.deepEqual(result, { loss: 2 });
  assert.deepEqual(values(tracker.onlyRun), { final: [2] });
});

test("withRun whose when says no gets a run that forgets", async () => {
  const tracker = createTestTracker();
  const id = tracker.withRun({ when: () => false }, (run) => {
    run.logMetric("m", 1);
    return run.id;
  });
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(tracker.runs.length, 0);
});

test("params and tags may be functions, and one that throws is only a warning", async () => {
  const tracker = createTestTracker();
  const fn = tracked((n: number) => n, {
    params: ([n]) => ({ twice: n * 2 }),
    tags: () => {
      throw new Error("no tags");
    },
    runName: () => {
      throw new Error("no name");
    },
  });
  assert.equal(
    tracker.run(() => fn(4)),
    4,
  );
  const run = tracker.onlyRun;
  assert.deepEqual(run.params, { twice: "8" });
  assert.equal(tracker.warnings.length, 2);
  assert.equal(tracker.stats().warnings.CAPTURE_FAILED, 2);
});

test("a run's steps of a key count up from the highest so far", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    const run = startRun();
    for (const step of [undefined, undefined, 10, undefined, 3, undefined, -5, undefined])
      run.logMetric("m", 1, { step });
    run.logMetrics({ m: 1, other: 2 });
  });
  const run = tracker.onlyRun;
  assert.deepEqual(
    steps(run, "m").map(([step]) => step),
    [0, 1, 10, 11, 3, 12, -5, 13, 14],
  );
  assert.deepEqual(steps(run, "other"), [[0, 2]]);
});

test("impossible values, steps and times are mended or left out, warned once a key", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    const run = startRun();
    run.logMetric("a", "1" as unknown as number);
    run.logMetric("b", null as unknown as number);
    run.logMetric("c", 1, { step: 1.7 });
    run.logMetric("c", 2, { step: Number.NaN });
    run.logMetric("c", 3, { timestamp: new Date(5) });
    run.logMetric("c", 4, { timestamp: 1.5 });
    run.logMetric("d", true);
    run.logMetric("d", 12n);
  });
  const run = tracker.onlyRun;
  assert.deepEqual(values(run), { c: [1, 2, 3, 4], d: [1, 12] });
  assert.deepEqual(
    run.metrics["c"]?.map(({ step }) => step),
    [1, 2, 3, 4],
  );
  assert.deepEqual(run.metrics["c"]?.map(({ timestamp }) => timestamp).slice(2), [5, 1]);
  assert.equal(tracker.warnings.length, 4); // of a, of b, of the steps and of the times of c
  assert.equal(tracker.stats().warnings.INVALID_VALUE, 5);
});

test("long values are cut, secrets never stored, and a param keeps its first value", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    const run = startRun({ params: { api_key: "hunter2", max_tokens: 100 } });
    run.logParam("long", "x".repeat(10_000));
    run.setTag("url", "https://me:hunter2@host");
    run.logParam("lr", 1);
    run.logParam("lr", 1);
    run.logParam("lr", 2);
  });
  const run = tracker.onlyRun;
  assert.equal(run.params["api_key"], "[redacted]");
  assert.equal(run.params["max_tokens"], "100");
  assert.equal(run.params["long"]?.length, 6_000);
  assert.equal(run.tags["url"], "https://[redacted]@host");
  assert.equal(run.params["lr"], "1");
  assert.equal(run.tags["pulse.conflict.lr"], "2");
  assert.doesNotMatch(tracker.warnings.join("\n"), /hunter2/);
  assert.deepEqual(Object.keys(tracker.stats().warnings).sort(), ["PARAM_CONFLICT", "REDACTED", "VALUE_CUT"]);
});

test("logExperiment resolves with the ids once the run is stored", async () => {
  const path = join(folder, "once.db");
  const { runId, experimentId } = await logExperiment({
    experiment: "Once",
    runName: "trial",
    params: { lr: 0.1 },
    metrics: { avg_confidence: 0.85 },
    tags: { run_type: "meta-learning" },
    trackingUri: `sqlite:///${path}`,
  });
  const run = readRun(path, runId);
  assert.deepEqual(
    [run?.experiment, run?.name, run?.status, run?.params],
    ["Once", "trial", "FINISHED", { lr: "0.1" }],
  );
  assert.equal(run?.tags["run_type"], "meta-learning");
  assert.equal(query(path, "SELECT experiment_id FROM runs")[0]?.["experiment_id"], Number(experimentId));
});

test("logExperiment rejects at once for a bad target, later for an absent one", async () => {
  const rejects = (log: Parameters<typeof logExperiment>[0], code: string): Promise<void> =>
    assert.rejects(logExperiment(log), { code });
  await rejects({ experiment: "", trackingUri: "memory:" }, "INVALID_OPTION");
  await rejects({ experiment: "X", trackingUri: "postgresql://host/db" }, "INVALID_TRACKING_URI");
  await rejects({ experiment: "X", trackingUri: `sqlite:///${folder}` }, "NOT_WRITABLE");
  const path = join(folder, "held.db");
  await logExperiment({ experiment: "X", trackingUri: `sqlite:///${path}` });
  const other = openDatabase(path);
  other.exec("BEGIN IMMEDIATE");
  configure({ trackingUri: `sqlite:///${path}`, exitTimeoutMs: 100, logger: { warn: () => undefined } });
  await rejects({ experiment: "X", timeoutMs: 300 }, "STORE_UNAVAILABLE");
  other.exec("ROLLBACK");
  other.close();
  await flush();
  assert.equal(stats().pending, 0);
  await shutdown();
});

test("a late configure replaces the default tracker, and an open run keeps its own", async () => {
  const [one, two] = ["one.db", "two.db"].map((name) => join(folder, name)) as [string, string];
  configure({ trackingUri: `sqlite:///${one}` });
  const early = startRun({ runName: "early" });
  configure({ trackingUri: `sqlite:///${two}` });
  withRun({ runName: "later" }, () => 1);
  early.logMetric("m", 1);
  early.end();
  await early.serverId();
  await flush();
  assert.equal(query(two, "SELECT name FROM runs")[0]?.["name"], "later");
  const stored = (): unknown[] => query(one, "SELECT name, status FROM runs");
  await until("its end is stored", () => !JSON.stringify(stored()).includes("RUNNING"));
  assert.deepEqual(stored(), [{ name: "early", status: "FINISHED" }]);
  await shutdown();
});

test("errors are PulseErrors with a stable code, whichever copy threw them", () => {
  const error = new PulseError("NO_ACTIVE_RUN", "x");
  assert.ok(error instanceof Error && error instanceof PulseError);
  assert.ok(Object.defineProperty({}, Symbol.for("pulse-mlflow/error"), { value: true }) instanceof PulseError);
  assert.equal({} instanceof PulseError, false);
  class Own extends PulseError {}
  assert.equal(error instanceof Own, false);
  const own = new Own("CLOSED", "mine.");
  assert.ok(own instanceof Own && own instanceof PulseError);
  assert.equal(new PulseError("STORE_BUSY", "x").retryable, true);
});

test("logExperiment that fails while recording rejects exactly once", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const metrics = {
    get loss(): number {
      throw new Error("getter");
    },
  };
  await assert.rejects(logExperiment({ experiment: "X", metrics, trackingUri: "memory:" }), { message: "getter" });
  await assert.rejects(logExperiment({ experiment: "X", trackingUri: "memory:", timeoutMs: Number.NaN }), {
    code: "INVALID_OPTION",
  });
  await sleep(5);
  process.removeListener("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});

test("params may be instances and maps, and secrets in them are redacted", async () => {
  class Config {
    lr = 0.1;
  }
  const tracker = createTestTracker();
  tracker.withRun({ params: new Config() as unknown as Record<string, unknown> }, () => 1);
  tracker.withRun(
    { runName: `sk-${"a1B".repeat(8)}`, params: { authtoken: "x", url: "postgres://u:p@ss@host/db" } },
    () => 1,
  );
  const [first, second] = tracker.runs;
  assert.deepEqual(first?.params, { lr: "0.1" });
  assert.equal(second?.name, "[redacted]");
  assert.deepEqual(second?.params, { authtoken: "[redacted]", url: "postgres://[redacted]@host/db" });
});
