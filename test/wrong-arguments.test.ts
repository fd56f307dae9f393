import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest, shownValue } from "../src/base/wrong-input.js";
import { Results } from "../src/client/results.js";
import * as entry from "../src/index.js";
import {
  bind,
  configure,
  createTracker,
  defineExperiment,
  logExperiment,
  PulseError,
  startRun,
  tracked,
  withRun,
} from "../src/index.js";
import { clsHookedContext } from "../src/integrations/cls-hooked.js";
import * as testing from "../src/testing/index.js";
import {
  assertLoggedMetric,
  assertRun,
  createTestTracker,
  recordMlflowCalls,
  trackingStoreContract,
} from "../src/testing/index.js";

// biome-ignore lint/suspicious/noExplicitAny: what no compiler would let pass
type Loose = (...args: any[]) => any;
const loose = (fn: unknown): Loose => fn as Loose;
const tracker = createTestTracker();
tracker.withRun({}, () => undefined);

const Sweep = defineExperiment({ name: "Arguments", metrics: { loss: {} } });

/** What is called, and what is said of it: the function, the argument, what was got. */
const cases: readonly (readonly [call: () => unknown, message: RegExp])[] = [
  [() => loose(configure)(), /^configure: options must be an object; got undefined\.$/],
  [() => loose(configure)("http://u:hunter2@h"), /^configure: options must be an object; got "http:\/\/\S*@h"\.$/],
  [() => loose(configure)({ flushIntervalMs: 3 }), /^configure: flushIntervalMs must be a number of .*; got 3\.$/],
  [
    () => loose(configure)({ trakingUri: "x" }),
    /^configure: there is no option "trakingUri"\. Did you mean "trackingUri"\? There are trackingUri, /,
  ],
  [
    () => loose(configure)({ outbox: { maxbytes: 1 } }),
    /^configure: outbox must be .*; got one with "maxbytes" \(did you mean "maxBytes"\?\)\.$/,
  ],
  [
    () => loose(configure)({ auth: { user: "me", password: "hunter2" } }),
    /^configure: auth must be .*; got one with "user" \(did you mean "username"\?\)\.$/,
  ],
  [() => loose(configure)({ auth: "hunter2" }), /^configure: auth must be [^;]*$/],
  [
    () => loose(configure)({ headers: { "x-key": 5 } }),
    /^configure: headers must be [^;]*; got one with a value of "x-key" that a header cannot hold\.$/,
  ],
  [() => loose(createTracker)(null), /^createTracker: options must be an object; got null\.$/],
  [() => loose(createTracker)({ strict: 1 }), /^createTracker: strict must be true or false; got 1\.$/],
  [
    () => loose(bind)(3),
    /^bind: fn must be a function; got 3: pass the function itself, not the result of calling it\.$/,
  ],
  [() => loose(bind)(), /^bind: fn must be a function; got undefined\.$/],
  [
    () => loose(tracked)({ password: "hunter2" }),
    /^tracked: fn must be a function; got \{"password":"\[redacted\]"\}: the function comes first, then the options, as in tracked\(fn, \{ experiment: "Sweep" \}\)\.$/,
  ],
  [() => loose(tracked)(() => 1, { smaple: 1 }), /^tracked: there is no option "smaple"\. Did you mean "sample"\?/],
  [
    () => loose(tracked)(() => 1, { sample: 2 }),
    /^tracked: sample must be a number from 0 to 1, or a function; got 2\.$/,
  ],
  [() => loose(withRun)(() => 1), /^withRun: options must be an object, as in withRun\(\{\}, fn\); got a function\.$/],
  [() => loose(withRun)({}), /^withRun: fn must be a function; got undefined\.$/],
  [() => loose(withRun)(), /^withRun: options must be an object; got undefined\.$/],
  [
    () => loose(startRun)("sweep"),
    /^startRun: options must be an object, as in startRun\(\{ experiment: "sweep" \}\); got "sweep"\.$/,
  ],
  [() => loose(startRun)({ runName: 5 }), /^startRun: runName must be a string; got 5\.$/],
  [
    () => loose(tracker.run)(5),
    /^tracker\.run: fn must be a function; got 5: pass the function itself, not the result of calling it\.$/,
  ],
  [() => loose(tracker.withRun)({}), /^withRun: fn must be a function/],
  [() => loose(tracker.tracked)(), /^tracked: fn must be a function/],
  [() => loose(defineExperiment)(), /^defineExperiment: options must be an object; got undefined\.$/],
  [
    () => loose(defineExperiment)({ name: "X" }),
    /^defineExperiment: metrics must be an object of .*; got undefined\.$/,
  ],
  [() => loose(defineExperiment)({ name: "X", metrics: [] }), /^defineExperiment: metrics must be .*; got \[\]\.$/],
  [
    () => loose(defineExperiment)({ name: "X", metrics: {}, params: null }),
    /^defineExperiment: params must be .*; got null\.$/,
  ],
  [
    () => loose(defineExperiment)({ name: "X", metrics: { loss: 1 } }),
    /^defineExperiment: metrics\.loss must be an object; got 1\.$/,
  ],
  [
    () => loose(defineExperiment)({ name: "X", metrics: { loss: { gaol: 1 } } }),
    /^defineExperiment: there is no option "metrics\.loss\.gaol"\. Did you mean "goal"\? There are unit, goal, range\.$/,
  ],
  [() => loose(Sweep.withRun)({}), /^withRun: fn must be a function/],
  [() => loose(Sweep.withRun)(() => 1), /^withRun: options must be an object/],
  [
    () => loose(Sweep.startRun)("x"),
    /^startRun: options must be an object, as in startRun\(\{ experiment: "x" \}\); got "x"\.$/,
  ],
  [() => loose(Sweep.TrackedExperiment)("x"), /^TrackedExperiment: options must be an object, as in .*; got "x"\.$/],
  [
    () => loose(Sweep.LogMetric)("los"),
    /^LogMetric: "los" is not a metric of Arguments\. Did you mean "loss"\? There is loss\.$/,
  ],
  [() => loose(entry.LogMetric)(5), /^LogMetric: the selector must be .*; got 5\.$/],
  [() => loose(entry.LogMetric)(["a", 7]), /^LogMetric: path 2 of the selector must be a path; got 7\.$/],
  [() => loose(entry.LogMetric)([]), /^LogMetric: the selector must be a list of at least one path; got \[\]\.$/],
  [() => loose(entry.LogMetric)(""), /^LogMetric: the selector must be a path that is not empty; got ""\.$/],
  [() => loose(entry.LogMetric)({ a: 1 }), /^LogMetric: "a" in the selector must be a path or a function; got 1\.$/],
  [
    () => loose(entry.LogParam)("lr", { prefix: "x" }),
    /^LogParam takes a selector and no options; got \{"prefix":"x"\} as the second argument\.$/,
  ],
  [() => loose(entry.LogTag)("stage", 5), /^LogTag takes a selector and no options; got 5 as the second argument\.$/],
  [
    () => loose(tracked)(Promise.resolve(1)),
    /^tracked: fn must be a function; got a promise: pass the function itself/,
  ],
  [
    () => loose(withRun)({ params: ["lr"] }, () => 1),
    /^withRun: params must be a record or a function: .*no arguments to take; got \["lr"\]\.$/,
  ],
  [() => loose(configure)({ auth: { username: "me" } }), /^configure: auth must be .*; got one without password\.$/],
  [() => loose(configure)({ outbox: { maxBytes: "1GB" } }), /^configure: outbox must be .*; got maxBytes: "1GB"\.$/],
  [
    () => loose(configure)({ trackingUri: "http://h:99999" }),
    /^Tracking URI "http:\/\/h:99999" has port 99999; ports go from 1 to 65535\. /,
  ],
  [
    () => loose(configure)({ trackingUri: "HTTP//127.0.0.1" }),
    /^Tracking URI .* is not a URL\. Did you mean "http:\/\/127\.0\.0\.1"\? /,
  ],
  [
    () => loose(configure)({ trackingUri: "postgresql://h/db" }),
    /^Tracking URI .*: PostgreSQL is reached through a server, not directly: start `mlflow server /,
  ],
  [
    () => loose(entry.TrackedExperiment)({ params: { a: 1 } }, "S"),
    /^TrackedExperiment: the experiment's name comes first, and options are an object after it; got "S" second\.$/,
  ],
  [
    () => loose(entry.LogMetric)(["loss"], "train/"),
    /^LogMetric: the selector comes first, and options are an object after it; got "train\/" second\.$/,
  ],
  [
    () => loose(entry.TrackedRun)({})(() => 1),
    /^@TrackedRun was applied to a function; use tracked\(fn, options\) for functions\.$/,
  ],
  [
    () =>
      loose(entry.LogMetric)(
        class Trainer {
          train(): void {}
        }.prototype,
        "train",
      ),
    /^@LogMetric was applied to Trainer\.train by hand and without its descriptor.*tracked\(fn, options\)\.$/,
  ],
  [
    () => loose(tracker.startRun().logMetric)("a", 1),
    /^logMetric was called without its run: call it as run\.logMetric\(\)/,
  ],
  [() => loose(tracker.startRun().setTags)({}), /^setTags was called without its run/],
  [() => loose(entry.LogMetric)("x", { everyN: 0 }), /^LogMetric: everyN must be a whole number, 1 or more; got 0\.$/],
  [() => loose(entry.LogMetric)("x")(), /@LogMetric was called with arguments that no decorator gets/],
  [() => loose(entry.LogMetric)("x")(null, "key"), /@LogMetric was called with arguments that no decorator gets/],
  [() => loose(entry.LogParam)(null), /^LogParam: the selector must be .*; got null\.$/],
  [() => loose(entry.LogTag)(true), /^LogTag: the selector must be .*; got true\.$/],
  [
    () => loose(entry.TrackedRun)("x"),
    /^TrackedRun: options must be an object, as in @TrackedRun\(\{ runName: "x" \}\); got "x"\.$/,
  ],
  [
    () => loose(entry.TrackedExperiment)(5),
    /^TrackedExperiment: the experiment's name must be a non-empty string; got 5\.$/,
  ],
  [() => loose(entry.TrackedExperiment)(null), /^TrackedExperiment: the experiment's name must be .*; got null\.$/],
  [() => loose(entry.registerTrackingStore)(), /^registerTrackingStore: scheme must be .*; got undefined\.$/],
  [
    () => loose(entry.registerTrackingStore)("mine"),
    /^registerTrackingStore: make must be a function; got undefined\.$/,
  ],
  [() => loose(createTestTracker)(null), /^createTestTracker: options must be an object; got null\.$/],
  [
    () => loose(createTestTracker)({ logger: {} }),
    /^createTestTracker: logger must be an object with a warn method; got \{\}\.$/,
  ],
  [() => loose(recordMlflowCalls)(5), /^recordMlflowCalls: options must be an object; got 5\.$/],
  [
    () => Object.assign(createTestTracker(), { now: "noon" }),
    /^TestTracker: now must be a number of milliseconds .*; got "noon"\.$/,
  ],
  [() => loose(assertLoggedMetric)(), /^assertLoggedMetric: recorded must be a test tracker, .*; got undefined\.$/],
  [() => loose(assertLoggedMetric)(tracker), /^assertLoggedMetric: key must be a string; got undefined\.$/],
  [
    () => loose(assertLoggedMetric)(tracker, "loss", { nera: 1 }),
    /there is no option "expected\.nera"\. Did you mean "near"\?/,
  ],
  [
    () => loose(assertLoggedMetric)(tracker, "loss", { near: "1" }),
    /^assertLoggedMetric: expected\.near must be a number or .*; got "1"\.$/,
  ],
  [() => loose(assertRun)([5]), /^assertRun: recorded must be .*; got \[5\]\.$/],
  [() => loose(assertRun)(tracker, 5), /^assertRun: expected must be an object; got 5\.$/],
  [() => loose(testing.pulseMatchers.toHaveRun)(undefined), /^toHaveRun: recorded must be/],
  [
    () => loose(testing.pulseMatchers.toHaveLoggedMetric)(tracker, 1),
    /^toHaveLoggedMetric: key must be a string; got 1\.$/,
  ],
  [() => loose(trackingStoreContract)(), /^trackingStoreContract: makeSubject must be a function; got undefined\.$/],
  [
    () => loose(clsHookedContext)(5),
    /^clsHookedContext: namespace must be one of cls-hooked's; this one has no method get\.$/,
  ],
];

test("a wrong argument is an error with function, argument and value, but no secret", () => {
  for (const [call, message] of cases)
    assert.throws(call, (error: Error) => {
      assert.ok(error instanceof PulseError, String(error.stack));
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
});

test("no exported function throws a raw error, whatever it gets", async () => {
  const raw: string[] = [];
  const lenient = createTestTracker();
  const client = new entry.MlflowClient({ tracker: lenient });
  const methods = Object.getOwnPropertyNames(entry.MlflowClient.prototype)
    .filter((name) => !/^(constructor|close|bestOf)$/.test(name))
    .map((name) => [name, (client as unknown as Record<string, Loose>)[name]?.bind(client)] as const);
  const names = [
    ...Object.entries(entry),
    ...Object.entries(testing),
    ...methods,
    ["clsHookedContext", clsHookedContext] as const,
    ["MlflowClient", (...args: unknown[]) => Reflect.construct(entry.MlflowClient, args)] as const,
  ].filter(([, value]) => value !== entry.MlflowClient);
  for (const [name, fn] of names) {
    if (typeof fn !== "function" || /Error$|^configure$/.test(name)) continue;
    for (const args of [
      [],
      [null],
      [5],
      ["x"],
      [[]],
      [Symbol("s")],
      [{}, null],
      [null, null],
      [() => 1, null],
      [{ length: 1 }, "x", 5],
    ])
      try {
        const given = lenient.run(() => loose(fn)(...args));
        if (given instanceof Results) await given.toArray();
        if (given instanceof Promise) await given;
        else if (typeof given === "function") loose(given)(...args);
      } catch (error) {
        if (!(error instanceof PulseError) && (error as Error).name !== "AssertionError")
          raw.push(`${name}(${args.map(String)}): ${error}`);
      }
  }
  assert.deepEqual(raw, []);
});

test("logExperiment names the option, its requirement and what it got", async () => {
  for (const [log, message] of [
    [undefined, /^logExperiment: options must be an object; got undefined\.$/],
    [{}, /^logExperiment: experiment must be a non-empty string; got undefined\.$/],
    [{ experiment: "E", metric: {} }, /^logExperiment: there is no option "metric"\. Did you mean "metrics"\?/],
    [{ experiment: "E", runName: 5 }, /^logExperiment: runName must be a string; got 5\.$/],
    [
      { experiment: "E", timeoutMs: "5" },
      /^logExperiment: timeoutMs must be a number of milliseconds, 0 or more; got "5"\.$/,
    ],
  ] as const)
    await assert.rejects(logExperiment(log as never), { code: "INVALID_OPTION", message });
});

test("flush and shutdown check their limit and work as event listeners", async () => {
  for (const end of [entry.flush, entry.shutdown, tracker.flush.bind(tracker), tracker.shutdown.bind(tracker)]) {
    await assert.rejects(
      loose(end)({ timeoutMs: "5" }),
      /: timeoutMs must be a number of milliseconds, 0 or more; got "5"\.$/,
    );
    await assert.rejects(loose(end)({ timeout: 5 }), /: there is no option "timeout"\. Did you mean "timeoutMs"\?/);
  }
  for (const given of [null, 0, "SIGTERM", new Event("abort")]) {
    const mine = createTestTracker();
    await loose(mine.flush.bind(mine))(given);
    await loose(mine.shutdown.bind(mine))(given, 15);
  }
});

test("the contract reports a subject without its parts in each case", async () => {
  const [first] = trackingStoreContract(async () => ({ store: undefined }) as never);
  await assert.rejects(
    first?.run() as Promise<void>,
    /^PulseError: trackingStoreContract: the result of makeSubject must be \{ store, reader, dispose \}; got/,
  );
});

test("errors can be made with any code and text", () => {
  const error = new PulseError("NOPE" as never, undefined as never);
  assert.equal(error.code, "INVALID_OPTION");
  assert.match(error.message, /^PulseError: code must be one of PulseErrorCode; got "NOPE"\./);
  assert.equal(
    new PulseError("REJECTED", 'It said: "No.". Then: Broke.. And ... so on').message,
    'It said: "No.". Then: Broke. And ... so on',
  );
  assert.equal(new entry.MlflowError("REJECTED", "No.", undefined as never, 400).code, "REJECTED");
});

test("a run's verbs warn about wrong arguments and never throw", () => {
  const mine = createTestTracker();
  mine.withRun({}, (run) => {
    const any = run as unknown as Record<string, Loose>;
    any["logMetric"]?.("loss", "high");
    any["logMetrics"]?.({ a: 1 }, null);
    any["logMetrics"]?.(5);
    any["logInput"]?.({ name: 5 }, null);
    any["logParams"]?.("lr");
    any["setTags"]?.([1]);
    any["end"]?.("DONE");
  });
  assert.match(mine.warnings.join("\n"), /Metric "loss" needs a number, got "high"; it is left out/);
  assert.equal(mine.onlyRun.metrics["a"]?.length, 1);
});

test("a misspelt or shortened name gets the meant one, an unrelated one does not", () => {
  const words = ["experiment", "runName", "sample", "trackingUri", "when"];
  for (const [word, meant] of [
    ["smaple", "sample"],
    ["trackingURI", "trackingUri"],
    ["tracking_uri", "trackingUri"],
    ["exp", "experiment"],
    ["runname", "runName"],
    ["whne", "when"],
    ["wheel", undefined],
    ["metrics", undefined],
    ["", undefined],
    ["s".repeat(1_000_000), undefined],
  ] as const)
    assert.equal(nearest(word, words), meant, word.slice(0, 20));
});

test("a value is shown in one short line without secrets", () => {
  for (const [value, shown] of [
    [1.5, "1.5"],
    [Number.NaN, "NaN"],
    [10n, "10n"],
    [null, "null"],
    ["a\nb", '"a\\nb"'],
    [() => 1, "a function"],
    [class {}, "a class"],
    [Symbol("s"), "Symbol(s)"],
    [{ token: "abcdefgh12345678", a: [1] }, '{"token":"[redacted]","a":[1]}'],
    [new Proxy({}, { ownKeys: () => assert.fail("hands off") }), "a value that cannot be shown"],
  ] as const)
    assert.equal(shownValue(value), shown);
  assert.ok(shownValue("x".repeat(1_000_000)).length < 110);
});
