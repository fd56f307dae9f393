// Bundlers, each set up as a service on Node would be: nothing is external but Node's own modules.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { checkBundled, checkForBrowser, checkNames, outputOf } from "./bundled.mjs";
import { must, tool, toolset } from "./install.mjs";
import { nextApps } from "./next.mjs";

/** The last versions that run on Node 20. */
const tools = {
  "@rollup/plugin-commonjs": "29.0.3",
  "@rollup/plugin-node-resolve": "16.0.3",
  "@rspack/core": "1.6.8",
  rollup: "4.68.8",
  "webpack-5.113": "npm:webpack@5.113.0",
  "webpack-5.90": "npm:webpack@5.90.3",
};

/** Loads a tool of this set, which is installed when it is first needed. */
const load = async (name) => createRequire(join(await toolset("bundlers", tools), "loads-the-tools"))(name);

/** esbuild and rolldown are there already, for the compilers. */
const loadCompiler = createRequire(tool("loads-the-tools"));

const names = { esm: "ES module", cjs: "CommonJS" };

/** Both formats a program can be written in, each as what it is bundled. */
const both = [
  ["esm", "esm"],
  ["esm", "cjs"],
  ["cjs", "cjs"],
];

export function* bundlers() {
  for (const [name, build] of [
    ["webpack 5.113", webpack("webpack-5.113")],
    ["webpack 5.90", webpack("webpack-5.90", { minimize: false })],
    ["Rspack 1.6", webpack("@rspack/core")],
    ["esbuild", esbuild()],
    ["esbuild --minify", esbuild({ minify: true })],
  ])
    yield* bundled(name, both, build);
  yield* bundled(
    "Rollup 4",
    [
      ["esm", "esm"],
      ["esm", "cjs"],
      ["cjs", "esm"],
    ],
    rollup,
  );
  yield* bundled(
    "rolldown",
    [
      ["esm", "esm"],
      ["esm", "cjs"],
    ],
    rolldown,
  );
  yield* bundled("Vite 8 SSR, noExternal", [["esm", "esm"]], vite({ noExternal: true }));
  yield* bundled("Vite 8 SSR", [["esm", "esm"]], vite({}), { installed: true });
  yield* bundled("webpack 5.113, no driver", [["esm", "cjs"]], webpack("webpack-5.113", { minimize: false }), {
    driver: false,
  });
  yield* bundled("esbuild, no driver", [["esm", "esm"]], esbuild(), { driver: false });
  for (const [name, build] of [
    ["Vite 8", vite({}, { ssr: false, rollupOptions: { input: "program.js", output: { entryFileNames: "app.js" } } })],
    ["webpack 5.113", webpack("webpack-5.113", { minimize: false }, "web")],
    ["Rspack 1.6", webpack("@rspack/core", {}, "web")],
    ["esbuild", esbuild({ platform: "browser" })],
  ])
    yield [
      `${name}, for a browser`,
      () => checkForBrowser((project) => build(project, { source: "esm", format: "esm" })),
    ];
  yield [
    "esbuild --minify, names",
    () => checkNames((project) => esbuild({ minify: true })(project, { format: "esm" })),
  ];
  yield [
    "esbuild --minify, names kept",
    () => checkNames((project) => esbuild({ minify: true, keepNames: true })(project, { format: "esm" }), true),
  ];
  yield* nextApps();
}

/** A case for each pair of the program's format and the output's. */
function* bundled(name, formats, build, place) {
  for (const [source, format] of formats)
    yield [
      `${name}, ${names[source]} to ${names[format]}`,
      () => checkBundled({ source, format, ...place }, (project) => build(project, { source, format })),
    ];
}

/**
 * webpack, and Rspack, which takes the same settings. Minifying takes webpack ten seconds: once for each pair of
 * formats is enough.
 */
function webpack(name, optimization = {}, target = "node20") {
  return async (project, { source, format }) => {
    const compile = await load(name);
    const path = outputOf(project);
    const library = { type: format === "esm" ? "module" : source === "esm" ? "commonjs2" : "commonjs" };
    const stats = await new Promise((resolve, reject) => {
      compile(
        {
          context: project,
          entry: "./program.js",
          mode: "production",
          optimization,
          target,
          output: { path, filename: "app.js", library },
          ...(format === "esm" && { experiments: { outputModule: true } }),
        },
        (error, result) => (error ? reject(error) : resolve(result)),
      );
    });
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
    await new Promise((resolve) => stats.compilation.compiler.close(resolve));
    assert.deepEqual(errors, []);
    return { folder: path, said: warnings.map(({ message }) => message) };
  };
}

function esbuild(options) {
  return async (project, { format }) => {
    const outdir = outputOf(project);
    const { warnings } = await loadCompiler("esbuild").build({
      absWorkingDir: project,
      entryPoints: { app: existsSync(join(project, "program.ts")) ? "program.ts" : "program.js" },
      outdir,
      bundle: true,
      platform: "node",
      target: "node20",
      format,
      logLevel: "silent",
      ...options,
    });
    return { folder: outdir, said: warnings };
  };
}

async function rollup(project, { format }) {
  const { rollup: make } = await load("rollup");
  const { nodeResolve } = await load("@rollup/plugin-node-resolve");
  const commonjs = await load("@rollup/plugin-commonjs");
  const said = [];
  const dir = outputOf(project);
  const bundle = await make({
    input: { app: join(project, "program.js") },
    plugins: [nodeResolve(), commonjs()],
    onLog: (level, { message }) => said.push(`${level}: ${message}`),
  });
  await bundle.write({ dir, format });
  await bundle.close();
  return { folder: dir, said };
}

async function rolldown(project, { format }) {
  const said = [];
  const dir = outputOf(project);
  const bundle = await loadCompiler("rolldown").rolldown({
    cwd: project,
    input: { app: "./program.js" },
    platform: "node",
    onLog: (level, { message }) => said.push(`${level}: ${message}`),
  });
  await bundle.write({ dir, format });
  await bundle.close();
  return { folder: dir, said };
}

const vite = (ssr, more) => async (project) => {
  const rollupOptions = { output: { entryFileNames: "app.js" } };
  const build = { ssr: "program.js", outDir: "output", target: "node20", rollupOptions, ...more };
  writeFileSync(join(project, "vite.config.js"), `export default ${JSON.stringify({ build, ssr })};`);
  const output = await must(process.execPath, [tool("vite/bin/vite.js"), "build", "--logLevel", "warn"], {
    cwd: project,
  });
  return { folder: join(project, "output"), said: output === "" ? [] : [output] };
};
