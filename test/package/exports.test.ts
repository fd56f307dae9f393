import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { declarations } from "../support/declarations.js";

const EXPORTS = [
  "LogMetric",
  "LogParam",
  "LogTag",
  "MlflowError",
  "PulseError",
  "TrackedExperiment",
  "TrackedRun",
  "bind",
  "configure",
  "createTracker",
  "currentRun",
  "defineExperiment",
  "flush",
  "logExperiment",
  "requireRun",
  "shutdown",
  "startRun",
  "stats",
  "tracked",
  "withRun",
];

test("both builds export exactly the public names, and the same ones", async () => {
  const esm = (await import(`${process.cwd()}/dist/esm/index.js`)) as object;
  const cjs = (await import(`${process.cwd()}/dist/cjs/index.js`)) as { default: object };
  assert.deepEqual(Object.keys(esm).sort(), EXPORTS);
  assert.deepEqual(
    Object.keys(cjs.default)
      .filter((name) => name !== "__esModule")
      .sort(),
    EXPORTS,
  );
});

test("the declarations of the entry are those of api/ (PULSE_UPDATE_API=1 writes them; say so in the changelog)", () => {
  const emitted = declarations("dist/esm", "index.d.ts");
  if (process.env["PULSE_UPDATE_API"]) writeFileSync("api/index.d.ts", emitted);
  assert.equal(readFileSync("api/index.d.ts", "utf8"), emitted);
});
