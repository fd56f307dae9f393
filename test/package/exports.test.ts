import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { declarations } from "../support/declarations.js";

interface Entry {
  readonly subpath: string;
  readonly source: string;
  readonly budgetKb: number;
  readonly names: readonly string[];
}
interface EntryTable {
  readonly ENTRIES: readonly Entry[];
  apiFile(entry: Entry): string;
  manifestOf(entries: readonly Entry[]): Record<string, unknown>;
}

const { ENTRIES, apiFile, manifestOf } = (await import(`${process.cwd()}/scripts/entries.mjs`)) as EntryTable;

// `node scripts/entries.mjs` writes them.
test("package.json has the entries of the table", () => {
  const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Record<string, unknown>;
  const { exports, typesVersions } = manifest;
  // The order counts: the first condition that fits is taken.
  assert.equal(JSON.stringify({ exports, typesVersions }), JSON.stringify(manifestOf(ENTRIES)));
});

for (const entry of ENTRIES) {
  const { subpath, source, names, budgetKb } = entry;
  test(`${subpath} exports exactly its public names in both builds`, async () => {
    const esm = (await import(`${process.cwd()}/dist/esm/${source}.js`)) as object;
    const cjs = (await import(`${process.cwd()}/dist/cjs/${source}.js`)) as { default: object };
    assert.deepEqual(Object.keys(esm).sort(), names);
    assert.deepEqual(Object.keys(cjs.default).sort(), names);
    for (const name of names)
      assert.ok(name in cjs, `${name} is hidden from ES modules that import the CommonJS build`);
  });

  // PULSE_UPDATE_API=1 writes them; say so in the changelog.
  test(`the declarations of ${subpath} are those of api/`, () => {
    const files = ENTRIES.map((each) => `${each.source}.d.ts`);
    const emitted = declarations("dist/esm", `${source}.d.ts`, files);
    const path = apiFile(entry);
    if (process.env["PULSE_UPDATE_API"]) writeFileSync(path, emitted);
    assert.equal(readFileSync(path, "utf8"), emitted);
  });

  test(`every declaration of ${subpath} is public, or belongs to one that is`, () => {
    assert.deepEqual(strayDeclarations(readFileSync(apiFile(entry), "utf8"), `${source}.d.ts`), []);
  });

  test(`what ${subpath} loads at once stays within its budget of ${budgetKb} kB`, async () => {
    const kilobytes = (await loadedAtOnce(`dist/esm/${source}.js`)) / 1_000;
    assert.ok(kilobytes <= budgetKb, `${kilobytes.toFixed(1)} kB`);
  });
}

/** The names that are declared and that nothing public leads to; `entry` is the section whose names are public. */
function strayDeclarations(text: string, entry: string): string[] {
  const [, ...parts] = text.split(/^\/\/ (\S+\.d\.ts)$/m);
  const declared = new Map<string, string>();
  let todo: string[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const body = (parts[i + 1] as string).replace(/\/\*\*.*?\*\//gs, "");
    const pieces = body.split(/^(?=(?:export )?(?:declare )?(?:abstract )?(?:const|function|class|type|interface) )/m);
    if (parts[i] === entry) todo = body.match(/\w+/g) ?? [];
    for (const piece of pieces) {
      const name = /^(?:export )?(?:declare )?(?:abstract )?(?:const|function|class|type|interface) (\w+)/.exec(
        piece,
      )?.[1];
      if (name !== undefined) declared.set(name, (declared.get(name) ?? "") + piece);
    }
  }
  const reached = new Set<string>();
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const piece = declared.get(name);
    if (piece === undefined || reached.has(name)) continue;
    reached.add(name);
    todo.push(...(piece.match(/\w+/g) ?? []));
  }
  assert.ok(reached.size > 0);
  return [...declared.keys()].filter((name) => !reached.has(name));
}

/** Bytes of a module and of all it imports statically, minified, as one compressed file. */
async function loadedAtOnce(path: string): Promise<number> {
  const { outputFiles, metafile } = await build({
    entryPoints: [path],
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "node",
    outdir: "out",
    packages: "external",
    external: ["*/parts/index.cjs"],
    logLevel: "silent",
  });
  const { outputs } = metafile;
  const reached = new Set<string>();
  const reach = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    for (const each of outputs[name]?.imports ?? [])
      if (each.kind === "import-statement" && outputs[each.path] !== undefined) reach(each.path);
  };
  reach(Object.keys(outputs).find((name) => outputs[name]?.entryPoint !== undefined) as string);
  const all = outputFiles.filter((file) => [...reached].some((name) => file.path.endsWith(name)));
  assert.equal(all.length, reached.size);
  return gzipSync(Buffer.concat(all.map(({ contents }) => contents)), { level: 9 }).length;
}
