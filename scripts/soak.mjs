// Long versions of tests that `npm test` runs in short: 1,000 schedules of the fault suite, 200 crashes, many
// programs on one file, a server that hangs, and outages of ten minutes; well over an hour. `npm run test:soak -- 17`
// or `-- 1-100` runs only those schedules, each generated from its seed; `-- hardships` or `-- crowd pool` only those
// parts. PULSE_FAULT_KINDS=denied,disk limits each schedule to faults of these kinds. It uses its own build folder,
// so that development can continue meanwhile.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeImports } from "./parts.mjs";
import { environments } from "./python.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const given = process.argv.slice(2);
const out = "build/soak";
process.chdir(root);

function run(args, env = process.env) {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}

if (!(await environments())) throw new Error("There is no python3 3.10 or newer on the PATH.");
rmSync(out, { recursive: true, force: true });
run([join(root, "node_modules/typescript/bin/tsc"), "-p", "test/tsconfig.json", "--outDir", out]);
await writeImports(out);

const seeds = given.find((each) => /^\d/.test(each));
/** The parts, and the setting that makes each long. */
const parts = {
  faults: [`${out}/test/e2e/faults.test.js`, { PULSE_FAULT_SEEDS: seeds ?? "1-1000" }],
  hardships: [`${out}/test/e2e/hardships.test.js`, {}],
  crowd: [`${out}/test/e2e/crowd.test.js`, { PULSE_CROWD: "8x1000" }],
  pool: [`${out}/test/e2e/pool.test.js`, { PULSE_POOL: "12x40x45" }],
  crash: [`${out}/test/e2e/crash.test.js`, { PULSE_CRASHES: "200" }],
  away: ["bench/away.mjs", { PULSE_OUTAGE_S: "600" }],
};
const named = seeds === undefined ? given : ["faults"];
for (const [name, [file, env]] of Object.entries(parts))
  if (named.length === 0 || named.includes(name)) run([file], { ...env, ...process.env });
