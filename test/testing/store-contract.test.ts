import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { inspect, isDeepStrictEqual } from "node:util";
import type { Metric } from "../../src/base/entities.js";
import { NO_CHANGE, type Outcome, type RunChange, type TrackingStore } from "../../src/contracts/tracking-store.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import type { StoredRun } from "../../src/stores/stored-run.js";
import { type StoreSubject, trackingStoreContract } from "../../src/testing/index.js";

/** Another store on the place of a memory store, where only what is given differs. */
const on = (memory: MemoryStore, own: Partial<TrackingStore> = {}): TrackingStore => ({
  uri: "kept:here",
  apply: (changes) => memory.apply(changes),
  close: async () => {},
  ...own,
});

/** A store on a memory store as somebody has written it who has got one thing wrong. */
type Spoil = (memory: MemoryStore) => TrackingStore;

/** The store does something else with what it is given. */
const alters =
  (alter: (change: RunChange, memory: MemoryStore) => RunChange): Spoil =>
  (memory) =>
    on(memory, { apply: async (changes) => changes.flatMap((each) => memory.applySync([alter(each, memory)])) });

/** The store answers something else. */
const answers =
  (answer: (outcomes: readonly Outcome[], changes: readonly RunChange[]) => unknown): Spoil =>
  (memory) =>
    on(memory, { apply: async (changes) => answer(memory.applySync(changes), changes) as Outcome[] });

/** The store does something to the run of each change beforehand. */
const before = (spoil: (run: StoredRun, change: RunChange) => void): Spoil =>
  alters((change, { runs }) => {
    const run = runs.get(change.runKey);
    if (run) spoil(run, change);
    return change;
  });

const isResume = ({ create }: RunChange): boolean => create?.resume === true;
const points = (run: StoredRun | undefined): Metric[] => [...(run?.metrics.values() ?? [])].flat();

function withoutKnownTags(change: RunChange, { runs }: MemoryStore): RunChange {
  return {
    ...change,
    tags: change.tags.filter(({ key }) => key === "mlflow.runName" || !runs.get(change.runKey)?.tags.has(key)),
  };
}

function withoutEqualPoints(change: RunChange, { runs }: MemoryStore): RunChange {
  const known = points(runs.get(change.runKey));
  const isKnown = (point: Metric): boolean =>
    known.some(({ key, ...other }) => key !== point.key && isDeepStrictEqual({ key: point.key, ...other }, point));
  return { ...change, metrics: change.metrics.filter((point) => !isKnown(point)) };
}

function forgetSteps(run: StoredRun, { metrics }: RunChange): void {
  for (const [key, history] of run.metrics)
    run.metrics.set(
      key,
      history.filter(({ step }) => !metrics.some((point) => point.key === key && point.step === step)),
    );
}

function takeParams(run: StoredRun, { params }: RunChange): void {
  for (const { key, value } of params) run.params.set(key, value);
}

function onlyOpen(change: RunChange, { runs }: MemoryStore): RunChange {
  return runs.get(change.runKey)?.endTime === undefined || change.create ? change : { ...change, metrics: [] };
}

function withoutKilled({ end, ...change }: RunChange): RunChange {
  return { ...change, end: end?.status === "KILLED" ? { ...end, status: "FAILED" } : end };
}

const nameAllParams = (outcomes: readonly Outcome[], changes: readonly RunChange[]): Outcome[] =>
  outcomes.map((each, i) =>
    each.kind === "conflict" ? { ...each, params: changes[i]?.params.map(({ key }) => key) ?? [] } : each,
  );

const alwaysDone = (outcomes: readonly Outcome[]): Outcome[] =>
  outcomes.map((each) => (each.kind === "rejected" ? { kind: "done" } : each));

const withErrors = (outcomes: readonly Outcome[]): object[] =>
  outcomes.map((each) => (each.kind === "rejected" ? { ...each, error: new Error("no") } : each));

const oneExperiment = (outcomes: readonly Outcome[]): Outcome[] =>
  outcomes.map((each) =>
    each.kind === "done" && each.ids ? { ...each, ids: { ...each.ids, experimentId: "1" } } : each,
  );

const sync =
  (alter: (change: RunChange) => RunChange): Spoil =>
  (memory) =>
    on(memory, { applySync: (changes) => memory.applySync(changes.map(alter)) });

const onlyCreations: Spoil = (memory) => {
  const bare = ({ runKey, experiment, create }: RunChange): RunChange => ({ ...NO_CHANGE, runKey, experiment, create });
  return on(memory, { apply: async (changes) => memory.applySync(changes.length === 1 ? changes : changes.map(bare)) });
};

const rolledBack: Spoil = (memory) =>
  on(memory, {
    async apply(changes) {
      const runs = new Map(memory.runs);
      const outcomes = memory.applySync(changes);
      if (outcomes.some(({ kind }) => kind === "rejected"))
        for (const key of memory.runs.keys()) if (!runs.has(key)) memory.runs.delete(key);
      return outcomes;
    },
  });

const stopped: Spoil = (memory) =>
  on(memory, {
    async apply(changes) {
      let bad = false;
      return changes.flatMap((each): readonly Outcome[] => {
        if (bad) return [{ kind: "done", ids: { runId: each.runKey, experimentId: "1" } }];
        const outcomes = memory.applySync([each]);
        bad = outcomes[0]?.kind === "rejected";
        return outcomes;
      });
    },
  });

const copies: Spoil = (memory) => {
  let made = 0;
  return alters((each) => ({
    ...each,
    metrics: each.metrics.map((point) => ({ ...point, timestamp: point.timestamp + made++ })),
  }))(memory);
};

/** Ids of its own, and another one for each creation of which it is not told that it was stored. */
const twins: Spoil = (memory) =>
  on(memory, {
    apply: async (changes) =>
      changes.map((each) => {
        const runId = each.ids?.runId ?? (each.create && !each.create.resume ? randomUUID() : each.runKey);
        const [outcome] = memory.applySync([{ ...each, runKey: runId }]);
        return outcome as Outcome;
      }),
  });

/** Stores what is new as it is, also points that are there. */
const byChange: Spoil = (memory) => {
  const seen = new Set<string>();
  const write = (change: RunChange): readonly Outcome[] => {
    const text = inspect({ ...change, attempted: false, ids: undefined }, { depth: 9 });
    const outcomes = memory.applySync([{ ...change, metrics: [] }]);
    const metrics = memory.runs.get(change.runKey)?.metrics;
    if (!seen.has(text))
      for (const point of change.metrics) metrics?.set(point.key, [...(metrics.get(point.key) ?? []), point]);
    seen.add(text);
    return outcomes;
  };
  return on(memory, { apply: async (changes) => changes.flatMap(write) });
};

const thrown: Spoil = (memory) =>
  on(memory, {
    async apply(changes) {
      const outcomes = memory.applySync(changes);
      if (outcomes.some(({ kind }) => kind === "rejected")) throw new Error("no such run");
      return outcomes;
    },
  });

function subject(spoil: Spoil, more: Partial<StoreSubject> = {}): StoreSubject {
  const memory = new MemoryStore();
  const open = (): TrackingStore => spoil(memory);
  return { store: open(), reader: memory, reopen: open, dispose: () => undefined, ...more };
}

/** The messages with which a store fails cases, by their names. */
async function failed(make: () => StoreSubject, only?: string): Promise<Map<string, string>> {
  const messages = new Map<string, string>();
  for (const { name, run } of trackingStoreContract(async () => make()))
    if (only === undefined || name === only) await run().catch((error: Error) => messages.set(name, error.message));
  return messages;
}

const WHOLE = "a whole run in one change is there with all of it";
const LATER = "what later changes hold is added; a tag keeps its last value";
const POINTS = "points are told apart by key, step, timestamp and value";
const ODD = "a negative step, an empty text and a key such as constructor are kept";
const PARAM = "a param keeps its first value: another one is a conflict, the same one is not";
const BATCH = "in a batch each change fares by itself, whatever becomes of the others";
const ENDS = "each way to end is kept, what comes behind an end is added, and a run that is not there cannot end";
const RESUME = "a resumed run is open again, with all that is in it, and ends again";
const EXPERIMENTS = "runs of one experiment's name are in one experiment, those of another in another";
const SYNC = "applySync, where there is one, does the same before it returns";
const CLOSE = "close may be called twice";
const REPLAY = "a run's changes replayed from any earlier point end in the same state";
const RECUT = "changes that come again merged into one, or cut in two, change nothing";
const LOST = "a creation that was handed over before and never arrived is made, with all of it";
const NEXT = "what is stored is there for the next process, and what comes again changes nothing";

// biome-ignore format: a row for each
/** What a store does wrong, the case that must fail for it, and what that must say. */
const SPOILED: readonly (readonly [what: string, spoil: Spoil, name: string, message: RegExp])[] = [
  [
    "stores one metric of each change",
    alters((each) => ({ ...each, metrics: each.metrics.slice(0, 1) })),
    WHOLE,
    /each point is there/,
  ],
  ["keeps a tag's first value", alters(withoutKnownTags), LATER, /each tag is there with its last value/],
  [
    "stores a change's tags last to first",
    alters((each) => ({ ...each, tags: [...each.tags].reverse() })),
    LATER,
    /its last value/,
  ],
  ["tells points apart without their key", alters(withoutEqualPoints), POINTS, /told apart by key/],
  ["keeps one point per key and step", before(forgetSteps), POINTS, /told apart by key, step/],
  [
    "drops negative steps",
    alters((each) => ({ ...each, metrics: each.metrics.filter(({ step }) => step >= 0) })),
    ODD,
    /each point is there/,
  ],
  [
    "drops empty texts",
    alters((each) => ({ ...each, params: each.params.filter(({ value }) => value !== "") })),
    ODD,
    /each param is there/,
  ],
  [
    "looks keys up in an object",
    alters((each) => ({ ...each, tags: each.tags.filter(({ key }) => !(key in {})) })),
    ODD,
    /each tag is there/,
  ],
  ["drops params", alters((each) => ({ ...each, params: [] })), PARAM, /a conflict that names it/],
  ["takes another value of a param", before(takeParams), PARAM, /a conflict that names it/],
  ["names all params of a conflict", answers(nameAllParams), PARAM, /a conflict that names it, and no other/],
  ["stores only creations of a batch", onlyCreations, BATCH, /each param is there/],
  ["rolls a batch back and says done", rolledBack, BATCH, /can be read under the id that was returned/],
  ["stops at a bad change and says done", stopped, BATCH, /can be read under the id that was returned/],
  [
    "says done of a run that is not there",
    answers(alwaysDone),
    ENDS,
    /the end of a run that is not there is rejected; it was answered "done"/,
  ],
  ["stores KILLED as FAILED", alters(withoutKilled), ENDS, /has the status of its end; after it has ended KILLED/],
  ["drops what comes behind an end", alters(onlyOpen), ENDS, /each point is there/],
  [
    "wipes params of a resumed run",
    before((run, each) => isResume(each) && run.params.clear()),
    RESUME,
    /each param is there/,
  ],
  [
    "wipes metrics of a resumed run",
    before((run, each) => isResume(each) && run.metrics.clear()),
    RESUME,
    /each point is there/,
  ],
  [
    "has one experiment",
    alters((each) => ({ ...each, experiment: { name: "Contract" } })),
    EXPERIMENTS,
    /the experiment that its creation named/,
  ],
  ["has one id for all experiments", answers(oneExperiment), EXPERIMENTS, /another by another/],
  ["drops params in applySync", sync((each) => ({ ...each, params: [] })), SYNC, /each param is there/],
  ["drops tags in applySync", sync((each) => ({ ...each, tags: [] })), SYNC, /each tag is there/],
  ["drops ends in applySync", sync((each) => ({ ...each, end: undefined })), SYNC, /the status of its end/],
  [
    "gives nothing from applySync",
    (memory) => on(memory, { applySync: () => undefined as never }),
    SYNC,
    /applySync gave no list of outcomes/,
  ],
  [
    "cannot be closed",
    (memory) => on(memory, { close: () => Promise.reject(new Error("closed already")) }),
    CLOSE,
    /closed already/,
  ],
  ["has points of its own each time", copies, REPLAY, /each point is there once/],
  ["makes a twin when the answer was lost", twins, REPLAY, /makes no second run/],
  [
    "loses params of what comes again",
    alters((each) => (each.attempted ? { ...each, params: [] } : each)),
    LOST,
    /each param is there/,
  ],
  ["knows what comes again by the whole change", byChange, RECUT, /each point is there once/],
  [
    "refuses a creation that is marked as attempted",
    alters((each) => (each.attempted ? { ...each, create: undefined } : each)),
    LOST,
    /answered "rejected" \(There is no run/,
  ],
  [
    "has another address each time",
    (memory) => on(memory, { uri: `kept:${Math.random()}` }),
    NEXT,
    /the same address each time/,
  ],
  [
    "changes what it is given",
    alters((each) => ({ ...each, metrics: (each.metrics as unknown[]).sort() as never })),
    WHOLE,
    /read only property/,
  ],
  ["rejects without a PulseError", answers(withErrors), BATCH, /apply gave outcome "rejected" without a PulseError/],
  [
    "has numbers for ids",
    answers((all) => all.map((each) => ({ ...each, ids: { runId: 1, experimentId: 2 } }))),
    WHOLE,
    /apply gave ids that are not strings/,
  ],
  ["gives too few outcomes", answers((all) => all.slice(1)), WHOLE, /apply gave 0 outcomes for 1 changes/],
  ["gives too many outcomes", answers((all) => [...all, ...all]), WHOLE, /apply gave 2 outcomes for 1 changes/],
  ["gives no list", answers(() => undefined), WHOLE, /apply gave no list of outcomes/],
  [
    "gives no ids",
    answers((all) => all.map(({ kind }) => ({ kind }))),
    WHOLE,
    /apply gave outcome "done" for a creation without ids/,
  ],
  ["throws for a bad change", thrown, BATCH, /apply threw, which means that the store is unavailable: no such run/],
];

for (const [what, spoil, name, message] of SPOILED)
  test(`a store that ${what} fails with the reason`, async () => {
    assert.match((await failed(() => subject(spoil), name)).get(name) ?? "it passed", message);
  });

test("a store that keeps the contract passes every case", async () => {
  assert.deepEqual(
    await failed(() => subject((memory) => on(memory, { applySync: (changes) => memory.applySync(changes) }))),
    new Map(),
  );
});

test("a store that forgets the last process fails if it claims to outlive it", async () => {
  const forgetting = () => subject(on, { reopen: () => on(new MemoryStore()) });
  assert.deepEqual([...(await failed(forgetting)).keys()], [NEXT]);
  assert.match(
    (await failed(() => subject(on, { reopen: undefined }), NEXT)).get(NEXT) ?? "",
    /not `volatile` outlives its process: give `reopen`/,
  );
  assert.deepEqual(
    await failed(() => subject((memory) => on(memory, { volatile: true }), { reopen: undefined }), NEXT),
    new Map(),
  );
});

test("the first failure is reported, and the place is released whatever fails", async () => {
  let disposed = 0;
  const dispose = (): void => {
    disposed++;
    throw new Error("still in use");
  };
  const spoil: Spoil = (memory) =>
    on(memory, { apply: async () => [], close: () => Promise.reject(new Error("busy")) });
  assert.match((await failed(() => subject(spoil, { dispose }), WHOLE)).get(WHOLE) ?? "", /gave 0 outcomes/);
  assert.equal(disposed, 1);
});

test("run ids are new each time, so leftovers in a place prove nothing", async () => {
  const [first, second] = [new Set<string>(), new Set<string>()];
  const noting = (keys: Set<string>): Spoil =>
    alters((each) => {
      keys.add(each.runKey);
      return each;
    });
  for (const keys of [first, second]) assert.deepEqual(await failed(() => subject(noting(keys))), new Map());
  assert.ok(first.size > 20 && [...first].every((key) => !second.has(key)));
});
