// Packages that a program may have, lack, or have in another version than the integrations know.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { must, tool, toolset, work } from "./install.mjs";
import { network } from "./managers.mjs";
import { folderOf, putLinks, putPackage, start } from "./places.mjs";

const SUBPATHS = ["", "/http", "/express", "/fastify", "/koa", "/hono", "/testing"];

/** Loads everything that needs no other package, in both formats, and says what the others lack. */
const LOADS = `
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
for (const path of ${JSON.stringify(SUBPATHS)}) {
  await import("pulse-mlflow" + path);
  require("pulse-mlflow" + path);
}
for (const path of ["/rxjs", "/nestjs", "/nestjs/testing", "/cls-hooked"])
  await import("pulse-mlflow" + path).then(
    () => console.log(path, "loaded"),
    ({ code, message }) => console.log(path, code, /'([^']+)'/.exec(message)?.[1]),
  );
`;

async function playWithout() {
  const types = { compilerOptions: { module: "nodenext", strict: true, skipLibCheck: false, noEmit: true, types: [] } };
  const importing = SUBPATHS.map((path, i) => `import * as m${i} from "pulse-mlflow${path}";\nvoid m${i};\n`).join("");
  const folder = folderOf({
    "package.json": { type: "module" },
    "loads.mjs": LOADS,
    "types.ts": importing,
    "tsconfig.json": { ...types, files: ["types.ts"] },
  });
  putPackage(folder);
  putLinks(folder, tool(""), "@types/node");
  const { status, output } = await start(process.execPath, ["loads.mjs"], { cwd: folder });
  assert.equal(status, 0, output);
  assert.deepEqual(output.trim().split("\n"), [
    "/rxjs ERR_MODULE_NOT_FOUND rxjs",
    "/nestjs ERR_MODULE_NOT_FOUND @nestjs/common",
    "/nestjs/testing ERR_MODULE_NOT_FOUND @nestjs/common",
    "/cls-hooked ERR_MODULE_NOT_FOUND cls-hooked",
  ]);
  await must(process.execPath, [tool("typescript-5.9/bin/tsc"), "-p", "."], { cwd: folder });
  const bundling = ["types.ts", "--bundle", "--platform=node", "--format=esm", "--outfile=out.mjs"];
  assert.doesNotMatch(await must(tool("esbuild/bin/esbuild"), bundling, { cwd: folder }), /warning/i);
}

/** An installer takes no framework along, and none is refused. */
async function playInstalled() {
  const cwd = folderOf({ "package.json": { private: true } });
  const tarball = readdirSync(work).find((each) => each.endsWith(".tgz"));
  const env = await network(join(cwd, "cache"));
  const install = ["install", "--no-audit", "--no-fund", join(work, tarball)];
  const alone = await start("npm", install, { cwd, env });
  assert.equal(alone.status, 0, alone.output);
  const there = (name) => existsSync(join(cwd, "node_modules", name));
  for (const name of ["rxjs", "@nestjs", "express", "fastify", "koa", "hono"]) assert.ok(!there(name), name);
  const beside = await start("npm", [...install, "rxjs@6.6.7"], { cwd, env });
  assert.equal(beside.status, 0, beside.output);
  assert.ok(there("rxjs"));
  const loading = ["--input-type=module", "-e", 'await import("pulse-mlflow"); await import("pulse-mlflow/rxjs")'];
  const loaded = await start(process.execPath, loading, { cwd });
  assert.match(loaded.output, /pulse-mlflow\/rxjs needs RxJS 7\.2 or newer/);
}

const OBSERVES = `
import { lastValueFrom, map, of, range, take } from "rxjs";
import { tracked } from "pulse-mlflow";
import { trackedRun } from "pulse-mlflow/rxjs";
import { createTestTracker } from "pulse-mlflow/testing";
const tracker = createTestTracker();
const epochs = tracked(() => of(1, 2).pipe(map((n) => ({ n }))), { runName: "method", metrics: "n" });
await tracker.run(() => lastValueFrom(epochs()));
const few = range(0, 5).pipe(trackedRun({ runName: "operator", unsubscribed: "KILLED" }, (n) => ({ n })), take(2));
await tracker.run(() => lastValueFrom(few));
for (const { name, status, metrics } of tracker.runs) console.log(name, status, metrics.n.map(({ value }) => value).join());
`;

async function playRxjs(version) {
  const modules = await toolset(`rxjs-${version[0]}`, { rxjs: version });
  const folder = folderOf({ "package.json": { type: "module" }, "observes.mjs": OBSERVES });
  putPackage(folder);
  putLinks(folder, modules, "rxjs");
  const { status, output } = await start(process.execPath, ["observes.mjs"], { cwd: folder });
  assert.equal(status, 0, output);
  assert.equal(output, "method FINISHED 1,2\noperator KILLED 0,1\n");
}

export function* peers() {
  yield ["peers, none", playWithout];
  yield ["peers, RxJS 6 beside the package", playInstalled];
  for (const version of ["7.2.0", "8.0.0-alpha.14"]) yield [`peers, RxJS ${version}`, () => playRxjs(version)];
}
