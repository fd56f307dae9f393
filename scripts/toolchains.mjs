// The matrix of toolchains. The packed package, with decorators compiled by every tool in every dialect and run on
// every Node version, must leave exactly the same runs on a recording server; bundlers, test runners and package
// managers leave theirs in files. What docs/where-it-runs.md says cannot work must fail as it says.
import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { bundlers } from "../test/toolchains/bundlers.mjs";
import {
  babel,
  commonJsOptions,
  esbuild,
  rolldown,
  stripped,
  swc,
  tsc,
  tsconfig,
} from "../test/toolchains/compilers.mjs";
import { expected } from "../test/toolchains/expected.mjs";
import { installPackage, installTools, nodePaths, root, run, tool, work } from "../test/toolchains/install.mjs";
import { managers } from "../test/toolchains/managers.mjs";
import { jest, vitest } from "../test/toolchains/matchers.mjs";
import { nestTests } from "../test/toolchains/nest.mjs";
import { peers } from "../test/toolchains/peers.mjs";
import { runners } from "../test/toolchains/runners.mjs";

const dialects = ["standard", "legacy"];
const formats = ["esm", "cjs"];

/** The cases, with how to set up and run a project; `refusal` is the expected error where it cannot work. */
function* cases() {
  const nodes = Object.keys(nodePaths);
  for (const dialect of dialects) {
    for (const format of formats) {
      for (const node of nodes) yield { tool: "tsc 7", dialect, format, compile: tsc("7"), node };
      for (const version of ["6", "5.9"]) {
        const options = format === "cjs" && commonJsOptions[version];
        yield { tool: `tsc ${version}`, dialect, format, compile: tsc(version), options };
      }
      yield { tool: "swc", dialect, format, compile: swc, without: "corners" };
      // The metadata that its plugin emits for legacy decorators assumes that reflect-metadata is loaded.
      const reflect = dialect === "legacy" ? ["--require", tool("reflect-metadata/Reflect.js")] : [];
      yield {
        tool: "Babel",
        dialect,
        format,
        compile: babel,
        command: (program) => [...reflect, `${program}.js`],
        without: "corners",
      };
      yield { tool: "esbuild", dialect, format, compile: esbuild, types: "none" };
      yield {
        tool: "tsx",
        dialect,
        format,
        command: (program) => [tool("tsx/dist/cli.mjs"), `${program}.ts`],
        types: "none",
      };
    }
    yield { tool: "Jest with swc", dialect, format: "cjs", runner: jest, without: "corners" };
    yield { tool: "Vitest with swc", dialect, runner: vitest("swc"), without: "corners" };
    yield { tool: "Vitest with esbuild", dialect, runner: vitest("esbuild"), types: "none" };
  }
  for (const format of formats) yield { tool: "rolldown", dialect: "legacy", format, compile: rolldown };
  yield { tool: "Vitest", dialect: "legacy", runner: vitest("plain") };

  const refusal = /SyntaxError: Invalid or unexpected token/;
  const decorated = { dialect: "standard", programs: ["behaviour", "standard"], refusal };
  yield { tool: "rolldown", ...decorated, compile: rolldown };
  yield { tool: "Vitest", ...decorated, runner: vitest("plain") };

  for (const node of nodes.filter((major) => major >= 22)) {
    const command = (program) => [...(node < 24 ? ["--experimental-strip-types"] : []), `${program}.ts`];
    yield { tool: "type stripping", programs: ["functions"], node, command };
    yield { tool: "type stripping of decorators", programs: ["behaviour"], node, command, refusal };
  }
}

/** Runs the cases whose names contain one of the parts, one after the other. */
export async function toolchains(parts = []) {
  await installTools();
  await installPackage();
  const count = { passed: 0, failed: 0 };
  const groups = {
    compilers: await compilers(),
    bundlers: [...bundlers()],
    runners: [...runners(), ...nestTests()],
    managers: [...managers()],
  };
  const documented = ["docs/where-it-runs.md has a case for each row", () => checkRows(groups)];
  for (const [name, play] of [documented, ...Object.values(groups).flat(), ...peers()]) {
    if (parts.length > 0 && !parts.some((part) => name.includes(part))) continue;
    const started = performance.now();
    try {
      await play();
      count.passed++;
      console.log(`ok      ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    } catch (error) {
      count.failed++;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  }
  return count;
}

/** The sections of the documentation whose rows correspond to cases. */
const SECTIONS = {
  Compilers: "compilers",
  Bundlers: "bundlers",
  "Browsers and edge runtimes": "bundlers",
  "Test runners": "runners",
  Runtimes: "runners",
  "Package managers": "managers",
};

/** Checks that the first cell of each row starts a case name of its section, and that each case has a row. */
function checkRows(groups) {
  const text = readFileSync(join(root, "docs/where-it-runs.md"), "utf8");
  const rows = text.split(/^## /m).flatMap((section) => {
    const group = SECTIONS[section.split("\n", 1)[0]];
    const tools = [...section.matchAll(/^\| (?!tool|runtime)([^|]+) \|/gm)].flatMap(([, cell]) => cell.split("; "));
    return tools.map((tool) => ({ group, tool }));
  });
  const isOf = ({ group, tool }, of, name) => group === of && name.startsWith(tool);
  const cases = Object.entries(groups).flatMap(([group, list]) => list.map(([name]) => ({ group, name })));
  assert.deepEqual(
    rows.filter((row) => !cases.some(({ group, name }) => isOf(row, group, name))),
    [],
    "rows without a case",
  );
  assert.deepEqual(
    cases.filter(({ group, name }) => !rows.some((row) => isOf(row, group, name))),
    [],
    "cases without a row",
  );
}

/** The cases of decorators, with their names and how to run them. */
async function compilers() {
  const FakeMlflow = await loadFakeMlflow();
  return [...cases()].map((each) => {
    const { tool: by, dialect, format, node, refusal } = each;
    const name = [by, dialect, format, node && `Node ${node}`, refusal && "refused"].filter(Boolean).join(", ");
    const play = async () => {
      const server = await FakeMlflow.start();
      try {
        await check(each, server);
      } finally {
        server.close();
      }
    };
    return [name, play];
  });
}

async function check(each, server) {
  const { dialect, node, command, runner, refusal, types, without } = each;
  const own = { standard: ["standard", "corners"], legacy: ["legacy"] };
  const programs =
    each.programs ?? ["behaviour", "functions", ...own[dialect]].filter((program) => program !== without);
  const project = await prepare({ ...each, programs });
  const commands = runner ? [runner(project)] : programs.map((program) => command?.(program) ?? [`${program}.js`]);
  // Without the developer's own settings.
  const env = {
    PATH: process.env.PATH,
    HOME: work,
    NO_COLOR: "1",
    MLFLOW_TRACKING_URI: server.url,
    DESIGN_TYPES: types ?? "emitted",
  };
  for (const args of commands) {
    const { status, output } = await run(nodePaths[node] ?? process.execPath, args, { cwd: project.folder, env });
    if (refusal) assert.match(output, refusal);
    assert.equal(status, refusal ? 1 : 0, `node ${args.join(" ")} ended with ${status}:\n${output}`);
  }
  assert.deepEqual(await recorded(server), refusal ? [] : sorted(programs.flatMap((program) => expected[program])));
}

/** Creates and compiles the project's folder, unless it is compiled already. */
async function prepare({ tool: by, dialect, format = "esm", programs, options, compile }) {
  const folder = join(work, [by, dialect, format].filter(Boolean).join("-").replaceAll(" ", "-"));
  const project = { folder, dialect, format, programs };
  if (existsSync(folder)) return project;
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: format === "esm" ? "module" : "commonjs" }));
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(tsconfig({ dialect, programs, options })));
  // Otherwise an outbox is created, which needs the optional SQLite driver.
  writeFileSync(join(folder, "pulse-mlflow.config.json"), JSON.stringify({ durability: "memory" }));
  for (const program of programs)
    copyFileSync(join(root, `test/toolchains/${program}.ts`), join(folder, `${program}.ts`));
  await compile?.(project);
  return project;
}

/** Returns what the server received, in the form of `expected.mjs`: without what differs between runs. */
async function recorded({ url, runs }) {
  const experiments = new Map();
  for (const name of new Set(Object.values(expected).flatMap((list) => list.map((each) => each.experiment)))) {
    const answer = await fetch(`${url}/api/2.0/mlflow/experiments/get-by-name?experiment_name=${name}`);
    if (answer.ok) experiments.set((await answer.json()).experiment.experiment_id, name);
  }
  return sorted(
    [...runs.values()].map((each) => {
      const metrics = {};
      for (const { key, step, value } of each.metrics.values()) {
        metrics[key] ??= [];
        metrics[key].push([step, value]);
      }
      return {
        name: each.name,
        experiment: experiments.get(each.experimentId) ?? null,
        status: each.status,
        parent: runs.get(each.tags.get("mlflow.parentRunId"))?.name ?? null,
        params: Object.fromEntries(each.params),
        tags: Object.fromEntries(
          [...each.tags].filter(([key]) => !/^mlflow\.|^pulse\.run_key$|^error\.stack$/.test(key)),
        ),
        metrics,
      };
    }),
  );
}

const sorted = (runs) => runs.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

/** The server of the other tests. It is written in TypeScript and compiled with esbuild here. */
async function loadFakeMlflow() {
  const file = join(work, "fake-mlflow.mjs");
  writeFileSync(file, await stripped(join(root, "test/support/fake-mlflow.ts")));
  return (await import(pathToFileURL(file))).FakeMlflow;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { passed, failed } = await toolchains(process.argv.slice(2));
  console.log(`${passed} passed, ${failed} failed, 0 skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}
