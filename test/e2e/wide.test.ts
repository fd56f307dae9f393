import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { createTracker } from "../../src/index.js";
import { type Dump, type DumpRun, type Num, startServer, type Which } from "./peer.js";
import { assertSound, latestOf, startPeers, temporaryFolder, uriOf } from "./support.js";
import type { ExpectedPoint, ExpectedRun, Model } from "./wide-model.js";
import { logWidely } from "./wide-program.js";

const ROUNDS = 14;
const OPEN_RUNS = 3;

const script = process.argv[1] ?? "";
const folder = temporaryFolder("wide");
const paths: Record<Which, string> = { newest: join(folder, "wide.db"), old: join(temporaryFolder("wide-copy"), "wide.db") };

const tracker = createTracker({ trackingUri: uriOf(paths.newest), logger: { warn: () => {} } });
const startingPeers = startPeers();
const model: Model = await logWidely(tracker, uriOf(paths.newest), ROUNDS, OPEN_RUNS);
await tracker.shutdown();
for (const expected of model.values()) expected.until = Math.min(expected.until, Date.now());
// MLflow 2.22 refuses the file once the newest version has migrated it.
copyFileSync(paths.newest, paths.old);
const peers = await startingPeers;

/** The tags that MLflow's Python client gives every run. */
function sourceTags(): Record<string, string> {
  const git = (...args: string[]): string => spawnSync("git", ["-C", dirname(script), ...args], { encoding: "utf8" }).stdout.trim();
  const user = process.env["LOGNAME"] || process.env["USER"] || process.env["LNAME"] || process.env["USERNAME"] || userInfo().username;
  const commit = git("rev-parse", "HEAD");
  const branch = git("branch", "--show-current");
  return {
    "mlflow.user": user,
    "mlflow.source.name": script,
    "mlflow.source.type": "LOCAL",
    ...(commit && { "mlflow.source.git.commit": commit }),
    ...(commit && branch && { "mlflow.source.git.branch": branch }),
  };
}

type Shown = [step: number, value: Num, timestamp: number | "while open"];

const ordered = (points: Shown[]): Shown[] =>
  points.sort((a, b) => a[0] - b[0] || String(a[1]).localeCompare(String(b[1])) || Number(a[2]) - Number(b[2]));

function expectedHistory(metrics: Record<string, ExpectedPoint[]>): Record<string, Shown[]> {
  const shown = ([key, points]: [string, ExpectedPoint[]]): [string, Shown[]] => [
    key,
    ordered(points.map(({ step, value, timestamp }) => [step, value, timestamp ?? "while open"])),
  ];
  return Object.fromEntries(Object.entries(metrics).map(shown));
}

/** The history as MLflow has it; moments that nobody gave are only checked to lie within the run. */
function shownHistory(run: DumpRun, expected: ExpectedRun): Record<string, Shown[]> {
  const { start_time, end_time, history = {} } = run;
  const given = (key: string, timestamp: number): boolean => expected.metrics[key]?.some((point) => point.timestamp === timestamp) ?? false;
  const isOpen = (moment: number): boolean => moment >= (start_time ?? Infinity) && moment <= (end_time ?? 0);
  const shown = ([key, points]: [string, [Num, number, number][]]): [string, Shown[]] => [
    key,
    ordered(
      points.map(([value, timestamp, step]) => [step, value, isOpen(timestamp) && !given(key, timestamp) ? "while open" : timestamp]),
    ),
  ];
  return Object.fromEntries(Object.entries(history).map(shown));
}

function assertSame(dump: Dump): void {
  const experiments = new Map(dump.experiments.map(({ experiment_id, name }) => [experiment_id, name]));
  assert.deepEqual(new Set(experiments.values()), new Set(["Default", ...[...model.values()].map(({ experiment }) => experiment)]));
  assert.deepEqual(dump.runs.map((run) => run.run_id).sort(), [...model.keys()].sort());
  const common = sourceTags();
  const artifacts = new Map(
    dump.experiments.map(({ experiment_id }) => [experiment_id, pathToFileURL(join(folder, "mlruns", experiment_id)).href]),
  );
  for (const { experiment_id, artifact_location } of dump.experiments) assert.equal(artifact_location, artifacts.get(experiment_id));
  for (const run of dump.runs) {
    const expected = model.get(run.run_id) as ExpectedRun;
    const parentTag = expected.parent === undefined ? {} : { "mlflow.parentRunId": expected.parent };
    assert.deepEqual(
      {
        experiment: experiments.get(run.experiment_id),
        name: run.run_name,
        status: run.status,
        user: run.user_id,
        params: run.params,
        tags: run.tags,
      },
      {
        experiment: expected.experiment,
        name: expected.name,
        status: expected.status,
        user: common["mlflow.user"],
        params: expected.params,
        tags: { ...common, ...parentTag, "mlflow.runName": expected.name, ...expected.tags },
      },
    );
    assert.equal(run.artifact_uri, `${artifacts.get(run.experiment_id)}/${run.run_id}/artifacts`);
    const { start_time, end_time } = run;
    assert.ok(
      start_time !== null && end_time !== null && expected.since <= start_time && start_time <= end_time && end_time <= expected.until,
    );
    assert.deepEqual(shownHistory(run, expected), expectedHistory(expected.metrics));
    const latest = Object.entries(run.history ?? {}).map(([key, points]) => [key, latestOf(points)]);
    assert.deepEqual(run.metrics, Object.fromEntries(latest));
  }
}

test("everything the program recorded was delivered, with a warning of each kind of value that had to be changed", () => {
  const { runs, pending, dropped, rejected, warnings } = tracker.stats();
  assert.ok(model.size > 150);
  assert.equal(runs, model.size - ROUNDS);
  assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 0 });
  assert.deepEqual(Object.keys(warnings).sort(), ["INVALID_KEY", "PARAM_CONFLICT", "VALUE_CUT"]);
});

for (const which of ["old", "newest"] as const) {
  test(`MLflow (${which}) shows every run, param, tag and metric point of a wide program as it was logged`, async () => {
    const dump = await peers[which].dump(uriOf(paths[which]));
    assertSame(dump);
    assertSound(await peers[which].integrity(paths[which]));
  });
}

test("the newest MLflow takes over a file that MLflow 2.22 has migrated", async () => {
  assertSame(await peers.newest.dump(uriOf(paths.old)));
});

test("a character that cannot be stored costs the text nothing else", async () => {
  const path = join(temporaryFolder("odd"), "odd.db");
  const odd = createTracker({ trackingUri: uriOf(path), logger: { warn: () => {} } });
  odd.withRun(
    { experiment: "odd", params: { nul: "before \0 after", half: "before \ud83d after" }, tags: { nul: "before \0 after" } },
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
  readonly data: Record<"params" | "tags" | "metrics", { readonly key: string; readonly value: string | number }[] | undefined>;
}

test("mlflow server answers a search for all runs with their params, tags and latest metrics", async () => {
  const { experiments, runs } = await peers.newest.dump(uriOf(paths.newest), { history: false });
  const server = await startServer("newest", uriOf(paths.newest), folder);
  try {
    const response = await fetch(`${server.url}/api/2.0/mlflow/runs/search`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ experiment_ids: experiments.map(({ experiment_id }) => experiment_id), max_results: 1_000 }),
    });
    assert.equal(response.status, 200, server.log());
    const found = ((await response.json()) as { runs: FoundRun[] }).runs;
    const pairs = (list: { key: string; value: string | number }[] = []) => Object.fromEntries(list.map(({ key, value }) => [key, value]));
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
