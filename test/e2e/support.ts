import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { after } from "node:test";
import { type DumpRun, type Integrity, type Num, Peer, type Which } from "./peer.js";

// Settings of the developer's own MLflow must not reach the trackers and programs of the tests.
for (const name of Object.keys(process.env)) if (/^_?MLFLOW_|^PULSE_MLFLOW/.test(name)) delete process.env[name];

export const uriOf = (path: string): string => `sqlite:///${path}`;

/** The Python processes of one test file: MLflow of both versions, which end with the file. */
export async function startPeers(): Promise<Record<Which, Peer>> {
  const [newest, old] = await Promise.all([Peer.start("newest"), Peer.start("old")]);
  after(() => Promise.all([newest.close(), old.close()]));
  return { newest, old };
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of the tests, running in `cwd`: with what has ended it, and how to speak to it. */
export function startProgram(file: string, args: string[], cwd: string, env: Record<string, string> = {}) {
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, [file, ...args], {
    cwd,
    env: { ...process.env, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject).on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

export function assertSound({ integrity, foreign_keys }: Integrity): void {
  assert.equal(integrity, "ok");
  assert.deepEqual(foreign_keys, []);
}

/** The values of a metric in the order of its steps. */
export function valuesOf(run: DumpRun | undefined, key: string): Num[] {
  return [...(run?.history?.[key] ?? [])].sort(([, , a], [, , b]) => a - b).map(([value]) => value);
}

/** What a metric is in SQLite and so in MLflow: no infinities, no negative zero. */
export function storedValue(value: number | bigint | boolean): Num {
  const number = Number(value);
  if (Number.isNaN(number)) return "NaN";
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, number)) + 0;
}

/** Which value counts as a metric's latest in MLflow: the greatest (step, timestamp, value), where NaN counts as 0. */
export function latestOf(history: readonly [value: Num, timestamp: number, step: number][]): Num | undefined {
  const number = (value: Num): number => (typeof value === "number" ? value : 0);
  return [...history].sort((a, b) => b[2] - a[2] || b[1] - a[1] || number(b[0]) - number(a[0]))[0]?.[0];
}
