// What browsers and edge runtimes get must be there for each name of the package, and do what that does while tracking
// is off.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const root = process.cwd();
const BROWSER = `${root}/dist/esm/browser/index.js`;

/** What a program with both dialects' calls of everything comes to, in JSON. */
const PROGRAM = `
const outcome = async (value) => {
  try {
    const given = await (typeof value === "function" ? value() : value);
    return given === undefined ? "undefined" : typeof given === "function" ? "a function" : typeof given === "object" && given !== null ? "an object" : given;
  } catch (error) {
    return [error.name, error.code, error instanceof pulse.PulseError];
  }
};
const seen = {};
const see = async (name, value) => { seen[name] = await outcome(value); };
await see("names", Object.keys(pulse).sort().join());
const add = (a, b) => a + b;
await see("tracked", pulse.tracked(add, { metrics: "x" }) === add);
await see("bind", pulse.bind(add)(1, 2));
await see("currentRun", pulse.currentRun());
await see("flush", pulse.flush());
await see("shutdown", pulse.shutdown());
await see("stats", JSON.stringify(pulse.stats()));
await see("configure", pulse.configure({ trackingUri: "http://127.0.0.1:1" }));
await see("logExperiment", pulse.logExperiment({ experiment: "E", metrics: { a: 1 } }));
await see("withRun", pulse.withRun({ experiment: "E", runName: "r" }, (run) => [run.experiment, run.runName, run.id.length].join()));
await see("nested", pulse.withRun({}, () => outcome(pulse.currentRun())));
for (const [place, run] of [["startRun", pulse.startRun({ experiment: "E" })], ["requireRun", pulse.requireRun()]]) {
  await see(place + ".ended before", run.ended);
  await see(place + " in JSON", () => Object.keys(JSON.parse(JSON.stringify(run))).includes("id"));
  for (const [verb, ...args] of [
    ["logMetric", "a", 1], ["logMetrics", { a: 1 }], ["logParam", "a", 1], ["logParams", { a: 1 }], ["setTag", "a", "b"], ["setTags", { a: "b" }],
    ["logText", "a", "a.txt"], ["logDict", {}, "a.json"], ["logBytes", new Uint8Array(1), "a.bin"], ["logArtifact", "a"], ["logArtifacts", "a"],
    ["logTable", [{ a: 1 }], "t.json"], ["logImage", { width: 1, height: 1, data: [0] }, "a.png"], ["logFigure", { data: [] }, "a.html"],
    ["logInput", { name: "d" }], ["logStream", new Blob(["a"]).stream(), "s.txt"], ["serverId"], ["end"], [Symbol.asyncDispose ?? Symbol.for("nodejs.asyncDispose")],
  ]) await see(place + "." + String(verb), () => run[verb](...args));
  for (const key of ["then", "toJSON", "ended", "children", "experiment", "method"]) await see(place + "." + key, run[key]);
}
const tracker = pulse.createTracker({ trackingUri: "null:" });
for (const name of ["run", "withRun", "startRun", "tracked", "flush", "shutdown", "stats"]) await see("tracker." + name, typeof tracker[name]);
await see("tracker.run", tracker.run(() => 5));
const schema = pulse.defineExperiment({ name: "S", metrics: { loss: {} } });
await see("schema.startRun", schema.startRun().experiment);
await see("schema.withRun", schema.withRun({}, (run) => run.logMetric("loss", 1)));
await see("schema.currentRun", schema.currentRun());

const bare = (decorator, key = "m") => class { static { const p = this.prototype; p.m = () => 1; const d = Object.getOwnPropertyDescriptor(p, key); const made = decorator(p, key, d); if (made) Object.defineProperty(p, key, made); } };
for (const name of ["LogMetric", "LogParam", "LogTag", "TrackedRun", "TrackedExperiment"]) {
  await see("legacy bare " + name, () => new (bare(pulse[name]))().m());
  await see("legacy called " + name, () => new (bare(pulse[name]()))().m());
  const method = function m() { return 2; };
  const context = { kind: "method", name: "m", static: false, private: false, addInitializer() {}, access: {}, metadata: {} };
  await see("standard bare " + name, () => (pulse[name](method, context) ?? method)());
  await see("standard called " + name, () => (pulse[name]()(method, context) ?? method)());
}
await see("legacy selector", () => new (bare(pulse.LogMetric("loss", { step: "epoch" })))().m());
await see("legacy files", () => new (bare(pulse.LogArtifact("a.txt")))().m());
class Model { n = 3; m(lr) { return lr; } }
await see("legacy class", () => (pulse.TrackedExperiment(Model) ?? Model) === Model);
await see("legacy named class", () => (pulse.TrackedExperiment("E", { params: { a: 1 } })(Model) ?? Model) === Model);
await see("parameter", () => pulse.LogParam("lr")(Model.prototype, "m", 0));
console.log(JSON.stringify(seen));
`;

function played(entry: string): { seen: Record<string, unknown>; said: string } {
  const program = `import * as pulse from ${JSON.stringify(entry)};${PROGRAM}`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    env: { PATH: process.env["PATH"], PULSE_MLFLOW: "off" },
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return { seen: JSON.parse(stdout), said: stderr };
}

test("in a browser code runs as with tracking off, and one message says so", () => {
  const off = played(`${root}/dist/esm/index.js`);
  const browser = played(BROWSER);
  assert.deepEqual(browser.seen, off.seen);
  assert.equal(browser.said.split("\n").length, 2, browser.said);
  assert.match(browser.said, /^pulse-mlflow records nothing here/);
});

test("in a browser a client reads nothing, and says why", async () => {
  const { warn } = console;
  console.warn = () => undefined;
  try {
    const { MlflowClient, defineExperiment } = (await import(BROWSER)) as typeof import("../../src/index.js");
    const client = new MlflowClient();
    const runs = client.runs("E").where("metrics.loss < 1").orderBy("metrics.loss").limit(3);
    const Sweep = defineExperiment({ name: "S", metrics: { loss: { goal: "minimize" } } });
    const reads = [
      () => runs.toArray(),
      () => runs.first(),
      () => client.searchExperiments().page(),
      () => client.getRun("x"),
      () => Sweep.runs().first(),
      () => Sweep.bestRun("loss"),
    ];
    for (const read of reads) await assert.rejects(read, { code: "DISABLED" });
    await assert.rejects(
      async () => {
        for await (const _ of runs);
      },
      { code: "DISABLED" },
    );
    await client.close();
  } finally {
    console.warn = warn;
  }
});

test("the browser build imports nothing", () => {
  assert.doesNotMatch(readFileSync(BROWSER, "utf8"), /\bimport\b|\brequire\b|\bprocess\b/);
});
