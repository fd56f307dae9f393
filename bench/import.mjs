// The cost of importing the built package compared with an empty module, in fresh processes; also checks that no
// SQLite driver is loaded.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { median, mustEqual, report, temporaryFolder } from "./lib.mjs";

const PROCESSES = 21;
const WARMUP = 2;

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = temporaryFolder();
const empty = { esm: join(folder, "empty.mjs"), cjs: join(folder, "empty.cjs") };
for (const path of Object.values(empty)) writeFileSync(path, "");

const kinds = {
  esm: {
    type: "module",
    load: (name) => `await import(${JSON.stringify(name)})`,
    empty: pathToFileURL(empty.esm).href,
  },
  cjs: {
    type: "commonjs",
    load: (name) => `require(${JSON.stringify(name)})`,
    empty: empty.cjs,
  },
};

/**
 * Code that prints everything by which a driver would be noticed: built-in modules, loaded libraries, cached modules.
 */
const LOADED = `
  process.report.excludeNetwork = true;
  const { createRequire } = process.getBuiltinModule("node:module");
  const { sharedObjects } = process.report.getReport();
  const { cache } = createRequire(process.cwd() + "/");
  console.log(JSON.stringify([...process.moduleLoadList, ...sharedObjects, ...Object.keys(cache)]));`;

for (const [kind, { type, load, empty }] of Object.entries(kinds)) {
  // The search must find the driver where it is used; otherwise not finding it would prove nothing.
  const uri = JSON.stringify(`sqlite:///${join(folder, `${kind}.db`)}`);
  const used = `const { createTracker } = ${load("pulse-mlflow")};
    const tracker = createTracker({ trackingUri: ${uri} });
    tracker.startRun().end();
    tracker.shutdown().then(() => {${LOADED}});`;
  if (drivers(type, used).length === 0) throw new Error("The search for drivers does not find the one in use.");
  const [idle, imported] = [empty, "pulse-mlflow"].map((module) => drivers(type, `${load(module)};${LOADED}`));
  mustEqual(`drivers loaded by the ${kind} import`, imported, idle);

  const times = { ours: [], peer: [] };
  for (let i = -WARMUP; i < PROCESSES; i++) {
    for (const [name, module] of Object.entries({ ours: "pulse-mlflow", peer: empty })) {
      const code = `const start = performance.now(); ${load(module)}; console.log(performance.now() - start);`;
      const time = Number(evaluate(type, code));
      if (i >= 0) times[name].push(time);
    }
  }
  const [ours, peer] = [median(times.ours), median(times.peer)];
  report({
    measurement: `import: ${kind}`,
    unit: "ms",
    ours: ours - peer,
    peer,
    beside: "empty module (taken off)",
    judged: ours - peer,
    bar: 40,
    atMost: true,
  });
}

/** Returns the drivers that code has loaded when it ends. */
function drivers(type, code) {
  const own = join(root, "dist");
  const loaded = JSON.parse(evaluate(type, code));
  return loaded.filter((name) => !name.startsWith(own) && /sqlite/i.test(name.replace(root, "")));
}

/** Runs code in its own process, in the package's folder, where the package is found by name. */
function evaluate(type, code) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`--input-type=${type}`, "-e", code], { cwd: root });
  if (status !== 0) throw new Error(`A process (${type}) failed:\n${String(stderr).slice(0, 600)}`);
  return String(stdout).trim();
}
