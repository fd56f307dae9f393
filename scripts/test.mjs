// Compiles sources and tests once per decorator dialect and runs them with node:test. Arguments are parts of file names
// to pick; without any, everything runs, and with --toolchains (as continuous integration does) the matrix of
// toolchains, too.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "node:test";
import { fileURLToPath } from "node:url";
import { writeImports } from "./parts.mjs";
import { environments, stackEnvironment } from "./python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");
const picked = process.argv.slice(2).filter((part) => !part.startsWith("--"));
const withToolchains = process.argv.includes("--toolchains");
process.chdir(root);

// Outboxes of the tests are not to lie among the developer's own.
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

/** Where a test file does not depend on the dialect, it runs once. */
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
let ended = 0;
const started = Date.now();
const label = (file) => file.replace(`${root}build/`, "");
console.log(`Running ${files.length} files with tests, two at a time:`);

run({ files, concurrency: 2, timeout: 600_000 })
  .on("test:complete", (event) => {
    if (!isFile(event)) return;
    const count = String(++ended).padStart(String(files.length).length);
    const seconds = (event.details.duration_ms / 1000).toFixed(1);
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
    console.log(`\n${files.length} files in ${((Date.now() - started) / 1000).toFixed(0)} s`);
    if (withToolchains) {
      const { toolchains } = await import("./toolchains.mjs");
      const matrix = await toolchains();
      passed += matrix.passed;
      failed += matrix.failed;
    }
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    process.exitCode = failed > 0 || passed === 0 || (process.env.CI && skipped > 0) ? 1 : 0;
  })
  .resume();

/** node:test reports each file as a test of its own: its end on all versions, whether it passed only on some. */
function isFile(event) {
  return event.nesting === 0 && event.name.endsWith(".test.js");
}
