// The program that the bundlers get, and what must be there after it has run where only the SQLite driver is installed.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { tool } from "./install.mjs";
import { folderOf, putDriver, putPackage, start, storedRuns } from "./places.mjs";

/**
 * Whether the four packages that this one needs are part of its `dist`. As long as they are not, what uses them (YAML, patterns, percentiles)
 * works only where the package stays in `node_modules`.
 */
const DEPENDENCIES_ARE_BUILT_IN = false;

const DEPENDENCIES = ["@datadog/sketches-js", "aws4fetch", "picomatch", "yaml"];

/** What is logged with the help of other packages. A decorator is applied by hand, as compilers do: this is plain JavaScript. */
const HELPED = `
  const own = Object.getOwnPropertyDescriptor(Cache.prototype, "lookUp");
  const { value } = LogMetric("ms", { aggregate: ["p50"] })(Cache.prototype, "lookUp", own) ?? own;
  for (const ms of [1, 1, 1]) value.call(new Cache(), ms);
  run.logDict({ a: 1 }, "a.yaml");
  run.logArtifacts("out", "all", { exclude: ["**/*.tmp"] });`;

/** A function that records a run, without `flush`. */
const recording = (helped) => `
class Cache {
  lookUp(ms) {
    return { ms };
  }
}
const record = () => withRun({ experiment: "Bundled", runName: "bundled", params: { lr: 0.1 } }, (run) => {
  run.logMetric("loss", 0.25);
  run.logText("x", "a.txt");${helped ? HELPED : ""}
});
`;

const IMPORTS = {
  esm: 'import { LogMetric, withRun } from "pulse-mlflow";',
  cjs: 'const { LogMetric, withRun } = require("pulse-mlflow");',
};

/** Whether the program can use everything: `installed` says that the package stays in `node_modules`. */
const isHelped = (installed) => DEPENDENCIES_ARE_BUILT_IN || installed;

/** The start of a program that records one run whenever `record()` is called. */
export const recorder = (format, { installed = false } = {}) => `${IMPORTS[format]}${recording(isHelped(installed))}`;

/** The folder that is logged; it lies in the working folder. */
export const LOGGED = { "out/deep/kept.txt": "kept", "out/left.tmp": "left" };

const manifest = (format) => JSON.stringify({ private: true, type: format === "esm" ? "module" : "commonjs" });

/** Puts the package and what it needs into a folder's `node_modules`. */
export function putAll(folder, options) {
  putPackage(folder, options);
  if (DEPENDENCIES_ARE_BUILT_IN) return;
  // Copies, not links: Next.js takes along only what lies below the project.
  for (const name of DEPENDENCIES) cpSync(tool(name), join(folder, "node_modules", name), { recursive: true });
}

/**
 * Bundles a program and starts what came out in a place of its own, when the folder that it was built in is gone.
 * `build` gets the project's folder, where it finds `program.js`; it gives the folder of its output, which has a file `app.js`, and the
 * warnings that were `said`: there may be none.
 */
export async function checkBundled({ source, format, installed = false, driver = true }, build) {
  const project = folderOf({ "package.json": manifest(source), "program.js": `${recorder(source, { installed })}record();\n` }, "project");
  putAll(project, { driver: false });
  const place = folderOf({ "package.json": manifest(format) });
  const { folder, said } = await build(project);
  cpSync(folder, place, { recursive: true });
  rmSync(project, { recursive: true });
  if (installed) putAll(place);
  else if (driver) putDriver(place);

  const cwd = folderOf(LOGGED, "started");
  const { status, output } = await start(process.execPath, [join(place, "app.js")], { cwd });
  if (!driver) {
    assert.match(output, /DRIVER_MISSING/);
    assert.equal(status, 0, output);
  } else {
    assert.deepEqual({ status, output }, { status: 0, output: "" });
    checkStored(cwd, { installed });
  }
  assert.deepEqual(said, []);
}

/** Compares what is stored in a folder. */
export function checkStored(folder, { installed = false } = {}) {
  const helped = isHelped(installed);
  assert.deepEqual(storedRuns(join(folder, "mlflow.db"), { artifacts: true }), [
    {
      name: "bundled",
      status: "FINISHED",
      params: { lr: "0.1" },
      metrics: { loss: 0.25, ...(helped && { "ms.p50": 1 }) },
      artifacts: ["a.txt", ...(helped ? ["a.yaml", "all/deep/kept.txt"] : [])],
    },
  ]);
}

/** Makes the folder that a bundler writes into. */
export function outputOf(project) {
  const folder = join(project, "output");
  mkdirSync(folder);
  return folder;
}
