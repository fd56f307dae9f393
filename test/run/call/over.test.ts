// A run that is over is no longer in force, whatever was started in it.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import {
  bind,
  configure,
  currentRun,
  LogMetric,
  requireRun,
  shutdown,
  startRun,
  TrackedExperiment,
  TrackedRun,
  tracked,
} from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { values } from "../../support/runs.js";
import { sleep } from "../../support/wait.js";
import { collectWarnings } from "../../support/warnings.js";

@TrackedExperiment("Over")
class Job {
  readonly seen: (string | undefined)[] = [];

  @LogMetric
  step(n: number): number {
    this.seen.push(currentRun()?.id);
    return n;
  }

  /** A job that plans its successor. */
  @TrackedRun
  plan(left: number): void {
    if (left > 0) setImmediate(() => this.plan(left - 1));
  }
}

test("calls in the context of an ended run open runs of their own and name the origin", async () => {
  const tracker = createTestTracker();
  const job = new Job();
  let outer = "";
  await new Promise<void>((resolve) =>
    tracker.withRun({ runName: "starter" }, (run) => {
      outer = run.id;
      setTimeout(() => {
        assert.equal(currentRun(), undefined);
        assert.throws(() => requireRun(), { code: "NO_ACTIVE_RUN" });
        job.step(1);
        job.step(2);
        startRun({ runName: "by hand" }).end();
        resolve();
      }, 5);
    }),
  );
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.name, run.status, values(run), run.parentId, run.tags["pulse.started_in"]]),
    [
      ["starter", "FINISHED", {}, undefined, undefined],
      ["Job.step", "FINISHED", { step: [1] }, undefined, outer],
      ["Job.step", "FINISHED", { step: [2] }, undefined, outer],
      ["by hand", "FINISHED", {}, undefined, outer],
    ],
  );
  assert.deepEqual(
    job.seen,
    all.slice(1, 3).map((run) => run.id),
  );
});

test("a job that plans its successor does not nest", async () => {
  const tracker = createTestTracker();
  tracker.run(() => new Job().plan(50));
  for (let i = 0; i < 60; i++) await new Promise(setImmediate);
  const all = tracker.runs;
  assert.equal(all.length, 51);
  assert.ok(all.every((run) => run.parentId === undefined));
  assert.deepEqual(
    all.slice(1).map((run) => run.tags["pulse.started_in"]),
    all.slice(0, -1).map((run) => run.id),
  );
});

test("bound functions and own handles continue a run that has ended", async () => {
  const tracker = createTestTracker();
  const emitter = new EventEmitter();
  const job = new Job();
  const id = tracker.withRun({ runName: "bound" }, (run) => {
    emitter.on(
      "tick",
      bind((n: number) => job.step(n)),
    );
    emitter.on("late", () => run.logMetric("late", 1));
    return run.id;
  });
  emitter.emit("tick", 7);
  emitter.emit("late");
  await sleep(1);
  assert.deepEqual(job.seen, [id]);
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => values(run)),
    [{ step: [7], late: [1] }],
  );
});

test("siblings of a failed call are no part of the ended run", async () => {
  const tracker = createTestTracker();
  const part = tracker.tracked(async (n: number) => {
    await sleep(n);
    if (n === 1) throw new Error("first");
    return tracked(() => n, { runName: `after ${n}` })();
  });
  await assert.rejects(tracker.withRun({ runName: "all" }, () => Promise.all([part(1), part(15)])));
  await sleep(30);
  const all = tracker.runs;
  const [root, , sibling, after] = all;
  assert.deepEqual(
    all.map((run) => run.status),
    ["FAILED", "FAILED", "FINISHED", "FINISHED"],
  );
  assert.equal(sibling?.parentId, root?.id); // it was open when it began
  assert.equal(after?.parentId, sibling?.id);
});

test("a server started in a run of a replaced tracker uses the new one", async () => {
  const { logger, warnings } = collectWarnings();
  configure({ trackingUri: "memory:", logger });
  const emitter = new EventEmitter();
  const call = tracked(() => currentRun()?.experiment);
  let seen: unknown;
  await tracked(() => {
    setTimeout(() => {
      seen = call();
      emitter.emit("done");
    }, 20);
  })();
  const done = new Promise((resolve) => emitter.once("done", resolve));
  configure({ trackingUri: "memory:", experiment: "Second", logger });
  await done;
  assert.equal(seen, "Second");
  await shutdown();
  assert.deepEqual(warnings, []);
});
