import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openDatabase, query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("exit");
const program = fileURLToPath(new URL("../fixtures/ends.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  readonly ms: number;
}

function end(how: string, trackingUri: string, exitTimeoutMs = 500): Promise<Ended> {
  const began = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, how, trackingUri, String(exitTimeoutMs)], { cwd: folder });
    let stderr = "";
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.on("close", (code) => resolve({ code, stderr, ms: performance.now() - began }));
  });
}

for (const [how, code, status, partial] of [
  ["return", 0, "FINISHED", 1],
  ["exit", 0, "FINISHED", 1],
  ["flush", 0, "FINISHED", 1],
  ["exit 7", 7, "FAILED", 0],
  ["throw", 1, "FAILED", 0],
  ["reject", 1, "FAILED", 0],
  ["code", 3, "FAILED", 0],
  ["late", 0, "FINISHED", 1],
  ["never", 13, "FAILED", 0],
] as const) {
  test(`a program that ends by "${how}" loses nothing and keeps its exit code`, async () => {
    const path = join(folder, `${how.replace(" ", "-")}.db`);
    const ended = await end(how, `sqlite:///${path}`);
    assert.equal(ended.code, code, ended.stderr);
    assert.equal(
      query(path, "SELECT count(*) AS n FROM runs WHERE name = 'Worker.work' AND status = 'FINISHED'")[0]?.["n"],
      500,
    );
    assert.equal(query(path, "SELECT count(*) AS n FROM metrics WHERE key = 'n'")[0]?.["n"], 500);
    const [open] = query(path, "SELECT run_uuid, status, end_time FROM runs WHERE name = 'left open'");
    assert.equal(open?.["status"], status);
    assert.ok(open?.["end_time"]);
    assert.equal(
      query(
        path,
        "SELECT count(*) AS n FROM tags WHERE key = 'pulse.partial' AND run_uuid = ?",
        String(open?.["run_uuid"]),
      )[0]?.["n"],
      partial,
    );
    assert.equal(query(path, "SELECT count(*) AS n FROM metrics WHERE key = 'late'")[0]?.["n"], how === "late" ? 1 : 0);
    assert.equal(
      query(
        path,
        "SELECT count(*) AS n FROM runs WHERE status = 'RUNNING' AND name <> 'recorded in an exit listener'",
      )[0]?.["n"],
      0,
    );
  });
}

test("a program that has shut down and sends itself a signal ends by it", async () => {
  const server = await FakeMlflow.start();
  for (const uri of [`sqlite:///${join(folder, "signal.db")}`, server.url])
    for (const how of ["signal", "signal later", "signal with others"]) {
      const child = spawn(process.execPath, [program, how, uri, "5000"]);
      const [code, signal] = await once(child, "exit");
      assert.ok(code === 143 || signal === "SIGTERM", `${uri}, ${how}: ${code} ${signal}`);
    }
  server.close();
});

test("an unusable target keeps the exit code, takes bounded time and warns once", async () => {
  const text = join(folder, "text.db");
  writeFileSync(text, "no database ".repeat(100));
  const ended = await end("return", `sqlite:///${text}`);
  assert.equal(ended.code, 0);
  assert.ok(ended.ms < 8_000);
  assert.equal(ended.stderr.match(/NOT_A_DATABASE\]/g)?.length, 1, ended.stderr);
  assert.match(ended.stderr, /1,504 changes that .* has not accepted are kept in .*KEPT_FOR_LATER/);
});

test("at exit a locked database is waited for, up to exitTimeoutMs", async () => {
  const path = join(folder, "locked.db");
  assert.equal((await end("return", `sqlite:///${path}`)).code, 0);
  const other = openDatabase(path);
  other.exec("BEGIN IMMEDIATE");
  setTimeout(() => other.exec("ROLLBACK"), 1_500);
  const ended = await end("exit", `sqlite:///${path}`, 30_000);
  other.close();
  assert.ok(ended.ms >= 1_400);
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(query(path, "SELECT count(*) AS n FROM runs WHERE name = 'Worker.work'")[0]?.["n"], 1_000, ended.stderr);
});
