// Every place in a class where a tracked method can stand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogTag, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker, type TestRun } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

type Tree = readonly [name: string, values: Record<string, number[]>, ...children: Tree[]];

/** Runs as they are nested; a child may be stored later than its parent's neighbours. */
function tree(runs: readonly TestRun[], parent?: TestRun): Tree[] {
  return runs.filter((run) => run.parentId === parent?.id).map((run) => [run.name, values(run), ...tree(runs, run)]);
}

test("a super call runs the parent's plan as a child of the overriding run", async () => {
  class Parent {
    @TrackedRun({ params: { from: "parent" } })
    @LogMetric("parent")
    sync(): number {
      return 1;
    }

    @TrackedRun
    @LogMetric("parent")
    async later(): Promise<number> {
      return 2;
    }

    @TrackedRun
    @LogMetric("parent")
    *each(): Generator<number, number> {
      yield 3;
      return 4;
    }
  }
  class Child extends Parent {
    @TrackedRun({ params: { from: "child" } })
    @LogMetric("child")
    override sync(): number {
      return super.sync() + 10;
    }

    @TrackedRun
    @LogMetric("child")
    override async later(): Promise<number> {
      return (await super.later()) + 10;
    }

    @TrackedRun
    @LogMetric("child")
    override *each(): Generator<number, number> {
      return yield* super.each();
    }
  }
  const tracker = createTestTracker();
  const child = new Child();
  assert.equal(
    tracker.run(() => child.sync()),
    11,
  );
  assert.equal(await tracker.run(() => child.later()), 12);
  assert.deepEqual(
    tracker.run(() => {
      const each = child.each();
      return [each.next(), each.next()];
    }),
    [
      { value: 3, done: false },
      { value: 4, done: true },
    ],
  );
  const all = tracker.runs;
  assert.deepEqual(tree(all), [
    ["Child.sync", { child: [11] }, ["Child.sync", { parent: [1] }]],
    ["Child.later", { child: [12] }, ["Child.later", { parent: [2] }]],
    ["Child.each", { child: [3] }, ["Child.each", { parent: [3] }]],
  ]);
  const from = all.filter((run) => run.name === "Child.sync").map((run) => [values(run), run.params]);
  assert.deepEqual(from, [
    [{ child: [11] }, { from: "child" }],
    [{ parent: [1] }, { from: "parent" }],
  ]);
});

test("statics are tracked: super, computed and symbol names, blocks, subclasses", async () => {
  const mark = Symbol("mark");
  const computed = "on the fly";
  // biome-ignore lint/complexity/noStaticOnlyClass: statics are what this is about
  class Parent {
    @TrackedRun
    @LogMetric
    static make(): number {
      return 1;
    }

    @TrackedRun
    @LogMetric
    static [mark](): number {
      return 2;
    }

    @TrackedRun
    @LogMetric
    static async [computed](): Promise<number> {
      return 3;
    }
  }
  const tracker = createTestTracker();
  await tracker.run(async () => {
    class Child extends Parent {
      static made = 0;
      static {
        Child.made = Child[mark](); // in the legacy dialect a class's own members are not decorated yet
      }

      @TrackedRun
      @LogMetric("again")
      static override make(): number {
        // biome-ignore lint/complexity/noThisInStatic: likewise
        return super.make() + 1;
      }
    }
    assert.equal(Child.made, 2);
    assert.equal(Child.make(), 2);
    assert.equal(await Child[computed](), 3);
  });
  assert.deepEqual(tree(tracker.runs), [
    ["Child.mark", { mark: [2] }],
    ["Child.make", { again: [2] }, ["Child.make", { make: [1] }]],
    ["Child.on the fly", { "on the fly": [3] }],
  ]);
});

test("an abstract class's methods are tracked under the implementing class", async () => {
  @TrackedExperiment("Abstract")
  abstract class Shape {
    abstract side(): number;

    @LogMetric
    area(): number {
      return this.side() ** 2;
    }
  }
  class Square extends Shape {
    override side(): number {
      return 3;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Square().area());
  const run = tracker.onlyRun;
  assert.deepEqual([run.experiment, run.name, values(run)], ["Abstract", "Square.area", { area: [9] }]);
});

test("a method called in a constructor is in the experiment of the class being made", async () => {
  class Base {
    readonly ready: number;
    constructor() {
      this.ready = this.init();
    }

    @LogMetric
    init(): number {
      return 1;
    }
  }
  @TrackedExperiment("Made")
  class Derived extends Base {}
  const tracker = createTestTracker();
  tracker.run(() => [new Derived(), Reflect.construct(Derived, []), Reflect.construct(Base, [], Derived)]);
  assert.deepEqual(
    tracker.runs.map((run) => [run.experiment, run.name, values(run)]),
    Array.from({ length: 3 }, () => ["Made", "Derived.init", { init: [1] }]),
  );
});

test("setters and accessors: inherited, static, stacked; one that throws logs nothing", async () => {
  class Base {
    @LogTag("level")
    @LogMetric
    accessor level = 0;

    @LogMetric
    set guarded(value: number) {
      if (value < 0) throw new RangeError("negative");
    }

    @LogMetric
    static accessor total = 0;
  }
  class Derived extends Base {}
  const tracker = createTestTracker();
  tracker.withRun({}, () => {
    const derived = new Derived();
    derived.level = 5;
    derived.guarded = 1;
    assert.throws(() => {
      derived.guarded = -1;
    }, RangeError);
    Base.total = 7;
    assert.deepEqual([derived.level, Base.total], [5, 7]);
  });
  const run = tracker.onlyRun;
  assert.deepEqual(values(run), { level: [5], guarded: [1], total: [7] });
  assert.equal(run.tags["level"], "5");
});

test("a member with a number as its name is tracked under its digits", async () => {
  // biome-ignore lint/suspicious/noExplicitAny: in the standard dialect the compiler gives such a member no type a decorator could have
  const [anyMetric, anyTag]: any[] = [LogMetric, LogTag()];
  class Numbered {
    @TrackedRun
    @anyMetric
    42(): number {
      return 1;
    }

    @TrackedRun()
    @anyTag
    [7](): string {
      return "seven";
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => [new Numbered()[42](), new Numbered()[7]()]);
  const [metric, tag] = tracker.runs;
  assert.deepEqual([metric?.name, metric && values(metric)], ["Numbered.42", { 42: [1] }]);
  assert.deepEqual([tag?.name, tag?.tags["7"]], ["Numbered.7", "seven"]);
});

test("a bare tracked class without a name never gets an unnamed experiment", async () => {
  class Method {
    @LogMetric
    m(): number {
      return 1;
    }
  }
  const Anonymous = (() => class extends Method {})();
  class Getter extends Method {
    static override get name(): string {
      return "computed";
    }
  }
  for (const target of [Anonymous, Getter]) {
    TrackedExperiment()(target);
    for (const config of [{}, { experiment: "Configured" }]) {
      const tracker = createTestTracker(config);
      tracker.run(() => new target().m());
      const experiment = tracker.onlyRun.experiment;
      if (config.experiment) assert.equal(experiment, config.experiment);
      else assert.match(experiment ?? "", /./);
    }
  }
});
