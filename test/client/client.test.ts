import assert from "node:assert/strict";
import { test } from "node:test";
import { MlflowClient } from "../../src/client/mlflow-client.js";
import { defineExperiment } from "../../src/decorators/define-experiment.js";
import { configure, shutdown, withRun } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/test-tracker.js";

/** A tracker with three runs, and a client on it. */
function withRuns() {
  const tracker = createTestTracker({ experiment: "Sweep" });
  const client = new MlflowClient({ tracker });
  for (const [runName, lr, losses] of [
    ["a", 0.1, [3, 1, 2]],
    ["b", 0.2, [5, 4]],
    ["c", 0.3, []],
  ] as const)
    tracker.withRun({ runName, tags: { stage: runName === "c" ? "dev" : "prod" } }, (run) => {
      run.logParam("lr", lr);
      for (const loss of losses) run.logMetric("loss", loss);
      tracker.now += 1_000;
    });
  return { tracker, client };
}

test("a client on a tracker reads what was recorded, without a flush", async () => {
  const { client, tracker } = withRuns();
  const names = async (filter: string, ...orderBy: string[]): Promise<string> =>
    (await client.searchRuns({ filter, orderBy }).toArray()).map(({ runName }) => runName).join("");
  assert.equal(await names(""), "cba");
  assert.equal(await names("metrics.loss < 3"), "a");
  assert.equal(await names("params.lr = '0.2' OR tags.stage = 'dev'", "run_name"), "bc");
  assert.equal(await names("", "metrics.loss DESC"), "bac");
  const built = client
    .runs("Sweep")
    .where((r) => r.metric("loss").lt(3).or(r.tag("stage").eq("dev")).and(r.duration.gte(1_000)))
    .orderBy((r) => r.param("lr").desc());
  assert.deepEqual(
    (await built.toArray()).map(({ runName }) => runName),
    ["c", "a"],
  );
  assert.equal((await built.first())?.runName, "c");
  const open = tracker.startRun({ runName: "open" });
  open.logMetric("loss", 9);
  const read = await client.getRun(open);
  assert.deepEqual(
    [read.runName, read.status, read.endTime, read.metrics],
    ["open", "RUNNING", undefined, { loss: 9 }],
  );
  await client.close();
});

test("pages go on where the last one ended, also when runs vanish in between", async () => {
  const { client } = withRuns();
  const runs = client.searchRuns({ orderBy: ["metrics.loss"] });
  const one = await runs.page({ maxResults: 1 });
  assert.deepEqual(
    one.items.map(({ runName }) => runName),
    ["a"],
  );
  await client.deleteRun(one.items[0] as (typeof one.items)[0]);
  const two = await runs.page({ maxResults: 1, pageToken: one.nextPageToken as string });
  assert.deepEqual(
    two.items.map(({ runName }) => runName),
    ["b"],
  );
  const three = await runs.page({ maxResults: 1, pageToken: two.nextPageToken as string });
  assert.deepEqual([three.items.map(({ runName }) => runName), three.nextPageToken], [["c"], undefined]);
  for (const pageToken of ["nonsense", "e30", "x".repeat(200_000), two.nextPageToken as string])
    await assert.rejects(client.searchRuns({}).page({ pageToken }), {
      code: "INVALID_OPTION",
      message: /does not belong/,
    });
  assert.deepEqual((await client.searchRuns({ maxResults: 2 }).toArray()).length, 2);
  assert.equal((await client.searchRuns({ viewType: "all" }).toArray()).length, 3);
});

test("histories, summaries and best values", async () => {
  const { client } = withRuns();
  const [a, b, c] = await client.searchRuns({ orderBy: ["run_name"] }).toArray();
  assert.ok(a && b && c);
  assert.deepEqual(
    (await client.getMetricHistory(a, "loss")).map(({ step, value }) => [step, value]),
    [
      [0, 3],
      [1, 1],
      [2, 2],
    ],
  );
  const { loss } = await client.bestValues(a);
  assert.deepEqual(
    [loss?.count, loss?.first?.value, loss?.last.value, loss?.min?.step, loss?.max?.step],
    [3, 3, 2, 1, 0],
  );
  const histories = await client.getMetricHistories([a, b, c], "loss");
  assert.deepEqual(
    [...histories].map(([id, points]) => [id, points.length]),
    [
      [a.runId, 3],
      [b.runId, 2],
      [c.runId, 0],
    ],
  );
});

test("experiments and runs are administered", async () => {
  const { client } = withRuns();
  const id = await client.createExperiment("Other", { tags: { team: "ml" } });
  await assert.rejects(client.createExperiment("Other"), { code: "REJECTED", message: /already/ });
  const { tracker } = withRuns();
  await assert.rejects(new MlflowClient({ tracker }).createExperiment("Sweep"), { code: "REJECTED" }, "just recorded");
  await client.setExperimentTag(id, "kind", "test");
  await client.renameExperiment(id, "Another");
  assert.deepEqual((await client.getExperiment(id)).tags, { team: "ml", kind: "test" });
  assert.equal((await client.getExperimentByName("Another"))?.experimentId, id);
  assert.equal(await client.getExperimentByName("Other"), undefined);
  await client.deleteExperiment(id);
  const listed = async (viewType: "active" | "deleted"): Promise<string> =>
    (await client.searchExperiments({ viewType, orderBy: ["name"] }).toArray()).map(({ name }) => name).join();
  assert.deepEqual([await listed("active"), await listed("deleted")], ["Default,Sweep", "Another"]);
  await client.restoreExperiment(id);
  await assert.rejects(client.getExperiment("99"), { code: "EXPERIMENT_NOT_FOUND" });
  const run = await client.runs("Sweep").first();
  assert.ok(run);
  await client.setTag(run, "note", "x");
  await client.updateRun(run, { status: "KILLED", runName: "renamed" });
  const changed = await client.getRun(run.runId);
  assert.deepEqual([changed.tags["note"], changed.status, changed.runName], ["x", "KILLED", "renamed"]);
  await client.deleteTag(run, "note");
  assert.equal((await client.getRun(run)).tags["note"], undefined);
  await assert.rejects(client.getRun("nope"), { code: "RUN_NOT_FOUND" });
});

test("a parent is found, and files are read", async () => {
  const tracker = createTestTracker({ experiment: "Sweep" });
  const client = new MlflowClient({ tracker });
  const ids = await tracker.withRun({}, async (outer) => {
    const child = tracker.startRun({ runName: "child" });
    child.logText("hello", "notes/a.txt");
    child.logDict({ a: [1, 2] }, "config.yaml");
    child.logTable([{ x: 1, y: "z" }], "table.json");
    child.logTable([{ x: 1, y: "z" }], "table.parquet");
    child.end();
    return { outer: outer.id, child: child.id };
  });
  assert.equal((await client.getParentRun(ids.child))?.runId, ids.outer);
  assert.equal(await client.getParentRun(ids.outer), undefined);
  assert.equal(await client.loadText(ids.child, "notes/a.txt"), "hello");
  assert.deepEqual(await client.loadDict(ids.child, "config.yaml"), { a: [1, 2] });
  for (const table of ["table.json", "table.parquet"])
    assert.deepEqual(await client.loadTable(ids.child, table), [{ x: 1, y: "z" }]);
  assert.deepEqual(
    (await client.listArtifacts(ids.child)).map(({ path }) => path),
    ["config.yaml", "notes", "table.json", "table.parquet"],
  );
  await assert.rejects(client.loadText(ids.child, "nope"), { code: "ARTIFACT_NOT_FOUND" });
  await assert.rejects(client.loadTable(ids.child, "config.yaml"), { message: /not a table/ });
});

test("wrong arguments are told, and a closed client is closed", async () => {
  const { client, tracker } = withRuns();
  assert.throws(() => client.searchRuns({ filter: "metrics.loss == 1" }), {
    code: "INVALID_FILTER",
    message: /== is written =/,
  });
  assert.throws(() => client.searchRuns({ orderBy: ["loss"] }), { code: "INVALID_FILTER" });
  assert.throws(() => client.searchRuns({ filters: "x" } as never), { message: /Did you mean "filter"/ });
  assert.throws(() => client.runs("Sweep").where(5 as never), { message: /a text or a function/ });
  assert.throws(() => client.runs("Sweep").where(() => true as never), { message: /a condition such as/ });
  assert.throws(() => client.runs("Sweep").where((r) => r.metric("a").lt("1" as never)), {
    message: /a finite number/,
  });
  assert.throws(() => new MlflowClient({ tracker, trackingUri: "memory:" }), { message: /its own store/ });
  assert.throws(() => new MlflowClient({ trackingUri: "htp://x" }), { code: "INVALID_TRACKING_URI" });
  assert.throws(() => new MlflowClient({ uri: "x" } as never), { message: /Did you mean "trackingUri"/ });
  assert.throws(() => new MlflowClient(null as never), { code: "INVALID_OPTION", message: /an object/ });
  assert.throws(() => new MlflowClient({ tracker: {} as never }), { message: /tracker must be/ });
  await assert.rejects(client.getRun(undefined as never), { message: /a run, or a run's id/ });
  await assert.rejects(client.runs("Nope").first(), { code: "EXPERIMENT_NOT_FOUND", message: /"Nope"/ });
  await assert.rejects(client.runs("Sweep").page({ maxResults: 0 }), { message: /from 1 to 50,000/ });
  await client.close();
  await client.close();
  await assert.rejects(client.getRun("x"), { code: "CLOSED" });
  await assert.rejects(new MlflowClient({ trackingUri: "null:" }).getRun("x"), { code: "UNSUPPORTED" });
});

test("an experiment with a schema finds its runs and its best run", async () => {
  const { client } = withRuns();
  const Sweep = defineExperiment({
    name: "Sweep",
    metrics: { loss: { goal: "minimize" }, time: {} },
    params: { lr: "number" },
  });
  assert.equal((await Sweep.bestRun("loss", { client }))?.runName, "a");
  assert.equal((await Sweep.bestRun("loss", { client, by: "max" }))?.runName, "a");
  assert.equal((await Sweep.bestRun("loss", { client, by: "min" }))?.metrics["loss"], 2);
  const runs = Sweep.runs(client).where((r) => r.metric("loss").gt(2).and(r.param("lr").eq("0.2")));
  assert.equal((await runs.first())?.runName, "b");
  // @ts-expect-error the experiment has no such metric
  Sweep.runs(client).where((r) => r.metric("los").gt(2));
  await assert.rejects(Sweep.bestRun("time", { client }), { code: "INVALID_OPTION", message: /has no goal/ });
});

test("a client without options reads from the tracker that is the default one by then", async () => {
  const client = new MlflowClient();
  for (const runName of ["one", "two"]) {
    configure({ trackingUri: "memory:", experiment: "Sweep" });
    withRun({ runName }, () => undefined);
    const runs = await client.runs("Sweep").toArray();
    assert.deepEqual(
      runs.map((run) => run.runName),
      [runName],
    );
  }
  await client.close();
  await shutdown();
});
