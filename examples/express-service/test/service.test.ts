import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { MlflowClient } from "pulse-mlflow";
import { assertLoggedMetric, assertRun, createTestTracker, type TestTracker } from "pulse-mlflow/testing";
import { loadDigits } from "../../pulse-meta-learning/digits.js";
import { createApp } from "../src/app.js";
import { Service } from "../src/service.js";
import { Trainer } from "../src/trainer.js";

const digits = loadDigits();
let tracker: TestTracker;
let installed: ReturnType<TestTracker["install"]>;

// Sockets run outside of `tracker.run`, so the tracker is the default one while a test runs.
beforeEach(() => {
  tracker = createTestTracker();
  installed = tracker.install();
});
afterEach(() => installed.uninstall());

interface Answer {
  status: number;
  location: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what is in it
  body: any;
}

type Ask = (path: string, body?: unknown) => Promise<Answer>;

/** Asks a service, and closes it: then the runs of its requests are over. A text is sent as it is. */
async function asking(use: (ask: Ask) => Promise<void>, trainer = new Trainer(digits)): Promise<void> {
  const client = new MlflowClient(); // reads what the default tracker has
  const service = new Service(createApp(trainer, client));
  const address = await service.listen(0);
  try {
    await use(async (path, body) => {
      const posted = { method: "POST", headers: { "content-type": "application/json" } };
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const response = await fetch(address + path, body === undefined ? {} : { ...posted, body: text });
      return { status: response.status, location: response.headers.get("location"), body: await response.json() };
    });
  } finally {
    await service.close();
    await client.close();
  }
}

test("an experiment is trained in a run below the request's, and can be read back", async () => {
  await asking(async (ask) => {
    const made = await ask("/experiments", { shots: 2, meta_steps: 3 });
    assert.equal(made.status, 201);
    assert.equal(made.location, `/experiments/${made.body.id}`);
    const { status, body } = await ask(String(made.location));
    assert.equal(status, 200);
    assert.deepEqual([body.id, body.status, body.params.shots], [made.body.id, "FINISHED", "2"]);
    assert.equal(body.metrics.accuracy, made.body.accuracy);
    assert.equal(body.loss.length, 3);
    assertRun(tracker, { name: "train", metrics: { accuracy: made.body.accuracy } });
  });
  assert.deepEqual(
    tracker.snapshot().map(({ name, status, children }) => [name, status, children.map((child) => child.name)]),
    [
      ["POST /experiments", "FINISHED", ["train"]],
      ["GET /experiments/:id", "FINISHED", []],
    ],
  );
  assertRun(tracker, { name: "POST /experiments", experiment: "PulseService", metrics: { "http.status": 201 } });
  assertLoggedMetric(tracker, "loss", { steps: [1, 2, 3] });
});

test("a body that cannot be used is answered with what is wrong with it", async () => {
  await asking(async (ask) => {
    const wrong = await ask("/experiments", { shots: 0, inner_lr: "high", epochs: 3 });
    assert.equal(wrong.status, 400);
    assert.deepEqual(wrong.body.problems, [
      "shots must be a whole number from 1 to 20",
      "inner_lr must be a number above 0",
      "epochs is none of inner_lr, shots, inner_steps, meta_steps, seed",
    ]);
    assert.equal((await ask("/experiments", [])).status, 400);
    assert.equal((await ask("/experiments", '{ "shots": ')).status, 400);
    assert.equal((await ask("/experiments", { name: "x".repeat(20_000) })).status, 413);
  });
  assert.deepEqual(
    tracker.runs.map(({ name, status }) => `${name} ${status}`),
    ["POST /experiments FINISHED", "POST /experiments FINISHED", "POST FINISHED", "POST FINISHED"],
  );
});

test("what does not exist is answered with 404, also before anything is stored", async () => {
  await asking(async (ask) => {
    const unknown = await ask("/experiments/it's");
    assert.deepEqual([unknown.status, unknown.body], [404, { error: "There is no experiment it's." }]);
    assert.deepEqual((await ask("/nowhere")).body, { error: "There is no GET /nowhere." });
  });
});

test("a training that diverges has failed, and the request has not", async () => {
  await asking(async (ask) => {
    const { status, body } = await ask("/experiments", { inner_lr: 1e6 });
    assert.equal(status, 422);
    assert.match(body.error, /^The loss of step 1 is \w+: try a lower inner_lr\.$/);
  });
  assertRun(tracker, { name: "train", status: "FAILED", tags: { "error.type": "Diverged" } });
  assertRun(tracker, { name: "POST /experiments", status: "FINISHED", metrics: { "http.status": 422 } });
});

test("what breaks is in the request's run, and not in the answer", async () => {
  const few = digits.map(({ digit, pictures }) => ({ digit, pictures: pictures.slice(0, 5) }));
  await asking(async (ask) => {
    const { status, body } = await ask("/experiments", {});
    assert.deepEqual([status, body], [500, { error: "Something went wrong." }]);
  }, new Trainer(few));
  const run = tracker.runs.find(({ name }) => name === "POST /experiments");
  assert.equal(run?.status, "FAILED");
  assert.match(run.tags["error.message"] ?? "", /^cannot draw 1 shots/);
});

test("every training is a run of its own, and of the reads of a second ten are", async () => {
  await asking(async (ask) => {
    const made = await Promise.all(Array.from({ length: 12 }, (_, i) => ask("/experiments", { seed: i + 1 })));
    const read = await Promise.all(made.map(({ location }) => ask(String(location))));
    assert.deepEqual(
      read.map(({ body }) => [body.id, body.metrics.accuracy]),
      made.map(({ body }) => [body.id, body.accuracy]),
    );
  });
  tracker.now += 1_000; // the clock of a test tracker stands still: now the second is over
  const count = (name: string): number => tracker.runs.filter((run) => run.name === name).length;
  assert.deepEqual([count("POST /experiments"), count("train"), count("GET /experiments/:id")], [12, 12, 10]);
  assertRun(tracker, { name: "request (folded)", tags: { "pulse.folded": 2 } });
});
