// The public entries of the package: one table for the build, package.json, the declarations in api/ and their tests.
// `node scripts/entries.mjs` updates package.json from it.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * `subpath`: how programs import it. `source`: its file in src/ and, built, in dist/. `names`: its exports besides
 * types. `budgetKb`: the allowed size of it and everything it loads at once, bundled, minified and gzipped. `stub`:
 * replaces it in environments without Node. `apart`: it needs a package that a program may lack.
 */
export const ENTRIES = [
  {
    subpath: ".",
    source: "index",
    stub: "browser/index",
    budgetKb: 145,
    names: [
      "LogArtifact",
      "LogMetric",
      "LogParam",
      "LogTag",
      "MlflowClient",
      "MlflowError",
      "PulseError",
      "TrackedExperiment",
      "TrackedRun",
      "bind",
      "configure",
      "createTracker",
      "currentRun",
      "defaultTracker",
      "defineExperiment",
      "flush",
      "logExperiment",
      "registerArtifactRepository",
      "registerResultKind",
      "registerTrackingStore",
      "requireRun",
      "shutdown",
      "startRun",
      "stats",
      "tracked",
      "withFlush",
      "withRun",
    ],
  },
  {
    subpath: "./cls-hooked",
    source: "integrations/cls-hooked",
    apart: true,
    budgetKb: 12,
    names: ["clsHookedContext"],
  },
  {
    subpath: "./mlflow-js",
    source: "integrations/mlflow-js/index",
    apart: true,
    budgetKb: 30,
    names: ["mlflowJsStore", "mlflowNpmStore"],
  },
  {
    subpath: "./http",
    source: "integrations/http/node",
    budgetKb: 150,
    names: ["trackRequests"],
  },
  {
    subpath: "./express",
    source: "integrations/http/express",
    budgetKb: 150,
    names: ["trackErrors", "trackRequests"],
  },
  {
    subpath: "./fastify",
    source: "integrations/http/fastify",
    budgetKb: 150,
    names: ["trackRequests"],
  },
  {
    subpath: "./koa",
    source: "integrations/http/koa",
    budgetKb: 150,
    names: ["trackRequests"],
  },
  {
    subpath: "./hono",
    source: "integrations/http/hono",
    budgetKb: 150,
    names: ["trackRequests"],
  },
  {
    subpath: "./rxjs",
    source: "integrations/rxjs",
    apart: true,
    budgetKb: 150,
    names: ["trackedRun"],
  },
  {
    subpath: "./nestjs",
    source: "integrations/nestjs/index",
    apart: true,
    budgetKb: 155,
    names: ["InjectTracker", "PULSE_TRACKER", "PulseMlflowModule"],
  },
  {
    subpath: "./nestjs/testing",
    source: "integrations/nestjs/testing",
    apart: true,
    budgetKb: 160,
    names: ["PulseMlflowTestingModule"],
  },
  {
    subpath: "./testing",
    source: "testing/index",
    budgetKb: 155,
    names: [
      "assertLoggedArtifact",
      "assertLoggedMetric",
      "assertRun",
      "createTestTracker",
      "pulseMatchers",
      "recordMlflowCalls",
      "trackingStoreContract",
    ],
  },
];

/** What else is built: the command, and the stub. */
export const BINARY = "cli/main";

const declared = (format, source) => `./dist/${format}/${source}.d.ts`;
const built = (format, source) => `./dist/${format}/${source}.js`;

/** Returns the file in api/ with an entry's declarations. */
export const apiFile = ({ subpath }) => `api/${subpath === "." ? "index" : subpath.slice(2).replaceAll("/", "-")}.d.ts`;

/** Returns the fields of package.json that depend on the entries. */
export function manifestOf(entries) {
  const exports = {};
  for (const { subpath, source, stub } of entries) {
    const code = { default: built("esm", source) };
    // Conditions of environments without Node. Bundlers for Node set some of them, too, so Node's comes first.
    const places = stub && { node: code.default, browser: built("esm", stub) };
    if (places) Object.assign(places, { "edge-light": places.browser, workerd: places.browser });
    exports[subpath] = {
      import: { types: declared("esm", source), ...places, ...code },
      require: { types: declared("cjs", source), default: built("cjs", source) },
    };
  }
  const subpaths = entries.filter(({ subpath }) => subpath !== ".");
  return {
    exports: { ...exports, "./package.json": "./package.json" },
    // For programs that resolve types without `exports`.
    typesVersions: {
      "*": Object.fromEntries(subpaths.map(({ subpath, source }) => [subpath.slice(2), [declared("cjs", source)]])),
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  writeFileSync("package.json", `${JSON.stringify({ ...manifest, ...manifestOf(ENTRIES) }, undefined, 2)}\n`);
}
