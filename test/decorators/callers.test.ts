// Every way to call a tracked method, and how it looks from outside.
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { currentRun, LogMetric, LogParam, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker, type TestRun } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

const named = (runs: readonly TestRun[]) => runs.map((run) => [run.name, values(run)]);

@TrackedExperiment("Home", { params: { home: true } })
class Home {
  @LogMetric
  seen(value: number): number {
    return value;
  }
}

test("a bound, borrowed or passed-on method stays in its class's experiment", async () => {
  const tracker = createTestTracker();
  const home = new Home();
  const emitter = new EventEmitter();
  emitter.on("seen", home.seen);
  await tracker.run(async () => {
    assert.deepEqual([5, 6].map(home.seen), [5, 6]);
    assert.equal(home.seen.bind(home)(7), 7);
    emitter.emit("seen", 8);
    await new Promise<void>((resolve) => setTimeout(() => resolve(void home.seen(9)), 1));
    setTimeout(home.seen, 0, 10);
    await new Promise((resolve) => setTimeout(resolve, 0));
  });
  const all = tracker.runs;
  assert.deepEqual(
    named(all),
    [5, 6, 7, 8, 9, 10].map((n) => ["Home.seen", { seen: [n] }]),
  );
  assert.ok(all.every((run) => run.experiment === "Home" && run.params["home"] === "true"));
});

test("the call works with any `this`, and another tracked class brings its experiment", async () => {
  @TrackedExperiment("Elsewhere")
  class Elsewhere {}
  const revoked = [class Gone {}, {}].map((target) => {
    const { proxy, revoke } = Proxy.revocable(target, {});
    revoke();
    return proxy;
  });
  const foreign = [
    undefined,
    null,
    5,
    "text",
    Symbol("s"),
    {},
    new Map(),
    Object.create(null),
    () => 1,
    class Foo {},
    ...revoked,
  ];
  class Loose {
    @TrackedRun({ runName: "loose" })
    seen(value: number): number {
      return value;
    }
  }
  const loose = createTestTracker();
  loose.run(() => {
    for (const self of foreign) assert.equal(Reflect.apply(Loose.prototype.seen, self, [1]), 1);
  });
  assert.equal(loose.runs.length, foreign.length);
  const tracker = createTestTracker();
  tracker.run(() => {
    for (const self of foreign) assert.equal(Reflect.apply(Home.prototype.seen, self, [1]), 1);
    assert.equal(Reflect.apply(Home.prototype.seen, new Elsewhere(), [2]), 2);
  });
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.experiment, run.name]),
    [...foreign.map(() => ["Home", "Home.seen"]), ["Elsewhere", "Elsewhere.seen"]],
  );
});

test("a proxied instance stays the call's `this`, private fields included", async () => {
  @TrackedExperiment("Proxied")
  class Secret {
    #value = 4;
    @LogMetric
    read(): number {
      return this.#value;
    }
  }
  const tracker = createTestTracker();
  const bare = new Proxy(new Secret(), {});
  const binding = new Proxy(new Secret(), {
    get(target, key) {
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  tracker.run(() => {
    assert.throws(() => bare.read(), TypeError);
    assert.equal(binding.read(), 4);
  });
  assert.deepEqual(
    tracker.runs.map((run) => [run.name, run.status, run.tags["error.type"], values(run)]),
    [
      ["Secret.read", "FAILED", "TypeError", {}],
      ["Secret.read", "FINISHED", undefined, { read: [4] }],
    ],
  );
});

test("an instance, its class and the method's property look unchanged", () => {
  class Plain {
    field = 1;
    method(_a: number, _b = 2): number {
      return this.field;
    }
  }
  @TrackedExperiment("Looks")
  class Marked {
    field = 1;
    @TrackedRun
    @LogMetric
    @LogParam
    method(_a: number, _b = 2): number {
      return this.field;
    }
  }
  const look = (of: typeof Plain | typeof Marked) => {
    const instance = new of();
    const { value, ...property } = Object.getOwnPropertyDescriptor(of.prototype, "method") ?? {};
    const function_ = Object.fromEntries(
      ["name", "length"].map((key) => [key, Object.getOwnPropertyDescriptor(value, key)]),
    );
    const inherited = [];
    for (const key in instance) inherited.push(key);
    return {
      json: JSON.stringify(instance),
      keys: Reflect.ownKeys(instance),
      inherited,
      property,
      function_,
      members: Reflect.ownKeys(of.prototype),
    };
  };
  assert.deepEqual(look(Marked), look(Plain));
  assert.ok(new Marked() instanceof Marked && new Marked().constructor === Marked);
  assert.throws(() => Reflect.construct(Marked.prototype.method, []), TypeError);
});

test("frozen, spied and replaced classes are tracked like others", async () => {
  const tracker = createTestTracker();
  class Frozen {
    @TrackedRun
    @LogMetric
    m(): number {
      return currentRun() === undefined ? 0 : 1;
    }
  }
  Object.freeze(Frozen);
  Object.freeze(Frozen.prototype);
  class Spied {
    @TrackedRun
    @LogMetric
    m(n: number): number {
      return n;
    }
  }
  const original = Spied.prototype.m;
  const calls: unknown[][] = [];
  Spied.prototype.m = function (...args) {
    calls.push(args);
    return original.apply(this, args) * 10;
  };
  tracker.run(() => {
    Object.freeze(new Frozen()).m();
    assert.equal(new Spied().m(3), 30);
    Spied.prototype.m = original;
    assert.equal(new Spied().m(4), 4);
  });
  assert.deepEqual(calls, [[3]]);
  assert.deepEqual(named(tracker.runs), [
    ["Frozen.m", { m: [1] }],
    ["Spied.m", { m: [3] }],
    ["Spied.m", { m: [4] }],
  ]);
});
