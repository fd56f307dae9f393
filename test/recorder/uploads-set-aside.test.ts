import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTracker } from "../../src/index.js";
import { execute, query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("set-aside");
const command = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
let places = 0;

const SILENT = { logger: { warn: (): void => {} } };

/** A database with an experiment of which a run is there, and what is deleted and restored of it by other means. */
async function place() {
  const path = join(folder, `${++places}.db`);
  const trackingUri = `sqlite:///${path}`;
  const outbox = join(folder, `outbox ${places}`);
  const file = join(folder, `${places}`);
  mkdirSync(file);
  writeFileSync(join(file, "pulse-mlflow.config.json"), JSON.stringify({ trackingUri, outbox: { folder: outbox } }));
  const sync = (): string =>
    spawnSync(process.execPath, [command, "sync", "--json"], { cwd: file, encoding: "utf8" }).stdout;
  const first = createTracker({ trackingUri, experiment: "X", durability: "memory" });
  const runId = await first.startRun({ runName: "there" }).serverId();
  await first.shutdown();
  const open = () => createTracker({ trackingUri, experiment: "X", outbox: { folder: outbox }, ...SILENT });
  const mark = (table: string, stage: string): void =>
    execute(path, `UPDATE ${table} SET lifecycle_stage = '${stage}'`);
  const textAt = (id: string, file: string): string | undefined => {
    const [row] = query(path, "SELECT artifact_uri FROM runs WHERE run_uuid = ?", id);
    if (row === undefined) return undefined;
    const at = join(fileURLToPath(String(row["artifact_uri"])), file);
    return existsSync(at) ? readFileSync(at, "utf8") : undefined;
  };
  return { sync, runId, open, mark, textAt };
}

test("files of a set-aside run wait with it and are stored once it is mended", async () => {
  const { sync, open, mark, textAt } = await place();
  const large = join(folder, "large.bin");
  writeFileSync(large, "l".repeat(200_000));
  mark("experiments", "deleted");
  const tracker = open();
  const run = tracker.startRun({ runName: "kept" });
  run.logMetric("m", 1);
  run.logText("early", "early.txt");
  await tracker.flush({ timeoutMs: 500 });
  run.logText("late", "late.txt");
  run.logBytes(new Uint8Array(100_000), "large bytes.bin");
  run.logArtifact(large);
  run.end();
  await tracker.shutdown();
  const { artifacts, rejected, pending, dropped } = tracker.stats();
  assert.deepEqual([artifacts, pending, dropped], [4, 0, 0]);
  assert.ok(rejected >= 4);
  sync(); // the reason is still there
  assert.equal(textAt(run.id, "late.txt"), undefined);
  mark("experiments", "active");
  const said = sync();
  for (const [
    file,
    text,
  ] of [["early.txt", "early"], ["late.txt", "late"], ["large.bin", "l".repeat(200_000)]] as const) // biome-ignore format: three files
    assert.equal(textAt(run.id, file), text, `${file}: ${said}`);
  assert.equal(textAt(run.id, "large bytes.bin")?.length, 100_000);
});

test("files of a deleted, resumed run wait beside its changes", async () => {
  const { sync, runId, open, mark, textAt } = await place();
  mark("runs", "deleted");
  const tracker = open();
  const run = tracker.startRun({ runId });
  run.logMetric("m", 1);
  run.logText("late", "late.txt");
  run.end();
  await tracker.shutdown();
  mark("runs", "active");
  const said = sync();
  assert.equal(textAt(runId, "late.txt"), "late", said);
});
