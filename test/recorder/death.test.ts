import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Death } from "../fixtures/dies.js";
import { query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { inherit } from "../support/inherit.js";

const EXIT_TIMEOUT_MS = 400;
/** What a busy machine may need beside our own waits: less than the 30 s of a request that nobody answers. */
const SLACK_MS = 20_000;
const SHORT_RUNS = 20;

const root = tempFolder("death");
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
      query(path, "SELECT run_uuid, status FROM runs WHERE name = ? AND lifecycle_stage = 'active'", name).map(
        ({ run_uuid, status }) => ({
          status: String(status),
          partial:
            query(path, "SELECT 1 FROM tags WHERE run_uuid = ? AND key = 'pulse.partial'", String(run_uuid)).length > 0,
          values: query(path, "SELECT value FROM metrics WHERE run_uuid = ? ORDER BY value", String(run_uuid)).map(
            ({ value }) => Number(value),
          ),
        }),
      ),
    dispose: () => {},
  };
}

/**
 * Runs the program; once it is ready it gets the signals, one after the other; a container's first process, when it has
 * said something again.
 */
function run(
  death: Death,
  signals: readonly NodeJS.Signals[] = [],
  env: Record<string, string> = {},
  gapMs = 100,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, JSON.stringify(death)], { env: { ...process.env, ...env } });
    let [stdout, stderr, began] = ["", "", performance.now()];
    child.stdout.on("data", (data) => {
      if (stdout === "") {
        began = performance.now();
        for (const [i, signal] of (death.first ? signals.slice(0, 1) : signals).entries())
          if (gapMs === 0) child.kill(signal);
          else setTimeout(() => child.kill(signal), i * gapMs);
      } else if (death.first && !stdout.includes("noted")) child.kill(signals[1]);
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
  readonly signals?: readonly NodeJS.Signals[];
  readonly gapMs?: number;
  readonly config?: Death["config"];
}

const signalled = (signal: NodeJS.Signals, title: string, status: Case["status"], more: Partial<Case> = {}): Case => ({
  how: "wait",
  signal,
  signals: [signal],
  title,
  status,
  ...more,
});

const OUTBOX = { config: { durability: "outbox" } } as const;

const CASES: readonly Case[] = [
  { title: "returning", how: "return", status: "FINISHED", partial: true },
  { title: "process.exit(7)", how: "exit", status: "FAILED" },
  { title: "process.exit(7) with signal-exit", how: "exit", others: "signal-exit", status: "FAILED" },
  { title: "an uncaught error", how: "throw", status: "FAILED" },
  { title: "an uncaught error with signal-exit", how: "throw", others: "signal-exit", status: "FAILED" },
  { title: "no uncaught error that is survived", how: "throw", others: "survives errors", status: "FINISHED" },
  {
    title: "returning long after one",
    how: "throw",
    others: "survives errors",
    leaves: true,
    status: "FINISHED",
    partial: true,
  },
  { title: "an unhandled rejection", how: "reject", status: "FAILED" },
  {
    title: "no unhandled rejection that is survived",
    how: "reject",
    others: "survives rejections",
    status: "FINISHED",
  },
  ...(["SIGINT", "SIGTERM", "SIGHUP"] as const).flatMap((signal) => [
    signalled(signal, signal, "KILLED"),
    signalled(signal, `${signal} and a listener that exits`, signal === "SIGHUP" ? "FAILED" : "KILLED", {
      others: "exits",
    }),
    signalled(signal, `no ${signal} that is survived`, "FINISHED", { others: "survives" }),
    signalled(signal, `${signal} with signal-exit`, "KILLED", { others: "signal-exit" }),
  ]),
  signalled("SIGHUP", "returning long after a SIGHUP", "FINISHED", { others: "survives", leaves: true, partial: true }),
  signalled("SIGTERM", "SIGTERM and a server that closes first", "KILLED", { others: "graceful" }),
  signalled("SIGTERM", "SIGTERM while it computes", "KILLED", { how: "busy" }),
  signalled("SIGKILL", 'SIGKILL with durability "outbox"', "FAILED", OUTBOX),
  signalled("SIGKILL", "SIGKILL after a flush", "FAILED", { flushed: true, config: { exitTimeoutMs: 60_000 } }),
  { title: "worker.terminate()", how: "wait", worker: true, status: "FAILED", ...OUTBOX },
  { title: "process.exit(7) in a worker", how: "exit", worker: true, status: "FAILED" },
  { title: "an uncaught error in a worker", how: "throw", worker: true, status: "FAILED" },
  { title: "a worker's return", how: "return", worker: true, status: "FINISHED", partial: true },
];

const TARGETS: readonly Kind[] = ["a server", "a server that is down", "a silent server", "a database"];

/**
 * A server that is silent differs from one that is down only in what is waited for, and one signal is like the other to
 * a store.
 */
function tells({ flushed, others, signal, worker }: Case, kind: Kind): boolean {
  if (kind === "a server") return true;
  if (kind === "a silent server") return !flushed && others === undefined && !worker;
  return !(flushed && kind === "a server that is down") && (signal !== "SIGINT" || others === undefined);
}

/** What a program does without us, which is the same whatever it would record into. */
const controls = new Map<Case, Promise<Ended>>();

function withoutUs(one: Case, death: Death): Promise<Ended> {
  const control = controls.get(one) ?? run(death, one.signals, { PULSE_MLFLOW: "off" });
  controls.set(one, control);
  return control;
}

/** What is stored in the end: everything, once. */
async function checkStored(
  target: Target,
  outbox: string,
  { status, partial = false, others, stderr }: Pick<Case, "status" | "partial" | "others"> & { stderr: string },
): Promise<void> {
  await target.mend();
  const { held, left, warnings } = await inherit(outbox, target.uri);
  assert.deepEqual({ held, left }, { held: [], left: [] }, warnings.join("\n"));
  const steps = Array.from({ length: SHORT_RUNS + (others?.startsWith("survives") ? 1 : 0) }, (_, step) => step);
  assert.deepEqual(target.read("left open"), [{ status, partial, values: steps }], stderr);
  const short = target.read("short");
  assert.ok(short.every((each) => each.status === "FINISHED" && !each.partial));
  const values = short.flatMap((each) => each.values);
  assert.deepEqual(
    values.sort((a, b) => a - b),
    steps.slice(0, SHORT_RUNS),
  );
}

/** Runs the program with a target of its own, and checks what is stored. */
async function check(kind: Kind, one: Case, judge: (ended: Ended, death: Death) => Promise<void>): Promise<void> {
  const { title: _title, status, partial, signals = [], gapMs, config, ...rest } = one;
  const folder = tempFolder("case", root);
  const target = await makeTarget(kind, folder);
  try {
    const outbox = join(folder, "outbox");
    const death: Death = {
      ...rest,
      config: { trackingUri: target.uri, exitTimeoutMs: EXIT_TIMEOUT_MS, outbox: { folder: outbox }, ...config },
    };
    const ended = await run(death, signals, {}, gapMs);
    await judge(ended, death);
    await checkStored(target, outbox, { status, partial: partial ?? false, others: rest.others, stderr: ended.stderr });
  } finally {
    target.dispose();
  }
}

for (const kind of TARGETS) {
  describe(`A program that records into ${kind} loses nothing and dies as without us by`, {
    concurrency: 4,
  }, () => {
    for (const one of CASES) {
      if (!tells(one, kind)) continue;
      test(one.title, () =>
        check(kind, one, async (ended, death) => {
          const without = await withoutUs(one, death);
          const shown = ({ code, signal, stdout }: Ended) => ({ code, signal, stdout });
          assert.deepEqual(shown(ended), shown(without), ended.stderr);
          const waited = Math.round(ended.ms - without.ms);
          assert.ok(waited < EXIT_TIMEOUT_MS + SLACK_MS, `it took ${waited} ms longer than without us`);
        }),
      );
    }
  });
}

describe("A second signal", { concurrency: 4 }, () => {
  for (const signals of [
    ["SIGTERM", "SIGTERM"],
    ["SIGINT", "SIGTERM"],
    ["SIGTERM", "SIGINT"],
    ["SIGHUP", "SIGINT"],
  ] as const) {
    test(`kills at once: ${signals.join(", then ")}`, () =>
      check(
        "a silent server",
        { title: "", how: "wait", status: "KILLED", signals, config: { exitTimeoutMs: 60_000 } },
        async (ended) => {
          assert.equal(ended.signal, signals[1], ended.stderr);
          assert.ok(ended.ms < SLACK_MS, `it took ${ended.ms} ms`);
        },
      ));
    if (new Set(signals).size < 2) continue; // of the same there is only one at a time
    test(`kills at once, even at the same time: ${signals.join(" and ")}`, () => {
      const one: Case = {
        title: "",
        how: "busy",
        status: "KILLED",
        signals,
        gapMs: 0,
        config: { exitTimeoutMs: 60_000 },
      };
      return check("a silent server", one, async (ended) => {
        assert.ok((signals as readonly (string | null)[]).includes(ended.signal), ended.stderr);
        assert.ok(ended.ms < SLACK_MS, `it took ${ended.ms} ms`);
      });
    });
  }
});

test("A program awaiting an id of an absent server hears that it is kept", async () => {
  await check(
    "a server that is down",
    { title: "", how: "awaits", status: "FAILED" },
    async ({ code, stderr, stdout }) => {
      assert.deepEqual({ code, stdout }, { code: 1, stdout: "ready\n" }, stderr);
      assert.match(stderr, /PulseError: .*KEPT_FOR_LATER/s);
    },
  );
});

test("The first process of a container survives an unhandled signal, with its run", async () => {
  for (const kind of ["a server", "a server that is down"] as const) {
    const one: Case = signalled("SIGTERM", "", "KILLED", { how: "wait", first: true, signals: ["SIGTERM", "SIGKILL"] });
    await check(kind, one, async (ended) => assert.equal(ended.signal, "SIGKILL", ended.stderr));
  }
});
