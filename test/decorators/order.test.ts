// Any stack of our adjacent decorators records the same in any order, in both dialects. The decorators are applied by
// hand in the shapes of both, so that one process can compare them; stacks, results and orders are drawn from seeds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { type Decorated, type Decorator, type Dialect, decorated } from "../support/by-hand.js";
import { Random } from "../support/random.js";
import { steps } from "../support/runs.js";

const RESULTS: readonly unknown[] = [
  { loss: 0.5, val: { acc: 1, deep: { n: 2n } }, label: "good", epoch: 7, ok: true, list: [1, 2, 3] },
  { loss: Number.NaN, val: { acc: Number.POSITIVE_INFINITY }, label: "", epoch: 2.5 },
  4,
  false,
  "text",
  [{ loss: 1, epoch: 3 }, { loss: 2, epoch: 4 }, 5],
  undefined,
];

/** The methods that decorators are put on: of every nature, of results that are drawn. */
const NATURES: readonly ((results: readonly unknown[], fails: boolean) => object)[] = [
  ([result], fails) => ({
    m(_a: unknown, _b: unknown) {
      if (fails) throw new Error("sync");
      return result;
    },
  }),
  ([result], fails) => ({
    async m(_a: unknown, _b: unknown) {
      await Promise.resolve();
      if (fails) throw new RangeError("async");
      return result;
    },
  }),
  (results, fails) => ({
    *m(_a: unknown, _b: unknown) {
      yield* results;
      if (fails) throw new Error("generator");
    },
  }),
  (results, fails) => ({
    async *m(_a: unknown, _b: unknown) {
      yield* results;
      if (fails) throw new TypeError("async generator");
    },
  }),
];

interface Case extends Decorated {
  readonly args: readonly (readonly unknown[])[];
  readonly outer: boolean;
}

async function drain(result: unknown): Promise<void> {
  const generator = result as AsyncGenerator | undefined;
  if (typeof generator?.next === "function") while (!(await generator.next()).done);
  else await result;
}

/** Everything that is recorded of a case: what is different each time (ids, times, stacks) is left out. */
async function recorded(dialect: Dialect, given: Case): Promise<unknown[]> {
  const tracker = createTestTracker();
  const subject = decorated(dialect, given);
  const callAll = async (): Promise<void> => {
    for (const args of given.args) {
      try {
        await drain(subject.m(...args));
      } catch (error) {
        assert.match(String(error), /Error: (sync|async|generator|async generator)$/);
      }
    }
  };
  await (given.outer ? tracker.withRun({ runName: "around" }, callAll) : tracker.run(callAll));
  const all = tracker.runs;
  const nameOf = (id: string | undefined): string | undefined => all.find((run) => run.id === id)?.name;
  const sorted = (record: Iterable<readonly [string, unknown]>): unknown[] =>
    [...record].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    sorted(Object.entries(tracker.stats().warnings)),
    ...all
      .map((run) => [
        run.name,
        run.status,
        run.experiment,
        nameOf(run.parentId),
        sorted(Object.entries(run.params)),
        sorted(Object.entries(run.tags).filter(([key]) => key !== "error.stack")),
        // A store keeps equal points of one moment once: whether two fall into one millisecond is not to matter here.
        sorted(Object.keys(run.metrics).map((key) => [key, [...new Set(steps(run, key).map(String))]])),
      ])
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  ];
}

/** A decorator that logs, under keys that nobody else uses. */
function logging(random: Random, i: number): Decorator {
  const prefix = `d${i}/`;
  const paths = ["loss", "val.acc", "epoch", "list", "none", "val.deep.n"];
  switch (random.below(4)) {
    case 0: {
      const options = {
        prefix,
        ...(random.chance(0.3) && { step: random.pick<string | Decorator>(["epoch", (result) => result?.epoch]) }),
        ...(random.chance(0.2) && { when: (result: unknown, [a]: unknown[]) => a !== 2 || typeof result === "number" }),
        ...(random.chance(0.2) && { nonFinite: "skip" as const }),
        ...(random.chance(0.2) && { timestamp: 5 }),
      };
      const selector = random.pick<string | string[] | Record<string, string | Decorator> | Decorator | undefined>([
        undefined,
        random.pick(paths),
        [random.pick(paths), "label"],
        { renamed: random.pick(paths), computed: (result) => result?.loss * 2 },
        (result) => result?.val,
      ]);
      return (LogMetric as Decorator)(selector, options);
    }
    case 1:
      return (LogParam as Decorator)(
        random.pick<Record<string, string | Decorator> | Decorator>([
          { [`p${i}`]: "0" },
          { [`p${i}`]: "_b", [`q${i}`]: "1.lr" },
          ([a, b]) => ({ [`p${i}`]: [a, b], none: undefined }),
          { [`p${i}`]: ([a]) => a * 2 },
        ]),
      );
    default:
      return (LogTag as Decorator)(
        random.pick<Record<string, string | Decorator> | Decorator>([
          { [`t${i}`]: "label" },
          (result, [a]) => ({ [`t${i}`]: a, [`u${i}`]: result?.epoch }),
          { [`t${i}`]: (result) => result },
        ]),
      );
  }
}

/** Decorators that open runs; what only one can have (experiment, name, nesting) only one of them has. */
function opening(random: Random, i: number): Decorator {
  const options = {
    ...(i === 0 &&
      random.chance(0.5) && { runName: random.pick<string | Decorator>(["named", ([a]) => `named ${a}`]) }),
    ...(i === 1 && { nest: random.pick(["child", "join", "root"]) }),
    ...(random.chance(0.5) && {
      params: random.pick<object | Decorator>([{ [`o${i}`]: i }, ([a]) => ({ [`o${i}`]: a }), [String(i)]]),
    }),
    ...(random.chance(0.5) && {
      tags: random.pick<object | Decorator>([{ [`ot${i}`]: i }, ([a]) => ({ [`ot${i}`]: a })]),
    }),
    ...(random.chance(0.2) && { metrics: { [`om${i}`]: "loss" } }),
  };
  const named = i === 0 ? random.pick([[], ["Own"]]) : [];
  return random.chance(0.5) ? (TrackedRun as Decorator)(options) : (TrackedExperiment as Decorator)(...named, options);
}

function draw(random: Random): Case {
  const results = Array.from({ length: 3 }, () => random.pick(RESULTS));
  const nature = random.pick(NATURES);
  const fails = random.chance(0.2);
  const bare = [LogMetric, LogParam, LogTag, TrackedRun, TrackedExperiment()].filter(() => random.chance(0.25));
  return {
    decorators: random.shuffled<Decorator>([
      ...bare,
      ...Array.from({ length: random.below(5) }, (_, i) => logging(random, i)),
      ...Array.from({ length: random.below(3) }, (_, i) => opening(random, i)),
    ]),
    onClass: random.chance(0.5)
      ? [TrackedExperiment("OnClass", { params: { class: 1 }, tags: { class: "yes" } }) as Decorator]
      : [],
    makeMethod: () => nature(results, fails),
    args: [
      [1, { lr: 0.1 }],
      [2, "b"],
    ],
    outer: random.chance(0.5),
  };
}

test("neither order nor dialect changes what a stack of decorators records", async () => {
  let recordedValues = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const given = draw(random);
    const expected = await recorded("standard", given);
    recordedValues += JSON.stringify(expected).length;
    assert.deepEqual(await recorded("legacy", given), expected, `seed ${seed}: the dialects differ`);
    for (const dialect of ["standard", "legacy"] as const) {
      const other = { ...given, decorators: random.shuffled(given.decorators) };
      assert.deepEqual(await recorded(dialect, other), expected, `seed ${seed}: the order matters (${dialect})`);
    }
  }
  assert.ok(recordedValues > 80_000, `the cases record next to nothing: ${recordedValues}`);
});

test("decorators together record what each records alone", async () => {
  for (let seed = 1_000; seed < 1_150; seed++) {
    const random = new Random(seed);
    const drawn = draw(random);
    const logs = Array.from({ length: 1 + random.below(4) }, (_, i) => logging(random, i));
    const only = async (decorators: readonly Decorator[]): Promise<unknown[][]> => {
      const given = { ...drawn, onClass: [], outer: false, decorators: [TrackedRun as Decorator, ...decorators] };
      const [, ...runs] = await recorded(random.pick(["standard", "legacy"]), given);
      return runs as unknown[][];
    };
    const together = await only(logs);
    const alone = await Promise.all(logs.map((decorator) => only([decorator])));
    // Both calls' runs look alike from outside: their values are compared as one heap, each with the tags an error
    // gives only once.
    const heap = (runs: readonly unknown[][]): string[] =>
      runs
        .flatMap((run) =>
          run.slice(4).flatMap((part, kind) => (part as unknown[]).map((item) => `${kind} ${JSON.stringify(item)}`)),
        )
        .filter((item) => !/"(error|pulse)\./.test(item))
        .sort();
    assert.deepEqual(heap(together), heap(alone.flat()), `seed ${seed}`);
  }
});

/** Decorators that write the same few keys, with what each writes; the key is drawn. */
function colliding(
  random: Random,
  i: number,
): { readonly kind: "metric" | "param" | "tag"; readonly key: string; readonly decorator: Decorator } {
  const key = random.pick(["x", "y"]);
  const kind = random.pick(["metric", "param", "tag"] as const);
  const make = { metric: LogMetric, param: LogParam, tag: LogTag }[kind] as Decorator;
  return { kind, key, decorator: make({ [key]: () => i }) };
}

test("decorators that write the same key apply from the inside out", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = new Random(seed);
    const stack = Array.from({ length: 1 + random.below(7) }, (_, i) => ({ ...colliding(random, i), i }));
    const expected = {
      metrics: {} as Record<string, number[]>,
      params: {} as Record<string, string>,
      tags: {} as Record<string, string>,
    };
    for (const { kind, key, i } of [...stack].reverse()) {
      const text = String(i);
      if (kind === "metric") expected.metrics[key] = [...(expected.metrics[key] ?? []), i];
      else if (kind === "tag") expected.tags[key] = text;
      else if (expected.params[key] === undefined) expected.params[key] = text;
      else expected.tags[`pulse.conflict.${key}`] = text;
    }
    // Kinds may be mixed in any way, and an option that has nothing to do with the keys changes nothing.
    const kinds = ["metric", "param", "tag"].map((kind) =>
      stack.filter((each) => each.kind === kind).map(({ decorator }) => decorator),
    );
    const interleaved: Decorator[] = [];
    while (kinds.some((left) => left.length > 0)) interleaved.push(...random.pick(kinds).splice(0, 1));
    for (const decorators of [stack.map(({ decorator }) => decorator), interleaved]) {
      for (const dialect of ["standard", "legacy"] as const) {
        for (const options of [{}, { tags: { other: 1 } }, { params: { other: 1 } }]) {
          const onClass = [TrackedExperiment(options) as Decorator];
          const tracker = createTestTracker();
          tracker.run(() => decorated(dialect, { decorators, onClass, makeMethod: () => ({ m: () => 1 }) }).m());
          const run = tracker.onlyRun;
          const { other: _, ...params_ } = run.params;
          const tags = Object.entries(run.tags).filter(([key]) => key !== "other");
          const metrics = Object.fromEntries(
            Object.keys(run.metrics).map((key) => [key, steps(run, key).map(([, value]) => value)]),
          );
          assert.deepEqual(
            { metrics, params: params_, tags: Object.fromEntries(tags) },
            expected,
            `seed ${seed}, ${dialect}`,
          );
        }
      }
    }
  }
});
