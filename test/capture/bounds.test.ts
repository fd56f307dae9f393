// What capturing costs does not depend on how large a value is.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { sanitizeKey } from "../../src/base/text/keys.js";
import { valueText } from "../../src/base/text/value-text.js";
import { LogMetric, LogParam, type Run, TrackedRun, tracked } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { heapUsed } from "../support/heap.js";

const MB = 1_000_000;
/** A flat text: what is joined and not yet written out costs its length to whoever looks at it first. */
const flat = (length: number, of = "x"): string => Buffer.alloc(length, of).toString("latin1");
const chain = (depth: number): object => {
  let inner: object = {};
  for (let i = 0; i < depth; i++) inner = { inner };
  return inner;
};
const cyclic = (): object => {
  const nodes = Array.from({ length: 1_000 }, (_, id): Record<string, unknown> => ({ id }));
  for (const node of nodes) node["all"] = nodes;
  return nodes[0] as object;
};
class Endless {
  toJSON(): unknown {
    return [new Endless(), new Endless(), flat(10_000)];
  }
}
class Big {
  data: Buffer = Buffer.alloc(5 * MB, 1);
  list: number[] = new Array<number>(MB).fill(1.5);
}

const HOSTILE: Record<string, () => unknown> = {
  "a Buffer": () => Buffer.alloc(5 * MB, 7),
  "a typed array": () => new Float64Array(MB).fill(Math.PI),
  "an ArrayBuffer": () => new ArrayBuffer(5 * MB),
  "a DataView": () => new DataView(new ArrayBuffer(5 * MB)),
  "a text": () => flat(5 * MB),
  "a text of NULs": () => flat(5 * MB, "\0"),
  "a text of halves of pairs": () => Buffer.alloc(2 * MB, "\uD83D", "utf16le").toString("utf16le"),
  "a boxed text": () => Object(flat(5 * MB)),
  "a symbol": () => Symbol(flat(5 * MB)),
  "an array": () => new Array(MB).fill({ a: 1, b: "text" }),
  "a sparse array": () => Object.assign([], { length: 2 ** 32 - 1 }),
  "a list of lists": () => new Array(1_000).fill(new Array(MB).fill(true)),
  "a set": () => new Set(Array.from({ length: MB / 4 }, (_, i) => i)),
  "a map": () => new Map(Array.from({ length: MB / 4 }, (_, i) => [`key ${i}`, i])),
  "a map of huge keys": () =>
    new Map<unknown, number>([
      [flat(5 * MB), 1],
      [10n ** 100_000n, 2],
    ]),
  "a deep object": () => chain(10_000),
  "a cyclic object": cyclic,
  "an object with a huge key": () => ({ [flat(2 * MB)]: 1, [flat(2 * MB, "y")]: { inner: 2 } }),
  "a bigint": () => 10n ** 300_000n,
  "bigints in a list": () => new Array(1_000).fill(-(10n ** 300_000n)),
  "an error with causes": () =>
    new Error(flat(5 * MB), { cause: new TypeError(flat(5 * MB), { cause: { data: Buffer.alloc(5 * MB) } }) }),
  "errors in an error": () => new AggregateError(new Array(1_000).fill(new Error(flat(5 * MB))), flat(5 * MB)),
  "what is thrown and no error": () => ({ code: 404, body: Buffer.alloc(5 * MB) }),
  "a class instance": () => new Big(),
  "a toJSON that returns more": () => {
    const more = { big: new Big(), text: flat(5 * MB), map: new Map([[flat(MB), new Big()]]) };
    return { toJSON: () => more };
  },
  "a toJSON without end": () => new Endless(),
  "a Proxy": () => new Proxy(new Big(), {}),
  "a Proxy of a list": () => new Proxy(new Array(MB).fill("text"), {}),
  "a regular expression": () => new RegExp(flat(MB)),
  "a URL": () => new URL(`data:,${flat(MB)}`),
  "a function": () => Object.defineProperty(() => 1, "name", { value: flat(5 * MB) }),
};

/** Where a value becomes text or a number; each does the same to a small one. */
const PLACES: Record<string, (value: never) => unknown> = {
  "a param": (value) => use((run) => run.logParam("p", value)),
  "a tag": (value) => use((run) => run.setTag("t", value)),
  "a param that has a value already": (value) =>
    use((run) => {
      run.logParam("p", "first");
      run.logParam("p", value);
    }),
  "a key of a metric": (value) => use((run) => run.logMetric(value, 1)),
  "a step": (value) => use((run) => run.logMetric("m", 1, { step: value })),
  "the name of a run": (value) => tracker.run(tracked(() => undefined, { runName: () => value })),
  "an argument": (value) => tracker.run(() => new Places().argument(value)),
  "an argument that is picked": (value) => tracker.run(() => new Places().picked(value)),
  "a result": (value) => tracker.run(() => new Places().result(value)),
  "results in a list": (value) => tracker.run(() => new Places().result(new Array(20).fill(value) as never)),
  "what is thrown": (value) =>
    swallow(() =>
      tracker.withRun({}, () => {
        throw value;
      }),
    ),
  "the reason of a failure": (value) => tracker.run(tracked(() => undefined, { failOn: () => value })),
  "what a selector throws": (value) =>
    tracker.run(
      tracked(() => 1, {
        metrics: () => {
          throw value;
        },
      }),
    ),
};

const tracker = createTestTracker();
const use = (body: (run: Run) => void): void => tracker.withRun({}, body);

class Places {
  @TrackedRun
  @LogParam
  argument(value: unknown): unknown {
    return void value;
  }

  @TrackedRun
  @LogParam("value")
  picked(value: unknown): unknown {
    return void value;
  }

  @TrackedRun
  @LogMetric
  @LogMetric("loss.value")
  result(value: unknown): unknown {
    return value;
  }
}

function swallow(body: () => void): void {
  try {
    body();
  } catch {}
}

/**
 * The least of several times, in ms, by the clock or by what the process was given of the processors, so that what else
 * the machine does counts little; no more of them than it takes to be below `enough`.
 */
function cost(body: () => unknown, enough = 0): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < (enough > 0 ? 30 : 5) && least > enough; i++) {
    const [began, before] = [performance.now(), process.cpuUsage()];
    body();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, performance.now() - began, (user + system) / 1_000);
  }
  return least;
}

describe("a huge value costs no more than an ordinary long one", () => {
  const TIMES = 8;
  const ordinary = Array.from({ length: 4_000 }, (_, i) => ({ id: i, loss: i / 7, name: "ordinary" }));
  const values = Object.entries(HOSTILE).map(([name, make]) => [name, make()] as const);
  const wide: object = Object.fromEntries(
    Array.from({ length: MB / 10 }, (_, i) => [`key ${i}`, i % 2 === 0 ? undefined : "text"]),
  );
  const listing = cost(() => Object.keys(wide));
  const within = {
    "a wide object": wide,
    "wide objects": { a: wide, b: { c: wide } },
    "in a map": new Map([["a", wide]]),
  };
  for (const [place, take] of Object.entries(PLACES)) {
    test(`as ${place}`, () => {
      const put = take as (value: unknown) => unknown;
      for (let i = 0; i < 20; i++) put(ordinary); // compiled, like what follows
      const usual = Math.max(
        cost(() => valueText("p", ordinary, true)),
        cost(() => put(ordinary)),
      );
      const check = ([name, value]: readonly [string, unknown], allowed: number): string[] => {
        const took = cost(() => put(value), allowed);
        return took > allowed ? [`${name}: ${(took / usual).toFixed(0)} times`] : [];
      };
      assert.deepEqual(
        values.flatMap((each) => check(each, TIMES * usual)),
        [],
      );
      // Beside what the engine takes to list keys.
      assert.deepEqual(
        Object.entries(within).flatMap((each) => check(each, TIMES * usual + 3 * listing)),
        [],
      );
    });
  }
});

class Holder {}

test("each getter and toJSON is called at most once, however often its object is met", () => {
  for (const [place, take] of Object.entries(PLACES)) {
    const counts: Record<string, number> = {};
    const count = (name: string, value: unknown): unknown => {
      counts[name] = (counts[name] ?? 0) + 1;
      return value;
    };
    const inner = {
      get field() {
        return count("inner", 1);
      },
    };
    const json = { toJSON: () => count("toJSON", { inner, list: [inner, inner] }) };
    const value: object = Object.assign(new Holder(), { inner, json, list: [inner, json, new Map([["again", json]])] });
    for (const name of ["name", "message", "code", "stack", "cause", "errors", "signal", "other"])
      Object.defineProperty(value, name, {
        enumerable: true,
        get: () => count(name, name === "errors" ? [inner] : `its ${name}`),
      });
    (take as (value: unknown) => unknown)(value);
    for (const [name, times] of Object.entries(counts)) assert.equal(times, 1, `${place}: ${name}`);
  }
});

test("a huge value is kept as its beginning and size, and two stay different", () => {
  assert.equal(valueText("a", Buffer.from([1, 2, 3]), true), '{"type":"Buffer","data":[1,2,3]}');
  assert.match(
    valueText("a", Buffer.alloc(MB, 1), true),
    /^\{"type":"Buffer","data":\[1,1,1,.*,"\.\.\. 1000000 elements"\]\}$/,
  );
  assert.match(valueText("a", new Set(Array(20_000).keys()), true), /^\[0,1,2,.*,"\.\.\. 20000 elements"\]$/);
  assert.equal(valueText("a", 10n ** 5_000n, true), `1${"0".repeat(5_000)}`);
  assert.match(valueText("a", -(10n ** 300_000n), true), /^-1\.000000e\+300000\.\.\.#[0-9a-f]+$/);
  assert.notEqual(valueText("a", 10n ** 300_000n, true), valueText("a", 10n ** 300_000n + 1n, true));
  assert.equal(
    valueText("a", { n: Object(1n), s: Object("x"), b: Object(false) }, true),
    '{"n":"1","s":"x","b":false}',
  );
  const keys = ["a", "b"].flatMap((end) => [flat(5_000) + end, flat(MB) + end, flat(MB + 1) + end]).map(sanitizeKey);
  assert.equal(new Set(keys).size, keys.length);
  assert.ok(keys.every((key) => key.length === 250));
});

test("a huge key does not reveal a secret beside it or in its own field", () => {
  const text = valueText("a", { [`${flat(MB, "x ")}password`]: "hunter2", token: { toJSON: () => "hunter2" } }, true);
  assert.doesNotMatch(text, /hunter2/);
});

test("a recorded text does not keep the larger text it was cut from in memory", async () => {
  const tracker = createTestTracker();
  const size = 2 * MB;
  const before = heapUsed();
  tracker.withRun({}, (run) => {
    for (let i = 0; i < 40; i++) {
      const text = `${i} `.padEnd(20, "-") + flat(size);
      run.logParam(`p${i}`, text);
      run.setTag(`t${i}`, { text });
      run.logMetric(text, i);
    }
  });
  await tracker.flush();
  assert.equal(Object.keys(tracker.onlyRun.params).length, 40);
  assert.ok(heapUsed() - before < 8 * size);
});
