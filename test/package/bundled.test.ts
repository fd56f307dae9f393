import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { build, type Format } from "esbuild";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

const root = process.cwd();
const folder = tempFolder("bundled");

/** Records a run and is over: the driver is loaded at its end. */
const PROGRAM = (load: string): string => `${load}
withRun({ experiment: "Bundled", runName: "bundled", params: { lr: 0.1 } }, (run) => {
  run.logMetric("loss", 0.25);
  run.logDict({ a: 1 }, "a.yaml");
});`;

for (const [source, load] of [
  ["esm", 'import { withRun } from "pulse-mlflow";'],
  ["cjs", 'const { withRun } = require("pulse-mlflow");'],
] as const)
  for (const format of ["esm", "cjs"] satisfies Format[]) {
    if (source === "cjs" && format === "esm") continue; // \`require\` of Node's own modules is no part of ES modules
    test(`${source} bundled as ${format} finds the driver beside it, wherever it starts`, async () => {
      const built = tempFolder("built", folder);
      mkdirSync(join(built, "node_modules"));
      symlinkSync(root, join(built, "node_modules", "pulse-mlflow"));
      const entry = join(built, source === "esm" ? "program.mjs" : "program.cjs");
      writeFileSync(entry, PROGRAM(load));
      const place = tempFolder("installed", folder);
      const outfile = join(place, format === "esm" ? "app.mjs" : "app.cjs");
      await build({
        entryPoints: [entry],
        outfile,
        bundle: true,
        format,
        platform: "node",
        logLevel: "silent",
        minify: true,
      });
      rmSync(built, { recursive: true });
      mkdirSync(join(place, "node_modules", "@photostructure"), { recursive: true });
      for (const name of ["@photostructure/sqlite", "node-gyp-build"])
        symlinkSync(join(root, "node_modules", name), join(place, "node_modules", name));
      // Anybody's file beside the bundle's folder is not taken for the package's own.
      mkdirSync(join(folder, "parts"), { recursive: true });
      writeFileSync(join(folder, "parts", "yaml.cjs"), 'throw new Error("somebody else\'s file was loaded");');
      const cwd = tempFolder("started", folder);
      const env = { PATH: process.env["PATH"], HOME: folder, XDG_STATE_HOME: folder };
      // As the program, by a path as people type it, and loaded by another program that lies elsewhere, as functions in
      // a cloud are.
      const launcher = join(tempFolder("launcher", folder), "launch.mjs");
      writeFileSync(launcher, `await import(${JSON.stringify(pathToFileURL(outfile).href)});`);
      for (const program of [outfile, relative(realpathSync(cwd), realpathSync(outfile)), launcher]) {
        const { status, stderr } = spawnSync(process.execPath, [program], {
          cwd,
          env,
          encoding: "utf8",
          timeout: 60_000,
        });
        assert.equal(status, 0, stderr);
        assert.equal(stderr, "");
        assert.deepEqual(query(join(cwd, "mlflow.db"), "SELECT name, status FROM runs"), [
          { name: "bundled", status: "FINISHED" },
        ]);
        for (const name of readdirSync(cwd)) rmSync(join(cwd, name), { recursive: true });
      }
    });
  }

test("a program without the driver ends well and says where it looked for it", async () => {
  const built = tempFolder("built", folder);
  mkdirSync(join(built, "node_modules"));
  symlinkSync(root, join(built, "node_modules", "pulse-mlflow"));
  writeFileSync(join(built, "program.mjs"), PROGRAM('import { withRun } from "pulse-mlflow";'));
  const place = tempFolder("without", folder);
  const outfile = join(place, "app.mjs");
  await build({
    entryPoints: [join(built, "program.mjs")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    logLevel: "silent",
  });
  const env = { PATH: process.env["PATH"], HOME: folder, XDG_STATE_HOME: join(place, "state") };
  const { status, stderr } = spawnSync(process.execPath, [outfile], {
    cwd: place,
    env,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status, 0, stderr);
  assert.ok(stderr.includes(`@photostructure/sqlite is not found from ${realpathSync(place)} (Node `), stderr);
  assert.equal(stderr.match(/npm install/g)?.length, 1, stderr);
  assert.deepEqual(readdirSync(place).sort(), ["app.mjs", "state"]);
});
