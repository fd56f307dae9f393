import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

@TrackedExperiment("Base", { params: { level: "base", base: true }, tags: { a: "base" } })
class Base {
  @LogMetric
  value(): number {
    return 1;
  }

  @LogMetric
  overridden(): number {
    return 1;
  }

  @LogMetric
  static make(): number {
    return 10;
  }
}

@TrackedExperiment("Derived", { params: { level: "derived" }, tags: { b: "derived" } })
class Derived extends Base {
  @LogMetric("mine")
  override overridden(): number {
    return super.overridden() + 1;
  }
}

class Plain extends Derived {}

test("the most derived experiment wins; params and tags merge, base first", async () => {
  const tracker = createTestTracker();
  tracker.run(() => new Plain().value());
  const run = tracker.onlyRun;
  assert.equal(run.experiment, "Derived");
  assert.equal(run.name, "Plain.value");
  assert.deepEqual(run.params, { level: "derived", base: "true" });
  assert.deepEqual([run.tags["a"], run.tags["b"]], ["base", "derived"]);
});

test("the base class itself keeps its own experiment", async () => {
  const tracker = createTestTracker();
  tracker.run(() => new Base().value());
  const run = tracker.onlyRun;
  assert.equal(run.experiment, "Base");
  assert.deepEqual(run.params, { level: "base", base: "true" });
});

test("an overridden method that calls super logs both into one run", async () => {
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Derived().overridden()),
    2,
  );
  assert.deepEqual(values(tracker.onlyRun), { overridden: [1], mine: [2] });
});

test("statics follow the class they are called on", async () => {
  const tracker = createTestTracker();
  tracker.run(() => Plain.make());
  const run = tracker.onlyRun;
  assert.equal(run.experiment, "Derived");
  assert.equal(run.name, "Plain.make");
});

test("a detached method belongs to the class that its decorator saw", async () => {
  const tracker = createTestTracker();
  const { value } = Base.prototype;
  tracker.run(() => value.call(undefined as unknown as Base));
  const run = tracker.onlyRun;
  assert.equal(run.experiment, "Base");
  assert.equal(run.name, "Base.value");
});

test("instances behind Object.create, freezing and proxies are recognised", async () => {
  const tracker = createTestTracker();
  const broken = new Proxy(new Base(), {
    getPrototypeOf() {
      throw new Error("no look");
    },
  });
  tracker.run(() => {
    Object.create(new Derived()).value();
    Object.freeze(new Base()).value();
    new Proxy(new Derived(), {}).value();
    broken.value();
  });
  const all = tracker.runs;
  assert.deepEqual(
    all.map(({ experiment }) => experiment),
    ["Derived", "Base", "Derived", "Base"],
  );
});

test("a bare class uses the configured experiment, else its own name", async () => {
  @TrackedExperiment
  class Unnamed {
    @LogMetric
    value(): number {
      return 1;
    }
  }
  const free = createTestTracker();
  free.run(() => new Unnamed().value());
  assert.equal(free.onlyRun.experiment, "Unnamed");
  const configured = createTestTracker({ experiment: "Configured" });
  configured.run(() => new Unnamed().value());
  assert.equal(configured.onlyRun.experiment, "Configured");
});

test("a run outside any class goes to the configured experiment, else to Default", async () => {
  const free = createTestTracker();
  free.withRun({}, () => 1);
  assert.equal(free.onlyRun.experiment, "Default");
  class Loose {
    @TrackedRun({ experiment: "Option" })
    go(): void {}
  }
  const named = createTestTracker({ experiment: "Configured" });
  named.run(() => new Loose().go());
  assert.equal(named.onlyRun.experiment, "Option");
});

test("mixins keep their tracked methods", async () => {
  class Root {}
  // biome-ignore lint/suspicious/noExplicitAny: the shape TypeScript asks of a mixin
  const Scored = <C extends new (...args: any[]) => object>(Parent: C) => {
    class Mixed extends Parent {
      @LogMetric
      score(): number {
        return 5;
      }
    }
    return Mixed;
  };
  @TrackedExperiment("Mixed")
  class Target extends Scored(Root) {}
  const tracker = createTestTracker();
  tracker.run(() => new Target().score());
  const run = tracker.onlyRun;
  assert.equal(run.experiment, "Mixed");
  assert.deepEqual(values(run), { score: [5] });
});

test("a decorator on the wrong kind of member names decorator, class, member and kind", () => {
  // biome-ignore lint/suspicious/noExplicitAny: what plain JavaScript can get wrong
  const anyMetric: any = LogMetric;
  // biome-ignore lint/suspicious/noExplicitAny: likewise
  const anyExperiment: any = TrackedExperiment;
  class Shape {
    get area(): number {
      return 1;
    }
  }
  const getter = Object.getOwnPropertyDescriptor(Shape.prototype, "area");
  assert.throws(() => anyMetric(Shape.prototype, "area", getter), {
    code: "WRONG_TARGET",
    message: /@LogMetric is on the getter Shape\.area; it goes on methods, setters, accessors\. Put it below/,
  });
  assert.throws(() => anyMetric(Shape.prototype, "side", undefined), {
    code: "WRONG_TARGET",
    message: /field Shape\.side.*tracked\(fn, options\)/,
  });
  assert.throws(() => anyMetric(class Wrong {}), { code: "WRONG_TARGET", message: /class Wrong/ });
  const initializer = anyMetric()(undefined, { kind: "field", name: "x", addInitializer() {} });
  assert.throws(() => initializer.call(new Shape(), 5), { code: "WRONG_TARGET", message: /field Shape\.x/ });
  assert.throws(() => anyExperiment(""), { code: "INVALID_OPTION" });
  assert.throws(() => anyExperiment("X", { nset: "child" }), {
    code: "INVALID_OPTION",
    message: /there is no option "nset"\. Did you mean "nest"\?/,
  });
  assert.throws(() => anyMetric("loss", { nonFinite: "drop" }), {
    code: "INVALID_OPTION",
    message: /nonFinite must be "log" or "skip"; got "drop"/,
  });
  assert.throws(() => anyMetric(5), { code: "INVALID_OPTION", message: /selector must be/ });
});
