// Package managers: what each of them installs of the packed package runs, as a module and as CommonJS.
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { must, toolset, work } from "./install.mjs";
import { folderOf, start, storedRuns } from "./places.mjs";

/** The last versions that run on Node 20. */
const tools = {
  "@yarnpkg/cli-dist": "4.18.1",
  bun: "1.4.5",
  pnpm: "12.21.0",
  "pnpm-10": "npm:pnpm@10.34.8",
  yarn: "1.22.22",
};

/** A run that needs what the package brings along for percentiles, YAML and patterns. */
const body = `
class Watch {
  read() {
    return { ms: 20 };
  }
}
const read = Object.getOwnPropertyDescriptor(Watch.prototype, "read");
Object.defineProperty(Watch.prototype, "read", LogMetric("ms", { aggregate: "p95" })(Watch.prototype, "read", read));
withRun({ experiment: "Managers", runName, params: { lr: 0.1 } }, (run) => {
  new Watch().read();
  run.logMetric("loss", 1);
  if (process.env.FILES === "none") return;
  run.logDict({ layers: [64, 32] }, "config.yaml");
  run.logArtifacts("notes", "", { exclude: ["**/*.tmp"] });
});
`;
const files = {
  "module.mjs": `import { LogMetric, withRun } from "pulse-mlflow";\nconst runName = "module";${body}`,
  "common.cjs": `const { LogMetric, withRun } = require("pulse-mlflow");\nconst runName = "common";${body}`,
  "notes/kept.md": "# Kept",
  "notes/left-out.tmp": "",
};
const programs = ["module.mjs", "common.cjs"];
const expected = programs.map((program) => ({
  ...{ name: program.split(".")[0], status: "FINISHED", params: { lr: "0.1" } },
  metrics: { loss: 1, "ms.p95": 20 },
}));

const DRIVER = "@photostructure/sqlite";
const build = (settings) => ({ "pnpm-workspace.yaml": settings });
const onNode = (program) => [process.execPath, program];

/**
 * How each of them adds the tarball, runs a program if not by Node alone, and starts the command of the package, with
 * what it reads. `tool` gives the command of one that is installed here, `cache` what it may keep from case to case.
 */
function* specs() {
  const npm = (...args) => ({ add: () => ["npm", "install", ...args], exec: () => ["npx", "--no-install"] });
  yield ["npm", npm()];
  yield ["npm, --ignore-scripts", npm("--ignore-scripts")];
  if (Number.parseInt(process.versions.node, 10) < 24)
    yield ["npm, --omit=optional", { ...npm("--omit=optional"), driver: false }];

  const pnpm = (command, ...args) => ({
    add: (tool, cache) => [...command(tool), "add", "--store-dir", cache, ...args],
    exec: (tool) => [...command(tool), "exec"],
  });
  const newest = (tool) => [tool("pnpm/pnpm")];
  yield ["pnpm 12", { ...pnpm(newest), status: 1, says: /ERR_PNPM_IGNORED_BUILDS/ }];
  yield ["pnpm 12, build allowed", pnpm(newest, `--allow-build=${DRIVER}`)];
  yield ["pnpm 12, build refused", { ...pnpm(newest), settings: build(`allowBuilds:\n  "${DRIVER}": false\n`) }];
  const ten = (tool) => [process.execPath, tool("pnpm-10/bin/pnpm.cjs")];
  yield ["pnpm 10", { ...pnpm(ten), says: /Ignored build scripts/ }];
  yield ["pnpm 10, build allowed", { ...pnpm(ten), settings: build(`onlyBuiltDependencies:\n  - "${DRIVER}"\n`) }];
  yield ["pnpm 10, build refused", { ...pnpm(ten), settings: build(`ignoredBuiltDependencies:\n  - "${DRIVER}"\n`) }];

  const classic = (tool) => [process.execPath, tool("yarn/bin/yarn.js")];
  yield [
    "Yarn 1",
    {
      add: (tool, cache) => [...classic(tool), "add", "--cache-folder", cache],
      exec: (tool) => [...classic(tool), "-s"],
    },
  ];
  const berry = (tool) => [process.execPath, tool("@yarnpkg/cli-dist/bin/yarn.js")];
  const yarn = (nodeLinker) => ({
    add: (tool) => [...berry(tool), "add"],
    exec: berry,
    settings: { ".yarnrc.yml": `nodeLinker: ${nodeLinker}\nenableTelemetry: false\n` },
    protocol: "pulse-mlflow@file:",
  });
  yield ["Yarn 4, node-modules", yarn("node-modules")];
  yield ["Yarn 4, pnp", { ...yarn("pnp"), node: (tool, program) => [...berry(tool), "node", program] }];

  const bun = (tool) => [tool("bun/bin/bun.exe")];
  yield ["Bun, install", { add: (tool) => [...bun(tool), "add"], exec: (tool) => [...bun(tool), "x"] }];
}

/** The registry of whoever runs this, and the way to it; no other setting of theirs, and the manager's own cache. */
export async function network(cache) {
  const registry = (await must("npm", ["config", "get", "registry"])).trim();
  const ways = Object.entries(process.env).filter(([name]) =>
    /^(https?_proxy|no_proxy|node_extra_ca_certs|ssl_cert_(file|dir))$/i.test(name),
  );
  return {
    ...Object.fromEntries(ways),
    npm_config_registry: registry,
    YARN_NPM_REGISTRY_SERVER: registry,
    npm_config_cache: cache,
    npm_config_prefer_offline: "true",
    npm_config_update_notifier: "false",
    XDG_CACHE_HOME: cache,
    YARN_GLOBAL_FOLDER: cache,
    BUN_INSTALL_CACHE_DIR: cache,
  };
}

async function play(
  name,
  { add, node = (_, program) => onNode(program), exec, settings, protocol = "", status = 0, says, driver = true },
) {
  const modules = await toolset("managers", tools);
  const tool = (path) => join(modules, path);
  const cache = join(modules, "..", "caches", name.split(",")[0].replaceAll(" ", "-"));
  const cwd = folderOf({ "package.json": { private: true }, ...files, ...settings }, "installed");
  const env = await network(cache);
  const play = async ([command, ...args], more) => {
    const { status, output } = await start(command, args, { cwd, env: { ...env, ...more } });
    return { status, output: `${output}\n--- ${[command, ...args].join(" ")} ended with ${status}` };
  };

  const tarball = join(
    work,
    readdirSync(work).find((each) => each.endsWith(".tgz")),
  );
  const added = await play([...add(tool, cache), protocol + tarball]);
  assert.equal(added.status, status, added.output);
  if (says) assert.match(added.output, says);

  const doctor = [...exec(tool), "pulse-mlflow", "doctor"];
  if (!driver) return withoutDriver(cwd, play, doctor);
  for (const program of programs) {
    const { status, output } = await play(node(tool, program));
    assert.equal(status, 0, output);
    assert.doesNotMatch(output, /pulse-mlflow: /);
  }
  assert.deepEqual(rounded(storedRuns(join(cwd, "mlflow.db"))), expected);
  assert.deepEqual(filesOf(cwd), programs.flatMap(() => ["config.yaml", "kept.md"]).sort());
  const told = await play(doctor);
  assert.equal(told.status, 0, told.output);
  assert.match(told.output, /ok +SQLite driver[\s\S]*Nothing to do/);
}

/** The SQLite driver is not there: a program ends as if nothing were, and stores its runs elsewhere if told so. */
async function withoutDriver(cwd, play, doctor) {
  for (const program of programs) {
    const { status, output } = await play(onNode(program));
    assert.equal(status, 0, output);
    assert.match(output, /\[DRIVER_MISSING\]/);
    assert.doesNotMatch(output, /OUTBOX_FAILED/);
    assert.equal(output.match(/npm install/g).length, 1, output);
  }
  const empty = existsSync(join(cwd, "mlflow.db"));
  const told = await play(doctor);
  assert.equal(told.status, 2, told.output);
  assert.match(told.output, new RegExp(`npm install ${DRIVER}@1`));

  // The module of the matrix's other cases.
  const { FakeMlflow } = await import(pathToFileURL(join(work, "fake-mlflow.mjs")));
  const server = await FakeMlflow.start();
  try {
    const [first, second] = programs;
    const toServer = { MLFLOW_TRACKING_URI: server.url, FILES: "none" }; // it keeps none
    // An outbox on disk needs the driver, and recording goes on in memory without it.
    const { status, output } = await play(onNode(first), toServer);
    assert.equal(status, 0, output);
    assert.match(output, new RegExp(`npm install ${DRIVER}@1`));
    writeFileSync(join(cwd, "pulse-mlflow.config.json"), JSON.stringify({ durability: "memory" }));
    for (const env of [toServer, { MLFLOW_TRACKING_URI: "./mlruns" }]) {
      const { status, output } = await play(onNode(second), env);
      assert.equal(status, 0, output);
      assert.doesNotMatch(output, /pulse-mlflow: /);
    }
    const names = [...server.runs.values()].map(({ name }) => name);
    assert.deepEqual(names, ["module", "common"]);
    assert.deepEqual(filesOf(cwd), ["config.yaml", "kept.md"]);
  } finally {
    server.close();
  }
  assert.ok(!empty, "an empty mlflow.db");
}

/** Percentiles are within 1 %. */
const rounded = (runs) =>
  runs.map((run) => ({
    ...run,
    metrics: Object.fromEntries(Object.entries(run.metrics).map(([key, value]) => [key, Math.round(value)])),
  }));

/** The names of the files that the runs have. */
const filesOf = (cwd) =>
  readdirSync(join(cwd, "mlruns"), { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.parentPath.endsWith("artifacts"))
    .map(({ name }) => name)
    .sort();

export function* managers() {
  for (const [name, spec] of specs()) yield [name, () => play(name, spec)];
}
