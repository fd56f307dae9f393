import assert from "node:assert/strict";
import { test } from "node:test";
import { compareReplaced, type View } from "./fault-replaced.js";
import type { DumpRun } from "./peer.js";
import type { Twin } from "./wide-model.js";

const KEY = "a".repeat(32);
const twin = {
  run: { id: KEY, ended: true },
  expected: { name: "short 1", experiment: "E", status: "FINISHED", since: 1, params: {}, tags: {}, metrics: {} },
};

function run(run_id: string, more: Partial<DumpRun> = {}): DumpRun {
  const tags = { "pulse.run_key": KEY, "mlflow.runName": "short 1" };
  const times = { start_time: 1, end_time: 2, lifecycle_stage: "active", artifact_uri: "", user_id: "" } as const;
  return {
    run_id,
    experiment_id: "1",
    run_name: "short 1",
    status: "FINISHED",
    ...times,
    params: {},
    metrics: {},
    history: {},
    tags,
    inputs: [],
    ...more,
  };
}

const doubled = (first: DumpRun[], second: DumpRun[]): string[] => {
  const view = (runs: DumpRun[]): View => ({ runs, experiments: new Map([["1", "E"]]), astray: [] });
  const { lost, running, wrong, doubled } = compareReplaced([twin as unknown as Twin], view(first), view(second));
  assert.deepEqual([lost, running, wrong], [[], [], []]);
  return doubled;
};

test("a creation executed late and lost with its server is no doubled run", () => {
  const shadow = run("b", { status: "RUNNING", end_time: null });
  assert.deepEqual(doubled([shadow, run("c")], []), []);
  assert.deepEqual(doubled([run("b"), run("c")], []), [`short 1 (key ${KEY}), on the first server`]);
  assert.match(doubled([], [run("b"), run("c")]).join(), /on the second server/);
});
