import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { currentRun, tracked, withRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";

test("a run is entered again and again, until it has ended", async () => {
  const tracker = createTestTracker();
  const child = tracked(async (n: number) => ({ n }), { runName: "child", metrics: "n" });
  const run = tracker.startRun({ experiment: "Sweep", runName: "request" });
  assert.equal(currentRun(), undefined);
  const given = run.enter(() => {
    assert.equal(currentRun(), run);
    return child(1);
  });
  assert.equal(currentRun(), undefined);
  assert.deepEqual(await given, { n: 1 });
  const events = new EventEmitter();
  run.enter(() => setImmediate(() => events.emit("later", currentRun())));
  assert.deepEqual(await once(events, "later"), [run]);
  assert.throws(() => run.enter(() => assert.fail("mine")), { message: "mine" });
  const late = run.enter(async () => {
    await wait(1);
    run.end();
    await wait(1);
    return [currentRun(), child(2)];
  });
  assert.equal((await late)[0], undefined);
  assert.equal(
    run.enter(() => currentRun()),
    undefined,
  );
  assert.throws(() => run.enter("no function" as never), { code: "INVALID_OPTION" });
  await tracker.flush();
  assert.deepEqual(
    tracker.runs.map(({ name, status, parentId, tags }) => [
      name,
      status,
      parentId === run.id,
      tags["pulse.started_in"] === run.id,
    ]),
    [
      ["request", "FINISHED", false, false],
      ["child", "FINISHED", true, false],
      ["child", "FINISHED", false, true],
    ],
  );
});

test("an entered run belongs to its tracker, and so does what is opened in it", () => {
  const [one, two] = [createTestTracker(), createTestTracker()];
  const run = one.startRun({ runName: "one" });
  two.run(() => run.enter(() => withRun({ runName: "within" }, () => undefined)));
  run.end();
  assert.deepEqual(
    one.runs.map(({ name }) => name),
    ["one", "within"],
  );
  assert.equal(two.runs.length, 0);
});

test("nothing is recorded below a run that is not recorded", () => {
  const tracker = createTestTracker();
  tracker.pause();
  const run = tracker.startRun({ runName: "paused" });
  tracker.resume();
  run.enter(() => withRun({ runName: "within" }, () => undefined));
  run.rename("other");
  run.fail(new Error("x"));
  assert.ok(run.ended);
  assert.equal(tracker.runs.length, 0);
});

test("fail ends a run as a call that threw would have; only the first end counts", () => {
  const tracker = createTestTracker();
  class NotFound extends Error {}
  const open = (options = {}) => tracker.startRun({ runName: "r", ...options });
  open().fail(new RangeError("too large"));
  open({ ignore: [NotFound] }).fail(new NotFound("which"));
  open({ ignore: (error: unknown) => error === "mine" }).fail("mine");
  open().fail(new DOMException("stop", "AbortError"));
  open({ aborted: (error: Error) => error.message === "gone" }).fail(new Error("gone"));
  open().fail(undefined);
  const ended = open();
  ended.end("KILLED");
  ended.fail(new Error("late"));
  const failed = open();
  failed.fail(new Error("first"));
  failed.end();
  assert.deepEqual(
    tracker.runs.map(({ status, tags }) => [
      status,
      tags["error.type"],
      tags["error.message"],
      tags["pulse.ignored_error"],
    ]),
    [
      ["FAILED", "RangeError", "too large", undefined],
      ["FINISHED", undefined, undefined, "NotFound"],
      ["FINISHED", undefined, undefined, "string"],
      ["KILLED", "AbortError", "stop", undefined],
      ["KILLED", "Error", "gone", undefined],
      ["FAILED", "undefined", "undefined", undefined],
      ["KILLED", undefined, undefined, undefined],
      ["FAILED", "Error", "first", undefined],
    ],
  );
});

test("the rules of a call's options hold for fail, too", () => {
  const tracker = createTestTracker();
  tracker.withRun({ ignore: ["Mine"], runName: "block" }, (run) =>
    run.fail(Object.assign(new Error(), { name: "Mine" })),
  );
  assert.deepEqual([tracker.onlyRun.status, tracker.onlyRun.tags["pulse.ignored_error"]], ["FINISHED", "Mine"]);
});

test("a run is renamed; wrong names leave it, long ones are cut, secrets redacted", () => {
  const tracker = createTestTracker();
  const run = tracker.startRun({ runName: "request" });
  run.rename("GET /models/:id");
  for (const wrong of ["", 7, undefined, null, {}]) run.rename(wrong as never);
  assert.equal(tracker.onlyRun.name, "GET /models/:id");
  run.rename(`postgres://me:hunter2@db/${"x".repeat(300)}`);
  assert.match(tracker.onlyRun.name, /^postgres:\/\/\[redacted\]@db\/x+/);
  assert.ok(tracker.onlyRun.name.length <= 250);
  assert.match(tracker.warnings.join("\n"), /rename: the name must be a text, got ""; it stays/);
});

test("runs of one's own are folded by the name they had at first", () => {
  const tracker = createTestTracker();
  for (let i = 0; i < 21; i++) {
    const run = tracker.startRun({ experiment: "Service", runName: "request", maxRunsPerSecond: 3 });
    run.logMetric("http.status", i % 2 === 0 ? 200 : 404);
    run.rename(`GET /u/${i % 7}`);
    if (i === 20) run.fail(new Error("boom"));
    else run.end();
  }
  tracker.now += 1_000;
  assert.deepEqual(
    tracker.runs.map(({ name, status, tags }) => [name, status, tags["pulse.folded"]]),
    [
      ["GET /u/0", "FINISHED", undefined],
      ["GET /u/1", "FINISHED", undefined],
      ["GET /u/2", "FINISHED", undefined],
      ["GET /u/6", "FAILED", undefined],
      ["request (folded)", "FINISHED", "17"],
    ],
  );
  const [folded] = tracker.runs.filter(({ name }) => name.includes("folded"));
  assert.equal(folded?.metrics["http.status.count"]?.[0]?.value, 17);
  const keyed = createTestTracker();
  for (const runName of ["a", "b", "c"]) keyed.startRun({ runName, maxRunsPerSecond: 1, foldKey: "all" }).end();
  keyed.now += 1_000;
  assert.deepEqual(
    keyed.runs.map(({ name }) => name),
    ["a", "all (folded)"],
  );
});

test("a run left out by sampling is recorded when it fails, with what was opened in it", () => {
  const tracker = createTestTracker();
  for (const error of [undefined, new Error("x")]) {
    const run = tracker.startRun({ runName: "sampled", sample: 0 });
    run.enter(() => withRun({ runName: "within" }, () => undefined));
    if (error) run.fail(error);
    else run.end();
  }
  assert.deepEqual(
    tracker.runs.map(({ name, status }) => [name, status]),
    [
      ["sampled", "FAILED"],
      ["within", "FINISHED"],
    ],
  );
});
