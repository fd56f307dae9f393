import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createTracker } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";
import { type Dump, startServer, type Which } from "./peer.js";
import { assertSound, startPeers, uriOf } from "./support.js";
import { assertWide } from "./wide-check.js";
import type { Model } from "./wide-model.js";
import { logWidely } from "./wide-program.js";

const ROUNDS = 14;
const OPEN_RUNS = 3;

const folder = tempFolder("wide");
const paths: Record<Which, string> = {
  newest: join(folder, "wide.db"),
  old: join(tempFolder("wide-copy"), "wide.db"),
};

const tracker = createTracker({ trackingUri: uriOf(paths.newest), logger: { warn: () => {} } });
const startingPeers = startPeers();
const model: Model = await logWidely(tracker, uriOf(paths.newest), ROUNDS, OPEN_RUNS);
await tracker.shutdown();
for (const expected of model.values()) expected.until = Math.min(expected.until, Date.now());
// MLflow 2.22 refuses the file once the newest version has migrated it.
copyFileSync(paths.newest, paths.old);
const peers = await startingPeers;

const assertSame = (dump: Dump): void => assertWide(dump, model, folder);

test("everything was delivered, with a warning for each kind of changed value", () => {
  const { runs, pending, dropped, rejected, warnings } = tracker.stats();
  assert.ok(model.size > 150);
  assert.equal(runs, model.size - ROUNDS);
  assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 0 });
  assert.deepEqual(Object.keys(warnings).sort(), ["INVALID_KEY", "NOTHING_FOUND", "PARAM_CONFLICT", "VALUE_CUT"]);
});

for (const which of ["old", "newest"] as const) {
  test(`MLflow (${which}) shows the whole wide program as it was logged`, async () => {
    const dump = await peers[which].dump(uriOf(paths[which]));
    assertSame(dump);
    assertSound(await peers[which].integrity(paths[which]));
  });
}

test("the newest MLflow takes over a file that MLflow 2.22 has migrated", async () => {
  assertSame(await peers.newest.dump(uriOf(paths.old)));
});

test("a character that cannot be stored costs the text nothing else", async () => {
  const path = join(tempFolder("odd"), "odd.db");
  const odd = createTracker({ trackingUri: uriOf(path), logger: { warn: () => {} } });
  odd.withRun(
    {
      experiment: "odd",
      params: { nul: "before \0 after", half: "before \ud83d after" },
      tags: { nul: "before \0 after" },
    },
    () => {},
  );
  await odd.shutdown();
  const { runs } = await peers.newest.dump(uriOf(path));
  assert.match(runs[0]?.params["half"] ?? "", /^before .+ after$/);
  assert.match(runs[0]?.params["nul"] ?? "", /^before [^ ]+ after$/);
  assert.match(runs[0]?.tags["nul"] ?? "", /^before [^ ]+ after$/);
});

interface FoundRun {
  readonly info: {
    readonly run_id: string;
    readonly status: string;
    readonly run_name: string;
    readonly start_time: number;
    readonly end_time: number;
  };
  readonly data: Record<
    "params" | "tags" | "metrics",
    { readonly key: string; readonly value: string | number }[] | undefined
  >;
}

test("mlflow server finds all runs with their params, tags and latest metrics", async () => {
  const { experiments, runs } = await peers.newest.dump(uriOf(paths.newest), { history: false });
  const server = await startServer("newest", uriOf(paths.newest), folder);
  try {
    const response = await fetch(`${server.url}/api/2.0/mlflow/runs/search`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        experiment_ids: experiments.map(({ experiment_id }) => experiment_id),
        max_results: 1_000,
      }),
    });
    assert.equal(response.status, 200, server.log());
    const found = ((await response.json()) as { runs: FoundRun[] }).runs;
    const pairs = (list: { key: string; value: string | number }[] = []) =>
      Object.fromEntries(list.map(({ key, value }) => [key, value]));
    const shown = found.map(({ info, data }) => [
      info.run_id,
      info.status,
      info.run_name,
      info.start_time,
      info.end_time,
      pairs(data.params),
      pairs(data.tags),
      pairs(data.metrics),
    ]);
    const expected = runs.map((run) => [
      run.run_id,
      run.status,
      run.run_name,
      run.start_time,
      run.end_time,
      run.params,
      run.tags,
      run.metrics,
    ]);
    const byId = (rows: unknown[][]): unknown[][] => rows.sort((a, b) => String(a[0]).localeCompare(String(b[0])));
    assert.deepEqual(byId(shown), byId(expected));
  } finally {
    await server.stop();
  }
});
