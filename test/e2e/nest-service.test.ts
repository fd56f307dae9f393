import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { until } from "../support/wait.js";
import { ask, beginRequest, ExampleService, type RunningService, refusing } from "./example-service.js";
import { type DumpRun, Peer } from "./peer.js";
import { assertSound, uriOf } from "./support.js";

const [example, peer] = await Promise.all([ExampleService.install("nest-service"), Peer.start("newest")]);
after(() => peer.close());

/** After its hooks, Nest sends itself the signal again. */
async function assertStopped({ ended }: RunningService): Promise<void> {
  const { code, stdout, stderr } = await ended;
  assert.ok(code === null || code === 143, `it ended with ${code}`);
  assert.equal(stderr, "");
  assert.match(stdout, /^Listening at .*\n$/);
}

/** What the events of a stream say. */
async function eventsOf(url: string): Promise<{ step: number; loss: number }[]> {
  const text = await (await fetch(url)).text();
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(String(data)));
}

test("the example compiles against the packed package, and its Jest tests pass", () => {
  example.npm("test"); // fails with what Jest says
});

test("requests, and a SIGTERM while one is under way, leave their runs in a database", async () => {
  const place = tempFolder("requests");
  const database = join(place, "service.db");
  const service = await example.start(place, uriOf(database));
  const path = `${service.url}/experiments`;
  assert.equal((await ask(`${path}/unknown`)).status, 404); // before there is any experiment
  const good = await ask(path, { shots: 2, meta_steps: 2 });
  assert.equal(good.status, 201);
  assert.deepEqual(Object.keys(good.body), ["id", "accuracy", "avg_confidence", "avg_fragility"]);
  const bad = await ask(path, { shots: 0 });
  assert.deepEqual([bad.status, bad.body.problems], [400, ["shots must not be less than 1"]]);
  assert.equal((await ask(path, { inner_lr: 1e6 })).status, 422);
  assert.equal((await ask(`${path}/unknown`)).status, 404);

  const seeds = Array.from({ length: 200 }, (_, i) => i + 1);
  const made = await Promise.all(seeds.map((seed) => ask(path, { seed, meta_steps: 1, inner_steps: 1 })));
  assert.deepEqual(new Set(made.map(({ status }) => status)), new Set([201]));
  const read = await Promise.all(made.map(({ body }) => ask(`${path}/${body.id}`)));
  for (const [i, { status, body }] of read.entries()) {
    const { id, ...metrics } = made[i]?.body ?? {};
    assert.deepEqual([status, body.id, body.status, body.hyperparameters.seed], [200, id, "FINISHED", i + 1]);
    assert.deepEqual(body.metrics, { ...metrics, loss: body.loss.at(-1) });
  }
  const { loss } = (await ask(`${path}/${good.body.id}`)).body;
  assert.deepEqual(await eventsOf(`${path}/${good.body.id}/epochs`), [
    { step: 1, loss: loss[0] },
    { step: 2, loss: loss[1] },
  ]);
  const { status, tracking } = (await ask(`${service.url}/health`)).body;
  assert.deepEqual([status, tracking.dropped, tracking.rejected, tracking.folded], ["ok", 0, 0, 0]);

  const last = await beginRequest(service.url, "/experiments", { meta_steps: 3 });
  service.terminate();
  await refusing(service.url);
  const answer = await last.finish();
  assert.match(answer, /HTTP\/1\.1 201 Created\r\n[\s\S]*\r\nconnection: close\r\n/i);
  await assertStopped(service);

  const { runs, experiments } = await peer.dump(uriOf(database));
  assert.deepEqual(experiments.map(({ name }) => name).sort(), ["Default", "PulseMetaLearning"]);
  const counts = new Map<string, number>();
  for (const { run_name } of runs) counts.set(`${run_name}`, (counts.get(`${run_name}`) ?? 0) + 1);
  assert.deepEqual(Object.fromEntries(counts), {
    "POST /experiments": 204,
    train: 203,
    "GET /experiments/:id": 203,
    "GET /experiments/:id/epochs": 1,
    repeat: 1,
  });
  assert.ok(runs.every(({ status, tags }) => status !== "RUNNING" && tags["pulse.partial"] === undefined));
  const named = (name: string): DumpRun[] => runs.filter(({ run_name }) => run_name === name);
  const statusOf = new Map(named("POST /experiments").map(({ run_id, metrics }) => [run_id, metrics["http.status"]]));
  for (const { status, tags } of named("train"))
    assert.equal(statusOf.get(tags["mlflow.parentRunId"] ?? ""), status === "FINISHED" ? 201 : 422);
  const ids = named("train").flatMap(({ tags }) => tags["experiment_id"] ?? []);
  const answered = [good, ...made, { body: JSON.parse(/\{.*\}/.exec(answer)?.[0] ?? "") }].map(({ body }) => body.id);
  assert.deepEqual(ids.sort(), answered.sort());
  const [watched, repeat] = [...named("GET /experiments/:id/epochs"), ...named("repeat")];
  assert.equal(repeat?.tags["mlflow.parentRunId"], watched?.run_id);
  assert.deepEqual([repeat?.status, repeat?.metrics["loss"], repeat?.params["shots"]], ["FINISHED", loss[1], "2"]);
  assertSound(await peer.integrity(database));
});

test("it trains while its tracking server is away, and the next start delivers that", async () => {
  const server = await FakeMlflow.start();
  const place = tempFolder("away");
  try {
    server.down();
    const first = await example.start(place, server.url);
    const made = await ask(`${first.url}/experiments`, {});
    assert.equal(made.status, 201);
    const { status, body } = await ask(`${first.url}/experiments/${made.body.id}`);
    assert.deepEqual([status, body], [503, { error: "Experiments cannot be read at the moment." }]);
    assert.equal((await ask(`${first.url}/health`)).body.status, "ok");
    first.terminate();
    await first.ended;

    await server.up();
    const second = await example.start(place, server.url);
    assert.equal((await ask(`${second.url}/experiments/unknown`)).status, 404); // the first run of a process starts it
    const isDelivered = (): boolean => server.named("train").some((run) => run.status === "FINISHED");
    await until("the training is delivered", isDelivered);
    assert.equal(server.named("train")[0]?.tags.get("experiment_id"), made.body.id);
    second.terminate();
    await assertStopped(second);
    const reads = [...server.runs.values()].filter(({ tags }) => tags.get("http.route") === "/experiments/:id");
    assert.deepEqual(reads.map((run) => run.status).sort(), ["FAILED", "FINISHED"]);
  } finally {
    server.close();
  }
});
