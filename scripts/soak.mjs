// The long versions of what `npm test` has in short: 1,000 schedules of the fault suite, 200 crashes, and outages of ten minutes; well
// over an hour. `npm run test:soak -- 17` or `-- 1-100` plays only those schedules, each drawn from its seed.
// Has a build folder of its own, so that one can go on working meanwhile.
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { environments } from "./python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const [seeds] = process.argv.slice(2);
const out = "build/soak";
process.chdir(root);

function run(args, env = process.env) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

if (!(await environments())) throw new Error("There is no python3 3.10 or newer on the PATH.");
rmSync(out, { recursive: true, force: true });
run([join(root, "node_modules/typescript/bin/tsc"), "-p", "test/tsconfig.json", "--outDir", out]);
writeFileSync(`${out}/package.json`, JSON.stringify({ type: "module", imports: { "#require": "./src/require.mjs" } }));
run([`${out}/test/e2e/faults.test.js`], { ...process.env, PULSE_FAULT_SEEDS: seeds ?? "1-1000" });
if (seeds === undefined) {
  run([`${out}/test/e2e/crash.test.js`], { ...process.env, PULSE_CRASHES: "200" });
  run(["bench/away.mjs"], { ...process.env, PULSE_OUTAGE_S: "600" });
}
