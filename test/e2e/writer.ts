// A program that logs with the default tracker, whose target the environment names; its last line says what it has
// logged, as JSON.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { flush, startRun, stats, withRun } from "../../src/index.js";

const [how = "", experiment = ""] = process.argv.slice(2);

/** One run of the day's work: a param, some metrics, a tag. */
async function work(n: number, metrics: number, rest: () => Promise<unknown>): Promise<void> {
  await withRun({ experiment, runName: `work ${n}`, params: { n } }, async (run) => {
    for (let step = 0; step < metrics; step++) {
      run.logMetric("value", n + step / 1_000);
      if (step % 10 === 9) await rest();
    }
    run.setTag("unique", randomUUID());
  });
}

let runs = 0;
if (how === "resume") {
  const resumed = startRun();
  resumed.logMetric("resumed", 2.5);
  resumed.setTag("resumed.by", "pulse-mlflow");
  resumed.end();
  runs = 1;
} else if (how === "until end of input") {
  let goOn = true;
  process.stdin.on("end", () => {
    goOn = false;
  });
  process.stdin.resume();
  await work(runs++, 50, flush);
  process.stdout.write("writing\n");
  while (goOn) await work(runs++, 50, () => sleep(2));
}
await flush();
process.stdout.write(JSON.stringify({ runs, stats: stats() }));
