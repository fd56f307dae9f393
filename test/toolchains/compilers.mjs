// How each tool turns the programs of a project folder into JavaScript beside them, set up as docs/where-it-runs.md
// says.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { must, tool } from "./install.mjs";

const load = createRequire(tool("loads-the-tools"));

const compilerOptions = {
  target: "es2022",
  lib: ["es2022"],
  module: "nodenext",
  moduleResolution: "nodenext",
  strict: true,
  esModuleInterop: true,
  skipLibCheck: false,
  types: ["node"],
  noEmitOnError: true,
};

/** The `tsconfig.json` of a project, which esbuild, tsx, rolldown and Vitest read, too. */
export function tsconfig({ dialect, programs, options }) {
  const legacy = { experimentalDecorators: true, emitDecoratorMetadata: true };
  return {
    compilerOptions: { ...compilerOptions, ...(dialect === "legacy" && legacy), ...options },
    files: programs.map((program) => `${program}.ts`),
  };
}

/** What users of a CommonJS project without Node's resolution write, as far as each version takes it. */
export const commonJsOptions = {
  5.9: { module: "commonjs", moduleResolution: "node10" },
  6: { module: "commonjs", moduleResolution: "bundler" },
};

/** The options of swc, for `@swc/jest` and its Vitest plugin as well. */
export const swcOptions = (dialect) => ({
  jsc: {
    parser: { syntax: "typescript", decorators: true },
    target: "es2022",
    transform:
      dialect === "standard" ? { decoratorVersion: "2023-11" } : { legacyDecorator: true, decoratorMetadata: true },
  },
});

export const tsc =
  (version) =>
  ({ folder }) =>
    must(process.execPath, [tool(`typescript-${version}/bin/tsc`), "-p", folder]);

export const esbuild = ({ folder, format, programs }) =>
  load("esbuild").build({
    absWorkingDir: folder,
    entryPoints: programs.map((program) => `${program}.ts`),
    outdir: ".",
    target: "es2022",
    format,
  });

/** A TypeScript file as JavaScript. */
export async function stripped(path) {
  return (await load("esbuild").transform(readFileSync(path, "utf8"), { loader: "ts" })).code;
}

/** With the package inside its output, as a bundler has it. */
export const rolldown = async ({ folder, format, programs }) => {
  const bundle = await load("rolldown").rolldown({
    cwd: folder,
    input: programs.map((program) => `./${program}.ts`),
    platform: "node",
    tsconfig: true,
    logLevel: "silent",
  });
  await bundle.write({ dir: folder, format });
  await bundle.close();
};

export const swc = (project) =>
  eachFile(project, (text, filename) =>
    load("@swc/core").transformSync(text, {
      ...swcOptions(project.dialect),
      filename,
      swcrc: false,
      module: { type: project.format === "esm" ? "es6" : "commonjs" },
    }),
  );

export const babel = (project) =>
  eachFile(project, (text, filename) => {
    const decorators = (version) => [load.resolve("@babel/plugin-proposal-decorators"), { version }];
    const plugins = {
      standard: [decorators("2023-11")],
      // Babel's own plugin knows neither decorators of parameters nor their types.
      legacy: [
        load.resolve("babel-plugin-transform-typescript-metadata"),
        decorators("legacy"),
        load.resolve("babel-plugin-parameter-decorator"),
      ],
    };
    return load("@babel/core").transformSync(text, {
      filename,
      configFile: false,
      babelrc: false,
      presets: [load.resolve("@babel/preset-typescript")],
      plugins: [
        ...plugins[project.dialect],
        ...(project.format === "cjs" ? [load.resolve("@babel/plugin-transform-modules-commonjs")] : []),
      ],
    });
  });

function eachFile({ folder, programs }, transform) {
  for (const program of programs) {
    const path = join(folder, `${program}.ts`);
    writeFileSync(join(folder, `${program}.js`), transform(readFileSync(path, "utf8"), path).code);
  }
}
