// Builds the package twice. ES modules into dist/esm: bundled, because each file costs an importing program half a
// millisecond; the declarations are tsc's. CommonJS into dist/cjs by plain tsc, which is fast enough; its declarations
// are the same ones.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transformSync } from "esbuild";
import { BINARY, ENTRIES } from "./entries.mjs";
import { writeParts } from "./parts.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
process.chdir(root);

rmSync("dist", { recursive: true, force: true });
// With maps into src/, which is in the package; not of the declarations, which are mended below.
for (const [project, ...flags] of [
  ["tsconfig.json", "--emitDeclarationOnly"],
  [
    "tsconfig.cjs.json",
    ...["--declaration", "false", "--isolatedDeclarations", "false"],
    ...["--removeComments", "--inlineSourceMap", "true"],
  ],
]) {
  const args = [tsc, "-p", project, "--sourceMap", "false", "--declarationMap", "false", ...flags];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** What the chunks in dist/esm call them. */
const PARTS = "../parts/index.cjs";

// Declarations that no entry leads to are nobody's.
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
  // What says that a class has private fields does not compile for programs whose target is ES5, which is TypeScript
  // 5's default.
  const text = readFileSync(path, "utf8").replace(/^ +#private;\n/gm, "");
  // Node's types are there only for programs that name them; `tsc --init` writes `"types": []`.
  writeFileSync(path, /"node:|\bNodeJS\./.test(text) ? `/// <reference types="node" />\n${text}` : text);
}
for (const file of readdirSync("dist/esm", { recursive: true })) {
  const path = join("dist/esm", file);
  if (reached.has(path)) {
    mkdirSync(dirname(join("dist/cjs", file)), { recursive: true });
    copyFileSync(path, join("dist/cjs", file));
  } else if (/\.d\.m?ts$/.test(file)) rmSync(path);
}

await build({
  entryPoints: [...entries, ...stubs, BINARY].map((entry) => `src/${entry}.ts`),
  outdir: "dist/esm",
  outbase: "src",
  bundle: true,
  splitting: true, // what the entries share is there once
  chunkNames: "pulse-mlflow-[hash]", // run/call/stack.ts knows its own files by it
  packages: "external",
  plugins: [
    {
      name: "parts",
      setup: ({ onResolve }) => onResolve({ filter: /^#parts$/ }, () => ({ path: PARTS, external: true })),
    },
  ],
  format: "esm",
  platform: "node",
  target: "es2023",
  legalComments: "none",
  // Not white space: Node shows the line that throws, and esbuild breaks long ones within strings, which other bundlers
  // indent
  minifySyntax: true,
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
});
writeFileSync("dist/cjs/package.json", `${JSON.stringify({ type: "commonjs" })}\n`);

await writeParts("dist/parts");

// `require` is found differently in the two formats, and `import.meta` does not compile in one of them: there is a file
// for each. In dist/cjs the alias is replaced by a path. (An `imports` map would need a second one there.)
for (const file of readdirSync("dist/cjs", { recursive: true })) {
  if (!file.endsWith(".js")) continue;
  const text = readFileSync(join("dist/cjs", file), "utf8");
  const pathTo = (target) => `./${relative(dirname(join("dist/cjs", file)), target).replaceAll("\\", "/")}`;
  const mended = text
    .replaceAll('"#require"', `"${pathTo("dist/cjs/require.cjs")}"`)
    .replaceAll('"#parts"', `"${pathTo("dist/parts/index.cjs")}"`);
  if (mended !== text) writeFileSync(join("dist/cjs", file), mended);
}

// What the compiler writes for exports is long: the same in short. Not of the entries: their names are read from this
// very text when an ES module imports them.
const MAP = /^\/\/# sourceMappingURL=data:application\/json;base64,(\S+)\s*$/m;
for (const file of readdirSync("dist/cjs", { recursive: true })) {
  const path = join("dist/cjs", file);
  if (!/\.c?js$/.test(file)) continue;
  const text = readFileSync(path, "utf8");
  const isEntry = entries.some((entry) => join("dist/cjs", `${entry}.js`) === path);
  const short = { minifySyntax: true, target: "es2023", sourcemap: true, sourcesContent: false, sourcefile: path };
  const { code, map } = isEntry
    ? { code: text.replace(MAP, ""), map: Buffer.from(MAP.exec(text)[1], "base64").toString() }
    : transformSync(text, short);
  writeFileSync(path, `${code.trimEnd()}\n//# sourceMappingURL=${basename(path)}.map\n`);
  writeFileSync(`${path}.map`, map);
}
