import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { until } from "../support/wait.js";
import { ask, beginRequest, ExampleService, refusing } from "./example-service.js";
import { type DumpRun, Peer } from "./peer.js";
import { assertSound, uriOf } from "./support.js";

const [example, peer] = await Promise.all([ExampleService.install("express-service"), Peer.start("newest")]);
after(() => peer.close());

test("the example compiles against the packed package, and its own tests pass", () => {
  const said = example.npm("test");
  assert.match(said, /pass [1-9]/);
  assert.match(said, /fail 0/);
});

test("requests, and a SIGTERM while one is under way, leave their runs in a database", async () => {
  const place = tempFolder("requests");
  const database = join(place, "service.db");
  const service = await example.start(place, uriOf(database));
  const path = `${service.url}/experiments`;
  assert.equal((await ask(`${path}/unknown`)).status, 404); // before there is any experiment
  const good = await ask(path, { shots: 2, meta_steps: 2 });
  assert.deepEqual(Object.keys(good.body), ["id", "accuracy", "avg_confidence", "avg_fragility"]);
  const bad = await ask(path, { shots: 0 });
  assert.deepEqual([bad.status, bad.body.problems], [400, ["shots must be a whole number from 1 to 20"]]);
  assert.equal((await ask(path, { inner_lr: 1e6 })).status, 422);
  assert.equal((await ask(`${path}/unknown`)).status, 404);

  const seeds = Array.from({ length: 200 }, (_, i) => i + 1);
  const made = await Promise.all(seeds.map((seed) => ask(path, { seed, meta_steps: 1, inner_steps: 1 })));
  assert.deepEqual(new Set(made.map(({ status }) => status)), new Set([201]));
  const read = await Promise.all(made.map(({ body }) => ask(`${path}/${body.id}`)));
  for (const [i, { status, body }] of read.entries()) {
    const { id, ...metrics } = made[i]?.body ?? {};
    assert.deepEqual([status, body.id, body.status, body.params.seed], [200, id, "FINISHED", String(i + 1)]);
    assert.deepEqual(body.metrics, { ...metrics, loss: body.loss.at(-1) });
  }

  const last = await beginRequest(service.url, "/experiments", { meta_steps: 3 });
  service.terminate();
  await refusing(service.url);
  const answer = await last.finish();
  assert.match(answer, /HTTP\/1\.1 201 Created\r\n[\s\S]*\r\nconnection: close\r\n/i);
  const { code, stdout, stderr } = await service.ended;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^Listening at .*\nStopped\n$/);

  const { runs, experiments } = await peer.dump(uriOf(database));
  assert.deepEqual(experiments.map(({ name }) => name).sort(), ["Default", "PulseService"]);
  const named = (name: string): DumpRun[] => runs.filter(({ run_name }) => run_name === name);
  const [requests, trainings] = [named("POST /experiments"), named("train")];
  assert.deepEqual([requests.length, trainings.length], [204, 203]);
  assert.ok(runs.every(({ status, tags }) => status !== "RUNNING" && tags["pulse.partial"] === undefined));
  const statusOf = new Map(requests.map(({ run_id, metrics }) => [run_id, metrics["http.status"]]));
  for (const { status, tags } of trainings)
    assert.equal(statusOf.get(tags["mlflow.parentRunId"] ?? ""), status === "FINISHED" ? 201 : 422);
  const ids = trainings.flatMap(({ tags }) => tags["experiment_id"] ?? []);
  const answered = [good, ...made, { body: JSON.parse(/\{.*\}/.exec(answer)?.[0] ?? "") }].map(({ body }) => body.id);
  assert.deepEqual(ids.sort(), answered.sort());
  // Reads beyond ten a second are folded: none is missing.
  const folded = named("request (folded)").map(({ tags }) => Number(tags["pulse.folded"]));
  assert.equal(
    folded.reduce((sum, calls) => sum + calls, named("GET /experiments/:id").length),
    202,
  );
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
    first.terminate();
    const ended = await first.ended;
    assert.equal(ended.code, 0, ended.stderr);

    await server.up();
    const second = await example.start(place, server.url);
    assert.equal((await ask(`${second.url}/experiments/unknown`)).status, 404); // the first run of a process starts it
    const isDelivered = (): boolean => server.named("train").some((run) => run.status === "FINISHED");
    await until("the training is delivered", isDelivered);
    assert.equal(server.named("train")[0]?.tags.get("experiment_id"), made.body.id);
    second.terminate();
    assert.equal((await second.ended).code, 0);
    const reads = [...server.runs.values()].filter(({ tags }) => tags.get("http.route") === "/experiments/:id");
    assert.deepEqual(reads.map((run) => run.status).sort(), ["FAILED", "FINISHED"]);
  } finally {
    server.close();
  }
});
