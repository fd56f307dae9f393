// What a minifier leaves: names are reported once, with the way out; names that people write are not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { transformSync } from "esbuild";
import { readParameters } from "../../src/capture/parameter-names.js";
import * as pulse from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";

const PROGRAM = `
class Trainer {
  evaluate(learningRate: number, shots: number) { return { loss: learningRate / shots }; }
  single(learningRate: number) { return { loss: learningRate }; }
}
class Named { evaluate(learningRate: number, shots: number) { return { loss: learningRate / shots }; } }
DECORATE
export async function main() {
  new Tracked().evaluate(0.1, 5);
  new Tracked().evaluate(0.2, 5);
  new Tracked().single(0.3);
  tracked(function trainModel(learningRate: number) { return { loss: learningRate }; }, { metrics: "loss" })(0.1);
  tracked(async (rate: number) => ({ loss: rate }), { metrics: "loss" })(0.1); // never had a name
  withRun({ runName: "block" }, (run) => run.logMetric("m", 1));
}
`;

/** Decorates by calls, as compilers do, so that one text serves both dialects. */
const DECORATE = `
const { LogParam, LogMetric, TrackedRun, tracked, withRun } = pulse;
const Tracked = Trainer;
for (const key of ["evaluate", "single"])
  Trainer.prototype[key] = tracked(Trainer.prototype[key], { params: PARAMS, metrics: "loss" });
`;

/** What is said of the program, minified or not. */
async function said(minify: boolean, params = "(args) => ({ lr: args[0] })", more: object = {}): Promise<string[]> {
  const text = PROGRAM.replace("DECORATE", DECORATE.replace("PARAMS", params));
  const { code } = transformSync(text, { loader: "ts", format: "cjs", minify, target: "es2022", ...more });
  const module = { exports: {} as { main(): Promise<void> } };
  new Function("module", "exports", "pulse", code)(module, module.exports, pulse);
  const tracker = createTestTracker();
  await tracker.run(() => module.exports.main());
  await tracker.flush();
  return [...tracker.warnings];
}

test("renamed classes and functions are reported once each, with the way out", async () => {
  const warnings = await said(true);
  assert.equal(warnings.length, 2, warnings.join("\n"));
  assert.match(
    warnings[0] ?? "",
    /A minifier seems to have renamed a class: its runs are called "\w\.…".*keepNames.*MINIFIED_NAMES/,
  );
  assert.match(
    warnings[1] ?? "",
    /A minifier seems to have renamed a function: its runs are called "anonymous".*MINIFIED_NAMES/,
  );
});

test("a single argument without a name is reported too", () => {
  const minified = (text: string): boolean =>
    readParameters(new Function(`return ${text}`)() as () => unknown).minified;
  assert.deepEqual(
    ["({f(e){return e}}).f", "(e)=>e*2", "function(e){return e}", "({f(e,t){}}).f"].map(minified),
    Array(4).fill(true),
  );
  assert.deepEqual(
    ["({ f(x) { return x; } }).f", "x => x * 2", "(x) => x", "function (x) { }", "({f(lr){}}).f", "({f(){}}).f"].map(
      minified,
    ),
    Array(6).fill(false),
  );
});

test("nothing is reported for code that is not minified or keeps its names", async () => {
  assert.deepEqual(await said(false), []);
  assert.deepEqual(await said(true, undefined, { keepNames: true }), []);
});
