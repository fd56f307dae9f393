import assert from "node:assert/strict";
import { once } from "node:events";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createTracker, type Run, type Stats, type Tracker } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";
import type { DumpRun } from "./peer.js";
import { assertSound, startPeers, startProgram, uriOf, valuesOf } from "./support.js";

const peers = await startPeers();
const writer = fileURLToPath(new URL("writer.js", import.meta.url));

/** What a writer in this process has logged: the values of its runs, by run id. */
type Written = Map<string, number[]>;

/** Logs 500 metrics a second and five runs a second, until told to stop. */
function writing(tracker: Tracker): { written: Written; stop: () => void } {
  const written: Written = new Map();
  let run: Run | undefined;
  let tick = 0;
  const timer = setInterval(() => {
    if (tick % 20 === 0) {
      run?.end();
      run = tracker.startRun({
        experiment: "Written meanwhile",
        runName: `run ${tick / 20}`,
        params: { tick },
        tags: { a: "1" },
      });
      written.set(run.id, []);
    }
    for (let i = 0; i < 5; i++) {
      const value = tick + i / 7;
      run?.logMetric("value", value);
      written.get(run?.id ?? "")?.push(value);
    }
    run?.setTag("a", "2");
    tick++;
  }, 10);
  const stop = (): void => {
    clearInterval(timer);
    run?.end();
  };
  return { written, stop };
}

function assertClean({ pending, dropped, rejected, warnings }: Stats): void {
  const { STORE_BUSY: _slow, ...others } = warnings; // where everything takes long, a lock does
  assert.deepEqual({ pending, dropped, rejected, others }, { pending: 0, dropped: 0, rejected: 0, others: {} });
}

function assertWritten(runs: readonly DumpRun[], written: Written): void {
  const byId = new Map(runs.map((run) => [run.run_id, run]));
  for (const [id, values] of written) {
    const run = byId.get(id);
    assert.equal(run?.status, "FINISHED");
    assert.deepEqual(Object.keys(run.params), ["tick"]);
    assert.equal(run.tags["a"], "2");
    assert.deepEqual(valuesOf(run, "value"), values);
    assert.equal(run.metrics["value"], values.at(-1));
  }
}

for (const which of ["newest", "old"] as const) {
  test(`a tracker loses nothing while MLflow (${which}) migrates the file under it`, async () => {
    const peer = peers[which];
    const folder = tempFolder("migration");
    const path = join(folder, "mlflow.db");
    await peer.create(uriOf(join(folder, "head.db")), "theirs");
    const tracker = createTracker({ trackingUri: uriOf(path), logger: { warn: () => {} } });
    const earlier: Written = new Map();
    for (let tick = 0; tick < 40; tick++) {
      const run = tracker.startRun({ experiment: "Written before", params: { tick }, tags: { a: "2" } });
      earlier.set(
        run.id,
        Array.from({ length: 400 }, (_, step) => tick * step),
      );
      for (const value of earlier.get(run.id) ?? []) run.logMetric("value", value);
      run.end();
    }
    await tracker.flush();
    const { revision } = await peer.integrity(path);
    const { written, stop } = writing(tracker);
    await sleep(300);
    const during = await peer.dump(uriOf(path), { history: false });
    await sleep(300);
    stop();
    await tracker.shutdown();

    assertClean(tracker.stats());
    assert.ok(during.runs.length > earlier.size);
    const after = await peer.integrity(path);
    const head = (await peer.integrity(join(folder, "head.db"))).revision;
    assertSound(after);
    assert.notEqual(revision, head);
    assert.equal(after.revision, head);
    assert.equal(after.journal_mode, "wal");
    const { runs } = await peer.dump(uriOf(path));
    assert.equal(runs.length, earlier.size + written.size);
    assertWritten(runs, earlier);
    assertWritten(runs, written);
  });

  test(`trackers lose nothing while MLflow (${which}) is making their file`, async () => {
    const peer = peers[which];
    const path = join(tempFolder("creation"), "mlflow.db");
    const made = { done: false };
    const making = peer.create(uriOf(path), "theirs").finally(() => {
      made.done = true;
    });
    while (!made.done && !(statSync(path, { throwIfNoEntry: false })?.size ?? 0)) await sleep(1);
    const trackers: Tracker[] = [];
    while (!made.done) {
      const tracker = createTracker({ trackingUri: uriOf(path), exitTimeoutMs: 20_000, logger: { warn: () => {} } });
      const n = trackers.push(tracker);
      tracker.withRun({ experiment: "early", params: { n } }, (run) => run.logMetric("n", n));
      await sleep(10);
    }
    const { run_id } = await making;
    await Promise.all(trackers.map((tracker) => tracker.shutdown()));
    for (const tracker of trackers) {
      const { delivered, pending, dropped, rejected } = tracker.stats();
      assert.deepEqual(
        { delivered, pending, dropped, rejected },
        { delivered: 4, pending: 0, dropped: 0, rejected: 0 },
      );
    }
    const { runs } = await peer.dump(uriOf(path));
    const early = runs.filter((run) => run.params["n"] !== undefined);
    const all = trackers.map((_, i) => i + 1);
    assert.ok(all.length > 5);
    assert.deepEqual(
      early.map((run) => run.metrics["n"]).sort((a, b) => Number(a) - Number(b)),
      all,
    );
    assert.equal(runs.find((run) => run.run_id === run_id)?.status, "FINISHED");
    assertSound(await peer.integrity(path));
  });

  test(`two programs and MLflow (${which}) share a file, and nobody misses anything`, async () => {
    const peer = peers[which];
    const path = join(tempFolder("together"), "mlflow.db");
    const programs = ["left", "right"].map((experiment) => {
      return {
        experiment,
        ...startProgram(writer, ["until end of input", experiment], tempFolder(experiment), {
          MLFLOW_TRACKING_URI: uriOf(path),
        }),
      };
    });
    await Promise.all(programs.map(({ child }) => once(child.stdout, "data")));
    const theirRuns = 30;
    await peer.canonical(uriOf(path), "theirs", theirRuns);
    for (const { child } of programs) child.stdin.end();
    const { runs, experiments } = await Promise.all(programs.map(({ ended }) => ended)).then(() =>
      peer.dump(uriOf(path)),
    );
    const of = (name: string): DumpRun[] => {
      const id = experiments.find((experiment) => experiment.name === name)?.experiment_id;
      return runs.filter((run) => run.experiment_id === id);
    };
    for (const { experiment, ended } of programs) {
      const { code, stdout, stderr } = await ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /^(.*\[STORE_BUSY\]\n)*$/);
      const said = JSON.parse(stdout.split("\n").at(-1) ?? "") as { runs: number; stats: Stats };
      assertClean(said.stats);
      const ours = of(experiment);
      assert.ok(said.runs > 20);
      assert.deepEqual(
        ours.map((run) => run.params["n"]).sort(),
        Array.from({ length: said.runs }, (_, n) => String(n)).sort(),
      );
      assert.equal(new Set(ours.map((run) => run.tags["unique"])).size, said.runs);
      for (const run of ours) {
        assert.equal(run.status, "FINISHED");
        assert.deepEqual(
          valuesOf(run, "value"),
          Array.from({ length: 50 }, (_, step) => Number(run.params["n"]) + step / 1_000),
        );
      }
    }
    assert.equal(of("theirs").length, theirRuns + 1);
    for (const run of of("theirs")) {
      assert.equal(run.status, "FINISHED");
      assert.deepEqual(
        { params: run.params, metrics: run.metrics },
        { params: { alpha: "0.5" }, metrics: { loss: 0.25, accuracy: 0.75 } },
      );
    }
    assertSound(await peer.integrity(path));
  });
}
