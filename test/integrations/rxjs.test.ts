import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BehaviorSubject,
  concatMap,
  connectable,
  defer,
  delay,
  firstValueFrom,
  from,
  interval,
  lastValueFrom,
  map,
  Observable,
  of,
  range,
  retry,
  Subject,
  share,
  switchMap,
  take,
  tap,
  throwError,
  timer,
} from "rxjs";
import { currentRun, tracked } from "../../src/index.js";
import { type SubscriptionOptions, trackedRun } from "../../src/integrations/rxjs.js";
import { createTestTracker, type TestRun, type TestTracker } from "../../src/testing/index.js";
import { collectGarbage } from "../support/heap.js";

const seen = (run: TestRun) => [
  run.status,
  ...(run.tags["pulse.partial"] === undefined ? [] : ["partial"]),
  ...(run.metrics["n"] ?? []).map(({ value }) => value),
];
const all = (tracker: TestTracker) => tracker.runs.map(seen);
const log = <T>() => tap<T>(() => currentRun()?.logMetric("inside", 1));
const parentOf = (tracker: TestTracker, { parentId }: TestRun) => tracker.runs.find(({ id }) => id === parentId)?.name;
const inside = (run: TestRun | undefined) => run?.metrics["inside"]?.length;
const pairs = (...values: readonly number[]): Observable<{ n: number }> => from(values).pipe(map((n) => ({ n })));

/** Subscribes to what a tracked function returns, once it is called. */
const called = <T>(make: () => Observable<T>, options: object = {}) => {
  const tracker = createTestTracker();
  const given = tracker.run(() => tracked(make, { runName: "call", metrics: "n", ...options } as never)());
  return { tracker, given };
};

test("a run lasts as long as the Observable of its call; each value is a step", async () => {
  const source = pairs(1, 2, 3).pipe(concatMap((value) => of(value).pipe(delay(1))));
  const { tracker, given } = called(() => source.pipe(log()));
  assert.deepEqual(all(tracker), [["RUNNING"]]);
  assert.ok(given instanceof Observable);
  const values: unknown[] = [];
  await given.pipe(log()).forEach(({ n }) => void values.push(n));
  assert.deepEqual(values, [1, 2, 3]);
  assert.deepEqual(all(tracker), [["FINISHED", 1, 2, 3]]);
  assert.deepEqual(
    tracker.onlyRun.metrics["n"]?.map(({ step }) => step),
    [0, 1, 2],
  );
  assert.equal(inside(tracker.onlyRun), 6);
});

test("an Observable that fails, is left, or is returned by a promise", async () => {
  const failing = called(() => from([{ n: 1 }, { n: 2 }]).pipe(concatMap(({ n }) => (n < 2 ? of({ n }) : fails()))));
  await assert.rejects(lastValueFrom(failing.given), TypeError);
  assert.deepEqual(all(failing.tracker), [["FAILED", 1]]);
  assert.equal(failing.tracker.onlyRun.tags["error.type"], "TypeError");

  const left = called(() => interval(1).pipe(map((n) => ({ n }))));
  await firstValueFrom(left.given);
  assert.deepEqual(all(left.tracker), [["FINISHED", "partial", 0]]);

  const sync = called(() => range(0, 5).pipe(map((n) => ({ n }))));
  sync.given.pipe(take(2)).subscribe();
  assert.deepEqual(all(sync.tracker), [["FINISHED", "partial", 0, 1]]);

  const tracker = createTestTracker();
  const late = tracked(async () => pairs(1, 2), { metrics: "n" });
  assert.deepEqual(await lastValueFrom(await tracker.run(late)), { n: 2 });
  assert.deepEqual(all(tracker), [["FINISHED", 1, 2]]);
});
const fails = () => throwError(() => new TypeError("lost"));

test("an Observable that is kept is followed for each call, and not changed", async () => {
  const kept = pairs(1, 2);
  const before = Reflect.ownKeys(kept);
  const tracker = createTestTracker();
  const get = tracked(() => kept, { metrics: "n" });
  const given = [1, 2, 3].map(() => tracker.run(get));
  await Promise.all(given.map((each) => lastValueFrom(each)));
  assert.deepEqual(all(tracker), Array(3).fill(["FINISHED", 1, 2]));
  assert.deepEqual(Reflect.ownKeys(kept), before);
  await lastValueFrom(kept);
  await Promise.all(given.map((each) => lastValueFrom(each))); // again: the calls are over
  assert.deepEqual(all(tracker), Array(3).fill(["FINISHED", 1, 2]));
});

test("a call that returns the Observable of an inner call lasts as long", async () => {
  const tracker = createTestTracker();
  const inner = tracked(() => pairs(1, 2), { runName: "inner", metrics: "n" });
  const outer = tracked(() => inner(), { runName: "outer", metrics: "n" });
  const mapped = tracked(() => inner().pipe(map(({ n }) => ({ n: n * 10 }))), { runName: "mapped", metrics: "n" });
  const runs = (of: TestTracker) => Object.fromEntries(of.runs.map((run) => [run.name, seen(run)]));
  await lastValueFrom(tracker.run(outer));
  assert.deepEqual(runs(tracker), { outer: ["FINISHED", 1, 2], inner: ["FINISHED", 1, 2] });
  const other = createTestTracker();
  await lastValueFrom(other.run(mapped));
  assert.deepEqual(runs(other), { mapped: ["FINISHED", 10, 20], inner: ["FINISHED", 1, 2] });
});

test("what pipe makes of a Subject is followed; a Subject is passed on as it is", () => {
  const events = new Subject<number>();
  const piped = called(() => events.pipe(map((n) => ({ n }))));
  const subscription = piped.given.subscribe();
  events.next(1);
  events.next(2);
  subscription.unsubscribe();
  assert.deepEqual(all(piped.tracker), [["FINISHED", "partial", 1, 2]]);

  const state = new BehaviorSubject(0);
  const store = { subscribe: () => undefined, source: 1 }; // of another library
  for (const each of [events, state, store, Object.create(store)]) {
    const { tracker, given } = called<unknown>(() => each as Observable<unknown>);
    assert.equal(given, each);
    assert.equal(tracker.onlyRun.status, "FINISHED");
    assert.doesNotMatch(tracker.warnings.join(), /recognizing/);
  }
  assert.deepEqual(all(called(() => Object.freeze(pairs(1))).tracker), [["RUNNING"]]);
  const hot = connectable(of({ n: 1 }));
  const shared = called(() => hot);
  shared.given.subscribe();
  (shared.given as typeof hot).connect();
  assert.deepEqual(all(shared.tracker), [["FINISHED", 1]]);

  const hint = createTestTracker();
  hint.run(tracked(() => events as unknown, { metrics: "n" }));
  assert.match(hint.warnings.join(), /Return subject\.asObservable\(\)/);
});

const subscribed = <T>(source: Observable<T>, options: SubscriptionOptions<T> = {}) => {
  const tracker = createTestTracker();
  const metrics = (value: T) => ({ n: Number(value) });
  return {
    tracker,
    source: tracker.run(() => source.pipe(log(), trackedRun({ experiment: "Rx", ...options }, metrics), log())),
  };
};

test("trackedRun opens a run per subscription, and a step per value", async () => {
  const tracker = createTestTracker();
  let attempt = 0;
  const flaky = defer(() => (attempt++ === 0 ? fails() : timer(1).pipe(map(() => 7))));
  const source = flaky.pipe(
    log(),
    trackedRun({ experiment: "Rx", runName: "flaky", params: { lr: 0.1 }, tags: { of: "rx" } }, (n: number) => ({ n })),
    log(),
    retry(1),
  );
  assert.equal(tracker.runs.length, 0);
  assert.equal(await tracker.run(() => lastValueFrom(source)), 7);
  assert.deepEqual(all(tracker), [["FAILED"], ["FINISHED", 7]]);
  assert.equal(inside(tracker.runs[1]), 2);
  for (const { name, params, tags, experiment } of tracker.runs)
    assert.deepEqual([name, params["lr"], tags["of"], experiment], ["flaky", "0.1", "rx", "Rx"]);

  const one = createTestTracker();
  const shared = of(1, 2).pipe(delay(1), trackedRun(), share());
  await one.run(() => Promise.all([lastValueFrom(shared), lastValueFrom(shared)]));
  assert.deepEqual(all(one), [["FINISHED"]]);
});

test("a subscriber that leaves ends the run as partial, or KILLED by an option", () => {
  for (const unsubscribed of [undefined, "FINISHED", "KILLED"] as const) {
    const { tracker, source } = subscribed(range(0, 5), { unsubscribed });
    tracker.run(() => source.pipe(take(1)).subscribe());
    assert.deepEqual(all(tracker), [[unsubscribed ?? "FINISHED", "partial", 0]]);
    const whole = subscribed(range(0, 2), { unsubscribed });
    whole.tracker.run(() => whole.source.subscribe());
    assert.deepEqual(all(whole.tracker), [["FINISHED", 0, 1]]);
  }
});

test("switchMap, Subjects, nesting, and calls that are not tracked", async () => {
  const tracker = createTestTracker();
  const clicks = new Subject<number>();
  const search = (n: number) =>
    timer(n).pipe(
      map(() => n),
      trackedRun({ runName: `search ${n}` }, (n) => ({ n })),
    );
  const done = tracker.run(() =>
    lastValueFrom(
      clicks.pipe(
        trackedRun({ runName: "clicks" }, (n) => ({ n })),
        switchMap(search),
      ),
    ),
  );
  for (const n of [2, 1]) tracker.run(() => clicks.next(n));
  clicks.complete();
  assert.equal(await done, 1);
  const found = tracker.runs.map((run) => [run.name, parentOf(tracker, run), ...seen(run)]);
  assert.deepEqual(found, [
    ["clicks", undefined, "FINISHED", 2, 1],
    ["search 2", undefined, "FINISHED", "partial"],
    ["search 1", undefined, "FINISHED", 1],
  ]);

  const nested = createTestTracker();
  const each = (n: number) => of(n).pipe(trackedRun({ runName: "inner" }));
  nested.run(() =>
    of(1, 2)
      .pipe(trackedRun({ runName: "outer" }), concatMap(each))
      .subscribe(),
  );
  assert.deepEqual(
    nested.runs.map((run) => [run.name, parentOf(nested, run), run.status]),
    [
      ["outer", undefined, "FINISHED"],
      ["inner", "outer", "FINISHED"],
      ["inner", "outer", "FINISHED"],
    ],
  );

  const untracked = subscribed(of(1), { when: () => false, unsubscribed: "KILLED" });
  untracked.tracker.run(() => untracked.source.subscribe());
  assert.equal(untracked.tracker.runs.length, 0);
});

test("a run stays open while its Observable is subscribed to, whoever else holds it", async () => {
  const tracker = createTestTracker();
  const method = tracked(() => timer(1, 1).pipe(map((n) => ({ n }))), { runName: "method", metrics: "n" });
  const subscriptions = [
    tracker.run(() => method().subscribe()),
    tracker.run(() =>
      timer(1, 1)
        .pipe(trackedRun({ runName: "operator" }, (n) => ({ n })))
        .subscribe(),
    ),
  ];
  const count = () => Math.min(...tracker.runs.map(({ metrics }) => metrics["n"]?.length ?? 0));
  for (let wanted = 1; wanted <= 5; wanted++) {
    while (count() < wanted) await new Promise((resolve) => setTimeout(resolve, 1));
    collectGarbage();
  }
  assert.deepEqual(
    tracker.runs.map(({ status }) => status),
    ["RUNNING", "RUNNING"],
  );
  for (const each of subscriptions) each.unsubscribe();
  assert.ok(tracker.runs.every(({ status }) => status === "FINISHED"));
});

test("bad input is one clear message, when the operator is made", () => {
  for (const [options, message] of [
    [{ unsubscribed: "FAILED" }, /trackedRun: option unsubscribed must be "FINISHED" or "KILLED", got "FAILED"/],
    [{ experimint: "a" }, /experimint/],
  ] as const)
    assert.throws(() => trackedRun(options as never), message);
  assert.throws(() => trackedRun(null as never), /options/);
  assert.throws(() => trackedRun({}, 5 as never), { name: "PulseError" });
});
