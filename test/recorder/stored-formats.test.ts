import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { execute } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { inherit } from "../support/inherit.js";
import { newFolder } from "../support/outbox-kit.js";

const LEFT_BEHIND = "test/fixtures/0.1.0/left-behind.db";
/** The runs that the server had by then, as the outbox knows them: by id, and only by the tag. */
const [OPEN, LOST] = ["dfc15fdf3d190c10de61259a13dec8c8", "dfc35fdf3d190c10de61259a13dec8c8"];

/** Puts the outbox of 0.1.0 where its tracker would have made it. */
function leftBehind(folder: string, uri: string, name = "20261126T005126Z-dfc15fdf3d19.db"): string {
  const { path } = new OutboxFolder(folder, uri);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  copyFileSync(LEFT_BEHIND, join(path, name));
  chmodSync(join(path, name), 0o600);
  return join(path, name);
}

/**
 * The server of that program: it has the experiment, the open run with its first value, and the one whose creation
 * nobody heard back from.
 */
async function serverOfThen(): Promise<FakeMlflow> {
  const server = await FakeMlflow.start();
  const post = (call: string, body: object): Promise<Response> =>
    fetch(`${server.url}/api/2.0/mlflow/${call}`, { method: "POST", body: JSON.stringify(body) });
  await post("experiments/create", { name: "Left" });
  for (const [name, key] of [
    ["open", OPEN],
    ["lost answer", LOST],
  ])
    await post("runs/create", {
      experiment_id: "1",
      run_name: name,
      start_time: 1,
      tags: [{ key: "pulse.run_key", value: key }],
    });
  for (const run of server.runs.values()) run.status = "RUNNING";
  return server;
}

test("an outbox of 0.1.0 is delivered once, and its open runs are ended", async () => {
  const server = await serverOfThen();
  const folder = newFolder();
  const path = leftBehind(folder, server.url);
  const { delivered, left, warnings } = await inherit(folder, server.url);
  assert.deepEqual({ left, warnings }, { left: [], warnings: [] });
  assert.equal(existsSync(path), false);
  assert.equal(delivered, 16 + 3); // what is in it, and the ends of the open runs

  const runs = [...server.runs.values()].filter(({ deleted }) => !deleted);
  const told = runs.map(({ name, status, params, tags, metrics }) => [
    name,
    status,
    Object.fromEntries(params),
    [...metrics.values()].map(({ key, value, step, timestamp }) => [key, value, step, timestamp]),
    tags.get("mlflow.parentRunId"),
    tags.get("team"),
  ]);
  const parent = runs.find(({ name }) => name === "parent")?.id;
  assert.deepEqual(
    told.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    [
      ["child", "FINISHED", {}, [["depth", 2, 0, 1_700_000_003_000]], parent, undefined],
      [
        "ended",
        "FINISHED",
        { lr: "0.2", text: "é日本" },
        [
          ["loss", 1, 0, 1_700_000_002_000],
          ["loss", "NaN", 1, 1_700_000_002_001],
          ["loss", "Infinity", 2, 1_700_000_002_002],
          ["loss", 1e-20, 3, 1_700_000_002_003],
        ],
        undefined,
        "pulse",
      ],
      ["lost answer", "FAILED", { n: "1" }, [], undefined, undefined],
      ["open", "FAILED", {}, [["loss", 0.5, 1, 1_700_000_001_000]], undefined, undefined],
      ["parent", "FAILED", {}, [], undefined, undefined],
    ],
  );
  assert.equal(server.runs.get("2".padStart(32, "0"))?.name, "lost answer"); // the one that was there
  server.close();
});

test("an outbox of a newer version stays as it is, byte for byte", async () => {
  const server = await serverOfThen();
  const folder = newFolder();
  const path = leftBehind(folder, server.url, "20261126T005126Z-dfc15fdf3d19.outbox");
  execute(path, "PRAGMA user_version = 2");
  const before = readFileSync(path);
  const { requests } = server;
  const { left, delivered } = await inherit(folder, server.url);
  assert.deepEqual({ left, delivered, requests: server.requests }, { left: [path], delivered: 0, requests });
  assert.ok(readFileSync(path).equals(before));
  server.close();
});
