import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";

/** The rooms of the house and what each may import, rooms or single files: arrows point one way, from the decorators to the stores. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  cli: [
    "amounts.ts",
    "artifacts",
    "wrong-input.ts",
    "capture",
    "clock.ts",
    "config",
    "diagnostics.ts",
    "entities.ts",
    "errors.ts",
    "make-folder.ts",
    "recorder",
    "stores",
  ],
  integrations: ["index.ts", "capture/redact.ts", "entities.ts", "errors.ts", "http", "stores/http/rest-store.ts", "wrong-input.ts"],
  testing: ["wrong-input.ts", "capture", "config", "run", "entities.ts", "errors.ts", "stores", "tracker.ts"],
  browser: ["index.ts"],
  "loading.ts": ["realm.ts"],
  "require.mts": [],
  "require.cts": [],
  "index.ts": [
    "artifacts",
    "context",
    "capture",
    "config",
    "decorators",
    "diagnostics.ts",
    "entities.ts",
    "errors.ts",
    "run",
    "stores",
    "tracker.ts",
  ],
  "tracker.ts": [
    "artifacts",
    "wrong-input.ts",
    "capture",
    "clock.ts",
    "config",
    "context",
    "diagnostics.ts",
    "errors.ts",
    "recorder",
    "registry.ts",
    "run",
    "stores",
  ],
  decorators: ["run", "capture", "errors.ts", "registry.ts", "wrong-input.ts"],
  run: [
    "amounts.ts",
    "loading.ts",
    "artifacts",
    "recorder",
    "stores",
    "capture",
    "context",
    "config",
    "clock.ts",
    "diagnostics.ts",
    "entities.ts",
    "errors.ts",
    "registry.ts",
    "stack-room.ts",
    "wrong-input.ts",
  ],
  recorder: [
    "amounts.ts",
    "artifacts",
    "capture",
    "config",
    "context",
    "stores",
    "clock.ts",
    "diagnostics.ts",
    "entities.ts",
    "errors.ts",
    "make-folder.ts",
    "registry.ts",
    "stack-room.ts",
  ],
  http: ["capture", "config", "clock.ts", "errors.ts", "stores/tracking-store.ts"],
  artifacts: [
    "http",
    "capture",
    "config",
    "clock.ts",
    "errors.ts",
    "loading.ts",
    "make-folder.ts",
    "registry.ts",
    "schemes.ts",
    "wrong-input.ts",
  ],
  stores: [
    "artifacts",
    "loading.ts",
    "http",
    "capture",
    "config",
    "clock.ts",
    "entities.ts",
    "errors.ts",
    "make-folder.ts",
    "registry.ts",
    "schemes.ts",
    "wrong-input.ts",
  ],
  config: ["capture", "context", "diagnostics.ts", "entities.ts", "errors.ts", "stores/tracking-store.ts", "wrong-input.ts"],
  context: [],
  capture: ["entities.ts", "errors.ts", "loading.ts", "wrong-input.ts"],
  "diagnostics.ts": ["context", "errors.ts"],
  "wrong-input.ts": ["capture", "errors.ts"],
  "amounts.ts": [],
  "entities.ts": [],
  "errors.ts": ["capture"],
  "clock.ts": ["realm.ts"],
  "registry.ts": [],
  "make-folder.ts": [],
  "parts.d.ts": [],
  "realm.ts": [],
  "schemes.ts": ["errors.ts", "wrong-input.ts"],
  "stack-room.ts": [],
};

/** A file has one reason to change; beyond this one looks twice. */
const MAX_LINES = 350;
/** Longer ones, each about one thing that falls apart into no two: what becomes of a run in memory (and what that makes of its state), in an outbox, and the rows of that. */
const LONGER = [
  "recorder/buffer/memory-log.ts",
  "recorder/buffer/run-buffer.ts",
  "recorder/outbox/outbox-log.ts",
  "recorder/outbox/outbox.ts",
  "recorder/recorder.ts",
  "recorder/uploads/uploads.ts",
];

const root = join(process.cwd(), "src");
const files = readdirSync(root, { recursive: true })
  .map(String)
  .filter((file) => /\.[cm]?ts$/.test(file));
const room = (file: string): string => file.split(/[\\/]/)[0] ?? file;

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

test("every file has its room, and imports point one way", () => {
  assert.ok(imports.length > 50);
  const wrong = imports.filter(
    ({ from, to }) => room(from) !== room(to) && ![room(to), to].some((allowed) => MAY_IMPORT[room(from)]?.includes(allowed)),
  );
  assert.deepEqual(wrong, []);
  assert.deepEqual(
    files.map(room).filter((name) => !(name in MAY_IMPORT)),
    [],
  );
});

test("nobody inside imports the entry", () => {
  assert.deepEqual(
    imports.filter(({ from, to }) => to === "index.ts" && !["integrations", "browser"].includes(room(from))),
    [],
  );
});

test("no imports go round in a circle, those of types neither", () => {
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

test("the root's import graph names no package but Node's own", () => {
  const named = files
    .filter((file) => room(file) !== "integrations")
    .flatMap((file) =>
      [...readFileSync(join(root, file), "utf8").matchAll(/^(?:import|export)[^;"]*from\s+"([^."][^"]*)"/gm)].map(([, name]) =>
        String(name),
      ),
    );
  assert.deepEqual(
    named.filter((name) => !name.startsWith("node:") && !["#require", "#parts"].includes(name)),
    [],
  );
});

test("what a value is, is not asked of the classes of one realm: test runners and node:vm have others", () => {
  const BUILT_IN = /instanceof (?:[A-Z]\w*Array|ArrayBuffer|DataView|Map|Set|Date|Promise|RegExp|Blob|URL|AbortSignal|Error)\b/;
  // What of signals jsdom does not have.
  const lacking = files.filter(
    (file) => room(file) !== "cli" && /\.throwIfAborted\(|AbortSignal\./.test(readFileSync(join(root, file), "utf8")),
  );
  assert.deepEqual(lacking, []);
  const clocks = files.filter(
    (file) => !["cli", "testing"].includes(room(file)) && /\bDate\.now\(/.test(readFileSync(join(root, file), "utf8")),
  );
  assert.deepEqual(clocks, ["run/values.ts"]); // in a message
  const asked = files.filter((file) => room(file) !== "cli" && BUILT_IN.test(readFileSync(join(root, file), "utf8")));
  assert.deepEqual(asked, ["capture/text.ts"]); // isError(), which knows those of other realms, too
});

test("no file is longer than 350 lines, but those that have been looked at twice", () => {
  const long = files.filter((file) => readFileSync(join(root, file), "utf8").split("\n").length > MAX_LINES + 1);
  assert.deepEqual(long.sort(), LONGER);
});
