import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

test("nest decides between child, join and root", async () => {
  @TrackedExperiment("Nesting", { nest: "child" })
  class Nested {
    @LogMetric
    asChild(): number {
      return 1;
    }

    @TrackedRun({ nest: "join" })
    @LogMetric
    joined(): number {
      return 2;
    }

    @TrackedRun({ nest: "root" })
    @LogMetric
    alone(): number {
      return 3;
    }
  }
  const tracker = createTestTracker();
  tracker.withRun({ runName: "outer" }, () => {
    const nested = new Nested();
    nested.asChild();
    nested.joined();
    nested.alone();
  });
  const all = tracker.runs;
  assert.equal(all.length, 3);
  const [outer, child, root] = ["outer", "Nested.asChild", "Nested.alone"].map((name) =>
    all.find((run) => run.name === name),
  );
  assert.deepEqual(outer && values(outer), { joined: [2] });
  assert.equal(child?.parentId, outer?.id);
  assert.ok(root);
  assert.equal(root.parentId, undefined);
});

test("when: false leaves the call alone", async () => {
  class Choosy {
    @TrackedRun({ when: ([n]) => n > 1 })
    @LogMetric
    go(n: number): number {
      return n;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => [new Choosy().go(1), new Choosy().go(2)]);
  assert.deepEqual(values(tracker.onlyRun), { go: [2] });
});

test("the order of adjacent decorators changes nothing", async () => {
  class Orders {
    @TrackedRun({ runName: "x" })
    @LogMetric("a")
    @LogParam("n")
    @LogTag("a")
    one(n: number): { a: number } {
      return { a: n };
    }

    @LogTag("a")
    @LogParam("n")
    @LogMetric("a")
    @TrackedRun({ runName: "x" })
    two(n: number): { a: number } {
      return { a: n };
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => [new Orders().one(5), new Orders().two(5)]);
  const [one, two, ...rest] = tracker.runs;
  assert.equal(rest.length, 0);
  for (const part of ["params", "tags"] as const) assert.deepEqual(one?.[part], two?.[part]);
  assert.deepEqual(one && values(one), two && values(two));
});

test("a foreign decorator between ours makes the outer one a tracked caller", async () => {
  // biome-ignore lint/suspicious/noExplicitAny: a decorator of both dialects, written without types
  const foreign: any = (value: any, _context: unknown, descriptor?: PropertyDescriptor) => {
    const around = (fn: (...args: unknown[]) => unknown) =>
      function (this: unknown, ...args: unknown[]) {
        return Reflect.apply(fn, this, args);
      };
    return descriptor ? { ...descriptor, value: around(descriptor.value) } : around(value);
  };
  @TrackedExperiment("Foreign")
  class Sandwich {
    @LogMetric("outer")
    @foreign
    @LogMetric("inner")
    value(): number {
      return 1;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Sandwich().value());
  assert.deepEqual(values(tracker.onlyRun), { inner: [1], outer: [1] });
});

test("assignments to accessors and setters are logged and open no run", async () => {
  @TrackedExperiment("Assigned")
  class Gauge {
    seen: number[] = [];

    @LogMetric
    accessor loss = 9;

    @LogMetric("kelvin")
    set temperature(value: number) {
      this.seen.push(value);
    }
  }
  const tracker = createTestTracker();
  const gauge = tracker.withRun({}, () => {
    const made = new Gauge();
    made.loss = 3;
    made.loss = 2;
    made.temperature = 300;
    return made;
  });
  assert.equal(gauge.loss, 2);
  assert.deepEqual(gauge.seen, [300]);
  assert.deepEqual(values(tracker.onlyRun), { loss: [3, 2], kelvin: [300] });
  tracker.run(() => {
    gauge.loss = 1;
  });
  assert.equal(tracker.warnings.length, 1);
  assert.match(tracker.warnings[0] ?? "", /OUTSIDE_RUN/);
});

test("symbol, computed and inherited names are tracked as they are called", async () => {
  const mark = Symbol("mark");
  const computed = "computed name";
  class Parent {
    @TrackedRun
    @LogMetric
    [mark](): number {
      return 1;
    }

    @TrackedRun
    @LogMetric
    [computed](): number {
      return 2;
    }
  }
  class Child extends Parent {}
  const tracker = createTestTracker();
  tracker.run(() => {
    const child = new Child();
    assert.equal(child[mark]() + child[computed](), 3);
  });
  assert.deepEqual(
    tracker.runs.map((run) => [run.name, values(run)]),
    [
      ["Child.mark", { mark: [1] }],
      ["Child.computed name", { "computed name": [2] }],
    ],
  );
});

test("recursion and a call inside its own arguments nest as called", async () => {
  @TrackedExperiment("Recursive")
  class Recursive {
    @TrackedRun({ runName: ([n]) => `down ${n}` })
    @LogMetric
    down(n: number): number {
      return n === 0 ? 0 : 1 + this.down(n - 1);
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => {
    const recursive = new Recursive();
    assert.equal(recursive.down(recursive.down(2)), 2);
  });
  const all = tracker.runs;
  assert.equal(all.length, 6);
  const parentOf = (run: (typeof all)[number]) => all.find(({ id }) => id === run.parentId)?.name;
  for (const run of all)
    assert.equal(parentOf(run), run.name === "down 2" ? undefined : `down ${Number(run.name.slice(5)) + 1}`);
});
