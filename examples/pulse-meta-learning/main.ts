import { shutdown } from "pulse-mlflow";
import { loadDigits } from "./digits.js";
import { MetaLearner, trialName } from "./learner.js";
import { decimals, ProgressReport, tableOf } from "./report.js";
import { WAYS } from "./reptile.js";
import { MetaLearningSweep } from "./sweep.js";
import { whereabouts } from "./whereabouts.js";

const common = { inner_steps: 3, meta_steps: 12, seed: 42 };
const possible = [0.02, 0.2].flatMap((inner_lr) => [1, 2, 5].map((shots) => ({ inner_lr, shots, ...common })));
// More shots than there are pictures of any digit, to show what a failed trial looks like.
const impossible = { inner_lr: 0.02, shots: 200, ...common };
const grid = [...possible, impossible];

console.log("Learning from the handwritten digits 0 to 6 how to learn 7, 8 and 9 from a few pictures of each\n");

const progress = new ProgressReport(grid.length);
const learner = new MetaLearner(loadDigits(), (done) => progress.advanced(done));
const { trials, best } = await new MetaLearningSweep(learner, progress).run(grid);
await shutdown();

console.log(`\n${tableOf(trials)}\n`);

if (best) {
  console.log(
    `Best: ${trialName(best.hyperparameters)}: accuracy ${decimals(best.accuracy)}, ` +
      `of which ${decimals(best.accuracy_gain)} thanks to meta-training (guessing: ${decimals(1 / WAYS)})`,
  );
}
for (const { hyperparameters, outcome } of trials) {
  if (outcome.status === "fulfilled") continue;
  const onPurpose = hyperparameters === impossible;
  console.log(`Failed${onPurpose ? " on purpose" : ""}: ${trialName(hyperparameters)}: ${String(outcome.reason)}`);
  if (!onPurpose) process.exitCode = 1;
}

const { MLFLOW_TRACKING_URI } = process.env;
console.log(`\n${whereabouts(MLFLOW_TRACKING_URI)}`);
