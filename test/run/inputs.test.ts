import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dataset, PulseConfig } from "../../src/index.js";
import { createTestTracker, type TestConfig } from "../../src/testing/index.js";
import { away } from "../support/faulty-store.js";
import { kit, newFolder } from "../support/outbox-kit.js";
import { RemoteStore } from "../support/remote-store.js";
import { until } from "../support/wait.js";

const IRIS: Dataset = { name: "iris", digest: "d1", sourceType: "local", source: { uri: "iris.csv" } };

/** Logs datasets into one run; gives what is stored of them, and what was said. */
async function logged(
  log: (input: (...args: unknown[]) => void) => void,
  config: TestConfig = {},
): Promise<{ inputs: readonly object[]; warnings: readonly string[] }> {
  const tracker = createTestTracker(config);
  const run = tracker.startRun();
  log((dataset, options) => run.logInput(dataset as Dataset, options as object | undefined));
  run.end();
  await tracker.shutdown();
  const stored = tracker.onlyRun;
  const { inputs, pending, dropped, rejected } = tracker.stats();
  assert.deepEqual([inputs, pending, dropped, rejected], [stored.inputs.length, 0, 0, 0]);
  return { inputs: stored.inputs, warnings: tracker.warnings };
}

test("a dataset is logged with its context and tags, and objects become JSON", async () => {
  const { inputs, warnings } = await logged((input) =>
    input(
      { ...IRIS, schema: '{"mlflow_colspec":[]}', profile: { num_rows: 2 } },
      { context: "training", tags: { fold: 3 } },
    ),
  );
  assert.deepEqual(inputs, [
    {
      name: "iris",
      digest: "d1",
      sourceType: "local",
      source: '{"uri":"iris.csv"}',
      schema: '{"mlflow_colspec":[]}',
      profile: '{"num_rows":2}',
      tags: [
        { key: "fold", value: "3" },
        { key: "mlflow.data.context", value: "training" },
      ],
    },
  ]);
  assert.deepEqual(warnings, []);
});

test("reusing a dataset for something else warns once, and the first use stays", async () => {
  const { inputs, warnings } = await logged((input) => {
    for (const context of ["training", "training", "test", "test"]) input(IRIS, { context });
    input({ ...IRIS, digest: "d2" }, { context: "test" });
  });
  assert.equal(inputs.length, 2);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? "", /already has dataset "iris".*INPUT_REPEATED/);
});

test("a wrong dataset is left out with one clear message and never throws", async () => {
  const hostile = Object.defineProperty({ ...IRIS }, "digest", {
    get() {
      throw new Error("no");
    },
  });
  for (const [wrong, message] of [
    [undefined, /needs a dataset/],
    ["iris", /needs a dataset/],
    [{ ...IRIS, name: "" }, /needs a name, got ""/],
    [{ ...IRIS, digest: 1 }, /needs a digest, got 1/],
    [{ ...IRIS, sourceType: undefined }, /needs a dataset with sourceType/],
    [{ ...IRIS, source: undefined }, /needs a dataset with source/],
    [{ ...IRIS, source: () => 1 }, /source is function/],
    [hostile, /needs a dataset that can be read \(no\)/],
  ] as const) {
    const { inputs, warnings } = await logged((input) => input(wrong));
    assert.deepEqual(inputs, []);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", message);
  }
});

test("long fields are cut, or left out if they are JSON, and sources keep no secrets", async () => {
  const { inputs, warnings } = await logged((input) =>
    input({
      ...IRIS,
      name: "n".repeat(600),
      source: { url: "https://u:secret1@h/a.csv" },
      schema: "x".repeat(1_048_576),
    }),
  );
  const [input] = inputs as { name: string; source: string; schema: unknown }[];
  assert.equal(input?.name.length, 500);
  assert.doesNotMatch(input?.source ?? "", /secret1/);
  assert.equal(input?.schema, undefined);
  assert.equal(warnings.filter((warning) => warning.includes("VALUE_CUT")).length, 2);
});

test("a dataset's texts are redacted as the tracker says", async () => {
  const secret = { ...IRIS, source: "https://u:secret1@h/a.csv" };
  const log = (input: (...args: unknown[]) => void): void => input(secret, { tags: { owner: "me" } });
  const all = async (redact: PulseConfig["redact"]): Promise<string> =>
    JSON.stringify((await logged(log, { redact })).inputs);
  assert.match(await all(false), /u:secret1@h/);
  assert.doesNotMatch(await all(true), /secret1/);
  assert.match(await all((_key, value) => (value === "me" ? "somebody" : value)), /somebody/);
});

test("strict: a wrong dataset throws a typed error", async () => {
  const tracker = createTestTracker({ strict: true });
  const run = tracker.startRun();
  assert.throws(() => run.logInput({ ...IRIS, profile: "x".repeat(16_777_216) }), { code: "VALUE_CUT" });
  assert.throws(() => run.logInput({ ...IRIS, name: "" }), { code: "INVALID_VALUE" });
  await tracker.shutdown();
});

test("datasets come through an outbox", async () => {
  const folder = newFolder();
  const before = kit({ durability: "outbox", exitTimeoutMs: 20 }, new RemoteStore(), folder);
  before.store.fault = () => away;
  before.tracker.withRun({ runName: "kept", params: { lr: 1 } }, (run) => run.logInput(IRIS, { context: "training" }));
  await before.tracker.shutdown();
  const next = kit({}, new RemoteStore(), folder);
  next.tracker.withRun({}, () => 1);
  await until("what was kept is there", () => next.store.named("kept")?.status === "FINISHED");
  assert.deepEqual(
    next.store.named("kept")?.inputs.map(({ name, tags }) => [name, tags]),
    [["iris", [{ key: "mlflow.data.context", value: "training" }]]],
  );
  await next.tracker.shutdown();
});
