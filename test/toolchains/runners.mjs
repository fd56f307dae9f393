// Test runners and other runtimes: tests call tracked code and nothing else. No test waits for the tracker, and every
// run must be stored.
import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { nodePaths, toolset } from "./install.mjs";
import { folderOf, putLinks, putPackage, start, storedRuns } from "./places.mjs";

/** The last versions that run on Node 20. */
const sets = {
  runners: {
    "@playwright/test": "1.65.1",
    ava: "6.4.1",
    "happy-dom": "21.0.4",
    jest: "30.5.2",
    "jest-environment-jsdom": "30.5.2",
    jsdom: "26.1.0",
    mocha: "11.8.0",
    vite: "8.3.8",
    vitest: "4.1.12",
  },
  "runners-before": { jest: "29.7.0", "jest-environment-jsdom": "29.7.0", vite: "7.3.8", vitest: "3.2.4" },
  "ts-jest": {
    "@types/jest": "30.0.0",
    "@types/node": "20.19.43",
    jest: "30.5.2",
    "ts-jest": "29.4.15",
    typescript: "5.9.3",
  },
  runtimes: { bun: "1.4.5", deno: "2.9.6" },
};

/** The code under test. `work` makes two runs; what `leave` makes is ended by nobody. */
const body = `
const experiment = "Runners";
const train = tracked(
  async function train(file, index) {
    await new Promise((resolve) => setTimeout(resolve));
    return { loss: index };
  },
  { experiment, runName: ([file, index]) => \`train \${file} \${index}\`, params: ["file", "index"], metrics: "loss" },
);
class Watch {
  read() {
    return { ms: 20 };
  }
}
const read = Object.getOwnPropertyDescriptor(Watch.prototype, "read");
Object.defineProperty(Watch.prototype, "read", LogMetric("ms", { aggregate: ["count", "p95"] })(Watch.prototype, "read", read));
const leave = (file) => void startRun({ experiment, runName: \`open \${file}\`, params: { file } });
const work = (file, index) =>
  withRun({ experiment, runName: \`work \${file} \${index}\`, params: { index } }, async (run) => {
    const watch = new Watch();
    for (let i = 0; i < 3; i++) watch.read();
    run.logText("# Note", "note.md");
    run.logBytes(index % 2 === 0 ? new Uint8Array([1, 2, 3]) : Buffer.from("123"), "note.bin");
    run.logDict({ index }, "note.yaml");
    await train(file, index);
  });
`;
const names = "flush, LogMetric, shutdown, startRun, tracked, withRun";
const code = {
  esm: `import { ${names} } from "pulse-mlflow";${body}export { flush, leave, shutdown, work };\n`,
  cjs: `const { ${names} } = require("pulse-mlflow");${body}module.exports = { flush, leave, shutdown, work };\n`,
};

/** What is left of so many such files with so many tests each: the names of the runs with what is in them. */
function expected({ files, tests }) {
  const runs = {};
  for (let file = 0; file < files; file++) {
    runs[`open ${file}`] = { params: { file: `${file}` }, metrics: {} };
    for (let index = 0; index < tests; index++) {
      runs[`work ${file} ${index}`] = { params: { index: `${index}` }, metrics: { "ms.count": 3, "ms.p95": 20 } };
      runs[`train ${file} ${index}`] = { params: { file: `${file}`, index: `${index}` }, metrics: { loss: index } };
    }
  }
  return runs;
}

const imported = 'import { flush, leave, shutdown, work } from "./code.mjs";\n';
const required = 'const { flush, leave, shutdown, work } = require("./code.cjs");\n';

/** A test file; `define` is what defines a test there. */
const testFile = (head, file, tests, { define = "test", end = "" }) => `${head}
for (let index = 0; index < ${tests}; index++) ${define}(\`work \${index}\`, () => work(${file}, index));
${define}("open", () => leave(${file}));
${end}`;

/** The program of a runtime, with the same runs as one test file. */
const program = (tests) => `${imported}
for (let index = 0; index < ${tests}; index++) await work(0, index);
leave(0);
`;

const CLI = "node_modules/pulse-mlflow/dist/esm/cli/main.js";

/** A program that comes after the tests, and stays until it has found what they have left. */
const NEXT = "next.mjs";
const next = `import { existsSync, readdirSync } from "node:fs";
import { shutdown, withRun } from "pulse-mlflow";
withRun({ experiment: "Runners", runName: "next" }, () => {});
const state = process.env.XDG_STATE_HOME;
const left = () => (existsSync(state) ? readdirSync(state, { recursive: true }).filter((name) => name.endsWith(".outbox")) : []);
const before = left();
for (const end = Date.now() + 60_000; left().some((name) => before.includes(name)) && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 50));
await shutdown();
`;

/**
 * Makes a project of so many test files, runs the runner (`command` with the toolset's packages) and looks at what is
 * stored. Where `killed`, the runner may end its processes without a word to them: what they had not stored yet is in
 * outboxes. Then `sync`, or the next program, brings the rest.
 */
async function play({
  set = "runners",
  files = 3,
  tests = 3,
  name = "test.mjs",
  head,
  settings,
  links = [],
  command,
  killed = false,
  torn = killed,
  after = "sync",
  ...rest
}) {
  const modules = set && (await toolset(set, sets[set]));
  const own = {
    "package.json": { private: true },
    "code.mjs": code.esm,
    "code.cjs": code.cjs,
    [NEXT]: next,
    ...settings,
  };
  for (let file = 0; file < files; file++)
    if (head !== undefined) own[`part${file}.${name}`] = testFile(head, file, tests, rest);
  const folder = folderOf(own, "runner");
  putPackage(folder);
  putLinks(folder, modules, ...links);
  const home = folderOf({}, "home");
  const place = { cwd: folder, env: { HOME: home, XDG_STATE_HOME: join(home, "state") } };
  const [executable, ...args] = command(modules);

  const { status, output } = await start(executable, args, place);
  const early = stored(folder, home);
  const told = `\n--- the runner, ${status}:\n${output.slice(-6_000)}\n--- its files: ${JSON.stringify(early.files)}`;
  assert.equal(status, 0, told);
  assert.doesNotMatch(
    output,
    /torn down|open handle|unhandled|uncaught|did not exit|fail(ed|ing) to exit|MaxListeners|pulse-mlflow: /i,
    told,
  );
  const made = expected({ files, tests });
  // No event says that an environment is torn down: what is open then is ended by whoever comes next.
  if (torn) for (const [name, run] of Object.entries(early.runs)) if (isLeft(name)) delete run.status;
  if (!killed) assert.deepEqual(early.runs, made, `after the runner${told}`);

  const sync = await start(process.execPath, after === "sync" ? [CLI, "sync"] : [after], place);
  if (after === NEXT) made.next = { params: {}, metrics: {} };
  assert.equal(sync.status, 0, `${sync.output}${told}`);
  const { runs, files: left } = stored(folder, home);
  assert.deepEqual(runs, made, `after ${after}: ${sync.output}${told}`);
  const notes = left.filter(([path, size]) => NOTES.some(([name, bytes]) => path.endsWith(name) && size === bytes));
  assert.equal(notes.length, files * tests * NOTES.length, `${sync.output}${told}`);
  assert.deepEqual(
    left.filter(([path, size]) => size === 0 || /\.(outbox|db)$/.test(path)),
    left.filter(([path]) => path === "mlflow.db"),
    `${sync.output}${told}`,
  );
}

/** The files of each run, with their sizes. */
const NOTES = [
  ["note.md", 6],
  ["note.bin", 3],
  ["note.yaml", 9],
];

/** Whether a run is one that nobody ends. */
const isLeft = (name) => name.startsWith("open");

/** What is stored of a project: its runs by name, all over, and its files with their sizes. */
function stored(folder, home) {
  const runs = {};
  const database = join(folder, "mlflow.db");
  for (const { name, status, params, metrics } of existsSync(database) ? storedRuns(database) : []) {
    const isOver = isLeft(name) ? status !== "RUNNING" : status === "FINISHED";
    const twice = name in runs ? { twice: true } : {};
    // Percentiles are within 1 %.
    const rounded = Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, Math.round(value)]));
    runs[name] = { params, metrics: rounded, ...(isOver ? {} : { status }), ...twice };
  }
  const files = [folder, home].flatMap((top) =>
    readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map((each) => join(each.parentPath, each.name))
      .filter((path) => !relative(top, path).startsWith("node_modules"))
      .map((path) => [relative(top, path), statSync(path).size])
      .filter(([path]) => /mlflow\.db$|note\.\w+$|state/.test(path)),
  );
  return { runs, files };
}

const jest = ({ environment = "node", options, args = [], flags = [], ...rest }) => ({
  settings: {
    "jest.config.json": {
      testEnvironment: environment,
      ...(options && { testEnvironmentOptions: options }),
      transform: {},
      watchman: false,
      cacheDirectory: "<rootDir>/cache",
      testMatch: ["**/*.test.*js"],
    },
  },
  head: required,
  name: "test.js",
  links: ["jest", "jest-environment-jsdom"],
  torn: true,
  command: (modules) => [process.execPath, ...flags, join(modules, "jest/bin/jest.js"), ...args],
  ...rest,
});

const vitest = ({ pool, environment = "node", server, ...rest }) => ({
  settings: {
    "vitest.config.mjs": `export default ${JSON.stringify({ test: { pool, environment, server, include: ["*.test.mjs"] } })};`,
  },
  head: `import { test } from "vitest";\n${imported}`,
  links: ["vitest", "jsdom", "happy-dom"],
  command: (modules) => [process.execPath, join(modules, "vitest/vitest.mjs"), "run"],
  files: 10,
  tests: 10,
  ...rest,
});

const POOLS = ["forks", "threads", "vmThreads"];

function* specs() {
  for (const [version, set] of [
    ["29", "runners-before"],
    ["30", "runners"],
  ]) {
    yield [`Jest ${version}, CommonJS, two workers`, jest({ set, args: ["-w", "2"] })];
    yield [`Jest ${version}, in band`, jest({ set, args: ["--runInBand"], after: NEXT })];
    const esm = { flags: ["--experimental-vm-modules"], head: imported, name: "test.mjs" };
    yield [`Jest ${version}, ESM`, jest({ set, ...esm, args: ["-w", "2"] })];
    yield [
      `Jest ${version}, ESM in jsdom`,
      jest({ set, ...esm, environment: "jsdom", options: { customExportConditions: ["node"] }, args: ["--runInBand"] }),
    ];
    // A clock that is taken away with the globals of a test that is over.
    const clock =
      'jest.useFakeTimers({ now: 1_500_000_000_000, doNotFake: ["setTimeout", "setImmediate", "nextTick", "queueMicrotask"] });\n';
    yield [
      `Jest ${version}, fake clock`,
      jest({ set, head: clock + required, options: { globalsCleanup: "on" }, args: ["--runInBand"] }),
    ];
    yield [`Jest ${version}, jsdom`, jest({ set, environment: "jsdom", args: ["--runInBand"] })];
    yield [
      `Jest ${version}, open handles`,
      jest({ set, args: ["--detectOpenHandles"], end: "afterAll(() => shutdown());\n" }),
    ];
  }
  for (const pool of POOLS) yield [`Vitest 4, ${pool}`, vitest({ pool, killed: pool !== "forks" })];
  for (const environment of ["jsdom", "happy-dom"])
    yield [`Vitest 4, ${environment}`, vitest({ pool: "forks", environment, files: 2 })];
  yield ["Vitest 4, jsdom in vmThreads", vitest({ pool: "vmThreads", environment: "jsdom", files: 2, killed: true })];
  yield ["Vitest 4, inlined", vitest({ pool: "forks", server: { deps: { inline: ["pulse-mlflow"] } }, files: 2 })];
  const before = { set: "runners-before", links: ["vitest"] };
  yield ["Vitest 3, forks", vitest({ ...before, pool: "forks" })];
  yield ["Vitest 3, threads", vitest({ ...before, pool: "threads", killed: true })];
  const flushed = (runner) => ({
    head: `import { afterAll, test } from "${runner}";\n${imported}`,
    end: "afterAll(() => flush());\n",
  });
  // Neither waits for anything or says anything at the end but calls what the tests themselves ask for.
  yield ["Vitest 3, vmThreads", vitest({ ...before, ...flushed("vitest"), pool: "vmThreads", killed: true })];

  const mocha = (...args) => ({
    head: imported,
    define: "it",
    links: ["mocha"],
    command: (modules) => [process.execPath, join(modules, "mocha/bin/mocha.js"), ...args, "*.test.mjs"],
  });
  yield ["mocha", mocha()];
  yield ["mocha, --exit", mocha("--exit")];
  yield ["mocha, --parallel", mocha("--parallel")];
  yield [
    "ava",
    {
      head: `import test from "ava";\n${imported}const define = (name, fn) => test(name, async (t) => { await fn(); t.pass(); });\n`,
      define: "define",
      links: ["ava"],
      command: (modules) => [process.execPath, join(modules, "ava/entrypoints/cli.mjs")],
    },
  ];
  const node = { head: `import { test } from "node:test";\n${imported}`, command: () => [process.execPath, "--test"] };
  yield ["node:test", node];
  yield [
    "Playwright",
    {
      head: `import { test } from "@playwright/test";\n${imported}`,
      links: ["@playwright/test"],
      command: (modules) => [
        process.execPath,
        join(modules, "@playwright/test/cli.js"),
        "test",
        "--workers=2",
        "--reporter=line",
      ],
    },
  ];

  for (const [major, node] of Object.entries(nodePaths))
    yield [
      `Node ${major}`,
      { set: undefined, files: 1, settings: { "program.mjs": program(3) }, command: () => [node, "program.mjs"] },
    ];
  const runtimes = "runtimes";
  const bun = (modules) => join(modules, "bun/bin/bun.exe");
  const deno = (modules) => join(modules, "deno/deno");
  const settings = { "deno.json": { nodeModulesDir: "manual" } };
  const bunTests = { ...flushed("bun:test"), command: (modules) => [bun(modules), "test"] };
  yield ["Bun, tests", { set: runtimes, ...bunTests, tests: 10, killed: true }];
  const bunProgram = { settings: { "program.js": program(3) }, command: (modules) => [bun(modules), "program.js"] };
  yield ["Bun, program", { set: runtimes, files: 1, ...bunProgram }];
  const denoTests = {
    settings,
    head: imported,
    define: "Deno.test",
    command: (modules) => [deno(modules), "test", "-A"],
  };
  yield ["Deno, tests", { set: runtimes, ...denoTests, tests: 10, killed: true }];
  const denoProgram = {
    settings: { ...settings, "program.ts": program(3) },
    command: (modules) => [deno(modules), "run", "-A", "program.ts"],
  };
  yield ["Deno, program", { set: runtimes, files: 1, ...denoProgram }];
}

/** What is open when a program ends with a code of failure has failed. */
async function playExit() {
  const modules = await toolset("runtimes", sets.runtimes);
  const text = 'import { startRun } from "pulse-mlflow";\nstartRun({ runName: "open" });\nDeno.exit(3);\n';
  const folder = folderOf({
    "package.json": { private: true },
    "deno.json": { nodeModulesDir: "manual" },
    "program.ts": text,
  });
  putPackage(folder);
  const { status, output } = await start(join(modules, "deno/deno"), ["run", "-A", "program.ts"], { cwd: folder });
  assert.deepEqual({ status, output }, { status: 3, output: "" });
  assert.deepEqual(
    storedRuns(join(folder, "mlflow.db")).map(({ name, status }) => [name, status]),
    [["open", "FAILED"]],
  );
}

/** What ts-jest checks: decorators of a dialect, and matchers that the globals of `@types/jest` know. */
const CHECKED = `import { LogMetric, TrackedExperiment } from "pulse-mlflow";
import { createTestTracker, type PulseAssertions, pulseMatchers } from "pulse-mlflow/testing";

declare global {
  namespace jest {
    interface Matchers<R, T> extends PulseAssertions {}
  }
}
expect.extend(pulseMatchers);

@TrackedExperiment("Runners")
class Trainer {
  @LogMetric("loss")
  train(lr: number): { loss: number } {
    return { loss: lr };
  }
}

test("matchers are typed", () => {
  const tracker = createTestTracker();
  tracker.run(() => new Trainer().train(0.5));
  expect(tracker).toHaveLoggedMetric("loss", { near: 0.5 });
  // @ts-expect-error near is a number
  expect(() => expect(tracker).toHaveLoggedMetric("loss", { near: "0.5" })).toThrow();
});
`;

async function playTyped(experimentalDecorators) {
  const modules = await toolset("ts-jest", sets["ts-jest"]);
  const folder = folderOf({
    "package.json": { private: true },
    "jest.config.json": { transform: { "\\.ts$": ["ts-jest"] }, watchman: false, cacheDirectory: "<rootDir>/cache" },
    "tsconfig.json": {
      compilerOptions: {
        target: "es2022",
        module: "commonjs",
        strict: true,
        experimentalDecorators,
        types: ["node", "jest"],
      },
    },
    "trainer.test.ts": CHECKED,
  });
  putPackage(folder);
  putLinks(folder, modules, ...Object.keys(sets["ts-jest"]));
  const { status, output } = await start(process.execPath, [join(modules, "jest/bin/jest.js")], { cwd: folder });
  assert.equal(status, 0, output);
  assert.match(output, /1 passed, 1 total/);
}

export function* runners() {
  for (const dialect of ["standard", "legacy"]) yield [`ts-jest, ${dialect}`, () => playTyped(dialect === "legacy")];
  yield ["Deno, program, exit code", playExit];
  for (const [name, spec] of specs()) yield [name, () => play(spec)];
}
