// The cost of carrying the run in a cls-hooked namespace instead of AsyncLocalStorage, each in its own process, since
// cls-hooked slows down every await of the process.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { configure, flush, tracked } from "pulse-mlflow";
import { clsHookedContext } from "pulse-mlflow/cls-hooked";
import { median, report, seconds, turn } from "./lib.mjs";

const CALLS = 20_000;
const CALLS_PER_TURN = 100;
const ROUNDS = 9;

const plain = async (i) => ({ loss: i / 3 });

const [kind] = process.argv.slice(2);
if (kind !== undefined) console.log(JSON.stringify(await measure()));
else {
  const [als, cls] = ["als", "cls"].map((each) => {
    const { status, stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), each], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`The case ${each} failed.`);
    return JSON.parse(stdout);
  });
  const shown = ({ bare, ours }) => `${bare.toFixed(2)} µs bare, ${ours.toFixed(2)} µs tracked`;
  report({
    measurement: "contexts: a tracked call with cls-hooked",
    unit: "µs",
    ours: cls.ours,
    peer: als.ours,
    beside: "AsyncLocalStorage",
    judged: cls.ours / als.ours,
    times: true,
    atMost: true,
    note: `an async call takes ${shown(cls)}; with AsyncLocalStorage ${shown(als)}`,
  });
}

/** Returns the microseconds of a call in this process, untracked and tracked. */
async function measure() {
  configure({ trackingUri: "null:", ...(kind === "cls" && { context: clsHookedContext() }) });
  const work = tracked(plain, { metrics: "loss" });
  const times = { bare: [], ours: [] };
  for (let round = -2; round < ROUNDS; round++) {
    for (const [name, fn] of [
      ["bare", plain],
      ["ours", work],
    ]) {
      const time = await seconds(async () => {
        for (let i = 0; i < CALLS; i++) {
          await fn(i);
          if (i % CALLS_PER_TURN === CALLS_PER_TURN - 1) await turn();
        }
        await flush();
      });
      if (round >= 0) times[name].push((time / CALLS) * 1e6);
    }
  }
  return { bare: median(times.bare), ours: median(times.ours) };
}
