// What this package needs of others becomes files of its own, one for each of them: a program may be bundled, and a
// bundler finds nothing that is loaded by name when it is needed. They are whole: no part of Node's own is required in
// them, since not every format of a bundle has that.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The packages, by the names that `src/base/loading.ts` has for them. */
const parts = { aws4fetch: "aws4fetch", picomatch: "picomatch", sketches: "@datadog/sketches-js", yaml: "yaml" };

/** Protocol buffers of sketches need a package that theirs does not bring along; nothing here writes any. */
const withoutBuffers = {
  name: "without-buffers",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /\/proto\/compiled$/ }, () => ({ path: "none", namespace: "none" }));
    onLoad({ filter: /./, namespace: "none" }, () => ({ contents: "" }));
  },
};

/** Writes the parts, the file that has a way to each, and their licenses into a folder. */
export async function writeParts(folder) {
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: Object.entries(parts).map(([out, name]) => ({ in: name, out })),
    outdir: folder,
    outExtension: { ".js": ".cjs" },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: "cjs",
    platform: "browser", // chooses what needs nothing of Node
    mainFields: ["module", "main"],
    target: "es2022",
    legalComments: "none",
    plugins: [withoutBuffers],
    logLevel: "warning",
  });
  const ways = Object.keys(parts).map((name) => `  ${name}: () => require("./${name}.cjs"),\n`);
  writeFileSync(join(folder, "index.cjs"), `exports.parts = {\n${ways.join("")}};\n`);
  const licenses = Object.values(parts).map((name) => {
    const place = join(root, "node_modules", name);
    const { version } = JSON.parse(readFileSync(join(place, "package.json"), "utf8"));
    return `# ${name} ${version}\n\n${readFileSync(join(place, "LICENSE"), "utf8").trim()}\n`;
  });
  writeFileSync(join(folder, "LICENSES.md"), licenses.join("\n"));
}

/** Has compiled sources find them, as the package has them in `dist`. */
export async function writeImports(folder) {
  await writeParts(join(folder, "parts"));
  const imports = { "#require": "./src/require.mjs", "#parts": "./parts/index.cjs" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", imports }));
}
