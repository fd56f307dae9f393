import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { PulseConfig } from "../../src/index.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { newFolder } from "../support/outbox-kit.js";

const program = fileURLToPath(new URL("../fixtures/awaits-ids.js", import.meta.url));
const server = await FakeMlflow.start();
after(() => server.close());

interface Ended {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/**
 * Runs the program; it gives up a store that takes nothing after `exitTimeoutMs`, which is shorter than one answer
 * takes.
 */
async function play(runs: number, how: string, config: PulseConfig = {}): Promise<Ended> {
  const given: PulseConfig = {
    trackingUri: server.url,
    exitTimeoutMs: 100,
    outbox: { folder: newFolder() },
    ...config,
  };
  const child = spawn(process.execPath, [program, JSON.stringify(given), String(runs), how], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) child[name].on("data", (data) => (out[name] += data));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, lines: out.stdout.trim().split("\n"), stderr: out.stderr };
}

const stored = (prefix: string): string[] =>
  [...server.runs.values()]
    .filter(({ name, deleted }) => name.startsWith(prefix) && !deleted)
    .map(({ status, metrics }) => `${status} ${metrics.size}`);

for (const delayMs of [0, 250]) {
  test(`a program that only waits for ids gets them all and ends (${delayMs} ms each)`, async () => {
    server.runs.clear();
    server.delayMs = delayMs;
    const { code, lines, stderr } = await play(3, "");
    assert.equal(code, 0, stderr);
    assert.equal(lines.at(-1), "over");
    assert.deepEqual(new Set(lines.slice(0, 3)), new Set([...server.runs.keys()]));
    // Where the server is slower than the program waits at its end, the rest is kept for the next one.
    if (delayMs === 0) assert.deepEqual([stored("run "), stderr], [["FINISHED 2", "FINISHED 2", "FINISHED 2"], ""]);
  });
}

test("waiting for an id of an absent server ends after requestTimeoutMs", async () => {
  const { code, lines, stderr } = await play(2, "", {
    trackingUri: "http://127.0.0.1:1",
    requestTimeoutMs: 300,
    flushIntervalMs: 50,
  });
  assert.deepEqual({ code, lines }, { code: 0, lines: ["KEPT_FOR_LATER", "KEPT_FOR_LATER", "over"] }, stderr);
  const memory = await play(1, "", { trackingUri: "http://127.0.0.1:1", requestTimeoutMs: 300, durability: "memory" });
  assert.deepEqual([memory.code, memory.lines], [0, ["STORE_UNAVAILABLE", "over"]], memory.stderr);
});

test("late records are delivered, and those of each later beforeExit are kept", async () => {
  server.runs.clear();
  server.delayMs = 20;
  const { code, stderr } = await play(5, "at the end", { exitTimeoutMs: 20_000 });
  assert.deepEqual([code, stored("late ")], [0, ["FINISHED 0"]]);
  assert.match(stderr, /^pulse-mlflow: 2 changes that .* are kept in .*KEPT_FOR_LATER/);
});
