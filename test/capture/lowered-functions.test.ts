// Code for older targets: async functions and generators are plain functions there, whose bodies and names stand in
// another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type TransformOptions, transformSync } from "esbuild";
import { isLoweredGenerator } from "../../src/capture/lowered-functions.js";
import { readParameters } from "../../src/capture/parameter-names.js";
import { LogMetric, LogParam, TrackedExperiment } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { BABEL, GENERATORS, PARAMETERS, SWC, TSC_ES2015, TSC_ES2017, WRITTEN } from "../support/lowered.js";
import { named, steps } from "../support/runs.js";

// biome-ignore lint/suspicious/noExplicitAny: any function
type Any = (...args: any[]) => any;
type Trainer = Record<string, Any> & { stream: Any; steps: Any };

const esbuild = (options: TransformOptions): string => transformSync(WRITTEN, options).code;
/** Texts that can be run, with their helpers. */
const RUNNABLE: Readonly<Record<string, string>> = {
  "tsc ES2015": TSC_ES2015,
  "tsc ES2017": TSC_ES2017,
  "esbuild ES2016": esbuild({ target: "es2016" }),
  "esbuild ES2017": esbuild({ target: "es2017" }),
};

/** The functions of a compiled text by name. */
function functionsOf(code: string): Record<string, Any> {
  const { Trainer, arrow, short } = new Function(`${code}; return { Trainer, arrow, short };`)();
  const members = Object.keys(PARAMETERS).map((name) => [name, Trainer.prototype[name] ?? Trainer[name]]);
  return { ...Object.fromEntries(members), arrow, short };
}

test("parameter names are the written ones, whichever compiler lowered them", () => {
  for (const [compiler, code] of Object.entries(RUNNABLE))
    for (const [name, fn] of Object.entries(functionsOf(code)))
      assert.deepEqual(
        [readParameters(fn).names, readParameters(fn).lost],
        [PARAMETERS[name], false],
        `${compiler}: ${name}`,
      );
  const { left, ...others } = functionsOf(SWC);
  for (const [name, fn] of Object.entries(others))
    assert.deepEqual(readParameters(fn).names, PARAMETERS[name], `swc: ${name}`);
  const { names, lost } = readParameters(left as Any); // it makes a list of them
  assert.deepEqual([names, lost], [[null, null], true]);
  const trainer = BABEL.slice(0, BABEL.indexOf("\nconst arrow"));
  const babel = functionsOf(`${trainer}\nlet arrow, short;`);
  for (const [name, fn] of Object.entries(babel))
    if (fn !== undefined) assert.deepEqual(readParameters(fn).names, PARAMETERS[name], `Babel: ${name}`);
});

test("a rest parameter is recognised where it was moved", () => {
  for (const code of [...Object.values(RUNNABLE), SWC]) {
    const { apart, stream, arrow } = functionsOf(code) as Record<"apart" | "stream" | "arrow", Any>;
    assert.deepEqual(
      [readParameters(apart).rest, readParameters(stream).rest, readParameters(arrow).rest],
      [true, false, false],
    );
  }
});

test("lowered and minified code yields the minifier's names, never the compiler's", () => {
  const code = "export class T { async f(epochs, { lr }, shots) { return epochs + lr + shots; } }";
  const made = transformSync(code, { target: "es2016", minify: true, format: "cjs" }).code;
  const { T } = new Function("module", "exports", `${made}; return module.exports;`)({ exports: {} }, {});
  assert.equal(readParameters(T.prototype.f).minified, true);
  const terser = new Function("a", "return { f(t){return a(this,arguments,void 0,(function*(e,n=.5){return e*n}))} }")(
    null,
  ).f;
  assert.deepEqual([readParameters(terser).names, readParameters(terser).minified], [["e", "n"], true]);
});

test("names moved elsewhere are lost, not replaced by a compiler's inventions", () => {
  const of = (text: string) => readParameters(new Function(`return (${text})`)() as Any);
  const lost = of("function arrow(_x, _x2) {\n return _ref.apply(this, arguments);\n}");
  assert.deepEqual([lost.names, lost.lost, lost.minified], [[null, null], true, false]);
  for (const text of [
    "function hand(rate, epochs) { return inner.apply(this, arguments); }", // by hand
    "function (_x, _x2) { return _x + _x2; }",
    "(a, b) => __await(a, b)",
  ])
    assert.equal(of(text).lost, false, text);
});

test("a generator is recognised by the helper that gets its body", () => {
  for (const [compiler, code] of Object.entries({ ...RUNNABLE, swc: SWC }))
    for (const [name, fn] of Object.entries(functionsOf(code)))
      assert.equal(isLoweredGenerator(fn), GENERATORS.includes(name), `${compiler}: ${name}`);
  const is = (text: string): boolean => isLoweredGenerator(new Function(`return (${text})`)() as Any);
  for (const text of [
    "function (a_1) { return tslib_1.__asyncGenerator(this, arguments, function* (a) {}); }",
    "function (a_1) { return (0, tslib_1.__asyncGenerator)(this, arguments, function* (a) {}); }",
    "function () { return __asyncGenerator2(this, null, function* () {}); }",
    "function () { return _wrap_async_generator._(function*() {})(); }",
    "function () { return (0, _wrapAsyncGenerator2.default)(function* () {})(); }",
    "function () { var _this = this, s = /}/; return /* * */ _wrapAsyncGenerator(function* () {})(); }",
    "(a = { b: ')' }) => __asyncGenerator(null, null, function* () {})",
    "function (a) { var i; return __generator(this, function (_a) { return [2]; }); }",
  ])
    assert.ok(is(text), text);
  for (const text of [
    "function () { if (x) return 1; return __asyncGenerator(this, arguments, function* () {}); }",
    "function () { return function () { return __asyncGenerator(this, null, function* () {}); }; }",
    "function () { const make = () => { return __asyncGenerator(); }; make(); }",
    "function () { return __awaiter(this, void 0, void 0, function () { return __generator(this, function (_a) {}); }); }",
    "function () { /* return __asyncGenerator( */ return 1; }",
    "function () { 'return __asyncGenerator(' }",
  ])
    assert.ok(!is(text), text);
});

/**
 * A tracked class of a compiled text, with `stream` and `steps` decorated by hand: the compiled method is what counts.
 */
function decoratedTrainer(code: string): Trainer {
  const { Trainer: made } = new Function(`${code}; return { Trainer };`)();
  class Tracked extends made {}
  const { prototype } = made as { prototype: object };
  const addInitializer = (): void => undefined;
  for (const name of ["stream", "steps"]) {
    let value = (prototype as Record<string, Any>)[name] as Any;
    const context = { kind: "method", name, static: false, private: false, addInitializer };
    for (const decorator of [LogMetric("loss"), LogParam] as unknown as Any[])
      value = decorator(value, context) ?? value;
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
  (TrackedExperiment("Lowered") as Any)(Tracked, { kind: "class", name: "Tracked", addInitializer });
  return new Tracked() as Trainer;
}

test("a lowered method is tracked like the written one", async () => {
  for (const [compiler, code] of Object.entries(RUNNABLE)) {
    const tracker = createTestTracker();
    const trainer = decoratedTrainer(code);
    await tracker.run(async () => {
      trainer.steps(1, 1); // never iterated
      const closed = trainer.steps(2, 1);
      await closed.return();
      assert.deepEqual(await closed.next(), { value: undefined, done: true });
      assert.deepEqual(await trainer.stream(3, 2), { loss: 6 });
      for await (const { loss } of trainer.steps(3, 6)) assert.ok(loss > 0);
      for await (const _ of trainer.steps(4, 1)) break;
      await assert.rejects(async () => {
        for await (const _ of trainer.steps(5, -1));
      }, RangeError);
    });
    const all = tracker.runs;
    assert.deepEqual(
      all.map((run) => [run.params["epochs"], run.status, run.tags["pulse.partial"], steps(run, "loss").length]),
      [
        ["3", "FINISHED", undefined, 1],
        ["3", "FINISHED", undefined, 3],
        ["4", "FINISHED", "true", 1],
        ["5", "FAILED", undefined, 0],
      ],
      compiler,
    );
    assert.deepEqual(all[1]?.params, { epochs: "3", lr: "6" });
    assert.equal(named(all, "Tracked.steps").length, 3);
    assert.deepEqual(tracker.warnings, [], compiler);
  }
});

test("lost names are reported once, and arguments go by position", async () => {
  const tracker = createTestTracker();
  const inner = async (lr: number) => ({ loss: lr });
  const arrow = new Function("_ref", "return function arrow(_x) { return _ref.apply(this, arguments); }")(inner) as Any;
  const fn = tracker.tracked(arrow, { params: ["lr", "0"] });
  await fn(0.5);
  await fn(0.25);
  assert.deepEqual(
    tracker.runs.map((run) => run.params),
    [{ 0: "0.5" }, { 0: "0.25" }],
  );
  assert.deepEqual(tracker.warnings.length, 1);
  assert.match(
    tracker.warnings[0] ?? "",
    /names of arrow's arguments; "lr" is read from the first one.*MINIFIED_NAMES/,
  );
});
