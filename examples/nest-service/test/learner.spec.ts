// A provider alone: with the testing module, what it records goes to a test tracker.
import { Test, type TestingModule } from "@nestjs/testing";
import { PULSE_TRACKER } from "pulse-mlflow/nestjs";
import { PulseMlflowTestingModule } from "pulse-mlflow/nestjs/testing";
import { type PulseAssertions, pulseMatchers, type TestTracker } from "pulse-mlflow/testing";
import { firstValueFrom, lastValueFrom } from "rxjs";
import { loadDigits } from "../../pulse-meta-learning/digits.js";
import { CreateExperiment } from "../src/experiments/create-experiment.dto.js";
import { DIGITS, Diverged, Learner } from "../src/experiments/learner.js";

declare global {
  namespace jest {
    interface Matchers<R, T> extends PulseAssertions {}
  }
}
expect.extend(pulseMatchers);

let testing: TestingModule;
let learner: Learner;
let tracker: TestTracker;

beforeEach(async () => {
  testing = await Test.createTestingModule({
    imports: [PulseMlflowTestingModule.forRoot()],
    providers: [Learner, { provide: DIGITS, useFactory: loadDigits }],
  }).compile();
  learner = testing.get(Learner);
  tracker = testing.get(PULSE_TRACKER);
});
afterEach(() => testing.close()); // the default tracker is again what it was

test("a training is a run with its params, a loss for each epoch, and what it has learnt", async () => {
  const { id, accuracy } = await learner.train(Object.assign(new CreateExperiment(), { meta_steps: 3 }));
  expect(tracker.onlyRun).toHaveRun({
    name: "train",
    experiment: "PulseMetaLearning",
    status: "FINISHED",
    params: { run_type: "meta-learning", inner_lr: 0.2, shots: 1, inner_steps: 3, meta_steps: 3, seed: 42 },
    tags: { experiment_id: id },
    metrics: { accuracy },
  });
  expect(tracker).toHaveLoggedMetric("loss", { steps: [1, 2, 3] });
});

test("a training that diverges has failed", async () => {
  const training = learner.train(Object.assign(new CreateExperiment(), { inner_lr: 1e6 }));
  await expect(training).rejects.toThrow(Diverged);
  expect(tracker).toHaveRun({ name: "train", status: "FAILED", tags: { "error.type": "Diverged" } });
});

test("the run of a repetition lasts until its end, or until nobody watches", async () => {
  const hyperparameters = new CreateExperiment();
  const repetition = learner.repeat(hyperparameters);
  expect(tracker.onlyRun.status).toBe("RUNNING");
  await lastValueFrom(repetition);
  expect(tracker).toHaveLoggedMetric("loss", { steps: [1, 2] });
  expect(tracker.onlyRun.status).toBe("FINISHED");

  await firstValueFrom(learner.repeat(hyperparameters));
  expect(tracker.runs[1]).toHaveRun({ name: "repeat", status: "FINISHED", tags: { "pulse.partial": "true" } });
  expect(tracker.runs[1]).toHaveLoggedMetric("loss", { steps: [1] });
});
