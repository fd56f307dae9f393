// Builds the package twice, bundled by esbuild, because each file costs an importing program half a millisecond: ES
// modules into dist/esm, CommonJS into dist/cjs. The declarations of both are tsc's.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { decode, encode } from "@jridgewell/sourcemap-codec";
import { build } from "esbuild";
import { BINARY, ENTRIES } from "./entries.mjs";
import { writeParts } from "./parts.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
process.chdir(root);

rmSync("dist", { recursive: true, force: true });
const args = [tsc, "-p", "tsconfig.json", "--emitDeclarationOnly", "--declarationMap", "false"];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

/** Their names in the chunks of dist/esm. */
const PARTS = "../parts/index.cjs";

// Removes declarations that no entry imports.
const entries = ENTRIES.map(({ source }) => source);
const stubs = ENTRIES.flatMap(({ stub }) => stub ?? []);
const reached = new Set();
function reach(path) {
  if (reached.has(path)) return;
  reached.add(path);
  for (const [, next] of readFileSync(path, "utf8").matchAll(/(?:from|import\()\s*"(\.[^"]+)\.js"/g))
    reach(join(dirname(path), `${next}.d.ts`));
}
for (const entry of entries) reach(join("dist/esm", `${entry}.d.ts`));
for (const path of reached) {
  // The marker of a class with private fields does not compile for target ES5, the default of TypeScript 5.
  const text = readFileSync(path, "utf8").replace(/^ +#private;\n/gm, "");
  // Node's types are only available to programs that name them; `tsc --init` writes `"types": []`.
  writeFileSync(path, /"node:|\bNodeJS\./.test(text) ? `/// <reference types="node" />\n${text}` : text);
}
for (const file of readdirSync("dist/esm", { recursive: true })) {
  const path = join("dist/esm", file);
  if (reached.has(path)) {
    mkdirSync(dirname(join("dist/cjs", file)), { recursive: true });
    copyFileSync(path, join("dist/cjs", file));
  } else if (/\.d\.m?ts$/.test(file)) rmSync(path);
}

/** What both builds have in common. */
const common = {
  bundle: true,
  packages: "external",
  platform: "node",
  target: "es2023",
  legalComments: "none",
  // White space stays: Node prints the throwing line, and esbuild breaks long lines inside strings, which other
  // bundlers then indent.
  minifySyntax: true,
  sourcemap: true, // into src/, which is in the package
  sourcesContent: false,
  logLevel: "warning",
};
/** What is an alias in the sources; `require` is found differently in the two formats. */
const aliases = (home) => ({
  name: "aliases",
  setup({ onResolve }) {
    onResolve({ filter: /^#parts$/ }, () => ({ path: PARTS, external: true }));
    onResolve({ filter: /^#require$/ }, () => ({ path: join(root, home) }));
  },
});

await build({
  ...common,
  entryPoints: [...entries, ...stubs, BINARY].map((entry) => `src/${entry}.ts`),
  outdir: "dist/esm",
  outbase: "src",
  format: "esm",
  splitting: true, // what the entries share is there once
  chunkNames: "pulse-mlflow-[hash]", // run/call/stack.ts knows its own files by it
  plugins: [aliases("src/require.mts")],
});

// One file for the entries without needs of their own: finding and reading two hundred takes longer than all of it.
const BUNDLE = "pulse-mlflow"; // run/call/stack.ts and base/loading.ts know it
const inBundle = ENTRIES.filter((entry) => !entry.apart);
const namespaces = inBundle.map(({ source }, i) => `export * as entry${i} from "./${source}.js";\n`);
await build({
  ...common,
  stdin: { contents: namespaces.join(""), resolveDir: "src", sourcefile: "entries.ts", loader: "ts" },
  outfile: `dist/cjs/${BUNDLE}.js`,
  format: "cjs",
  plugins: [aliases("src/require.cts")],
});
for (const [i, { source, names }] of inBundle.entries()) {
  const path = join("dist/cjs", `${source}.js`);
  const to = relative(dirname(path), `dist/cjs/${BUNDLE}.js`).replaceAll("\\", "/");
  // By name: an ES module that imports it learns the names from this very text.
  const lines = names.map((name) => `exports.${name} = entry.${name};\n`);
  const begin = `"use strict";\nObject.defineProperty(exports, "__esModule", { value: true });\n`;
  writeFileSync(path, `${begin}const { entry${i}: entry } = require("./${to}");\n${lines.join("")}`);
}
// Some integrations need packages that a program may lack: a file each, which loads other entries as it finds them.
await build({
  ...common,
  entryPoints: ENTRIES.filter(({ apart }) => apart).map(({ source }) => `src/${source}.ts`),
  outdir: "dist/cjs",
  outbase: "src",
  format: "cjs",
  plugins: [
    aliases("src/require.cts"),
    {
      name: "entries",
      setup: ({ onResolve }) =>
        onResolve({ filter: /^\.\.?\/.*\.js$/ }, ({ path, resolveDir }) => {
          const file = relative("src", join(resolveDir, path)).replaceAll("\\", "/");
          return entries.includes(file.slice(0, -".js".length)) ? { path, external: true } : undefined;
        }),
    },
  ],
});
writeFileSync("dist/cjs/package.json", `${JSON.stringify({ type: "commonjs" })}\n`);

// Maps keep one place for each line: a stack needs no more, and the whole maps are a tenth of what is downloaded.
for (const folder of ["dist/esm", "dist/cjs"])
  for (const file of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".map"))) {
    const path = join(folder, file);
    const map = JSON.parse(readFileSync(path, "utf8"));
    const lines = decode(map.mappings).map((line) => line.slice(0, 1).map((place) => place.slice(0, 4)));
    writeFileSync(path, JSON.stringify({ ...map, names: [], mappings: encode(lines) }));
  }

await writeParts("dist/parts");
