import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome, RunChange, StoredIds } from "../../src/contracts/tracking-store.js";
import type { HttpStore } from "../../src/stores/http/http-store.js";
import { change, start } from "../contract/store-contract.js";
import type { FakeMlflow, FakeRun } from "../support/fake-mlflow.js";
import { served, storeOf } from "../support/http-stores.js";

const KEY = "b".repeat(32);
const point = (step: number) => ({ key: "m", value: step, timestamp: 5 + step, step });
const RUN = change(KEY, {
  experiment: { name: "Ours" },
  create: start({ name: "mine", startTime: 3 }),
  metrics: [point(0)],
});
const END: RunChange["end"] = { status: "FINISHED", endTime: 9 };

async function sent(store: HttpStore, given: RunChange): Promise<Outcome> {
  return (await store.apply([given]))[0] as Outcome;
}

const runs = ({ runs: all }: FakeMlflow): FakeRun[] => [...all.values()];
const another = (letter: string): RunChange => ({ ...RUN, runKey: letter.repeat(32) });

/** A run of a server before it was replaced, as one still has it. */
async function opened(): Promise<{ store: HttpStore; server: FakeMlflow; later: RunChange }> {
  const { store, server } = await served();
  const got = await sent(store, RUN);
  const ids = got.kind === "done" ? got.ids : undefined;
  return { store, server, later: { ...RUN, ids, create: undefined, metrics: [point(1)], end: END } };
}

test("after a failure the experiment is looked up again, so ids never mislead", async (t) => {
  // Without a server nothing else keeps this process alive: requests do not.
  const alive = setInterval(() => {}, 1_000);
  t.after(() => clearInterval(alive));
  for (const fail of [
    (server: FakeMlflow) => server.down(),
    (server: FakeMlflow) => {
      server.resets = true;
    },
    (server: FakeMlflow) => {
      server.instead = () => ({ status: "starting" });
    },
  ]) {
    const { store, server } = await opened();
    fail(server);
    assert.equal((await sent(store, another("c"))).kind, "away");
    server.replace("Theirs", "Ours");
    server.resets = false;
    server.instead = undefined;
    if (fail.toString().includes("down")) await server.up();
    assert.equal((await sent(store, another("c"))).kind, "done");
    assert.deepEqual(
      runs(server).map((run) => server.experimentOf(run)),
      ["Ours"],
    );
  }
});

test("while changes are sent, the experiment is looked up once a minute", async (t) => {
  let ms = 0;
  const { store, server } = await opened();
  const real = performance.now.bind(performance);
  t.mock.method(performance, "now", () => real() + ms);
  const lookups = (): number => server.calls.filter((call) => call.includes("get-by-name")).length;
  const before = lookups();
  ms = 50_000;
  await sent(store, another("c"));
  assert.equal(lookups(), before);
  server.replace("Theirs");
  ms = 61_000;
  assert.equal((await sent(store, another("d"))).kind, "done");
  assert.deepEqual(
    runs(server).map((run) => server.experimentOf(run)),
    ["Ours"],
  );
  assert.equal(lookups(), before + 1);
});

test("a run the server lost is made again as it was, with what is left", async () => {
  const { store, server, later } = await opened();
  const [old] = runs(server);
  server.replace("Theirs", "Ours");
  for (const given of [later, { ...later, metrics: [point(2)] }]) assert.equal((await sent(store, given)).kind, "done");
  const [run, ...others] = runs(server);
  assert.deepEqual(others, []);
  assert.ok(run);
  assert.notEqual(run.id, old?.id);
  assert.deepEqual(
    [run.name, run.startTime, server.experimentOf(run), run.status, run.endTime],
    ["mine", 3, "Ours", "FINISHED", 9],
  );
  assert.deepEqual(
    [run.tags.get("pulse.recreated"), run.tags.get("pulse.run_key"), run.tags.get("mlflow.user")],
    [old?.id, KEY, "me"],
  );
  assert.deepEqual(
    [...run.metrics.values()].map(({ step }) => step),
    [1, 2],
  );
});

test("what comes after a run's end leaves no remade run open", async () => {
  const { store, server, later } = await opened();
  await sent(store, later);
  server.replace("Theirs", "Ours");
  await sent(store, { ...later, metrics: [], tags: [{ key: "late", value: "1" }], end: undefined });
  const [run] = runs(server);
  assert.deepEqual([run?.tags.get("late"), run?.status, run?.endTime], ["1", "FINISHED", 9]);
});

test("files of a run made again go to its new place, however often that happens", async () => {
  const { store, server, later } = await opened();
  const ids = later.ids as StoredIds;
  for (let times = 0; times < 3; times++) {
    server.replace("Theirs", "Ours");
    await assert.rejects(store.artifactsOf(ids), { code: "RUN_NOT_FOUND" });
    await sent(store, later);
    assert.match(await store.artifactsOf(ids), new RegExp(`/${runs(server)[0]?.id}/artifacts$`));
  }
});

test("a run lost from another process is made again, once and under a made-up name", async () => {
  const { server, later } = await opened();
  server.replace();
  const params = [{ key: "p", value: "1" }];
  for (const [step, store] of [storeOf(server), storeOf(server)].entries())
    assert.equal((await sent(store, { ...later, params, metrics: [point(step + 1), point(step + 2)] })).kind, "done");
  const [run, ...others] = runs(server);
  assert.ok(run);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [run.name, run.startTime, server.experimentOf(run), run.params.get("p")],
    ["recreated-bbbbbbbb", 6, "Ours", "1"],
  );
});

test("children made afterwards name the new parent", async () => {
  const { store, server, later } = await opened();
  server.replace();
  await sent(store, later);
  const parentId = later.ids?.runId;
  await sent(store, { ...another("c"), parentId, create: start({ parentKey: KEY }) });
  const [parent, child] = runs(server);
  assert.equal(child?.tags.get("mlflow.parentRunId"), parent?.id);
  assert.notEqual(parent?.id, parentId);
});

test("resumed runs, deleted runs and guessed ends are never made again", async () => {
  const { store, server, later } = await opened();
  const resumed = "9".repeat(32);
  server.runs.set(resumed, { ...(runs(server)[0] as FakeRun), id: resumed });
  const resume = change(resumed, {
    experiment: { name: "Ours" },
    create: start({ resume: true }),
    metrics: [point(3)],
  });
  assert.equal((await sent(store, resume)).kind, "done");
  server.runs.delete(resumed);
  const lost = await sent(store, { ...resume, ids: { runId: resumed, experimentId: "1" }, create: undefined });
  assert.equal("error" in lost && lost.error.code, "RUN_NOT_FOUND");

  server.instead = (call) =>
    call.includes("log-batch") ? { refuse: "Run is not active. Current state is deleted." } : undefined;
  const gone = await sent(store, later);
  assert.equal("error" in gone && gone.error.code, "RUN_DELETED");
  server.instead = undefined;
  server.replace();
  const purged = await sent(store, later);
  assert.equal("error" in purged && purged.error.code, "RUN_NOT_FOUND");

  const other = storeOf(server);
  const guessed = { ...later, metrics: [], end: { status: "FAILED", endTime: 9, ifRunning: true } } as const;
  assert.equal((await sent(other, guessed)).kind, "done");
  assert.deepEqual(runs(server), []);
  assert.equal((await sent(other, { ...guessed, metrics: [point(4)] })).kind, "done");
  assert.deepEqual(
    runs(server).map(({ status }) => status),
    ["FAILED"],
  );
});

test("when the first server comes back, its run continues", async () => {
  const { store, server, later } = await opened();
  const [old] = runs(server) as [FakeRun];
  server.replace("Ours");
  await sent(store, later);
  server.replace("Ours");
  server.runs.set(old.id, old);
  assert.equal((await sent(store, { ...later, metrics: [point(5)] })).kind, "done");
  assert.deepEqual(
    runs(server).map(({ id, metrics }) => [id, metrics.size]),
    [[old.id, 2]],
  );
});
