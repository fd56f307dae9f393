// The function forms, in what Node itself can strip the types of.
import assert from "node:assert/strict";
import { bind, currentRun, flush, logExperiment, requireRun, startRun, stats, tracked, withRun } from "pulse-mlflow";

const experiment = "Functions";

const trained = tracked(
  async function train(lr: number, _shots: number) {
    await Promise.resolve();
    return { loss: 1 - lr };
  },
  { experiment, params: ["lr"], metrics: "loss", runName: ([lr]: [number]) => `train ${lr}` },
);

const stepped = tracked(
  function* steps(n: number) {
    for (let i = 0; i < n; i++) yield { loss: n - i };
  },
  { experiment, metrics: "loss" },
);

async function main(): Promise<void> {
  assert.deepEqual([trained.name, trained.length], ["train", 2]);
  await withRun({ experiment, runName: "sweep", params: { trials: 2 } }, async (run) => {
    const losses = await Promise.all([0.25, 0.5].map((lr) => trained(lr, 1)));
    assert.deepEqual(losses, [{ loss: 0.75 }, { loss: 0.5 }]);
    assert.equal(currentRun(), run);
    run.setTag("stage", "done");
    const listener = bind((length: number) => requireRun().logMetric("length", length));
    withRun({ runName: "inner" }, () => listener(5));
  });
  assert.equal(currentRun(), undefined);
  assert.equal([...stepped(2)].length, 2);

  const refused = new RangeError("refused");
  await assert.rejects(
    withRun({ experiment, runName: "refused" }, () => Promise.reject(refused)),
    (error) => error === refused,
  );

  const run = startRun({ experiment, runName: "by hand", tags: { by: "hand" } });
  run.logParams({ lr: 0.25 });
  run.logMetrics({ loss: 0.5 }, { step: 10 });
  run.logMetric("loss", 0.25);
  run.end();

  await logExperiment({ experiment, runName: "one shot", params: { lr: 0.5 }, metrics: { loss: 0.5 } });
  await flush();
  assert.deepEqual(stats().warnings, {});
}

/** What a test runner waits for; rejected, it ends the process with an error. */
export const done: Promise<void> = main();
