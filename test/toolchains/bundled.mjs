// The program that the bundlers get, and what must be there after it has run where only the SQLite driver is installed.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { folderOf, putDriver, putPackage, start, storedRuns } from "./places.mjs";

/**
 * What is logged with the help of what the package brings along of others. A decorator is applied by hand, as compilers
 * do: this is plain JavaScript.
 */
const HELPED = `
  const own = Object.getOwnPropertyDescriptor(Cache.prototype, "lookUp");
  const { value } = LogMetric("ms", { aggregate: ["p50"] })(Cache.prototype, "lookUp", own) ?? own;
  for (const ms of [1, 1, 1]) value.call(new Cache(), ms);
  run.logDict({ a: 1 }, "a.yaml");
  run.logArtifacts("out", "all", { exclude: ["**/*.tmp"] });`;

/** A function that records a run, without `flush`. */
const RECORDING = `
class Cache {
  lookUp(ms) {
    return { ms };
  }
}
const record = () => withRun({ experiment: "Bundled", runName: "bundled", params: { lr: 0.1 } }, (run) => {
  run.logMetric("loss", 0.25);
  run.logText("x", "a.txt");${HELPED}
});
`;

const IMPORTS = {
  esm: 'import { LogMetric, withRun } from "pulse-mlflow";',
  cjs: 'const { LogMetric, withRun } = require("pulse-mlflow");',
};

/** The start of a program that records one run whenever `record()` is called. */
export const recorder = (format) => `${IMPORTS[format]}${RECORDING}`;

/** The folder that is logged; it lies in the working folder. */
export const LOGGED = { "out/deep/kept.txt": "kept", "out/left.tmp": "left" };

const manifest = (format) => JSON.stringify({ private: true, type: format === "esm" ? "module" : "commonjs" });

/**
 * Bundles a program and starts what came out in a place of its own, when the folder that it was built in is gone.
 * `build` gets the project's folder, where it finds `program.js`; it gives the folder of its output, which has a file
 * `app.js`, and the warnings that were `said`: there may be none.
 */
export async function checkBundled({ source, format, installed = false, driver = true }, build) {
  const project = folderOf(
    { "package.json": manifest(source), "program.js": `${recorder(source)}record();\n` },
    "project",
  );
  putPackage(project, { driver: false });
  const place = folderOf({ "package.json": manifest(format) });
  const { folder, said } = await build(project);
  cpSync(folder, place, { recursive: true });
  rmSync(project, { recursive: true });
  if (installed) putPackage(place);
  else if (driver) putDriver(place);

  const cwd = folderOf(LOGGED, "started");
  // Another program loads it, as clouds do with functions: the program's own place says nothing of the bundle's.
  const launcher = join(
    folderOf({ "launch.mjs": `await import(${JSON.stringify(pathToFileURL(join(place, "app.js")).href)});` }),
    "launch.mjs",
  );
  const { status, output } = await start(process.execPath, [launcher], { cwd });
  if (!driver) {
    assert.match(output, /DRIVER_MISSING/);
    assert.equal(status, 0, output);
  } else {
    assert.deepEqual({ status, output }, { status: 0, output: "" });
    checkStored(cwd);
  }
  assert.deepEqual(said, []);
}

/** Compares what is stored in a folder; `more`: runs that come after. */
export function checkStored(folder, more = []) {
  assert.deepEqual(storedRuns(join(folder, "mlflow.db"), { artifacts: true }), [
    {
      name: "bundled",
      status: "FINISHED",
      params: { lr: "0.1" },
      metrics: { loss: 0.25, "ms.p50": 1 },
      artifacts: ["a.txt", "a.yaml", "all/deep/kept.txt"],
    },
    ...more,
  ]);
}

/** Makes the folder that a bundler writes into. */
export function outputOf(project) {
  const folder = join(project, "output");
  mkdirSync(folder);
  return folder;
}

/** Code that is shared with a browser. */
const SHARED = `import { LogMetric, tracked, withRun } from "pulse-mlflow";
const train = tracked((lr) => ({ loss: lr / 2 }), { experiment: "Shared", metrics: "loss" });
class Model {
  score() {
    return 3;
  }
}
const score = Object.getOwnPropertyDescriptor(Model.prototype, "score");
LogMetric(Model.prototype, "score", score);
const loss = withRun({ experiment: "Shared" }, (run) => {
  run.logMetric("loss", 1);
  return train(0.5).loss + new Model().score();
});
console.log("loss", loss);
`;

/**
 * Bundles code for a browser; what came out needs nothing of Node, does its work, and says once that nothing is
 * recorded.
 */
export async function checkForBrowser(build) {
  const project = folderOf({ "package.json": manifest("esm"), "program.js": SHARED }, "project");
  putPackage(project);
  const { folder, said } = await build(project);
  assert.deepEqual(said, []);
  const text = readFileSync(join(folder, "app.js"), "utf8");
  assert.doesNotMatch(text, /["'`](?:node:|fs|path|process)/);
  const place = folderOf({ "package.json": manifest("esm"), "app.js": text });
  const { status, output } = await start(process.execPath, [join(place, "app.js")], { cwd: place });
  assert.deepEqual({ status, lines: output.trim().split("\n").length }, { status: 0, lines: 2 }, output);
  assert.match(
    output,
    /^pulse-mlflow records nothing here.*\nloss 3\.25$|^loss 3\.25\npulse-mlflow records nothing here/m,
  );
  assert.deepEqual(readdirSync(place).sort(), ["app.js", "package.json"]);
}

/** Decorators whose runs and experiment are called after the class, and a function after which runs are called. */
const NAMED = `import { LogMetric, TrackedExperiment, tracked } from "pulse-mlflow";
@TrackedExperiment()
class MetaLearner {
  @LogMetric("loss")
  evaluate(rate: number) {
    return { loss: rate };
  }
}
new MetaLearner().evaluate(0.1);
new MetaLearner().evaluate(0.2);
tracked(function trainModel(rate: number) { return { loss: rate }; }, { metrics: "loss" })(0.1);
`;

/**
 * Bundles and minifies decorators of the legacy dialect: names are kept, or it is said once of what they were lost,
 * with the way out.
 */
export async function checkNames(build, kept = false) {
  const tsconfig = { compilerOptions: { experimentalDecorators: true, target: "es2022" } };
  const project = folderOf(
    { "package.json": manifest("esm"), "program.ts": NAMED, "tsconfig.json": tsconfig },
    "project",
  );
  putPackage(project, { driver: false });
  const { folder } = await build(project);
  const place = folderOf({ "package.json": manifest("esm"), "app.js": readFileSync(join(folder, "app.js"), "utf8") });
  putDriver(place);
  const { status, output } = await start(process.execPath, [join(place, "app.js")], { cwd: place });
  assert.equal(status, 0, output);
  const names = storedRuns(join(place, "mlflow.db")).map(({ name }) => name);
  if (kept) {
    assert.equal(output, "");
    assert.deepEqual(names.toSorted(), ["MetaLearner.evaluate", "MetaLearner.evaluate", "trainModel"]);
  } else {
    assert.equal(names.length, 3);
    assert.match(output, /A minifier seems to have renamed a class: its runs are called "\w+\.…".*keepNames/);
    assert.match(output, /A minifier seems to have renamed a function: its runs are called "anonymous"/);
    assert.equal(output.trim().split("\n").length, 2, output);
  }
}
