// The whole application on a port, with a test tracker in place of the one that it makes.
import { once } from "node:events";
import { get } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { INestApplication } from "@nestjs/common";
import { Test } from "@nestjs/testing";
import { PULSE_TRACKER } from "pulse-mlflow/nestjs";
import { assertRun, createTestTracker, type TestTracker } from "pulse-mlflow/testing";
import { loadDigits } from "../../pulse-meta-learning/digits.js";
import { AppModule } from "../src/app.module.js";
import { DIGITS } from "../src/experiments/learner.js";

const digits = loadDigits();
let app: INestApplication;
let url: string;
let tracker: TestTracker;

async function start(pictures = digits): Promise<void> {
  tracker = createTestTracker();
  const built = await Test.createTestingModule({ imports: [AppModule] })
    .overrideProvider(PULSE_TRACKER)
    .useValue(tracker)
    .overrideProvider(DIGITS)
    .useValue(pictures)
    .compile();
  app = built.createNestApplication({ logger: false });
  await app.listen(0, "127.0.0.1");
  url = await app.getUrl();
}

afterEach(() => app.close()); // where a test has failed

/** Asks for a path; with a body, posts it as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: the tests say what is in it
async function ask(path: string, body?: unknown): Promise<{ status: number; body: any }> {
  const posted = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(url + path, body === undefined ? {} : posted);
  return { status: response.status, body: await response.json() };
}

test("an experiment is trained in a run below the request's, and can be read back and repeated", async () => {
  await start();
  const made = await ask("/experiments", { shots: 2, meta_steps: 3 });
  expect(made.status).toBe(201);
  const { status, body } = await ask(`/experiments/${made.body.id}`);
  expect(status).toBe(200);
  expect(body).toMatchObject({ id: made.body.id, status: "FINISHED", metrics: { accuracy: made.body.accuracy } });
  expect(body.hyperparameters).toEqual({ inner_lr: 0.2, shots: 2, inner_steps: 3, meta_steps: 3, seed: 42 });
  const events = await (await fetch(`${url}/experiments/${made.body.id}/epochs`)).text();
  const epochs = [...events.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(String(data)));
  expect(epochs).toEqual(body.loss.map((loss: number, i: number) => ({ step: i + 1, loss })));
  await app.close(); // then the runs of its requests are over
  expect(
    tracker.snapshot().map(({ name, status, children }) => [name, status, children.map((child) => child.name)]),
  ).toEqual([
    ["POST /experiments", "FINISHED", ["train"]],
    ["GET /experiments/:id", "FINISHED", []],
    ["GET /experiments/:id/epochs", "FINISHED", ["repeat"]],
  ]);
});

test("who leaves a repetition stops it", async () => {
  await start();
  const { body } = await ask("/experiments", { meta_steps: 20 });
  const [events] = await once(get(`${url}/experiments/${body.id}/epochs`), "response");
  await once(events, "data");
  events.destroy();
  while (tracker.runs.some(({ status }) => status === "RUNNING")) await nextTurn(); // until that is noticed
  await app.close();
  assertRun(tracker, { name: "repeat", status: "FINISHED", tags: { "pulse.partial": "true" } });
  assertRun(tracker, { name: "GET /experiments/:id/epochs", status: "KILLED" });
  const run = tracker.runs.find(({ name }) => name === "repeat");
  expect((run?.metrics["loss"] ?? []).length).toBeLessThan(20);
});

test("wrong hyperparameters are named, and nothing is trained", async () => {
  await start();
  const wrong = { shots: 0, seed: "42", epochs: 3 };
  expect(await ask("/experiments", wrong)).toEqual({
    status: 400,
    body: {
      error: "This request cannot be used.",
      problems: [
        "property epochs should not exist",
        "shots must not be less than 1",
        "seed must not be greater than 1000000",
      ],
    },
  });
  await app.close();
  assertRun(tracker.onlyRun, { name: "POST /experiments", status: "FINISHED", metrics: { "http.status": 400 } });
});

test("what does not exist is answered with 404, also before anything is stored", async () => {
  await start();
  expect(await ask("/experiments/it's")).toEqual({ status: 404, body: { error: "There is no experiment it's." } });
  expect(await ask("/nowhere")).toEqual({ status: 404, body: { error: "Cannot GET /nowhere" } });
  expect(await (await fetch(`${url}/experiments/unknown/epochs`)).text()).toContain("There is no experiment unknown.");
  await app.close();
});

test("a training that diverges has failed, and the request has not", async () => {
  await start();
  const { status, body } = await ask("/experiments", { inner_lr: 1e6 });
  expect(status).toBe(422);
  expect(body.error).toMatch(/^The loss of step 1 is \w+: try a lower inner_lr\.$/);
  await app.close();
  assertRun(tracker, { name: "train", status: "FAILED", tags: { "error.type": "Diverged" } });
  assertRun(tracker, { name: "POST /experiments", status: "FINISHED", metrics: { "http.status": 422 } });
});

test("what breaks is in the request's run, and not in the answer", async () => {
  await start(digits.map(({ digit, pictures }) => ({ digit, pictures: pictures.slice(0, 5) })));
  expect(await ask("/experiments", {})).toEqual({ status: 500, body: { error: "Something went wrong." } });
  await app.close();
  const run = tracker.runs.find(({ name }) => name === "POST /experiments");
  expect(run?.status).toBe("FAILED");
  expect(run?.tags["error.message"]).toMatch(/^cannot draw 1 shots/);
});

test("health shows what was recorded, and is no run", async () => {
  await start();
  await ask("/experiments", {});
  const { status, body } = await ask("/health");
  expect([status, body.status, body.tracking.dropped]).toEqual([200, "ok", 0]);
  expect(body.tracking.runs).toBe(2);
  await app.close();
  expect(tracker.runs.map(({ name }) => name)).toEqual(["POST /experiments", "train"]);
});
