// Places only the standard dialect has: private members of every kind, class expressions, and what runs while a class
// is being made.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogTag, TrackedExperiment, TrackedRun, tracked } from "../../src/index.js";
import { createTestTracker, type TestRun } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

const named = (runs: readonly TestRun[]) => runs.map((run) => [run.name, values(run)]);

@TrackedExperiment("Vault")
class Vault {
  seen: number[] = [];

  @LogMetric("n")
  async #later(n: number): Promise<number> {
    await Promise.resolve();
    return n;
  }

  @LogMetric("n")
  *#each(to: number): Generator<number> {
    for (let n = 0; n < to; n++) yield n;
  }

  @TrackedRun
  @LogMetric("n")
  static async *#stream(to: number): AsyncGenerator<number> {
    for (let n = 0; n < to; n++) yield n;
  }

  @LogMetric("set")
  set #level(value: number) {
    this.seen.push(value);
  }

  @LogMetric("total")
  static accessor #total = 1;

  @LogMetric
  #loose(): number {
    return 5;
  }

  @TrackedRun
  @LogMetric
  #opens(): number {
    return 6;
  }

  @TrackedRun
  async all(): Promise<number[]> {
    const read = [await this.#later(7), ...this.#each(2)];
    for await (const n of Vault.#stream(2)) read.push(n);
    this.#level = 8;
    Vault.#total += 8;
    return [...read, ...this.seen, Vault.#total];
  }

  static taken(from: Vault): (() => number)[] {
    return [from.#loose, from.#opens];
  }

  inside(): number {
    return this.#loose();
  }
}

class Derived extends Vault {}

test("private methods, setters and static accessors log into the calling run", async () => {
  const tracker = createTestTracker();
  assert.deepEqual(await tracker.run(() => new Derived().all()), [7, 0, 1, 0, 1, 8, 9]);
  assert.deepEqual(named(tracker.runs), [
    ["Derived.all", { n: [7, 0, 1], set: [8], total: [9] }],
    ["Vault.stream", { n: [0, 1] }],
  ]);
});

test("a private method off its instance only logs if @TrackedRun opens a run", async () => {
  const tracker = createTestTracker();
  const [loose, opens] = Vault.taken(new Vault()) as [() => number, () => number];
  tracker.run(() => assert.deepEqual([loose(), opens()], [5, 6]));
  assert.deepEqual(named([tracker.onlyRun]), [["opens", { opens: [6] }]]);
  assert.equal(tracker.warnings.length, 1);
  assert.match(tracker.warnings[0] ?? "", /loose.*OUTSIDE_RUN/);
});

test("a private method borrowed for another object is in that object's experiment", async () => {
  @TrackedExperiment("Elsewhere")
  class Elsewhere {}
  const tracker = createTestTracker();
  const [loose] = Vault.taken(new Vault()) as [() => number];
  tracker.run(() => Reflect.apply(loose, new Elsewhere(), []));
  const run = tracker.onlyRun;
  assert.deepEqual([run.name, run.experiment], ["Elsewhere.loose", "Elsewhere"]);
});

test("class expressions are tracked under their name, or under the method's alone", async () => {
  const Given =
    @TrackedExperiment
    class {
      @LogMetric
      m(): number {
        return 1;
      }
    };
  const pass = <T>(value: T): T => value;
  const Nameless = pass(
    @TrackedExperiment("Nameless")
    class {
      @LogMetric
      m(): number {
        return 2;
      }
    },
  );
  const tracker = createTestTracker();
  tracker.run(() => [new Given().m(), new Nameless().m()]);
  assert.deepEqual(
    tracker.runs.map((run) => [run.experiment, run.name]),
    [
      ["Given", "Given.m"],
      ["Nameless", "m"],
    ],
  );
});

test("decorated methods called while a class or instance is made are tracked", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    @TrackedExperiment("Making")
    class Making {
      static fromField: number = Making.make(1);
      static fromBlock: number;
      static {
        Making.fromBlock = Making.make(2);
      }

      field: number = this.grow(3);

      @LogMetric
      static make(n: number): number {
        return n;
      }

      @LogMetric
      grow(n: number): number {
        return n;
      }
    }
    assert.deepEqual([Making.fromField, Making.fromBlock, new Making().field], [1, 2, 3]);
  });
  const all = tracker.runs;
  assert.deepEqual(named(all), [
    ["Making.make", { make: [1] }],
    ["Making.make", { make: [2] }],
    ["Making.grow", { grow: [3] }],
  ]);
  assert.deepEqual([...new Set(all.map(({ experiment }) => experiment))], ["Making"]);
});

test("an accessor's first value is no assignment, and one may hold a function", async () => {
  class Holder {
    @LogTag({ size: ([first]: number[]) => first })
    @LogMetric("values")
    accessor list: number[] = [9];

    accessor train = tracked((n: number) => n * 2, { runName: "train", metrics: "n" });
  }
  const tracker = createTestTracker();
  tracker.withRun({ runName: "around" }, () => {
    const holder = new Holder();
    holder.list = [1, 2];
    assert.equal(holder.train(4), 8);
  });
  const around = tracker.runs.find((run) => run.name === "around");
  assert.deepEqual(
    named(tracker.runs).sort(),
    [
      ["around", { values: [1, 2] }],
      ["train", { n: [8] }],
    ].sort(),
  );
  assert.equal(around?.tags["size"], "1");
});

test("a decorator on a wrong getter, private field or accessor names its place", () => {
  // biome-ignore lint/suspicious/noExplicitAny: the compiler refuses these
  const [anyMetric, anyRun]: any[] = [LogMetric, TrackedRun];
  const wrong: [make: () => unknown, message: RegExp][] = [
    [
      () =>
        class {
          @anyMetric
          get size(): number {
            return 1;
          }
        },
      /@LogMetric is on the getter size; it goes on methods/,
    ],
    [
      () => {
        class Wrong {
          @anyRun
          #train = 1;
          train(): number {
            return this.#train;
          }
        }
        return new Wrong();
      },
      /@TrackedRun is on the field Wrong.train; it goes on methods.*tracked\(fn, options\)/,
    ],
    [
      () =>
        class {
          @anyRun
          accessor train = (): number => 1;
        },
      /@TrackedRun is on the accessor train; it goes on methods/,
    ],
    [
      () =>
        class {
          @anyRun
          set train(_value: number) {}
        },
      /@TrackedRun is on the setter train; it goes on methods/,
    ],
  ];
  for (const [make, message] of wrong) assert.throws(make, { code: "WRONG_TARGET", message });
});

test("other decorators get the tracked method from access, and own metadata", async () => {
  const metadataKey: unique symbol = Symbol.for("Symbol.metadata") as never;
  const had = Object.getOwnPropertyDescriptor(Symbol, "metadata");
  if (!had) Object.defineProperty(Symbol, "metadata", { value: metadataKey, configurable: true });
  try {
    const routes = new Map<string, (on: object) => (n: number) => number>();
    // biome-ignore lint/suspicious/noExplicitAny: a framework's decorator, written without types
    const route: any = (_value: unknown, context: any) => {
      context.metadata.routes = [...(context.metadata.routes ?? []), context.name];
      routes.set(context.name, context.access.get);
    };
    @TrackedExperiment("Routes")
    class Controller {
      @route
      @LogMetric
      above(n: number): number {
        return n;
      }

      @LogMetric
      @route
      below(n: number): number {
        return n;
      }
    }
    // biome-ignore lint/suspicious/noExplicitAny: newer than the library of types
    const metadata = (Controller as any)[(Symbol as any).metadata];
    assert.deepEqual({ ...metadata }, { routes: ["above", "below"] });
    const tracker = createTestTracker();
    const controller = new Controller();
    tracker.run(() => [...routes.values()].map((get, i) => Reflect.apply(get(controller), controller, [i])));
    assert.deepEqual(named(tracker.runs), [
      ["Controller.above", { above: [0] }],
      ["Controller.below", { below: [1] }],
    ]);
  } finally {
    if (!had) Reflect.deleteProperty(Symbol, "metadata");
  }
});
