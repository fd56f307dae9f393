// Where promises are kept: whoever keeps one handles it, and gets the very one back from a tracked call.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tracked } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { unhandled } from "../../support/unhandled.js";
import { sleep } from "../../support/wait.js";

type Kept = Promise<unknown>;
type Keep = (promise: Kept) => void;

/** A promise that fails a moment later. */
const failing = (): Kept => sleep(1).then(() => Promise.reject(new Error("lost")));

class Base {
  name = "base";
  static shared = new Map<string, Kept>();
  static job: Kept | undefined;
}

class Keeper extends Base {
  declare proto: unknown;
  dict: Record<string, unknown> = {};
  readonly set = new Set<Kept>();
  readonly deferred: { promise: Kept | undefined; resolve(): void } = { promise: undefined, resolve() {} };
  readonly pending = new Map<string, { promise: Kept; reject(): void }>();
  readonly queue: { promise: Kept }[] = [];
  readonly state = { cache: new Map<string, Kept>(), list: [] as Kept[], set: new Set<Kept>() };
  readonly large = new Map<string, Kept>(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, Promise.resolve()]));
  readonly wide: Record<string, Kept | number> = Object.fromEntries(
    Array.from({ length: 5_000 }, (_, i) => [`k${i}`, i]),
  );
  readonly log: Kept[] = Array.from({ length: 5_000 }, () => Promise.resolve());

  keep(this: Keeper, _key: string, keep: Keep, promise: Kept): Kept {
    keep(promise);
    return promise;
  }
}

const put = (object: object, key: string, value: unknown): void => void Reflect.set(object, key, value);

const PLACES: readonly (readonly [name: string, (keeper: Keeper, promise: Kept) => void])[] = [
  ["a plain object", ({ dict }, promise) => put(dict, "a", promise)],
  ["a plain object with many", ({ wide }, promise) => put(wide, "new", promise)],
  ["a map with many", ({ large }, promise) => void large.set("new", promise)],
  ["a list with many", ({ log }, promise) => void log.push(promise)],
  ["a set", ({ set }, promise) => void set.add(promise)],
  ["a deferred", ({ deferred }, promise) => put(deferred, "promise", promise)],
  ["deferreds in a map", ({ pending }, promise) => void pending.set("x", { promise, reject() {} })],
  ["deferreds in a list", ({ queue }, promise) => void queue.push({ promise })],
  ["deferreds in an object", ({ dict }, promise) => put(dict, "x", { all: [promise] })],
  ["a map in an object", ({ state }, promise) => void state.cache.set("x", promise)],
  ["a list in an object", ({ state }, promise) => void state.list.push(promise)],
  ["a set in an object", ({ state }, promise) => void state.set.add(promise)],
  ["a map of its base class", (_, promise) => void Base.shared.set("x", promise)],
  ["a property of its base class", (_, promise) => put(Base, "job", promise)],
  ["a property of its prototype", (_, promise) => put(Keeper.prototype, "proto", promise)],
];

for (const [name, keep] of PLACES)
  test(`a promise in ${name} is recognised, and its failure is the run's`, async () => {
    const tracker = createTestTracker();
    const keeper = new Keeper();
    keeper.keep = tracker.tracked(Keeper.prototype.keep);
    const seen = await unhandled(() => {
      for (let again = 0; again < 2; again++) {
        const promise = failing();
        promise.catch(() => undefined); // whoever keeps it
        assert.equal(
          keeper.keep("new", (each) => keep(keeper, each), promise),
          promise,
        );
      }
    });
    assert.deepEqual(seen, []);
    assert.deepEqual(
      tracker.runs.map(({ status }) => status),
      ["FAILED", "FAILED"],
    );
  });

test("a promise kept in an argument or on the function itself is recognised", async () => {
  const tracker = createTestTracker();
  const seen = await unhandled(() => {
    const given = (fill: (arg: Record<string, unknown>, promise: Kept) => void): void => {
      const promise = failing();
      promise.catch(() => undefined);
      const arg: Record<string, unknown> = {};
      const fn = tracker.tracked((made: Record<string, unknown>) => {
        fill(made, promise);
        return promise;
      });
      assert.equal(fn(arg), promise);
    };
    given((arg, p) => Object.assign(arg, { p }));
    given((arg, p) => Object.assign(arg, { list: [p] }));
    given((arg, p) => Object.assign(arg, { map: new Map([[1, p]]) }));
    given((arg, p) => Object.assign(arg, { set: new Set([p]) }));
    given((arg, p) => Object.assign(arg, { deferred: { promise: p } }));
    const cached: ((key: string) => Kept) & { cache?: Record<string, Kept> } = tracked((key: string): Kept => {
      cached.cache ??= {};
      const promise = cached.cache[key] ?? failing();
      cached.cache[key] = promise;
      promise.catch(() => undefined);
      return promise;
    });
    tracker.run(() => assert.equal(cached("a"), cached("a")));
  });
  assert.deepEqual(seen, []);
});

test("the search for a promise runs none of the program's code", async () => {
  const tracker = createTestTracker();
  let asked = 0;
  class Cache extends Map<unknown, unknown> {
    override get(): undefined {
      asked++;
      return undefined;
    }
    override values(): never {
      asked++;
      throw new Error("values");
    }
  }
  const owner = {
    cache: new Cache([["a", 1]]),
    get lazy(): unknown {
      return asked++;
    },
    proxy: new Proxy({}, { get: () => asked++, getOwnPropertyDescriptor: () => void asked++ }),
    buffer: Buffer.alloc(1_000),
    load: tracker.tracked(function load(_key: string): Kept {
      return failing();
    }),
  };
  const seen = await unhandled(() => void owner.load("a"));
  assert.deepEqual([asked, seen.length], [0, 1]);
});
