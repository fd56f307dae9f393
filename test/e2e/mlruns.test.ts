import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Durability } from "../../src/config/options.js";
import { createTracker, type Stats } from "../../src/index.js";
import type { Crowd } from "../fixtures/crowd.js";
import { tempFolder } from "../support/folders.js";
import { filesIn, readRunAt, runFolders } from "../support/mlruns.js";
import { Random } from "../support/random.js";
import type { Dump, Num, Which } from "./peer.js";
import { check, deliverRest, LATEST_MS, startRecords } from "./records-program.js";
import { assertSound, startPeers, startProgram, uriOf, valuesOf } from "./support.js";
import { assertWide } from "./wide-check.js";
import { logWidely } from "./wide-program.js";

/** How many programs are killed; `PULSE_KILLS=100 PULSE_SEED=…` for the long version. */
const KILLS = Number(process.env["PULSE_KILLS"] ?? 8);
const SEED = Number(process.env["PULSE_SEED"] ?? 20_261_127);
/** Programs at once, and runs of each; `PULSE_CROWD=8x1000` for the long version. */
const [PROGRAMS = 8, RUNS = 40] = (process.env["PULSE_CROWD"] ?? "8x40").split("x").map(Number);
const AT_ONCE = 3;
const FLUSH_INTERVAL_MS = 1_000;
/** A timer on a busy machine is late. */
const SLACK_MS = 300;
const [ROUNDS, OPEN_RUNS] = [14, 3];
const SILENT = { logger: { warn: (): void => {} } };

const folder = tempFolder("mlruns");
const root = join(folder, "mlruns");
const uri = pathToFileURL(root).href;
const starting = startPeers();
const tracker = createTracker({ trackingUri: uri, ...SILENT });
const model = await logWidely(tracker, uri, ROUNDS, OPEN_RUNS);
await tracker.shutdown();
for (const expected of model.values()) expected.until = Math.min(expected.until, Date.now());
const peers = await starting;

/** Files keep infinities, which databases do not. */
function asInDatabases(dump: Dump): Dump {
  const stored = (value: Num): Num =>
    value === "Infinity" ? Number.MAX_VALUE : value === "-Infinity" ? -Number.MAX_VALUE : value;
  for (const run of dump.runs) {
    for (const [key, value] of Object.entries(run.metrics)) run.metrics[key] = stored(value);
    for (const points of Object.values(run.history ?? {})) for (const point of points) point[0] = stored(point[0]);
  }
  return dump;
}

test("everything the program recorded was delivered", () => {
  const { runs, pending, dropped, rejected } = tracker.stats();
  assert.ok(model.size > 150);
  assert.equal(runs, model.size - ROUNDS);
  assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 0 });
});

for (const which of ["old", "newest"] as const)
  test(`MLflow (${which}) reads the whole wide program from the folder as it was logged`, async () => {
    assertWide(asInDatabases(await peers[which].dump(uri)), model, folder);
  });

test("`mlflow migrate-filestore` turns the folder into a complete database", async () => {
  const path = join(tempFolder("migrated"), "mlflow.db");
  await peers.newest.migrate(root, path);
  assertWide(await peers.newest.dump(uriOf(path)), model);
  assertSound(await peers.newest.integrity(path));
});

describe("Python and we continue each other's runs and experiments", () => {
  for (const which of ["newest", "old"] as const satisfies Which[])
    test(`MLflow (${which})`, async () => {
      const place = join(tempFolder(which), "mlruns");
      const there = pathToFileURL(place).href;
      const peer = peers[which];
      const theirs = await peer.create(there, "shared");
      const ours = createTracker({ trackingUri: there, experiment: "shared", strict: true });
      const continued = ours.startRun({ runId: theirs.run_id });
      continued.logMetric("loss", 0.125, { step: 2 });
      continued.logParam("beta", 1);
      continued.setTag("mlflow.runName", "renamed: é\u2028 #1");
      continued.end();
      const own = ours.startRun({ runName: "own" });
      own.logMetric("loss", 1);
      own.logInput({ name: "train", digest: "d1", source: { uri: "train.csv" }, sourceType: "local" });
      own.logText("what it holds", "notes/own.txt");
      own.end();
      await ours.shutdown();
      await peer.append(there, own.id, { key: "appended/by them", value: 2.5 });
      const { experiments, runs } = await peer.dump(there);
      assert.deepEqual(experiments.map(({ name }) => name).sort(), ["Default", "shared"]);
      const [first, second] = [theirs.run_id, own.id].map((id) => runs.find((run) => run.run_id === id));
      assert.deepEqual(
        [first?.run_name, first?.status, first?.params],
        ["renamed: é\u2028 #1", "FINISHED", { alpha: "0.5", beta: "1" }],
      );
      assert.deepEqual(valuesOf(first, "loss"), [0.25, 0.125]);
      assert.deepEqual([second?.metrics["appended/by them"], second?.tags["appended.by"]], [2.5, peer.version]);
      assert.equal(second?.experiment_id, theirs.experiment_id);
      assert.deepEqual(
        second?.inputs.map(({ name, digest }) => [name, digest]),
        [["train", "d1"]],
      );
      assert.deepEqual(Object.keys(await peer.artifacts(there, own.id)), ["notes/own.txt"]);
      // What they have written is there for us, and a run of theirs that they deleted is closed.
      const again = createTracker({ trackingUri: there, experiment: "shared", ...SILENT });
      const timestamp = second?.history?.["appended/by them"]?.[0]?.[1] ?? 0;
      again.startRun({ runId: own.id }).logMetric("appended/by them", 2.5, { step: 0, timestamp });
      await again.flush();
      assert.equal(
        (await peer.dump(there)).runs.find((run) => run.run_id === own.id)?.history?.["appended/by them"]?.length,
        1,
      );
      await peer.change("delete_run", there, own.id);
      await assert.rejects(again.startRun({ runId: own.id }).serverId(), { code: "RUN_DELETED" });
      await peer.change("delete_experiment", there, theirs.experiment_id);
      await assert.rejects(again.startRun().serverId(), { code: "EXPERIMENT_DELETED" });
      await peer.change("restore_experiment", there, theirs.experiment_id);
      await again.startRun({ runName: "restored" }).serverId();
      await again.shutdown();
      const names = (await peer.dump(there)).runs
        .filter((run) => run.lifecycle_stage === "active")
        .map((run) => run.run_name);
      assert.ok(names.includes("restored"), String(names));
    });
});

interface Kill {
  readonly name: string;
  readonly durability: Durability;
  /** When it is killed, in milliseconds after it first said something. */
  readonly at: number;
}

function kills(): Kill[] {
  const random = new Random(SEED);
  return Array.from({ length: KILLS }, (_, i) => {
    const [early, when] = [random.next(), random.next()];
    return {
      name: `kill ${i}`,
      durability: i % 3 === 1 ? "exit" : "outbox",
      at: Math.round(when * (early < 1 / 3 ? 250 : LATEST_MS)),
    };
  });
}

describe("Programs killed while writing into one folder lose nothing and tear nothing", {
  concurrency: AT_ONCE,
}, () => {
  const place = join(folder, "killed", "mlruns");
  const there = pathToFileURL(place).href;
  for (const { name, durability, at } of kills())
    test(`${name}: "${durability}", after ${at} ms`, async () => {
      const outbox = tempFolder("outbox", folder);
      const { child, ended, began } = startRecords({
        name,
        config: { trackingUri: there, experiment: name, durability, outbox: { folder: outbox } },
      });
      await began;
      await sleep(at);
      child.kill("SIGKILL");
      const { signal, said, stderr } = await ended;
      assert.equal(signal, "SIGKILL", stderr);
      await deliverRest(outbox, there);
      const last = said.at(-1)?.at ?? 0;
      const kept =
        durability === "outbox" ? said.at(-1) : said.findLast((each) => each.at < last - FLUSH_INTERVAL_MS - SLACK_MS);
      const runs = runFolders(place)
        .map(readRunAt)
        .filter((run) => run.experiment === name);
      check(runs, name, kept, "FAILED");
    });
});

test(`${PROGRAMS} programs and Python log into one new folder, and all is there once`, async () => {
  const place = join(tempFolder("crowd"), "mlruns");
  const there = pathToFileURL(place).href;
  const names = Array.from({ length: PROGRAMS }, (_, i) => `program ${i}`);
  const config: Crowd["config"] = {
    trackingUri: there,
    experiment: "crowd",
    exitTimeoutMs: 60_000,
    outbox: { folder: join(place, "..", "outbox") },
  };
  const program = fileURLToPath(new URL("../fixtures/crowd.js", import.meta.url));
  const crowd = names.map(
    (name) => startProgram(program, [JSON.stringify({ config, name, runs: RUNS } satisfies Crowd)], folder).ended,
  );
  const over = Promise.all(crowd).then(() => true);
  // MLflow makes no experiment Default in a folder that is there
  while (!existsSync(join(place, "0", "meta.yaml")) && !(await Promise.race([over, sleep(10)])));
  const theirs = await peers.newest.canonical(there, "theirs", 5);
  for (const { code, stdout, stderr } of await Promise.all(crowd)) {
    assert.equal(code, 0, stderr);
    const { runs, delivered, pending, dropped, rejected, warnings } = JSON.parse(stdout) as Stats;
    const expected = { runs: RUNS, delivered: 7 * RUNS, pending: 0, dropped: 0, rejected: 0, warnings: {} };
    assert.deepEqual({ runs, delivered, pending, dropped, rejected, warnings }, expected);
  }
  const runs = runFolders(place).map(readRunAt);
  const ours = runs.filter((run) => run.experiment === "crowd");
  assert.equal(readdirSync(place).filter((name) => /^\d{2,}$/.test(name)).length, 2, "one experiment for each name");
  const recorded = names.flatMap((name) =>
    Array.from({ length: RUNS }, (_, n) => [`${name} ${n}`, "FINISHED", String(n), name, [n, n, n]]),
  );
  const byName = (rows: unknown[][]): unknown[][] => rows.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
  assert.deepEqual(
    byName(
      ours.map(({ name, status, params, tags, metrics }) => [
        name,
        status,
        params["n"],
        tags["by"],
        metrics["m"]?.map(([, , value]) => value),
      ]),
    ),
    byName(recorded),
  );
  assert.equal(runs.length - ours.length, theirs.runs + 1);
  assert.equal(
    Object.keys(filesIn(place)).filter((path) => /(^|\/)\.pulse/.test(path)).length,
    0,
    "nothing unfinished is left",
  );
});
