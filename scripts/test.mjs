// Compiles sources and tests once per decorator dialect and runs them with node:test. Arguments are parts of file names
// to pick; without any, everything runs, and with --toolchains (as continuous integration does) the matrix of
// toolchains, too. PULSE_CI_BEGAN, in seconds since the epoch, is when what led here began; where all of it has taken
// more than PULSE_CI_MOST_MINUTES, that is a failure.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { fileURLToPath } from "node:url";
import { minutesTable } from "./minutes.mjs";
import { writeImports } from "./parts.mjs";
import { environments, stackEnvironment } from "./python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");
const picked = process.argv.slice(2).filter((part) => !part.startsWith("--"));
const withToolchains = process.argv.includes("--toolchains");
process.chdir(root);
const began = Date.now();

// Keeps the tests' outboxes apart from the developer's own.
process.env.XDG_STATE_HOME = mkdtempSync(join(tmpdir(), "pulse-state-"));
process.on("exit", () => rmSync(process.env.XDG_STATE_HOME, { recursive: true, force: true }));

console.log("Compiling sources and tests, once per decorator dialect ...");
const dialects = { standard: "test/tsconfig.json", legacy: "test/tsconfig.legacy.json" };
for (const [dialect, project] of Object.entries(dialects)) {
  rmSync(`build/${dialect}`, { recursive: true, force: true });
  const { status } = spawnSync(process.execPath, [tsc, "-p", project], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  await writeImports(`build/${dialect}`);
}

/** A test file that does not depend on the dialect runs only once. */
const ONCE = /^(e2e|package)\/|^recorder\/death/;

function testFiles(dialect) {
  const base = `build/${dialect}/test`;
  return readdirSync(base, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith(".test.js"))
    .filter((file) => dialect === "standard" || !ONCE.test(file))
    .filter((file) => picked.length === 0 || picked.some((part) => file.includes(part)))
    .map((file) => join(root, base, file));
}

{
  const { status } = spawnSync(process.execPath, [tsc, "-p", "examples"], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

const python = await environments();
if (testFiles("standard").some((file) => file.includes("/test/e2e/"))) await stackEnvironment(); // before the tests' time limits start
if (!python) {
  console.log("\n*** No python3 of version 3.10 or newer: the tests against real MLflow are SKIPPED. ***\n");
}

const files = Object.keys(dialects)
  .flatMap(testFiles)
  .filter((file) => python || !file.includes("/test/e2e/"));
const skippedFiles = python ? 0 : Object.keys(dialects).flatMap(testFiles).length - files.length;

let passed = 0;
let failed = 0;
let skipped = skippedFiles;
let completed = 0;
const started = Date.now();
/** Milliseconds that the files of each room took, both dialects together. */
const rooms = new Map();
const label = (file) => file.replace(`${root}build/`, "");
console.log(`Running ${files.length} files with tests, two at a time:`);

run({ files, concurrency: 2, timeout: 600_000 })
  .on("test:complete", (event) => {
    if (!isFile(event)) return;
    const count = String(++completed).padStart(String(files.length).length);
    const seconds = (event.details.duration_ms / 1000).toFixed(1);
    const room = /\/test\/([^/]+)\//.exec(label(event.name))?.[1] ?? "test";
    rooms.set(room, (rooms.get(room) ?? 0) + event.details.duration_ms);
    console.log(
      `${count}/${files.length}  ${label(event.name)}  ${seconds} s${event.details.passed ? "" : "  FAILED"}`,
    );
  })
  .on("test:pass", (event) => {
    if (event.details.type === "suite" || isFile(event)) return;
    if (event.skip !== undefined || event.todo !== undefined) {
      skipped++;
      console.log(`skipped: ${event.name} (${label(event.file ?? "")})`);
    } else passed++;
  })
  .on("test:fail", (event) => {
    if (event.details.type === "suite" && event.details.error?.failureType === "subtestsFailed") return;
    if (isFile(event) && event.details.error?.failureType === "subtestsFailed") return;
    failed++;
    const { error } = event.details;
    console.log(`\nFAILED: ${event.name} (${label(event.file ?? event.name)})`);
    console.log(error?.cause?.stack ?? error?.cause ?? error?.message ?? error);
  })
  .on("test:stderr", (event) => process.env.PULSE_TEST_VERBOSE && process.stderr.write(event.message))
  .on("test:stdout", (event) => process.env.PULSE_TEST_VERBOSE && process.stdout.write(event.message))
  .on("end", async () => {
    const ended = Date.now();
    console.log(`\n${files.length} files in ${((ended - started) / 1000).toFixed(0)} s`);
    if (withToolchains) {
      const { toolchains } = await import("./toolchains.mjs");
      const matrix = await toolchains();
      passed += matrix.passed;
      failed += matrix.failed;
    }
    const since = Number(process.env.PULSE_CI_BEGAN ?? Number.NaN) * 1_000;
    const all = Date.now() - (since || began);
    if (since || picked.length === 0) {
      const byTime = [...rooms].sort(([, a], [, b]) => b - a).map(([room, ms]) => [`  ${room}`, ms]);
      console.log(
        minutesTable([
          ...(since ? [["install and build", began - since]] : []),
          ["compile", started - began],
          ["tests, two files at a time", ended - started],
          ...byTime,
          ...(withToolchains ? [["toolchains", Date.now() - ended]] : []),
          ["all", all],
        ]),
      );
    }
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    const most = Number(process.env.PULSE_CI_MOST_MINUTES ?? Number.POSITIVE_INFINITY);
    const isLate = all > most * 60_000;
    if (isLate) console.log(`FAILED: it took ${(all / 60_000).toFixed(1)} minutes in all, and may take ${most}.`);
    process.exitCode = isLate || failed > 0 || passed === 0 || (process.env.CI && skipped > 0) ? 1 : 0;
  })
  .resume();

/** node:test reports each file as a test: when it ends on all versions, whether it passed only on some. */
function isFile(event) {
  return event.nesting === 0 && event.name.endsWith(".test.js");
}
