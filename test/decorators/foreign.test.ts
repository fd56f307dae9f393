// Decorators of others before, between and after ours. They are of both dialects, written without types.
// biome-ignore-all lint/suspicious/noExplicitAny: see above
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestTracker, type TestRun } from "../../src/testing/index.js";
import "reflect-metadata";
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun, tracked } from "../../src/index.js";
import { values } from "../support/runs.js";

type AnyFunction = (this: unknown, ...args: any[]) => any;
type Tree = readonly [name: string, status: string, values: Record<string, number[]>, ...children: Tree[]];

/** Runs as they are nested. */
function tree(runs: readonly TestRun[], parent?: TestRun): Tree[] {
  return runs
    .filter((run) => run.parentId === parent?.id)
    .map((run) => [run.name, run.status, values(run), ...tree(runs, run)]);
}

/** A method decorator of both dialects that puts another function in the method's place. */
const replacing =
  (replace: (fn: AnyFunction) => AnyFunction): any =>
  (value: any, _context: unknown, descriptor?: PropertyDescriptor) =>
    descriptor ? { ...descriptor, value: replace(descriptor.value) } : replace(value);

let dialect: "standard" | "legacy" | undefined;
const noteDialect: any = (_value: unknown, context: unknown) => {
  dialect = typeof context === "object" ? "standard" : "legacy";
};
class Probe {
  @noteDialect
  m(): void {}
}
assert.equal(new Probe().m(), undefined);

const events: string[] = [];
const logged = (label: string) =>
  replacing(
    (fn) =>
      function (...args) {
        events.push(`${label} ${args}`);
        return Reflect.apply(fn, this, args);
      },
  );

const retry = (times: number) =>
  replacing(
    (fn) =>
      async function (...args) {
        for (let attempt = 1; ; attempt++) {
          try {
            return await Reflect.apply(fn, this, args);
          } catch (error) {
            if (attempt === times) throw error;
          }
        }
      },
  );

const memoized = replacing((fn) => {
  const results = new Map<unknown, unknown>();
  return function (key) {
    if (!results.has(key)) results.set(key, Reflect.apply(fn, this, [key]));
    return results.get(key);
  };
});

test("a logging wrapper anywhere in the stack sees each call once and whole", async () => {
  @TrackedExperiment("Logged")
  class Calls {
    base = 10;

    @logged("above")
    @LogMetric("sum")
    @logged("between")
    @LogParam(["0", "b"])
    @logged("below")
    add(a: number, b: number): number {
      return this.base + a + b;
    }
  }
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Calls().add(1, 2)),
    13,
  );
  assert.deepEqual(events.splice(0), ["above 1,2", "between 1,2", "below 1,2"]);
  const run = tracker.onlyRun;
  assert.deepEqual([run.name, values(run)], ["Calls.add", { sum: [13] }]);
  // The wrapper below has no argument called b: positions hold, names are those of the function it stands on.
  assert.deepEqual(run.params, { 0: "1" });
});

test("around a foreign decorator, the outer ones get a run and the inner ones a child", async () => {
  @TrackedExperiment("Between")
  class Sandwich {
    tries = 0;

    @TrackedRun({ runName: "outer" })
    @LogMetric("outer")
    @retry(3)
    @TrackedRun({ runName: "inner" })
    @LogMetric("inner")
    async run(): Promise<number> {
      if (++this.tries < 3) throw new Error(`try ${this.tries}`);
      return this.tries;
    }

    @LogMetric("outer")
    @logged("x")
    @TrackedRun
    @LogMetric("inner")
    sync(): number {
      return 5;
    }
  }
  const tracker = createTestTracker();
  const sandwich = new Sandwich();
  assert.equal(await tracker.run(() => sandwich.run()), 3);
  assert.equal(
    tracker.run(() => sandwich.sync()),
    5,
  );
  const inner = (status: string, of: Record<string, number[]>): Tree => ["inner", status, of];
  assert.deepEqual(tree(tracker.runs), [
    ["outer", "FINISHED", { outer: [3] }, inner("FAILED", {}), inner("FAILED", {}), inner("FINISHED", { inner: [3] })],
    ["Sandwich.sync", "FINISHED", { outer: [5] }, ["Sandwich.sync", "FINISHED", { inner: [5] }]],
  ]);
});

test("a foreign decorator's own answer is a result above it and no call below it", async () => {
  let made = 0;
  @TrackedExperiment("Memo")
  class Memo {
    @LogMetric("outer")
    @memoized
    @TrackedRun
    @LogMetric("inner")
    between(n: number): number {
      made++;
      return n;
    }

    @memoized
    @LogMetric
    above(n: number): number {
      made++;
      return n;
    }

    @LogMetric
    @memoized
    below(n: number): Promise<number> {
      made++;
      return Promise.resolve(n);
    }
  }
  const tracker = createTestTracker();
  const memo = new Memo();
  await tracker.run(async () => {
    assert.deepEqual([memo.between(1), memo.between(1), memo.above(2), memo.above(2)], [1, 1, 2, 2]);
    const [first, second] = [memo.below(3), memo.below(3)];
    assert.equal(first, second);
    assert.equal(await first, 3);
  });
  assert.equal(made, 3);
  assert.deepEqual(tree(tracker.runs), [
    ["Memo.between", "FINISHED", { outer: [1] }, ["Memo.between", "FINISHED", { inner: [1] }]],
    ["Memo.between", "FINISHED", { outer: [1] }],
    ["Memo.above", "FINISHED", { above: [2] }],
    ["Memo.below", "FINISHED", { below: [3] }],
    ["Memo.below", "FINISHED", { below: [3] }],
  ]);
});

test("a binding decorator works above ours; below ours it works or is explained", async () => {
  const bound: any = (value: any, context: any, descriptor?: PropertyDescriptor) => {
    if (descriptor === undefined) {
      context.addInitializer(function (this: any) {
        this[context.name] = value.bind(this);
      });
      return value;
    }
    return {
      configurable: true,
      get() {
        return descriptor.value.bind(this);
      },
    };
  };
  @TrackedExperiment("Bound")
  class Above {
    own = 4;
    @bound
    @LogMetric
    value(): number {
      return this.own;
    }
  }
  const tracker = createTestTracker();
  const { value } = new Above();
  assert.equal(
    tracker.run(() => Reflect.apply(value, undefined, [])),
    4,
  );
  const run = tracker.onlyRun;
  assert.deepEqual([run.experiment, run.name, values(run)], ["Bound", "Above.value", { value: [4] }]);
  const below = () => {
    class Below {
      @TrackedRun
      @bound
      value(): number {
        return 1;
      }
    }
    return Below;
  };
  if (dialect === "legacy")
    assert.throws(below, { code: "WRONG_TARGET", message: /@TrackedRun is on the getter Below\.value/ });
  else assert.equal(new (below())().value(), 1);
});

test("framework metadata is found wherever its decorators stand", async () => {
  /** Puts metadata on the function, and on the class's member, as Nest and others do; replaces nothing. */
  const Meta =
    (key: string): any =>
    (value: any, context: any, descriptor?: PropertyDescriptor) => {
      Reflect.defineMetadata(key, `on ${key}`, descriptor ? descriptor.value : value);
      if (descriptor) Reflect.defineMetadata(key, `member ${key}`, value, context);
    };
  @TrackedExperiment("Framework")
  class Controller {
    @Meta("first")
    @LogMetric("n")
    @Meta("second")
    @LogParam
    @Meta("third")
    handle(n: number): number {
      return n;
    }
  }
  for (const key of ["first", "second", "third"]) {
    assert.equal(Reflect.getMetadata(key, Controller.prototype.handle), `on ${key}`);
    if (dialect === "legacy") assert.equal(Reflect.getMetadata(key, Controller.prototype, "handle"), `member ${key}`);
  }
  assert.equal(
    Reflect.getMetadata("design:returntype", Controller.prototype, "handle"),
    dialect === "legacy" ? Number : undefined,
  );
  const tracker = createTestTracker();
  tracker.run(() => new Controller().handle(6));
  const run = tracker.onlyRun;
  assert.deepEqual([values(run), run.params], [{ n: [6] }, { n: "6" }]);
});

test("an already tracked function in a method's place stays as it is for others", async () => {
  const shared = tracked((n: number) => n, { runName: "shared", metrics: "shared" });
  const use = replacing(() => shared);
  class Uses {
    @TrackedRun({ runName: "one" })
    @LogMetric("one")
    @use
    one(n: number): number {
      return n;
    }

    @TrackedRun({ runName: "two" })
    @LogTag("two")
    @use
    two(n: number): number {
      return n;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => [new Uses().one(1), shared(2)]);
  assert.deepEqual(tree(tracker.runs), [
    ["one", "FINISHED", { one: [1] }, ["shared", "FINISHED", { shared: [1] }]],
    ["shared", "FINISHED", { shared: [2] }],
  ]);
});

test("parameter decorators log wherever a foreign decorator stands on the method", async () => {
  const tracker = createTestTracker();
  const foreign = logged("x");
  for (const stack of [[foreign, TrackedRun], [TrackedRun, foreign], [foreign]] as any[][]) {
    class Parameters {
      train(lr: number): number {
        return lr;
      }
    }
    const { prototype } = Parameters;
    (LogParam as any)("lr")(prototype, "train", 0); // as in `train(@LogParam("lr") lr)` of the legacy dialect
    const decorate = (under: any, each: any): PropertyDescriptor => each(prototype, "train", under);
    Object.defineProperty(
      prototype,
      "train",
      stack.reduceRight(decorate, Object.getOwnPropertyDescriptor(prototype, "train")),
    );
    TrackedExperiment("Parameters")(Parameters);
    tracker.run(() => new Parameters().train(0.5));
  }
  assert.deepEqual(
    tracker.runs.map((run) => run.params),
    Array(3).fill({ lr: "0.5" }),
  );
});

test("a legacy decorator below that returns the prototype takes nothing away", async () => {
  const tracker = createTestTracker();
  class Learner {
    evaluate(): { loss: number } {
      return { loss: 0.5 };
    }
  }
  // As a compiler's helper calls them: what one gives is the descriptor of the next.
  const below = (target: object): object => target;
  const given = below(Learner.prototype) as PropertyDescriptor;
  const decorate = LogMetric("loss") as unknown as (
    target: object,
    key: string,
    descriptor: object,
  ) => PropertyDescriptor;
  const experiment = TrackedExperiment("Foreign") as unknown as (target: object) => unknown;
  Object.defineProperty(Learner.prototype, "evaluate", decorate(Learner.prototype, "evaluate", given));
  experiment(Learner);
  tracker.run(() => new Learner().evaluate());
  assert.deepEqual(tracker.runs.map(values), [{ loss: [0.5] }]);
});
