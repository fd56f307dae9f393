import assert from "node:assert/strict";
import { copyFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folders.js";
import { assertSweep, MEASURES, rowsOf, trialsOf } from "./main-job-check.js";
import type { DumpRun, Which } from "./peer.js";
import { assertSound, startPeers, startProgram, uriOf, valuesOf } from "./support.js";

const EXPERIMENT = "PulseMetaLearning";

const program = resolve("build/examples/pulse-meta-learning/main.js");
const folder = tempFolder("main-job");
const paths: Record<Which, string> = {
  newest: join(folder, "mlflow.db"),
  old: join(tempFolder("copy"), "mlflow.db"),
};

const [peers, ended] = await Promise.all([startPeers(), startProgram(program, [], folder).ended]);
const table = rowsOf(ended.stdout);
const left = readdirSync(folder);
// MLflow 2.22 refuses the file once the newest version has migrated it.
copyFileSync(paths.newest, paths.old);

test("the program succeeds and leaves only one database and its files", () => {
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stderr, "");
  assert.deepEqual(left.sort(), ["mlflow.db", "mlruns"]);
  assert.equal(table.length, 7);
  for (const line of ended.stdout.split("\n").filter((text) => / (FINISHED|FAILED) |^run /.test(text)))
    assert.ok(line.length <= 80, line);
  assert.ok(ended.stdout.includes(`mlflow ui --backend-store-uri sqlite:///mlflow.db`));
  assert.match(
    ended.stdout,
    /^ {2}http:\/\/127\.0\.0\.1:5000\/#\/experiments\/1\/runs\?workflowType=machine_learning$/m,
  );
});

for (const which of ["old", "newest"] as const) {
  const uri = (): string => uriOf(paths[which]);

  test(`MLflow (${which}) shows the sweep and its seven trials as printed`, async () => {
    assertSweep(await peers[which].dump(uri()), table, program);
    assertSound(await peers[which].integrity(paths[which]));
  });

  test(`MLflow (${which}) has each trial's measures and losses, and one failure`, async () => {
    const trials = trialsOf(await peers[which].dump(uri()));
    const failed = trials.filter((run) => run.status === "FAILED");
    assert.equal(failed.length, 1);
    assert.equal(failed[0]?.tags["error.type"], "RangeError");
    assert.match(failed[0]?.tags["error.message"] ?? "", /cannot draw 200 shots/);
    assert.match(failed[0]?.tags["error.stack"] ?? "", /learner\.js/);
    assert.deepEqual(failed[0]?.metrics, {});
    for (const run of trials.filter((each) => each.status === "FINISHED")) {
      assert.deepEqual(Object.keys(run.metrics).sort(), [...MEASURES, "accuracy_gain", "loss"].sort());
      for (const key of MEASURES) {
        const value = Number(run.metrics[key]);
        assert.ok(value >= 0 && value <= 1, `${key} = ${value}`);
        assert.deepEqual(
          run.history?.[key]?.map(([, , step]) => step),
          [0],
        );
      }
      const steps = run.history?.["loss"]?.map(([, , step]) => step).sort((a, b) => a - b) ?? [];
      assert.ok(steps.length >= 5);
      assert.deepEqual(
        steps,
        steps.map((_, i) => i),
      );
      assert.equal(run.metrics["loss"], valuesOf(run, "loss").at(-1));
      assert.equal(
        Object.keys(run.tags).filter((key) => key.startsWith("error.") || key.startsWith("pulse.")).length,
        0,
      );
    }
  });

  test(`MLflow (${which}) finds the trials by metrics, params, status, name and parent`, async () => {
    const { runs } = await peers[which].dump(uri(), { history: false });
    const search = (filter: string): Promise<string[]> => peers[which].search(uri(), EXPERIMENT, filter);
    const idsOf = (wanted: (run: DumpRun) => boolean): string[] => runs.filter(wanted).map((run) => run.run_id);
    const confident = idsOf((run) => Number(run.metrics["avg_confidence"] ?? 0) > 0.5);
    assert.ok(confident.length > 0 && confident.length < 6);
    assert.deepEqual(await search("metrics.avg_confidence > 0.5 and params.run_type = 'meta-learning'"), confident);
    assert.deepEqual(await search("metrics.avg_confidence > 0.5 and params.run_type = 'other'"), []);
    assert.deepEqual(
      await search("params.inner_lr = '0.2' and metrics.loss >= 0"),
      idsOf((run) => run.params["inner_lr"] === "0.2"),
    );
    assert.deepEqual(
      await search("attributes.status = 'FAILED'"),
      idsOf((run) => run.params["shots"] === "200"),
    );
    assert.deepEqual(
      await search("attributes.run_name LIKE 'sweep of %'"),
      idsOf((run) => run.run_name?.startsWith("sweep of ") ?? false),
    );
    const [sweep] = idsOf((run) => run.run_name?.startsWith("sweep of ") ?? false);
    assert.equal((await search(`tags.mlflow.parentRunId = '${sweep}'`)).length, 7);
  });
}
