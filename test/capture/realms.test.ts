// Values of another realm (node:vm, Jest) are captured as those of this one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { LogMetric, LogParam, TrackedExperiment, TrackedRun, tracked } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

const there = createContext({});

/** Expressions for values; what each comes to here it must come to there. */
const EXPRESSIONS = [
  "new Map([['loss', 0.5], ['inner', new Map([['acc', 1]])], ['text', 'x'], [2, 3]])",
  "new Map([['curve', new Set([1, 2, 3])]])",
  "new Set([1, 2, 3])",
  "({ loss: 1, inner: { acc: 2 }, curve: [1, 2], map: new Map([['k', new Date(0)]]), set: new Set([{ a: 1 }]) })",
  "Object.create(null)",
  "[1, 2, 3]",
  "[{ loss: 1 }, { loss: 2 }]",
  ...[
    "Int8Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
    "Float32Array",
  ].map((name) => `new ${name}([1, 2, 3])`),
  "new Float64Array([0.5, NaN])",
  "new BigInt64Array([1n, 2n])",
  "new ArrayBuffer(8)",
  "new DataView(new ArrayBuffer(8))",
  "new Date(0)",
  "new Date(NaN)",
  "/x+/g",
  "new Error('no')",
  "Object.assign(new TypeError('no'), { code: 5 })",
  "new AggregateError([new RangeError('one')], 'all')",
  "new Error('outer', { cause: new RangeError('inner') })",
  "Object(1)",
  "Object('text')",
  "Object(true)",
  "Object(5n)",
  "Object(Symbol('s'))",
  "Promise.resolve({ loss: 4 })",
  "({ a: Promise.resolve(1), b: Object(2), c: new Error('x'), d: /y/, e: new ArrayBuffer(2) })",
  "new (class Model { constructor() { this.loss = 1; } })()",
  "(function* () { yield { loss: 1 }; yield { loss: 2 }; })()",
  "() => 1",
  "Symbol('s')",
];

@TrackedExperiment("Realms")
class Realms {
  @LogMetric
  @LogMetric("loss", { prefix: "path/" })
  result(value: unknown): unknown {
    return value;
  }

  @TrackedRun({ tags: (args) => args[1] })
  @LogParam
  @LogParam("value")
  argument(value: unknown, tags: unknown): unknown {
    return void [value, tags];
  }
}

/** Everything that is recorded of a value, wherever it may stand. */
async function recorded(make: () => unknown): Promise<unknown> {
  const tracker = createTestTracker();
  const realms = new Realms();
  const attempts: (() => unknown)[] = [
    () => realms.result(make()),
    () => realms.argument(make(), make()),
    () =>
      tracked(() => {
        throw make();
      })(),
    tracked(() => 1, { failOn: make as never }),
    tracked(() => 1, { runName: make as never }),
    () =>
      tracker.withRun({ params: make() as never }, (run) => {
        run.logParam("value", make());
        run.setTag("value", make());
        run.logMetric("m", 1, { step: 1, timestamp: make() as never });
        run.setTags(make() as never);
        run.logDict({ value: make() }, "value.json");
        run.logBytes(make() as never, "value.bin");
        run.logTable(make() as never, "value-table.json");
        run.logImage({ width: 3, height: 1, data: make() as never }, "value.png");
      }),
  ];
  await tracker.run(async () => {
    for (const attempt of attempts) {
      try {
        const given = await attempt();
        if (typeof given === "object" && given !== null && "next" in given)
          for (const _ of given as unknown as Iterable<unknown>);
      } catch {}
    }
  });
  const all = tracker.runs.map((run) => {
    const tags: Record<string, string> = { ...run.tags };
    delete tags["error.stack"];
    const metrics = values(run);
    const files = Object.entries(run.artifacts).map(([path, bytes]) => [path, Buffer.from(bytes).toString("base64")]);
    return {
      files,
      name: run.name,
      status: run.status,
      parentId: run.parentId,
      params: run.params,
      tags,
      metrics,
      times: run.metrics["m"]?.[0]?.timestamp === 0,
    };
  });
  return { all, warnings: tracker.warnings.map((text) => text.replace(/[0-9a-f]{32}/g, "id")) };
}

for (const expression of EXPRESSIONS) {
  test(`another realm's ${expression}`, async () => {
    assert.deepEqual(
      await recorded(() => runInContext(`(${expression})`, there)),
      await recorded(() => runInContext(`(${expression})`, there) && new Function(`return (${expression})`)()),
    );
  });
}
