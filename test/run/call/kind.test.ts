// A function that stands in for another is of its kind: programs decide by what they can see of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, LogMetric, TrackedExperiment, tracked } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { values } from "../../support/runs.js";

class Callable extends Function {
  greet(): string {
    return `hello from ${this.name}`;
  }
}

const originals = {
  async: async (n: number) => n,
  generator: function* (n: number) {
    yield n;
  },
  asyncGenerator: async function* (n: number) {
    yield n;
  },
  arrow: (n: number) => n,
  old: (n: number) => n,
  callable: Object.setPrototypeOf((n: number) => n, Callable.prototype) as (n: number) => number,
};

test("a wrapper has the prototype, tag, constructor and text of what it wraps", () => {
  const tracker = createTestTracker();
  for (const [name, original] of Object.entries(originals)) {
    for (const made of [
      tracked(original as () => unknown),
      tracker.tracked(original as () => unknown),
      bind(original as () => unknown),
    ]) {
      assert.equal(Object.getPrototypeOf(made), Object.getPrototypeOf(original), name);
      assert.equal(Object.prototype.toString.call(made), Object.prototype.toString.call(original), name);
      assert.equal(made.constructor, original.constructor, name);
      assert.equal(String(made), String(original), name);
      assert.equal("prototype" in made, "prototype" in original, name);
      assert.deepEqual([made.name, made.length], [original.name, original.length], name);
      assert.ok(!Object.keys(made).includes("toString"));
    }
  }
  assert.equal((tracked(originals.callable) as unknown as Callable).greet(), "hello from ");
});

test("decorated methods keep their kind and the text of the method", () => {
  @TrackedExperiment("Kinds")
  class Learner {
    @LogMetric
    async train(lr: number, epochs = 3) {
      return lr * epochs;
    }

    @LogMetric
    *epochs() {
      yield 1;
    }
  }
  const { train, epochs } = Learner.prototype;
  assert.equal(Object.prototype.toString.call(train), "[object AsyncFunction]");
  assert.equal((epochs.constructor as { name?: string }).name, "GeneratorFunction");
  assert.match(train.toString(), /lr, epochs = 3/);
  assert.ok(!("prototype" in train));
});

test("a tracked class keeps inherited statics and makes instances", () => {
  class Base {
    static readonly kind: string = "base";
    readonly made = true;
    static make(): string {
      return Base.kind;
    }
  }
  class Derived extends Base {
    static count = 0;
    constructor() {
      super();
      Derived.count++;
    }
  }
  const Tracked = tracked(Derived as unknown as () => unknown) as unknown as typeof Derived;
  assert.equal(Object.getPrototypeOf(Tracked), Base);
  assert.equal(Tracked.make(), "base");
  assert.ok(new Tracked() instanceof Derived);
  assert.equal(Tracked.count, 1);
  class Sub extends Tracked {}
  assert.ok(new Sub() instanceof Sub);
  const Bound = bind(Derived as unknown as () => unknown) as unknown as typeof Derived;
  assert.ok(new Bound() instanceof Bound);
});

test("own properties that change later are read and written through", () => {
  const spy = Object.assign((n: number) => n, { callCount: 0, last: undefined as unknown });
  const wrapper = tracked(spy);
  spy.callCount = 3;
  assert.equal(wrapper.callCount, 3);
  wrapper.callCount = 0;
  assert.equal(spy.callCount, 0);
  assert.deepEqual(Object.keys(wrapper), Object.keys(spy));
  const fixed = tracked(Object.freeze(Object.assign(() => 1, { version: 1 })));
  assert.equal(fixed.version, 1);
  assert.throws(() => {
    (fixed as { version: number }).version = 2;
  }, TypeError);
});

test("a proxy is wrapped by a proxy and asked nothing", async () => {
  const tracker = createTestTracker();
  const asked: string[] = [];
  const calls: unknown[][] = [];
  /** As Comlink's and tRPC's: each property is another one, each call goes over the wire. */
  const remote = (path: string): ((...args: unknown[]) => Promise<unknown>) =>
    new Proxy(() => undefined, {
      get(_, key) {
        asked.push(String(key));
        return key === "then" ? undefined : remote(`${path}.${String(key)}`);
      },
      apply(_target, _self, args) {
        calls.push([path, ...args]);
        return Promise.resolve({ loss: 0.5 });
      },
    }) as unknown as (...args: unknown[]) => Promise<unknown>;
  const train = tracker.tracked(remote("train"), { metrics: "loss", runName: "remote" });
  assert.deepEqual(await train(0.1), { loss: 0.5 });
  assert.deepEqual(calls, [["train", 0.1]]);
  await tracker.withRun({ params: { fn: remote("p") }, tags: { fn: remote("t") } }, async (run) =>
    run.setTag("late", remote("l")),
  );
  await tracker.tracked(async (given: unknown) => void given, { params: ["0"] })(remote("argument"));
  const failing = tracker.tracked((_: unknown) => Promise.reject(new Error("no")));
  await assert.rejects(failing(remote("x")), { message: "no" });
  assert.deepEqual(calls, [["train", 0.1]]);
  assert.deepEqual(
    asked.filter((key) => key !== "name"),
    [],
  );
  assert.deepEqual(
    tracker.runs.slice(0, 1).map((run) => values(run)),
    [{ loss: [0.5] }],
  );
});

test("a function whose name is no text, or throws when read, is anonymous", async () => {
  const tracker = createTestTracker();
  const odd = Object.defineProperty(() => 1, "name", { value: { toString: () => assert.fail("asked") } });
  const throwing = Object.defineProperty(() => 2, "name", {
    get() {
      throw new Error("asked");
    },
  });
  assert.equal(tracker.tracked(odd)(), 1);
  assert.equal(tracker.tracked(throwing)(), 2);
  assert.equal(tracker.withRun({}, odd as () => number), 1);
  assert.deepEqual(
    tracker.runs.map((run) => run.name),
    ["anonymous", "anonymous", "run"],
  );
});

test("instances have the prototype that a wrapper is given", () => {
  const tracker = createTestTracker();
  for (const wrap of [tracked, tracker.tracked, bind]) {
    function A(): void {}
    A.prototype.greet = () => "hello";
    const B = wrap(function B(this: { n: number } | undefined, n: number) {
      if (this) this.n = n;
    }) as unknown as { new (n: number): { greet(): string; n: number }; prototype: object };
    assert.equal(new B(1).n, 1);
    B.prototype = Object.create(A.prototype as object);
    const made = new B(2);
    assert.ok(made instanceof B && made instanceof A);
    assert.deepEqual([made.greet(), made.n], ["hello", 2]);
    class C extends B {}
    assert.ok(new C(3) instanceof B);
    const steps = wrap(function* () {
      yield 1;
    });
    (steps as { prototype: object }).prototype = Object.assign(Object.create(steps.prototype as object), { own: true });
    assert.deepEqual([(steps() as never as { own: boolean }).own, [...steps()]], [true, [1]]);
  }
});

test("a bound class can be called with new, and an unnamed one stays unnamed", () => {
  const tracker = createTestTracker();
  class Point {
    readonly target: unknown;
    readonly n: number;
    constructor(n: number) {
      this.target = new.target;
      this.n = n;
    }
  }
  for (const wrap of [tracked, tracker.tracked, bind]) {
    const plain = Point.bind(null, 3);
    const made = wrap(plain as never) as unknown as { new (): Point; prototype: unknown };
    const point = new made();
    assert.deepEqual([point.n, point.target, point instanceof Point, point instanceof made], [3, Point, true, true]);
    assert.equal(made.prototype, undefined);
    assert.throws(() => class extends made {}, TypeError);
    assert.throws(() => (made as unknown as () => void)(), TypeError);
    class Sub extends Point {}
    assert.equal((Reflect.construct(made as never, [], Sub) as Point).target, Sub);
    const nameless = function old() {};
    delete (nameless as { name?: string }).name;
    delete (nameless as { length?: number }).length;
    const wrapped = wrap(nameless);
    assert.deepEqual(
      [wrapped.name, Object.hasOwn(wrapped, "name"), Object.hasOwn(wrapped, "length")],
      ["", false, false],
    );
    const add = wrap(((a: number, b: number) => a + b).bind(null, 1));
    assert.throws(() => new (add as unknown as { new (): object })(), TypeError);
    assert.equal(add(2), 3);
  }
});

test("a tracker's tracked keeps own properties and works with new", () => {
  const tracker = createTestTracker();
  function Point(this: { x: number }, x: number): void {
    this.x = x;
  }
  Point.origin = 0;
  const Tracked = tracker.tracked(Point) as unknown as { new (x: number): { x: number }; origin: number };
  assert.equal(Tracked.origin, 0);
  assert.equal(new Tracked(3).x, 3);
});
