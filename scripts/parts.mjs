// Bundles each dependency into a file of its own. A program may be bundled itself, and a bundler does not find what
// is loaded by name at run time. The files are self-contained: they require no built-in modules, since not every
// bundle format supports that.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The packages, by the names that `src/base/loading.ts` uses. */
const parts = { aws4fetch: "aws4fetch", picomatch: "picomatch", sketches: "@datadog/sketches-js", yaml: "yaml" };

/** The protobuf support of sketches needs a package that is not among their dependencies. It is not used here. */
const withoutBuffers = {
  name: "without-buffers",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /\/proto\/compiled$/ }, () => ({ path: "none", namespace: "none" }));
    onLoad({ filter: /./, namespace: "none" }, () => ({ contents: "" }));
  },
};

/** Writes the parts, the file that leads to each of them, and their licenses into a folder. */
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
    platform: "browser", // selects the variant without Node dependencies
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

/** Lets compiled sources find the parts where the package has them, in `dist`. */
export async function writeImports(folder) {
  await writeParts(join(folder, "parts"));
  const imports = { "#require": "./src/require.mjs", "#parts": "./parts/index.cjs" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", imports }));
}
