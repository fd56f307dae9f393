import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Death } from "../fixtures/dies.js";
import { query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { inherit } from "../support/inherit.js";

const EXIT_TIMEOUT_MS = 400;
/** What a busy machine may need beside our own waits. */
const SLACK_MS = 2_000;
const SHORT_RUNS = 20;

const root = mkdtempSync(join(tmpdir(), "pulse-death-"));
after(() => rmSync(root, { recursive: true, force: true }));
const program = fileURLToPath(new URL("../fixtures/dies.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** From "ready" to the end. */
  readonly ms: number;
}

interface Seen {
  readonly status: string;
  readonly partial: boolean;
  readonly values: number[];
}

/** A place for runs, in a state. */
interface Target {
  readonly uri: string;
  /** What is to be done before what was kept can be delivered. */
  mend(): Promise<void>;
  read(name: string): Seen[];
  dispose(): void;
}

type Kind = "a server" | "a server that is down" | "a silent server" | "a database";

async function makeTarget(kind: Kind, folder: string): Promise<Target> {
  if (kind === "a database") return database(join(folder, "mlflow.db"));
  const server = await FakeMlflow.start();
  if (kind === "a server that is down") server.down();
  server.silent = kind === "a silent server";
  return {
    uri: server.url,
    mend: async () => {
      server.silent = false;
      if (kind === "a server that is down") await server.up();
    },
    read: (name) =>
      server.named(name).map(({ status, tags, metrics }) => ({
        status,
        partial: tags.has("pulse.partial"),
        values: [...metrics.values()].map(({ value }) => Number(value)).sort((a, b) => a - b),
      })),
    dispose: () => server.close(),
  };
}

function database(path: string): Target {
  return {
    uri: `sqlite:///${path}`,
    mend: () => Promise.resolve(),
    read: (name) =>
      query(path, "SELECT run_uuid, status FROM runs WHERE name = ? AND lifecycle_stage = 'active'", name).map(({ run_uuid, status }) => ({
        status: String(status),
        partial: query(path, "SELECT 1 FROM tags WHERE run_uuid = ? AND key = 'pulse.partial'", String(run_uuid)).length > 0,
        values: query(path, "SELECT value FROM metrics WHERE run_uuid = ? ORDER BY value", String(run_uuid)).map(({ value }) => Number(value)),
      })),
    dispose: () => {},
  };
}

/** Runs the program; once it is ready it gets the signals, one after the other. */
function run(death: Death, signals: readonly NodeJS.Signals[] = [], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(death)], { env: { ...process.env, ...env } });
    let [stdout, stderr, began] = ["", "", performance.now()];
    child.stdout.on("data", (data) => {
      if (stdout === "") {
        began = performance.now();
        signals.forEach((signal, i) => setTimeout(() => child.kill(signal), i * 100));
      }
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr, ms: performance.now() - began }));
  });
}

interface Case extends Omit<Death, "config"> {
  readonly title: string;
  /** How the run that was open ends. */
  readonly status: "FINISHED" | "FAILED" | "KILLED";
  readonly partial?: boolean;
  /** How many values the run that was open has. */
  readonly values?: number;
  readonly signals?: readonly NodeJS.Signals[];
  readonly config?: Death["config"];
}

const signalled = (signal: NodeJS.Signals, more: Pick<Case, "others" | "title" | "status"> & Partial<Case>): Case => ({
  how: "wait",
  signal,
  signals: [signal],
  ...more,
});

const CASES: readonly Case[] = [
  { title: "returning", how: "return", status: "FINISHED", partial: true },
  { title: "process.exit(7)", how: "exit", status: "FAILED" },
  { title: "process.exit(7) with signal-exit", how: "exit", others: "signal-exit", status: "FAILED" },
  { title: "an uncaught error", how: "throw", status: "FAILED" },
  { title: "an uncaught error with signal-exit", how: "throw", others: "signal-exit", status: "FAILED" },
  { title: "an uncaught error that is survived", how: "throw", others: "survives errors", status: "FINISHED", values: 21 },
  { title: "an unhandled rejection", how: "reject", status: "FAILED" },
  { title: "an unhandled rejection that is survived", how: "reject", others: "survives rejections", status: "FINISHED", values: 21 },
  ...(["SIGINT", "SIGTERM", "SIGHUP"] as const).flatMap((signal) => [
    signalled(signal, { title: signal, others: undefined, status: "KILLED" }),
    signalled(signal, { title: `${signal} and a listener that exits`, others: "exits", status: "KILLED" }),
    signalled(signal, { title: `${signal} that is survived`, others: "survives", status: "FINISHED", values: 21 }),
    signalled(signal, { title: `${signal} with signal-exit`, others: "signal-exit", status: "KILLED" }),
  ]),
  signalled("SIGTERM", { title: "SIGTERM and a server that closes first", others: "graceful", status: "KILLED" }),
  signalled("SIGTERM", { title: "SIGTERM while it computes", how: "busy", others: undefined, status: "KILLED" }),
  signalled("SIGKILL", { title: 'SIGKILL with durability "outbox"', others: undefined, status: "FAILED", config: { durability: "outbox" } }),
  signalled("SIGKILL", { title: "SIGKILL after a flush", others: undefined, flushed: true, status: "FAILED" }),
];

const TARGETS: readonly Kind[] = ["a server", "a server that is down", "a silent server", "a database"];

async function check(kind: Kind, one: Case): Promise<void> {
  const { title: _title, status, partial = false, values = SHORT_RUNS, signals = [], config, ...rest } = one;
  const folder = mkdtempSync(join(root, "case-"));
  const target = await makeTarget(kind, folder);
  try {
    const outbox = { folder: join(folder, "outbox") };
    const death: Death = { ...rest, config: { trackingUri: target.uri, exitTimeoutMs: EXIT_TIMEOUT_MS, outbox, ...config } };
    const [ended, without] = await Promise.all([run(death, signals), run(death, signals, { PULSE_MLFLOW: "off" })]);
    assert.deepEqual(
      { code: ended.code, signal: ended.signal, stdout: ended.stdout },
      { code: without.code, signal: without.signal, stdout: without.stdout },
      ended.stderr,
    );
    const waited = Math.round(ended.ms - without.ms);
    assert.ok(waited < EXIT_TIMEOUT_MS + SLACK_MS, `it took ${waited} ms longer than without us`);
    await target.mend();
    const inherited = await inherit(outbox.folder, target.uri);
    assert.deepEqual({ held: inherited.held, left: inherited.left }, { held: [], left: [] }, inherited.warnings.join("\n"));
    const steps = Array.from({ length: values }, (_, step) => step);
    assert.deepEqual(target.read("left open"), [{ status, partial, values: steps }], ended.stderr);
    const short = target.read("short");
    assert.ok(short.every((each) => each.status === "FINISHED" && !each.partial));
    assert.deepEqual(short.flatMap((each) => each.values).sort((a, b) => a - b), steps.slice(0, SHORT_RUNS));
  } finally {
    target.dispose();
  }
}

for (const kind of TARGETS) {
  describe(`A program that records into ${kind} loses nothing, ends its runs rightly and ends as without us by`, { concurrency: 4 }, () => {
    for (const one of CASES) {
      if (one.flushed && kind !== "a server" && kind !== "a database") continue;
      test(one.title, () => check(kind, one));
    }
  });
}
