import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Durability } from "../../src/config/options.js";
import type { ReadRun } from "../contract/carrier.js";
import type { Records } from "../fixtures/records.js";
import { readRuns } from "../support/database.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { mulberry32 } from "../support/fault-schedule.js";
import { inherit } from "../support/inherit.js";
import { startServer } from "./peer.js";
import { temporaryFolder } from "./support.js";

/** How many moments; `PULSE_CRASHES=200 PULSE_SEED=…` for the long version. */
const CRASHES = Number(process.env["PULSE_CRASHES"] ?? 9);
const SEED = Number(process.env["PULSE_SEED"] ?? 20_261_123);
const AT_ONCE = 3;

const FLUSH_INTERVAL_MS = 1_000;
/** A timer on a busy machine is late. */
const SLACK_MS = 300;
const SLOW_MS = 400;
const LATEST_MS = 2_800;
const SYNC_MS = 60_000;
/** A server meets itself in its database now and then; what it then says goes again. */
const PASSING = /\[SERVER_ERROR\]$/;

const root = temporaryFolder("crash");
const program = fileURLToPath(new URL("../fixtures/records.js", import.meta.url));
const database = join(root, "mlflow.db");
const server = await startServer("newest", `sqlite:///${database}`, root);
after(() => server.stop());

/** What the program has said of itself: so much was recorded at that time. */
interface Said {
  readonly metrics: number;
  readonly shorts: number;
  readonly at: number;
}

function start(records: Records) {
  const child = spawn(process.execPath, [program, JSON.stringify(records)], { stdio: ["ignore", "pipe", "pipe"] });
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
function check(runs: readonly ReadRun[], name: string, said: Said | undefined, status: string): void {
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
    assert.deepEqual(run && [run.status, run.params, run.metrics["a"]?.map(([, , v]) => v), run.metrics["b"]?.map(([, , v]) => v)], [
      "FINISHED",
      { number: String(i) },
      [i],
      [-i + 0],
    ]);
  }
}

async function deliverRest(folder: string, uri: string): Promise<void> {
  const { held, left, warnings } = await inherit(folder, uri, SYNC_MS);
  const grave = warnings.filter((each) => !PASSING.test(each));
  assert.deepEqual({ held, left, grave }, { held: [], left: [], grave: [] });
}

type Mode = "up" | "slow" | "down" | "going down";
const MODES: readonly Mode[] = ["up", "slow", "down", "going down"];
const DURABILITIES: readonly Durability[] = ["outbox", "exit", "outbox"];

interface Crash {
  readonly name: string;
  readonly mode: Mode;
  readonly durability: Durability;
  /** When it is killed, in milliseconds after it first said something. */
  readonly at: number;
  /** When the server goes, where it does. */
  readonly downAt: number;
}

function crashes(): Crash[] {
  const next = mulberry32(SEED);
  return Array.from({ length: CRASHES }, (_, i) => {
    const [early, when, down] = [next(), next(), next()];
    // A third of them while the runs are being created.
    const at = Math.round(when * (early < 1 / 3 ? 250 : LATEST_MS));
    return {
      name: `crash ${i}`,
      mode: MODES[i % MODES.length] as Mode,
      durability: DURABILITIES[i % DURABILITIES.length] as Durability,
      at,
      downAt: Math.round(at * down),
    };
  });
}

async function crash({ name, mode, durability, at, downAt }: Crash): Promise<void> {
  const proxy = await startFaultProxy({ target: server.url, seed: SEED, rate: 0 });
  try {
    const folder = mkdtempSync(join(root, "outbox-"));
    if (mode === "down") await proxy.down();
    if (mode === "slow") proxy.delayMs = SLOW_MS;
    const { child, ended, began } = start({ name, config: { trackingUri: proxy.url, experiment: name, durability, outbox: { folder } } });
    await began;
    if (mode === "going down") setTimeout(() => void proxy.down(), downAt);
    await sleep(at);
    child.kill("SIGKILL");
    const { signal, said, stderr } = await ended;
    assert.equal(signal, "SIGKILL", stderr);
    await proxy.up();
    proxy.calm();
    await deliverRest(folder, proxy.url);
    const last = said.at(-1)?.at ?? 0;
    const kept = durability === "outbox" ? said.at(-1) : said.findLast((each) => each.at < last - FLUSH_INTERVAL_MS - SLACK_MS);
    check(readRuns(database, name), name, kept, "FAILED");
  } finally {
    await proxy.close();
  }
}

describe(`A program killed at a moment of its own loses nothing with durability "outbox", an interval with "exit"`, {
  concurrency: AT_ONCE,
}, () => {
  for (const one of crashes()) {
    test(`${one.name}: durability "${one.durability}", the server ${one.mode}, killed after ${one.at} ms`, () => crash(one));
  }
});

test("Of four programs with one server and one folder one is killed: each has its own stored, once", async () => {
  const folder = mkdtempSync(join(root, "outbox-"));
  const config: Records["config"] = { trackingUri: server.url, experiment: "four", durability: "outbox", outbox: { folder } };
  const names = ["first", "second", "third", "fourth"];
  const programs = names.map((name) => start({ name, config, forMs: 2_000 }));
  await Promise.all(programs.map(({ began }) => began));
  await sleep(1_000);
  programs[0]?.child.kill("SIGKILL");
  const ends = await Promise.all(programs.map(({ ended }) => ended));
  assert.deepEqual(
    ends.map(({ code, signal }) => code ?? signal),
    ["SIGKILL", 0, 0, 0],
  );
  await deliverRest(folder, server.url);
  const runs = readRuns(database, "four");
  names.forEach((name, i) => {
    const own = runs.filter((run) => run.name.startsWith(`${name} `));
    check(own, name, ends[i]?.said.at(-1), i === 0 ? "FAILED" : "FINISHED");
  });
});
