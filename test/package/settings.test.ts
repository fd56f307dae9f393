// Programs with the settings that people have: what `tsc --init` writes, with less, with more, and in JavaScript with
// comments.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { compilers } from "../support/compilers.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("settings");

const VERSIONS = ["7", "6", "5.9"];
let typescript: ReadonlyMap<string, string>;
before(async () => {
  typescript = await compilers();
  mkdirSync(join(folder, "node_modules/pulse-mlflow"), { recursive: true });
  for (const name of ["dist", "package.json"])
    cpSync(name, join(folder, "node_modules/pulse-mlflow", name), { recursive: true });
  for (const name of ["@types", "undici-types"])
    symlinkSync(join(process.cwd(), "node_modules", name), join(folder, "node_modules", name));
});

const PROGRAM = `import { LogMetric, type MetricOptions, logExperiment, TrackedExperiment, tracked, withRun } from "pulse-mlflow";
import { createTestTracker } from "pulse-mlflow/testing";
import { mlflowJsStore } from "pulse-mlflow/mlflow-js";

@TrackedExperiment("Settings", { params: { kind: "base" } })
class Trainer {
  @LogMetric({ loss: "loss" })
  async train(lr: number): Promise<{ loss: number }> {
    return { loss: 1 - lr };
  }
}

export const work = tracked((lr: number) => ({ loss: lr }), { params: ["lr"], metrics: "loss" });
export const all = [createTestTracker, mlflowJsStore, logExperiment, (options: MetricOptions) => options];
await withRun({ experiment: "Settings" }, async (run) => {
  run.logMetric("loss", (await new Trainer().train(0.1)).loss + work(0.2).loss);
});
`;

const JAVASCRIPT = `// @ts-check
import { tracked, withRun } from "pulse-mlflow";

/** @param {number} lr */
const train = (lr) => ({ loss: 1 - lr });
const work = tracked(train, { experiment: "Settings", params: ["lr"], metrics: "loss" });
/** @type {number} */
export const loss = work(0.1).loss;
// @ts-expect-error "los" is none of its paths
tracked(train, { metrics: "los" });
export const result = withRun({ runName: "sweep" }, (run) => {
  run.logParams({ lr: 0.1 });
  return /** @type {const} */ ("done");
});
/** @type {"done"} */
export const done = result;
`;

/** Compiles a program as its project says; gives what the compiler says. */
function compile(version: string, project: string, ...flags: string[]): string {
  const args = [
    join(typescript.get(version) ?? "", "bin/tsc"),
    "-p",
    project,
    "--noEmit",
    "--pretty",
    "false",
    ...flags,
  ];
  return spawnSync(process.execPath, args, { cwd: project, encoding: "utf8" }).stdout;
}

/** A project with a program and its settings. */
function projectOf(name: string, text: string, compilerOptions?: Record<string, unknown>): string {
  const project = tempFolder("project", folder);
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(join(project, name), text);
  if (compilerOptions)
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, include: [name] }));
  return project;
}

const README = { target: "es2022", module: "nodenext", types: ["node"], strict: true };

/** Settings beside those of the README. */
const SETTINGS: Record<string, Record<string, unknown>> = {
  "no types of Node named, libraries checked": { types: [], skipLibCheck: false },
  "not strict": { strict: false },
  "not strict, libraries checked": { strict: false, skipLibCheck: false },
  "isolatedModules and verbatimModuleSyntax": { isolatedModules: true, verbatimModuleSyntax: true },
  "a bundler's modules": { module: "esnext", moduleResolution: "bundler" },
  "all that is strict": {
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noImplicitOverride: true,
    noPropertyAccessFromIndexSignature: true,
    skipLibCheck: false,
  },
};

for (const version of VERSIONS) {
  test(`TypeScript ${version}: a program compiles with the settings of tsc --init`, () => {
    const project = projectOf("program.ts", PROGRAM);
    const { status } = spawnSync(process.execPath, [join(typescript.get(version) ?? "", "bin/tsc"), "--init"], {
      cwd: project,
    });
    assert.equal(status, 0);
    assert.match(readFileSync(join(project, "tsconfig.json"), "utf8"), /"types": \[\]/);
    assert.equal(compile(version, project, "--skipLibCheck", "false"), "");
  });

  test(`TypeScript ${version}: JavaScript with comments is checked`, () => {
    assert.equal(
      compile(version, projectOf("program.js", JAVASCRIPT, { ...README, allowJs: true, checkJs: true })),
      "",
    );
  });
}

for (const [title, settings] of Object.entries(SETTINGS))
  test(`a program compiles with ${title}`, () => {
    assert.equal(compile("7", projectOf("program.ts", PROGRAM, { ...README, ...settings })), "");
  });
