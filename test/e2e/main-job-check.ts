import assert from "node:assert/strict";
import type { Dump, DumpRun } from "./peer.js";
import { valuesOf } from "./support.js";

const EXPERIMENT = "PulseMetaLearning";
export const MEASURES = ["accuracy", "avg_confidence", "avg_fragility"] as const;

/** A row of the table the program prints. */
interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}

/** The table the program prints: name, status, accuracy, avg_confidence, avg_fragility, final loss. */
export function rowsOf(output: string): Row[] {
  const lines = output.split("\n");
  const start = lines.findIndex((line) => line.startsWith("run "));
  return lines.slice(start + 1, lines.indexOf("", start)).map((line) => {
    const [name = "", ...cells] = line.trim().split(/ {2,}/);
    return { name, cells };
  });
}

export function trialsOf({ runs }: Dump): DumpRun[] {
  return runs.filter((run) => run.tags["mlflow.parentRunId"] !== undefined);
}

/** The row a run should be in the printed table. */
function rowOf(run: DumpRun): Row {
  const name = run.tags["mlflow.runName"] ?? "";
  const values =
    run.status === "FAILED" ? [] : [...MEASURES.map((key) => run.metrics[key]), valuesOf(run, "loss").at(-1)];
  const shown = run.status === "FAILED" ? ["-", "-", "-", "-"] : values.map((value) => Number(value).toFixed(3));
  return { name, cells: [run.status, ...shown] };
}

/** Holds what MLflow shows of the sweep against the table the program printed. */
export function assertSweep(dump: Dump, table: readonly Row[], program: string): void {
  assert.deepEqual(
    dump.experiments.map(({ name, lifecycle_stage }) => [name, lifecycle_stage]),
    [
      ["Default", "active"],
      [EXPERIMENT, "active"],
    ],
  );
  assert.equal(dump.runs.length, 8);
  const [sweep] = dump.runs.filter((run) => run.tags["mlflow.parentRunId"] === undefined);
  assert.ok(sweep);
  assert.equal(sweep.status, "FINISHED");
  const { start } = sweep.tags;
  assert.match(String(start), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assert.equal(sweep.run_name, `sweep of ${start}`);
  assert.match(sweep.tags["mlflow.note.content"] ?? "", /Reptile/);
  assert.deepEqual(sweep.params, { run_type: "meta-learning" });
  const trials = trialsOf(dump);
  assert.equal(trials.length, 7);
  assert.deepEqual(trials.map(rowOf), table);
  const finished = trials.filter((run) => run.status === "FINISHED");
  const accuracies = finished.map((run) => Number(run.metrics["accuracy"]));
  assert.deepEqual(sweep.metrics, { best_accuracy: Math.max(...accuracies), accuracy: accuracies.at(-1) });
  assert.deepEqual(
    sweep.history?.["accuracy"]?.map(([value, , step]) => [value, step]),
    accuracies.map((accuracy, step) => [accuracy, step]),
  );
  for (const run of dump.runs) {
    assert.equal(run.run_name, run.tags["mlflow.runName"]);
    assert.equal(run.tags["start"], start);
    assert.equal(run.tags["dataset"], "optdigits");
    assert.equal(run.experiment_id, sweep.experiment_id);
    assert.equal(run.tags["mlflow.source.name"], program);
    assert.equal(run.tags["mlflow.source.type"], "LOCAL");
    assert.equal(run.tags["mlflow.user"], run.user_id);
    assert.ok(run.start_time !== null && run.end_time !== null && run.start_time <= run.end_time);
    assert.ok(run.start_time >= (sweep.start_time ?? Infinity) && run.end_time <= (sweep.end_time ?? 0));
  }
  for (const run of trials) {
    assert.equal(run.tags["mlflow.parentRunId"], sweep.run_id);
    const { inner_lr, shots, ...common } = run.params;
    assert.deepEqual(common, { run_type: "meta-learning", inner_steps: "3", meta_steps: "12", seed: "42" });
    assert.ok(Number(inner_lr) > 0 && Number(shots) > 0);
  }
}
