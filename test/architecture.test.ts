import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

/**
 * The rooms of the house, the lowest first, and what each may import beside what lies in it. Every folder is a room;
 * `base` stands for `base/text`, too.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "require.mts": [],
  "require.cts": [],
  "parts.d.ts": [],
  "base/text": [],
  base: ["base/text"],
  search: ["base"],
  contracts: ["base", "search"],
  context: [],
  config: ["base", "contracts", "context"],
  capture: ["base"],
  http: ["base", "config", "contracts"],
  artifacts: ["base", "config", "contracts", "http"],
  "stores/http": ["base", "config", "contracts", "http", "search"],
  "stores/mlruns": ["artifacts", "base", "contracts", "search"],
  "stores/sql": ["base", "contracts", "search"],
  stores: ["artifacts", "base", "config", "contracts", "search", "stores/http", "stores/mlruns", "stores/sql"],
  "recorder/changes": ["base", "contracts"],
  "recorder/staging": ["base", "contracts"],
  "recorder/dispatch": ["base", "contracts", "recorder/changes"],
  "recorder/buffer": ["base", "contracts", "recorder/changes", "recorder/dispatch"],
  "recorder/outbox": [
    "base",
    "contracts",
    "recorder/buffer",
    "recorder/changes",
    "recorder/dispatch",
    "recorder/staging",
    "stores/sql",
  ],
  "recorder/uploads": [
    "base",
    "contracts",
    "recorder/buffer",
    "recorder/changes",
    "recorder/dispatch",
    "recorder/outbox",
    "recorder/staging",
  ],
  recorder: [
    "base",
    "config",
    "contracts",
    "recorder/buffer",
    "recorder/changes",
    "recorder/dispatch",
    "recorder/outbox",
    "recorder/staging",
    "recorder/uploads",
    "stores/sql",
  ],
  "run/verbs": ["base", "capture", "config", "recorder"],
  "run/metrics": ["base", "capture", "run/verbs"],
  "run/files": ["artifacts", "base", "capture", "recorder", "run/metrics", "run/verbs"],
  "run/errors": ["base", "recorder", "run/files", "run/verbs"],
  run: [
    "base",
    "capture",
    "config",
    "context",
    "contracts",
    "recorder",
    "run/errors",
    "run/files",
    "run/metrics",
    "run/verbs",
  ],
  "run/sampling": ["base", "capture", "recorder", "run", "run/metrics", "run/verbs"],
  "run/call": ["base", "capture", "run", "run/errors", "run/files", "run/sampling", "run/verbs"],
  "tracker.ts": ["artifacts", "base", "capture", "config", "contracts", "recorder", "run", "stores"],
  client: ["artifacts", "base", "config", "contracts", "run", "run/verbs", "search", "stores", "tracker.ts"],
  decorators: ["base", "capture", "client", "run"],
  "index.ts": [
    "artifacts",
    "base",
    "capture",
    "client",
    "config",
    "context",
    "contracts",
    "decorators",
    "run",
    "stores",
    "tracker.ts",
  ],
  browser: ["index.ts"],
  // What the command line and the test tracker use beyond the entry.
  inner: ["artifacts", "capture", "client", "config", "recorder", "run", "search", "stores", "tracker.ts"],
  cli: ["base", "contracts", "inner"],
  testing: ["base", "contracts", "index.ts", "inner"],
  integrations: ["base", "index.ts"],
  "integrations/http": ["base", "index.ts", "inner"],
  "integrations/nestjs": ["base", "index.ts", "integrations", "integrations/http", "testing"],
  "integrations/mlflow-js": ["base", "http", "index.ts", "stores/http"],
};

/** A file has one reason to change; beyond this one looks twice. */
const MAX_LINES = 350;
/** Those that were looked at twice: each is about one thing that falls apart into no two. */
const LONGER = [
  "capture/metrics.ts",
  "capture/params.ts",
  "client/mlflow-client.ts",
  "config/options.ts",
  "decorators/dialect.ts",
  "http/mlflow-api.ts",
  "recorder/buffer/memory-log.ts",
  "recorder/buffer/run-buffer.ts",
  "recorder/outbox/outbox-log.ts",
  "recorder/outbox/outbox.ts",
  "recorder/recorder.ts",
  "recorder/uploads/upload-queue.ts",
  "recorder/uploads/uploads.ts",
  "run/call/tracked-call.ts",
  "run/call/tracked.ts",
  "run/data-verbs.ts",
  "run/run.ts",
  "stores/http/rest-store.ts",
  "stores/mlruns/run-folder.ts",
  "stores/sql/sqlite-store.ts",
  "tracker.ts",
];

const root = join(process.cwd(), "src");
const files = readdirSync(root, { recursive: true })
  .map(String)
  .filter((file) => /\.[cm]?ts$/.test(file));
/** The folder a file lies in; at the top the file itself. */
const room = (file: string): string => (dirname(file) === "." ? file : dirname(file));
/** The folder at the top that a room lies in. */
const houseOf = (name: string): string => name.split("/")[0] as string;
/** `recorder` allows `recorder/outbox` as well, but to those that lie in `recorder` themselves. */
const allows = (from: string, to: string): boolean =>
  from === to ||
  MAY_IMPORT[from]?.includes(to) === true ||
  (houseOf(from) !== houseOf(to) && MAY_IMPORT[from]?.includes(houseOf(to)) === true) ||
  (to === "base/text" && MAY_IMPORT[from]?.includes("base") === true);

interface Import {
  readonly from: string;
  readonly to: string;
}

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/^(?:import|export)\s[^;]*?from\s+"(\.[^"]+)"/gms)].map(([, path]) => ({
    from: file,
    to: relative(root, join(root, dirname(file), String(path))).replace(/\.js$/, ".ts"),
  }));
});

test("every file has a room, and imports point one way", () => {
  assert.ok(imports.length > 50);
  assert.deepEqual(
    imports.filter(({ from, to }) => !allows(room(from), room(to))),
    [],
  );
  assert.deepEqual(
    files.map(room).filter((name) => !(name in MAY_IMPORT)),
    [],
  );
});

test("no room imports from a room below it in the list", () => {
  const order = Object.keys(MAY_IMPORT);
  const wrong = imports.filter(({ from, to }) => order.indexOf(room(from)) < order.indexOf(room(to)));
  assert.deepEqual(wrong, []);
});

test("no source file imports the entry", () => {
  assert.deepEqual(
    imports.filter(
      ({ from, to }) => to === "index.ts" && !["integrations", "browser", "testing"].includes(houseOf(from)),
    ),
    [],
  );
});

test("no imports form a circle, not even type imports", () => {
  const graph = new Map<string, string[]>();
  for (const { from, to } of imports) graph.set(from, [...(graph.get(from) ?? []), to]);
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `circle: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
});

test("the entry's import graph names no package but Node's own", () => {
  const named = files
    .filter((file) => houseOf(file) !== "integrations")
    .flatMap((file) =>
      [...readFileSync(join(root, file), "utf8").matchAll(/^(?:import|export)[^;"]*from\s+"([^."][^"]*)"/gm)].map(
        ([, name]) => String(name),
      ),
    );
  assert.deepEqual(
    named.filter((name) => !name.startsWith("node:") && !["#require", "#parts"].includes(name)),
    [],
  );
});

test("sources avoid instanceof of built-ins, newer AbortSignal calls and Date.now()", () => {
  const BUILT_IN =
    /instanceof (?:[A-Z]\w*Array|ArrayBuffer|DataView|Map|Set|Date|Promise|RegExp|Blob|URL|AbortSignal|Error)\b/;
  // What of signals jsdom does not have.
  const lacking = files.filter(
    (file) =>
      houseOf(file) !== "cli" && /\.throwIfAborted\(|AbortSignal\./.test(readFileSync(join(root, file), "utf8")),
  );
  assert.deepEqual(lacking, []);
  const clocks = files.filter(
    (file) =>
      !["cli", "testing"].includes(houseOf(file)) && /\bDate\.now\(/.test(readFileSync(join(root, file), "utf8")),
  );
  assert.deepEqual(clocks, ["run/verbs/values.ts"]); // in a message
  const asked = files.filter(
    (file) => houseOf(file) !== "cli" && BUILT_IN.test(readFileSync(join(root, file), "utf8")),
  );
  assert.deepEqual(asked, ["base/text/value-text.ts"]); // isError(), which knows those of other realms, too
});

test("no file is longer than 350 lines, except those reviewed", () => {
  const long = files.filter((file) => readFileSync(join(root, file), "utf8").split("\n").length > MAX_LINES + 1);
  assert.deepEqual(long.sort(), LONGER);
});
