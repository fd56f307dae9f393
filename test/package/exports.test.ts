import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { declarations } from "../support/declarations.js";

const EXPORTS = [
  "LogArtifact",
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
  "registerArtifactRepository",
  "registerTrackingStore",
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
  for (const name of EXPORTS)
    assert.ok(name in cjs, `${name} is hidden from ES modules that import the CommonJS build`);
  assert.deepEqual(Object.keys(esm).sort(), EXPORTS);
  assert.deepEqual(
    Object.keys(cjs.default)
      .filter((name) => name !== "__esModule")
      .sort(),
    EXPORTS,
  );
});

const ENTRIES = {
  index: "index",
  testing: "testing/index",
  "cls-hooked": "integrations/cls-hooked",
  "mlflow-js": "integrations/mlflow-js/index",
};

test("the subpaths export exactly their public names, in both builds", async () => {
  for (const [entry, names] of [
    [
      "testing",
      [
        "assertLoggedArtifact",
        "assertLoggedMetric",
        "assertRun",
        "createTestTracker",
        "pulseMatchers",
        "recordMlflowCalls",
        "trackingStoreContract",
      ],
    ],
    ["cls-hooked", ["clsHookedContext"]],
    ["mlflow-js", ["mlflowJsStore", "mlflowNpmStore"]],
  ] as const) {
    const path = `${ENTRIES[entry]}.js`;
    const esm = (await import(`${process.cwd()}/dist/esm/${path}`)) as object;
    const cjs = (await import(`${process.cwd()}/dist/cjs/${path}`)) as { default: object };
    assert.deepEqual(Object.keys(esm).sort(), names);
    assert.deepEqual(Object.keys(cjs.default).sort(), names);
  }
});

for (const [name, entry] of Object.entries(ENTRIES)) {
  test(`the declarations of ${name} are those of api/ (PULSE_UPDATE_API=1 writes them; say so in the changelog)`, () => {
    const emitted = declarations("dist/esm", `${entry}.d.ts`, name === "index" ? undefined : "index.d.ts");
    const path = `api/${name}.d.ts`;
    if (process.env["PULSE_UPDATE_API"]) writeFileSync(path, emitted);
    assert.equal(readFileSync(path, "utf8"), emitted);
  });
}
