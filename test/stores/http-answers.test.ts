import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import type { HttpStore } from "../../src/stores/http/http-store.js";
import { change, start } from "../contract/store-contract.js";
import type { FakeRun } from "../support/fake-mlflow.js";
import { served, storeOf } from "../support/http-stores.js";

const point = (step: number, key = "m") => ({ key, value: step, timestamp: 5 + step, step });
const RUN = change("b".repeat(32), {
  experiment: { name: "X" },
  create: start(),
  metrics: [point(0), point(1), point(7, "n")],
  params: [{ key: "p", value: "1" }],
  tags: [{ key: "t", value: "2" }],
});

async function sent(store: HttpStore, given: RunChange = RUN): Promise<string> {
  const [outcome] = (await store.apply([given])) as [Outcome];
  return "error" in outcome ? `${outcome.kind} ${outcome.error.code}` : outcome.kind;
}

const MAINTENANCE = { status: "maintenance" };

for (const call of [
  "GET experiments/get-by-name",
  "POST experiments/create",
  "POST runs/create",
  "POST runs/log-batch",
  "POST runs/update",
  "POST runs/search",
  "POST runs/delete",
])
  test(`a 200 that is none of MLflow's is no success: ${call}`, async () => {
    const { store, server } = await served();
    const creation = { ...RUN, attempted: true };
    if (call.includes("delete")) {
      // Two runs of one key: one is to be deleted.
      await sent(store);
      server.runs.set("f".repeat(32), { ...([...server.runs.values()][0] as FakeRun), id: "f".repeat(32) });
    }
    const fresh = call.includes("delete") ? storeOf(server) : store;
    server.instead = (asked) => (asked === call ? MAINTENANCE : undefined);
    const run = { ...creation, end: { status: "FINISHED", endTime: 6 } } as const;
    assert.equal(await sent(fresh, run), "away NO_MLFLOW");
    server.instead = undefined;
    assert.equal(await sent(fresh, run), "done");
  });

test("under maintenance the server counts as away, and nothing is lost afterwards", async () => {
  const { store, server } = await served();
  assert.equal(await sent(store, { ...RUN, metrics: [point(0)] }), "done");
  const next = { ...RUN, create: undefined, metrics: [point(1)], tags: [{ key: "t", value: "new" }] };
  server.instead = () => MAINTENANCE;
  for (let i = 0; i < 3; i++) assert.equal(await sent(store, next), "away NO_MLFLOW");
  server.instead = undefined;
  assert.equal(await sent(store, next), "done");
  const [run] = server.runs.values();
  assert.deepEqual([run?.metrics.size, run?.tags.get("t")], [2, "new"]);
});

for (const [what, swallowed] of Object.entries<Partial<RunChange>>({
  "a metric": { metrics: [point(2)] },
  "an earlier point of a metric that is there": { metrics: [{ ...point(0), timestamp: 99 }] },
  "the last of several metrics": { metrics: [point(1), point(3, "new")] },
  "a param": { params: [{ key: "q", value: "" }] },
  "a tag": { tags: [{ key: "t", value: "other" }] },
}))
  test(`an unknown 200 is checked and not believed when it has swallowed ${what}`, async () => {
    const { store, server } = await served();
    assert.equal(await sent(store), "done");
    server.instead = (call) => (call.includes("log-batch") ? MAINTENANCE : undefined);
    const none = { ...RUN, create: undefined, metrics: [], params: [], tags: [] };
    assert.equal(await sent(store, { ...none, ...swallowed }), "away NO_MLFLOW");
  });

test("extra fields that a true answer shows are accepted in others", async () => {
  const { store, server } = await served();
  server.added = { request: "x" };
  const reads = (): number =>
    server.calls.filter((call) => call.includes("runs/get") || call.includes("get-history")).length;
  assert.equal(await sent(store), "done"); // the answer to the creation has a run beside them
  for (let step = 2; step < 6; step++) {
    server.added = { request: step };
    assert.equal(await sent(store, { ...RUN, create: undefined, metrics: [point(step)] }), "done");
  }
  assert.equal(reads(), 0);
  // Another form is another question.
  server.instead = (call) => (call.includes("log-batch") ? MAINTENANCE : undefined);
  assert.equal(await sent(store, { ...RUN, create: undefined, metrics: [point(9)] }), "away NO_MLFLOW");
});

test("an unknown 200 is believed only if the values were there before", async () => {
  const { store, server } = await served();
  assert.equal(await sent(store), "done");
  server.instead = (call) => (call.includes("log-batch") ? MAINTENANCE : undefined);
  const repeated = { ...RUN, create: undefined };
  assert.equal(await sent(store, repeated), "done");
  assert.equal(await sent(store, { ...repeated, metrics: [point(8)] }), "away NO_MLFLOW");
  server.instead = undefined;
  assert.equal(await sent(store, { ...repeated, metrics: [point(8)] }), "done");
});

test("of a tag set twice, the last value confirms an unknown 200", async () => {
  const { store, server } = await served();
  assert.equal(await sent(store), "done");
  const twice = { ...RUN, create: undefined, tags: ["first", "last"].map((value) => ({ key: "twice", value })) };
  assert.equal(await sent(store, twice), "done");
  server.instead = (call) => (call.includes("log-batch") ? MAINTENANCE : undefined);
  assert.equal(await sent(store, twice), "done");
});

test("a gateway that adds fields to every answer stands in nobody's way", async () => {
  const { store, server } = await served();
  server.added = { request: "x" };
  const ended = { ...RUN, attempted: true, end: { status: "FINISHED", endTime: 6 } } as const;
  assert.equal(await sent(store, ended), "done");
  assert.equal(await sent(storeOf(server), ended), "done");
  assert.equal(server.runs.size, 1);
});
