import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bind,
  configure,
  createTracker,
  currentRun,
  defaultTracker,
  LogMetric,
  logExperiment,
  type Outcome,
  PulseError,
  type RunChange,
  shutdown,
  TrackedExperiment,
  type TrackerEvents,
  type TrackingStore,
} from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";

@TrackedExperiment("Switched")
class Service {
  @LogMetric
  handle(loss: number): { loss: number } {
    return { loss };
  }

  @LogMetric
  outer(): number {
    return this.handle(3).loss;
  }
}

test("a paused tracker opens no runs, and calls give what they give", () => {
  const tracker = createTestTracker();
  const service = new Service();
  tracker.pause();
  assert.deepEqual(
    tracker.run(() => service.handle(1)),
    { loss: 1 },
  );
  const run = tracker.startRun({ experiment: "Switched" });
  run.logMetric("loss", 1);
  run.end();
  assert.equal(
    tracker.withRun({}, (inner) => {
      inner.logMetric("loss", 1);
      return currentRun();
    }),
    undefined,
  );
  assert.deepEqual([tracker.runs.length, tracker.stats().runs, tracker.warnings.length], [0, 0, 0]);
  tracker.resume();
  tracker.run(() => service.handle(2));
  assert.equal(tracker.onlyRun.metrics["loss"]?.[0]?.value, 2);
});

test("runs that are open when a tracker is paused go on to their end", () => {
  const tracker = createTestTracker();
  const service = new Service();
  tracker.withRun({ experiment: "Switched" }, (run) => {
    tracker.pause();
    run.logMetric("before", 1);
    service.outer(); // joins the open run, as ever
    tracker.withRun({ runName: "child" }, () => service.handle(5)); // opens none, and what is in it joins the run around
  });
  assert.deepEqual(Object.keys(tracker.onlyRun.metrics), ["before", "loss", "outer"]);
  assert.equal(tracker.onlyRun.status, "FINISHED");
});

test("code that waits for what is not there while paused is told why", async () => {
  const tracker = createTestTracker();
  tracker.pause();
  await assert.rejects(tracker.startRun().serverId(), { code: "DISABLED", message: /paused/ });
  await assert.rejects(
    tracker.run(() => logExperiment({ experiment: "X" })),
    { code: "DISABLED", message: /paused/ },
  );
});

test("the run that withRun gives while paused says why nothing is recorded", async () => {
  const tracker = createTestTracker();
  tracker.pause();
  const why = { code: "DISABLED", message: "The tracker is paused. Call resume() on it to track." };
  await assert.rejects(
    tracker.withRun({}, (run) => run.serverId()),
    why,
  );
  const sweep = tracker.startRun({ runName: "sweep" });
  tracker.resume();
  // What is below a run that is not recorded is not recorded either.
  await assert.rejects(
    tracker.withRun({ parent: sweep }, (run) => run.serverId()),
    why,
  );
  await assert.rejects(tracker.startRun({ parent: sweep }).serverId(), why);
  assert.deepEqual(tracker.runs, []);
});

test("a paused tracker logs nothing of a withRun into its parent, open or over", () => {
  const tracker = createTestTracker();
  const service = new Service();
  const sweep = tracker.startRun({ experiment: "Switched" });
  tracker.pause();
  tracker.withRun({ parent: sweep }, () => service.handle(1));
  sweep.end();
  tracker.withRun({ parent: sweep }, () => service.handle(2));
  assert.deepEqual(tracker.onlyRun.metrics, {});
});

test("a generator whose first step is taken while paused opens no run", () => {
  const tracker = createTestTracker();
  const steps = tracker.tracked(
    function* () {
      yield { loss: 1 };
    },
    { experiment: "Switched", metrics: "loss" },
  );
  const iterator = steps();
  tracker.pause();
  assert.deepEqual([...iterator], [{ loss: 1 }]);
  assert.deepEqual(tracker.runs, []);
});

test("calls that were folded before a pause are still recorded", () => {
  const tracker = createTestTracker();
  const call = tracker.tracked(() => 1, { experiment: "Switched", maxRunsPerSecond: 1 });
  for (let i = 0; i < 5; i++) call();
  tracker.pause();
  tracker.now += 1_000;
  assert.deepEqual(
    tracker.runs.map(({ tags }) => tags["pulse.folded"]),
    [undefined, "4"],
  );
});

test("logExperiment asks the tracker that it would use whether that is paused", async () => {
  configure({ trackingUri: "memory:" });
  const old = defaultTracker();
  const run = old.startRun();
  const later = old.run(() => bind(() => logExperiment({ experiment: "X" })));
  run.end();
  old.pause();
  configure({ trackingUri: "memory:" });
  await later(); // the old one was replaced and has no open run here
  defaultTracker().pause();
  await assert.rejects(later(), { code: "DISABLED" });
  await shutdown();
});

test("the sample rate can be changed at run time, and multiplies with others", () => {
  const tracker = createTestTracker(); // draws 0.5
  const call = tracker.tracked(() => 1, { experiment: "Switched" });
  const half = tracker.tracked(() => 1, { experiment: "Switched", sample: 0.8 });
  call();
  tracker.set({ sample: 0.6 });
  call(); // 0.5 < 0.6
  half(); // 0.5 >= 0.6 * 0.8
  tracker.startRun({ sample: 0.8 }).end();
  tracker.set({ sample: 0.1 });
  call();
  tracker.startRun().end();
  assert.throws(tracker.tracked(() => assert.fail("always recorded"), { experiment: "Switched" }));
  tracker.set({ sample: 1 });
  call();
  assert.deepEqual(
    tracker.runs.map(({ status }) => status),
    ["FINISHED", "FINISHED", "FAILED", "FINISHED"],
  );
  assert.equal(tracker.stats().unsampled, 4);
});

test("a run that is resumed is not left out by the tracker's sample rate", () => {
  const tracker = createTestTracker();
  const { id } = tracker.startRun({ experiment: "Switched" });
  tracker.set({ sample: 0 });
  tracker.startRun({ runId: id }).logMetric("loss", 1);
  tracker.withRun({ runId: id }, (run) => run.logMetric("accuracy", 2));
  assert.deepEqual(Object.keys(tracker.onlyRun.metrics), ["loss", "accuracy"]);
});

test("an assignment while the tracker is paused is no mistake", () => {
  class Dial {
    #value = 0;
    @LogMetric
    set turned(value: number) {
      this.#value = value;
    }
    get value(): number {
      return this.#value;
    }
  }
  const tracker = createTestTracker({ outsideRun: "throw" });
  tracker.pause();
  const dial = new Dial();
  tracker.run(() => {
    dial.turned = 3;
  });
  assert.equal(dial.value, 3);
});

test("option sample is where a tracker begins", () => {
  const tracker = createTestTracker({ sample: 0.2 });
  tracker.withRun({}, () => undefined);
  assert.equal(tracker.runs.length, 0);
  assert.throws(() => createTestTracker({ sample: 2 }), {
    code: "INVALID_CONFIG",
    message: /sample must be .* 0 to 1/,
  });
});

test("what set and on cannot take is an error that says what there is", () => {
  const tracker = createTestTracker();
  assert.throws(() => tracker.set({ sample: -1 }), {
    code: "INVALID_OPTION",
    message: /tracker\.set: sample .*0 to 1/,
  });
  assert.throws(() => tracker.set({ simple: 1 } as never), { code: "INVALID_OPTION", message: /"simple".*sample/ });
  assert.throws(() => tracker.on("lost" as never, () => undefined), {
    code: "INVALID_OPTION",
    message: /"unavailable", "available", "dropped", "rejected"/,
  });
  assert.throws(() => tracker.on("dropped", undefined as never), { code: "INVALID_OPTION", message: /listener/ });
});

test("decorated code obeys the switch of the default tracker", async () => {
  configure({ trackingUri: "memory:", logger: { warn: () => undefined } });
  const tracker = defaultTracker();
  tracker.pause();
  new Service().handle(1);
  assert.equal(tracker.stats().runs, 0);
  tracker.resume();
  new Service().handle(1);
  assert.equal(tracker.stats().runs, 1);
  tracker.pause();
  configure({ trackingUri: "memory:" });
  defaultTracker().withRun({}, (run) => assert.equal(currentRun(), run)); // its own switch
  await shutdown();
});

const DONE: Outcome = { kind: "done", ids: { runId: "1", experimentId: "0" } };

/** A store that answers as it is told. */
class Moody implements TrackingStore {
  readonly uri = "moody:here";
  readonly volatile = true;
  outcome: () => Outcome = () => DONE;
  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return changes.map(() => this.outcome());
  }
  async close(): Promise<void> {}
}

type Told = { [E in keyof TrackerEvents]: [E, TrackerEvents[E]] }[keyof TrackerEvents];

function listened(store: Moody, warnings: string[] = []) {
  const tracker = createTracker({ store, exitTimeoutMs: 200, logger: { warn: (text) => warnings.push(text) } });
  const told: Told[] = [];
  for (const name of ["unavailable", "available", "dropped", "rejected"] as const)
    tracker.on(name, (event) => told.push([name, event] as Told));
  return { tracker, told };
}

test("an outage is told once, and its end with how long it was", async () => {
  const store = new Moody();
  const { tracker, told } = listened(store);
  const error = new PulseError("STORE_UNAVAILABLE", "gone");
  store.outcome = () => ({ kind: "away", error });
  tracker.withRun({}, (run) => run.logMetric("loss", 1));
  await tracker.flush();
  await tracker.flush();
  assert.deepEqual(told, [["unavailable", { uri: "moody:here", error }]]);
  store.outcome = () => DONE;
  await tracker.flush();
  const [name, event] = told[1] ?? [];
  assert.equal(name, "available");
  assert.ok((event as TrackerEvents["available"]).afterMs > 0);
  await tracker.shutdown();
  assert.equal(told.length, 2);
});

test("refused and lost changes are told with their number and reason", async () => {
  const store = new Moody();
  const { tracker, told } = listened(store);
  const error = new PulseError("REJECTED", "not this one");
  store.outcome = () => ({ kind: "rejected", error });
  tracker.withRun({}, () => undefined);
  await tracker.flush();
  store.outcome = () => ({ kind: "away", error: new PulseError("STORE_UNAVAILABLE", "gone") });
  tracker.withRun({}, (run) => run.logMetric("loss", 1));
  await tracker.shutdown();
  const of = <E extends keyof TrackerEvents>(name: E): TrackerEvents[E][] =>
    told.flatMap(([each, event]) => (each === name ? [event as TrackerEvents[E]] : []));
  const { rejected, dropped } = tracker.stats();
  assert.deepEqual(
    of("rejected").reduce((sum, { changes }) => sum + changes, 0),
    rejected,
  );
  assert.equal(of("rejected")[0]?.error, error);
  assert.deepEqual(
    of("dropped").map(({ changes }) => changes),
    [dropped],
  );
  assert.equal(of("dropped")[0]?.error?.code, "LOST_AT_EXIT");
  assert.ok(rejected > 0 && dropped > 0);
});

test("items that are refused of a change that is stored are told with the reason", async () => {
  const store = new Moody();
  const { tracker, told } = listened(store);
  const error = new PulseError("REJECTED", "no such metric");
  store.outcome = () => ({ ...DONE, refused: [{ what: "metric", key: "loss", items: 1, error }] }) as Outcome;
  tracker.withRun({}, (run) => run.logMetric("loss", 1));
  await tracker.flush();
  assert.deepEqual(told, [["rejected", { changes: 1, error }]]);
  await tracker.shutdown();
});

test("a listener that records on a closed tracker ends, and does not tell itself", async () => {
  const store = new Moody();
  const { tracker, told } = listened(store);
  tracker.on("dropped", () => tracker.startRun().end());
  await tracker.shutdown();
  tracker.startRun().end();
  await new Promise((resolve) => setImmediate(resolve));
  const changes = told.map(([, event]) => (event as TrackerEvents["dropped"]).changes);
  assert.equal(changes.length, 1);
  assert.ok(tracker.stats().dropped > Number(changes[0]));
});

test("a listener that fails is a warning, the others are told, and one can end it", async () => {
  const store = new Moody();
  const warnings: string[] = [];
  const { tracker, told } = listened(store, warnings);
  const calls: string[] = [];
  tracker.on("rejected", () => {
    throw new Error("mine");
  });
  tracker.on("rejected", async () => Promise.reject(new Error("late")));
  const off = tracker.on("rejected", () => calls.push("called"));
  store.outcome = () => ({ kind: "rejected", error: new PulseError("REJECTED", "no") });
  tracker.withRun({}, () => undefined);
  await tracker.flush();
  off();
  tracker.withRun({}, () => undefined);
  await tracker.flush();
  await tracker.shutdown();
  assert.deepEqual(calls, ["called"]);
  assert.equal(told.length, 2);
  assert.equal(warnings.filter((text) => text.includes("LISTENER_FAILED")).length, 1);
  assert.equal(tracker.stats().warnings.LISTENER_FAILED, 4);
});
