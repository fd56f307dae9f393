import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTracker, type Stats, type Tracker } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";
import { collectWarnings } from "../support/warnings.js";
import type { Dump, DumpRun, Peer } from "./peer.js";
import { assertSound, startPeers, startProgram, uriOf, valuesOf } from "./support.js";

const peers = await startPeers();
const writer = fileURLToPath(new URL("writer.js", import.meta.url));

interface Made {
  readonly peer: Peer;
  readonly path: string;
  readonly uri: string;
  readonly experiment_id: string;
  readonly run_id: string;
  readonly tracker: Tracker;
  readonly warned: string[];
}

/** A database that MLflow made and logged into, and a tracker on it. */
async function made(peer: Peer): Promise<Made> {
  const folder = tempFolder("foreign");
  const path = join(folder, "mlflow.db");
  const uri = uriOf(path);
  const { experiment_id, run_id } = await peer.create(uri, "theirs");
  const { logger, warnings: warned } = collectWarnings();
  const tracker = createTracker({ trackingUri: uri, logger });
  return { peer, path, uri, experiment_id, run_id, tracker, warned };
}

function named({ runs }: Dump, name: string): DumpRun {
  const found = runs.filter((run) => run.run_name === name);
  assert.equal(found.length, 1, `${found.length} runs are named ${name}`);
  return found[0] as DumpRun;
}

function assertAllStored({ pending, dropped, rejected, warnings }: Stats): void {
  assert.deepEqual({ pending, dropped, rejected, warnings }, { pending: 0, dropped: 0, rejected: 0, warnings: {} });
}

for (const which of ["newest", "old"] as const) {
  test(`MLflow (${which}) reads what we write into its database, and the schema stays`, async () => {
    const { peer, path, uri, experiment_id, run_id, tracker } = await made(peers[which]);
    const before = { dump: await peer.dump(uri), ...(await peer.integrity(path)) };
    await tracker.withRun({ experiment: "theirs", runName: "in theirs", params: { alpha: 0.5 } }, async (run) => {
      run.logMetrics({ loss: 0.5, accuracy: 0.25 }, { step: 3 });
      await tracker.withRun({ experiment: "theirs", runName: "our child" }, (child) =>
        child.logMetric("loss", Number.NaN),
      );
    });
    await tracker.withRun({ experiment: "ours ✓", runName: "in ours" }, async (run) => run.setTag("who", "wé"));
    const open = tracker.startRun({ experiment: "theirs", runName: "still open" });
    open.logMetric("loss", 1);
    await tracker.flush();
    assert.equal(named(await peer.dump(uri), "still open").status, "RUNNING");
    open.end("KILLED");
    await tracker.shutdown();
    assertAllStored(tracker.stats());

    const dump = await peer.dump(uri);
    const ours = dump.runs.slice(before.dump.runs.length);
    assert.deepEqual(dump.runs.slice(0, before.dump.runs.length), before.dump.runs);
    assert.deepEqual(dump.experiments.slice(0, 2), before.dump.experiments);
    assert.equal(dump.experiments.length, 3);
    assert.equal(dump.experiments[2]?.name, "ours ✓");
    assert.equal(ours.length, 4);
    const theirs = before.dump.runs.find((run) => run.run_id === run_id);
    const location = new Map(
      dump.experiments.map((experiment) => [experiment.experiment_id, experiment.artifact_location]),
    );
    for (const run of ours) {
      assert.equal(run.artifact_uri, `${location.get(run.experiment_id)}/${run.run_id}/artifacts`);
      for (const key of ["mlflow.user", "mlflow.source.type"]) assert.equal(run.tags[key], theirs?.tags[key]);
      assert.equal(run.user_id, theirs?.user_id);
    }
    const inTheirs = named(dump, "in theirs");
    assert.equal(inTheirs.experiment_id, experiment_id);
    assert.deepEqual(inTheirs.params, theirs?.params);
    assert.deepEqual(inTheirs.metrics, { loss: 0.5, accuracy: 0.25 });
    assert.deepEqual(named(dump, "our child").metrics, { loss: "NaN" });
    assert.equal(named(dump, "our child").tags["mlflow.parentRunId"], inTheirs.run_id);
    assert.equal(named(dump, "in ours").tags["who"], "wé");
    assert.equal(named(dump, "still open").status, "KILLED");
    const { integrity, foreign_keys, revision, journal_mode } = before;
    assert.deepEqual(await peer.integrity(path), { integrity, foreign_keys, revision, journal_mode });
    assertSound(before);
  });

  test(`MLFLOW_RUN_ID resumes a run that MLflow (${which}) continued and ended`, async () => {
    const { peer, path, uri, tracker } = await made(peers[which]);
    const run = tracker.startRun({ experiment: "theirs", runName: "to resume", params: { from: "us" } });
    for (const loss of [3, 2, 1]) run.logMetric("loss", loss);
    run.end("FAILED");
    await tracker.shutdown();
    const first = named(await peer.dump(uri), "to resume");
    assert.equal(first.status, "FAILED");
    await peer.append(uri, run.id);
    await peer.append(uri, run.id, { key: "loss", value: "NaN", step: 3 });

    const env = { MLFLOW_RUN_ID: run.id, MLFLOW_TRACKING_URI: uri };
    const { code, stdout, stderr } = await startProgram(writer, ["resume"], tempFolder("elsewhere"), env).ended;
    assert.equal(code, 0, stderr);
    assertAllStored((JSON.parse(stdout) as { stats: Stats }).stats);
    const dump = await peer.dump(uri);
    const resumed = named(dump, "to resume");
    assert.equal(resumed.run_id, run.id);
    assert.equal(resumed.status, "FINISHED");
    assert.equal(resumed.start_time, first.start_time);
    assert.ok((resumed.end_time ?? 0) > (first.end_time ?? Infinity));
    assert.deepEqual(resumed.params, { from: "us" });
    assert.deepEqual(resumed.metrics, { loss: "NaN", appended: 1.5, resumed: 2.5 });
    assert.deepEqual(valuesOf(resumed, "loss"), [3, 2, 1, "NaN"]);
    assert.deepEqual(resumed.tags, { ...first.tags, "appended.by": peer.version, "resumed.by": "pulse-mlflow" });
    assert.equal(dump.runs.length, 3);
    assertSound(await peer.integrity(path));
  });

  test(`an experiment deleted by MLflow (${which}) refuses its runs, and others go on`, async () => {
    const { peer, path, uri, experiment_id, tracker, warned } = await made(peers[which]);
    const log = (experiment: string, runName: string): Promise<void> =>
      tracker.withRun({ experiment, runName }, async (run) => run.logMetric("loss", 1));
    await log("theirs", "before");
    await tracker.flush();
    await peer.change("delete_experiment", uri, experiment_id);
    await tracker.withRun({ experiment: "theirs", runName: "refused" }, async (run) => {
      run.logMetric("loss", 1);
      await log("others", "child of the refused");
      await assert.rejects(run.serverId(), { code: "EXPERIMENT_DELETED" });
    });
    await log("others", "other");
    await tracker.flush();
    await peer.change("restore_experiment", uri, experiment_id);
    await log("theirs", "restored");
    await tracker.shutdown();

    const { pending, dropped, rejected, warnings } = tracker.stats();
    assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 3 });
    assert.deepEqual(Object.keys(warnings), ["EXPERIMENT_DELETED"]);
    assert.equal(warned.length, 1);
    assert.match(warned[0] ?? "", /"theirs" was deleted.*restore/);
    const dump = await peer.dump(uri);
    const names = dump.runs.slice(2).map((run) => run.run_name);
    assert.deepEqual(names.sort(), ["before", "child of the refused", "other", "restored"]);
    const { tags } = named(dump, "child of the refused");
    assert.equal(tags["mlflow.parentRunId"], undefined);
    assert.match(tags["pulse.parent_key"] ?? "", /^[0-9a-f]{32}$/);
    assertSound(await peer.integrity(path));
  });

  test(`a run deleted by MLflow (${which}) refuses values until it is restored`, async () => {
    const { peer, uri, tracker } = await made(peers[which]);
    const run = tracker.startRun({ experiment: "theirs", runName: "deleted under us" });
    run.logMetric("loss", 1);
    await tracker.flush();
    await peer.change("delete_run", uri, run.id);
    run.logMetric("loss", 2);
    await tracker.flush();
    await peer.change("restore_run", uri, run.id);
    run.logMetric("loss", 3);
    run.end();
    await tracker.shutdown();
    assert.equal(tracker.stats().rejected, 1);
    assert.deepEqual(Object.keys(tracker.stats().warnings), ["RUN_DELETED"]);
    const dump = await peer.dump(uri);
    assert.equal(named(dump, "deleted under us").status, "FINISHED");
    assert.deepEqual(valuesOf(named(dump, "deleted under us"), "loss"), [1, 3]);
  });
}
