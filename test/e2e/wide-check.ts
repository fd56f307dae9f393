import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { userInfo } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Dump, DumpRun, Num } from "./peer.js";
import { latestOf } from "./support.js";
import { type ExpectedPoint, type ExpectedRun, headOf, type Model } from "./wide-model.js";

const script = process.argv[1] ?? "";

/** The tags that MLflow's Python client gives every run. */
function sourceTags(): Record<string, string> {
  const git = (...args: string[]): string =>
    spawnSync("git", ["-C", dirname(script), ...args], { encoding: "utf8" }).stdout.trim();
  const user =
    process.env["LOGNAME"] ||
    process.env["USER"] ||
    process.env["LNAME"] ||
    process.env["USERNAME"] ||
    userInfo().username;
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
  const given = (key: string, timestamp: number): boolean =>
    expected.metrics[key]?.some((point) => point.timestamp === timestamp) ?? false;
  const isOpen = (moment: number): boolean => moment >= (start_time ?? Infinity) && moment <= (end_time ?? 0);
  const shown = ([key, points]: [string, [Num, number, number][]]): [string, Shown[]] => [
    key,
    ordered(
      points.map(([value, timestamp, step]) => [
        step,
        value,
        isOpen(timestamp) && !given(key, timestamp) ? "while open" : timestamp,
      ]),
    ),
  ];
  return Object.fromEntries(Object.entries(history).map(shown));
}

/**
 * Holds what MLflow shows against the model; `folder` is that of the database, where there is one: artifacts lie beside
 * it.
 */
export function assertWide(dump: Dump, model: Model, folder?: string): void {
  const experiments = new Map(dump.experiments.map(({ experiment_id, name }) => [experiment_id, name]));
  assert.deepEqual(
    new Set(experiments.values()),
    new Set(["Default", ...[...model.values()].map(({ experiment }) => experiment)]),
  );
  assert.deepEqual(dump.runs.map((run) => run.run_id).sort(), [...model.keys()].sort());
  const common = sourceTags();
  const artifactsOf = (id: string): string | undefined => folder && pathToFileURL(join(folder, "mlruns", id)).href;
  for (const { experiment_id, artifact_location } of dump.experiments)
    assert.equal(artifact_location, artifactsOf(experiment_id) ?? artifact_location);
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
        tags: { ...run.tags, ...("error.stack" in run.tags && { "error.stack": headOf(run.tags["error.stack"]) }) },
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
    if (folder !== undefined)
      assert.equal(run.artifact_uri, `${artifactsOf(run.experiment_id)}/${run.run_id}/artifacts`);
    const { start_time, end_time } = run;
    assert.ok(
      start_time !== null &&
        end_time !== null &&
        expected.since <= start_time &&
        start_time <= end_time &&
        end_time <= expected.until,
    );
    assert.deepEqual(shownHistory(run, expected), expectedHistory(expected.metrics));
    const latest = Object.entries(run.history ?? {}).map(([key, points]) => [key, latestOf(points)]);
    assert.deepEqual(run.metrics, Object.fromEntries(latest));
  }
}
