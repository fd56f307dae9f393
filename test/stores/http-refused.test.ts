import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import type { Outcome, RefusedItems, RunChange } from "../../src/contracts/tracking-store.js";
import type { HttpStore } from "../../src/stores/http/http-store.js";
import { HttpStore as Store } from "../../src/stores/http/http-store.js";
import { change, start } from "../contract/store-contract.js";
import type { FakeMlflow, FakeRun } from "../support/fake-mlflow.js";
import { served } from "../support/http-stores.js";
import { scripted } from "../support/scripted-server.js";

const RUN = change("b".repeat(32), { experiment: { name: "X" }, create: start() });
const point = (key: string, step = 0) => ({ key, value: 1, timestamp: 5, step });
const pair = (key: string) => ({ key, value: "v" });
const BAD = /\u{1E900}|^bad/u;

async function sent(store: HttpStore, given: RunChange): Promise<Outcome> {
  return (await store.apply([given]))[0] as Outcome;
}

const refusedOf = (outcome: Outcome): readonly RefusedItems[] =>
  outcome.kind === "done" ? (outcome.refused ?? []) : [];
const keysOf = (outcome: Outcome): string[] =>
  refusedOf(outcome).map(({ what, key, items }) => `${what} ${key} ${items}`);
const batchesOf = ({ calls }: FakeMlflow): number => calls.filter((call) => call.includes("log-batch")).length;
const only = ({ runs }: FakeMlflow): FakeRun => [...runs.values()][0] as FakeRun;

test("a batch's refused items are found in few requests, and the rest is stored", async () => {
  const size = 900;
  for (const culprits of [
    [0],
    [1],
    [449],
    [450],
    [899],
    [0, 899],
    [3, 4],
    [10, 400, 401, 402, 898],
    [100, 101, 102, 103, 104, 105, 106, 107],
  ]) {
    const { store, server } = await served();
    server.refuses = (key) => BAD.test(key);
    const metrics = Array.from({ length: size }, (_, i) => point(culprits.includes(i) ? `bad${i}` : `m${i}`));
    const got = await sent(store, { ...RUN, metrics, params: [pair("p")], tags: [pair("t")] });
    assert.deepEqual(keysOf(got).sort(), culprits.map((i) => `metric bad${i} 1`).sort());
    const run = only(server);
    assert.equal(run.metrics.size, size - culprits.length);
    assert.deepEqual([run.params.get("p"), run.tags.get("t")], ["v", "v"]);
    for (const i of culprits) assert.match(run.tags.get(`pulse.refused.bad${i}`) ?? "", /Names may only contain/);
    const most = 3 + 2 * culprits.length * Math.ceil(Math.log2(size + 2));
    assert.ok(batchesOf(server) <= most, `${batchesOf(server)} requests for ${culprits.length}, at most ${most}`);
  }
});

test("refused metrics, params and tags each have a reason, and a tag with a valid key", async () => {
  const { store, server } = await served();
  server.refuses = (key) => BAD.test(key);
  const key = "loss/\u{1E900}:x";
  const got = await sent(store, {
    ...RUN,
    metrics: [point(key), point(key, 1), point("m")],
    params: [pair(key), pair("p")],
    tags: [pair("bad")],
  });
  assert.deepEqual(keysOf(got).sort(), [`metric ${key} 2`, `param ${key} 1`, "tag bad 1"]);
  for (const { error } of refusedOf(got)) {
    assert.equal(error.code, "REJECTED");
    assert.match(
      error.message,
      /^(Metric|Param|Tag) ".*" is not stored, http:.* refuses it \(Invalid value .*Names may only/,
    );
  }
  const run = only(server);
  assert.deepEqual([run.metrics.size, [...run.params.keys()]], [1, ["p"]]);
  assert.deepEqual([...run.tags.keys()].sort(), [
    "mlflow.user",
    "pulse.refused.bad",
    "pulse.refused.loss___x",
    "pulse.run_key",
  ]);
});

test("a refused key is not searched for again for ten minutes", async (t) => {
  const { store, server } = await served();
  server.refuses = (key) => BAD.test(key);
  const step = (at: number): RunChange => ({
    ...RUN,
    create: at === 0 ? start() : undefined,
    metrics: [point("bad", at), point("m", at)],
  });
  assert.deepEqual(keysOf(await sent(store, step(0))), ["metric bad 1"]);
  const before = batchesOf(server);
  for (let at = 1; at < 5; at++) assert.deepEqual(keysOf(await sent(store, step(at))), ["metric bad 1"]);
  assert.equal(batchesOf(server) - before, 4);
  server.refuses = () => false;
  const real = performance.now.bind(performance);
  t.mock.method(performance, "now", () => real() + 11 * 60_000);
  assert.deepEqual(keysOf(await sent(store, step(5))), []);
  assert.equal(only(server).metrics.size, 7);
});

test("a key with many points is refused in few requests, a single bad point alone", async () => {
  const { store, server } = await served();
  server.refuses = (_key, value) => value === "NaN" || value === 13;
  server.words = "Got invalid value";
  const metrics = Array.from({ length: 900 }, (_, i) => ({ ...point("m", i), value: i === 500 ? 13 : 1 }));
  assert.deepEqual(keysOf(await sent(store, { ...RUN, metrics })), ["metric m 1"]);
  assert.equal(only(server).metrics.size, 899);
  const before = batchesOf(server);
  const nothing = metrics.map((each) => ({ ...each, key: "n", value: 13 }));
  assert.deepEqual(keysOf(await sent(store, { ...RUN, create: undefined, metrics: [...nothing, point("good")] })), [
    "metric n 900",
  ]);
  assert.ok(batchesOf(server) - before < 12, String(batchesOf(server) - before));
});

test("many refused items are found once, in at most two requests each", async () => {
  for (const each of [2, 20]) {
    const { store, server } = await served();
    server.refuses = (key) => BAD.test(key);
    const names = Array.from({ length: 998 }, (_, i) => `${i % each === 0 ? "bad" : "m"}${i}`);
    const bad = names.filter((name) => BAD.test(name)).length;
    // The server fails in the middle of it: what was found out by then is not asked again.
    const limit = each === 2 ? 400 : 100;
    server.instead = (call) =>
      call.includes("log-batch") && batchesOf(server) === limit ? { status: "maintenance" } : undefined;
    const given = { ...RUN, metrics: names.map((name) => point(name)) };
    assert.equal((await sent(store, given)).kind, "away");
    const got = await sent(store, given);
    assert.equal(refusedOf(got).length, bad);
    assert.equal(only(server).metrics.size, 998 - bad);
    assert.ok(batchesOf(server) - limit < 2 * 998, String(batchesOf(server)));
    const before = batchesOf(server);
    await sent(store, { ...given, create: undefined });
    assert.equal(batchesOf(server) - before, 1);
  }
});

test("a refusal of the whole change stores none of it", async () => {
  const { store, server } = await served();
  assert.equal((await sent(store, RUN)).kind, "done");
  server.instead = (call) => (call.includes("log-batch") ? { refuse: "Run is archived." } : undefined);
  const before = batchesOf(server);
  const got = await sent(store, { ...RUN, create: undefined, metrics: [point("a"), point("b")] });
  assert.equal(got.kind, "rejected");
  assert.equal(batchesOf(server) - before, 2);
});

test("a server that fails during the search gets the same again later", async () => {
  const { store, server } = await served();
  server.refuses = (key) => BAD.test(key);
  const given = { ...RUN, metrics: Array.from({ length: 50 }, (_, i) => point(i === 30 ? "bad" : `m${i}`)) };
  let calls = 0;
  server.instead = (call) => (call.includes("log-batch") && ++calls === 4 ? { status: "maintenance" } : undefined);
  assert.equal((await sent(store, given)).kind, "away");
  assert.deepEqual(keysOf(await sent(store, given)), ["metric bad 1"]);
  assert.equal(only(server).metrics.size, 49);
  only(server).params.set("p", "other");
  assert.deepEqual(await sent(store, { ...given, create: undefined, params: [pair("p"), pair("q")] }), {
    kind: "conflict",
    params: ["p"],
  });
});

for (const [what, refuses] of Object.entries<(key: string, value: unknown) => boolean>({
  "a source tag": (key) => BAD.test(key),
  "the name": (_key, value) => value === "a run",
  "every tag but its key": (key) => !["pulse.run_key", "m", "run_name"].includes(key),
}))
  test(`a run is created without what the server refuses of its start: ${what}`, async () => {
    const { store, server } = await served();
    server.refuses = refuses;
    const sourceTags = [
      { key: "mlflow.user", value: "me" },
      { key: "bad", value: "x" },
    ];
    const got = await sent(store, { ...RUN, create: start({ sourceTags }), metrics: [point("m")] });
    assert.equal(got.kind, "done");
    for (const { items } of refusedOf(got)) assert.equal(items, 0);
    const run = only(server);
    const expected = [...sourceTags, { key: "mlflow.runName", value: "a run" }].filter(
      ({ key, value }) => !refuses(key, value),
    );
    for (const { key, value } of expected) assert.equal(run.tags.get(key), value, key);
    assert.equal(server.runs.size, 1);
    assert.equal(run.metrics.size, 1);
    const after = batchesOf(server);
    await sent(store, { ...RUN, create: undefined, metrics: [point("m", 1)] });
    assert.equal(batchesOf(server) - after, 1);
  });

test("a server that knows no colon gets underscores at once, others keep theirs", async () => {
  const words = (name: string): unknown => ({
    error_code: "INVALID_PARAMETER_VALUE",
    message: `Invalid metric name: '${name}'. Names may only contain ...`,
  });
  for (const [bad, renamed] of [
    [/:/, true],
    [/\u{1E900}/u, false],
  ] as const) {
    const stored = new Set<string>();
    const server = await scripted(({ url, body }) => {
      if (!url.includes("log-batch")) return undefined;
      const keys: string[] = (JSON.parse(body).metrics ?? []).map(({ key }: { key: string }) => key);
      const culprit = keys.find((key) => bad.test(key));
      if (culprit !== undefined) return { status: 400, body: words(culprit) };
      for (const key of keys) stored.add(key);
      return undefined;
    });
    const store = new Store(new URL(server.url), resolveConfig({}, {}).server);
    const metrics = Array.from({ length: 400 }, (_, i) => point(`a:${i}`));
    const got = await sent(store, { ...RUN, metrics: [...metrics, point("x:\u{1E900}")] });
    assert.deepEqual(keysOf(got), renamed ? [] : ["metric x:\u{1E900} 1"]);
    assert.ok(metrics.every(({ key }) => stored.has(renamed ? key.replace(":", "_") : key)));
    assert.ok(server.seen.length < 40, String(server.seen.length));
    const before = server.seen.length;
    await sent(store, { ...RUN, create: undefined, metrics: [point("b:1")] });
    assert.equal(server.seen.length - before, 1);
    await store.close();
    server.close();
  }
});
