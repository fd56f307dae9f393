// The program `fixtures/records.ts`, and what must be there of it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ReadRun } from "../../src/contracts/tracking-reader.js";
import type { Records } from "../fixtures/records.js";
import { inherit } from "../support/inherit.js";

/** The latest moment at which a run of it may be killed. */
export const LATEST_MS = 2_800;
const SYNC_MS = 60_000;
/**
 * A server meets itself in its database now and then, or is too busy for a connection; what it did not take goes again.
 */
const PASSING = /\[(SERVER_ERROR|STORE_UNAVAILABLE)\]$/;

const program = fileURLToPath(new URL("../fixtures/records.js", import.meta.url));

/** What the program has said of itself: so much was recorded at that time. */
export interface Said {
  readonly metrics: number;
  readonly shorts: number;
  readonly at: number;
}

/** Starts it; `within` are a command it is run by, and options of Node. */
export function startRecords(
  records: Records,
  within: {
    readonly command?: readonly string[];
    readonly node?: readonly string[];
    readonly env?: Record<string, string>;
  } = {},
) {
  const [file = "", ...args] = [
    ...(within.command ?? []),
    process.execPath,
    ...(within.node ?? []),
    program,
    JSON.stringify(records),
  ];
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...within.env } });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code, signal]) => {
    const said = stdout
      .split("\n")
      .filter(Boolean)
      .map((line): Said => {
        const [metrics = 0, shorts = 0, at = 0] = line.split(" ").map(Number);
        return { metrics, shorts, at };
      });
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, said, stderr };
  });
  return { child, ended, began: once(child.stdout, "data") };
}

/** At least what was said is stored, each once, and nothing is open; `status` is how the long runs have ended. */
export function check(runs: readonly ReadRun[], name: string, said: Said | undefined, status: string): void {
  const names = runs.map((run) => run.name);
  assert.deepEqual(
    names.filter((each, i) => names.indexOf(each) !== i),
    [],
    "runs are there twice",
  );
  assert.deepEqual(
    runs.filter((run) => run.status === "RUNNING"),
    [],
  );
  const { metrics = 0, shorts = 0 } = said ?? {};
  for (const i of [0, 1]) {
    const run = runs.find((each) => each.name === `${name} long ${i}`);
    const expected = (metrics + 1 - i) >> 1;
    if (run === undefined && expected === 0) continue;
    assert.equal(run?.status, status);
    const points = run.metrics["m"] ?? [];
    assert.deepEqual(
      points.map(([step, , value]) => [step, value]),
      points.map((_, step) => [step, step]),
      "a gap, or a value twice",
    );
    assert.ok(points.length >= expected, `${run.name}: ${points.length} of ${expected} values`);
    // A batch that was under way at the end may be executed after it.
    const last = Math.max(run.startTime, ...points.map(([, timestamp]) => timestamp));
    assert.ok((run.endTime ?? 0) > last - LATEST_MS, "it ends before its last value");
  }
  for (let i = 0; i < shorts; i++) {
    const run = runs.find((each) => each.name === `${name} short ${i}`);
    assert.deepEqual(
      run && [run.status, run.params, run.metrics["a"]?.map(([, , v]) => v), run.metrics["b"]?.map(([, , v]) => v)],
      ["FINISHED", { number: String(i) }, [i], [-i + 0]],
    );
  }
}

export async function deliverRest(folder: string, uri: string): Promise<void> {
  const { held, left, warnings } = await inherit(folder, uri, SYNC_MS);
  const grave = warnings.filter((each) => !PASSING.test(each));
  assert.deepEqual({ held, left, grave }, { held: [], left: [], grave: [] });
}
