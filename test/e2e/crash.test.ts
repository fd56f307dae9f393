import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Durability } from "../../src/config/options.js";
import type { Records } from "../fixtures/records.js";
import { readRuns } from "../support/database.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { tempFolder } from "../support/folders.js";
import { Random } from "../support/random.js";
import { startServer } from "./peer.js";
import { check, deliverRest, LATEST_MS, startRecords } from "./records-program.js";

/** How many moments; `PULSE_CRASHES=200 PULSE_SEED=…` for the long version. */
const CRASHES = Number(process.env["PULSE_CRASHES"] ?? 9);
const SEED = Number(process.env["PULSE_SEED"] ?? 20_261_123);
const AT_ONCE = 3;

const FLUSH_INTERVAL_MS = 1_000;
/** A timer on a busy machine is late. */
const SLACK_MS = 300;
const SLOW_MS = 400;

const root = tempFolder("crash");
const database = join(root, "mlflow.db");
const server = await startServer("newest", `sqlite:///${database}`, root);
after(() => server.stop());

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
  const random = new Random(SEED);
  return Array.from({ length: CRASHES }, (_, i) => {
    const [early, when, down] = [random.next(), random.next(), random.next()];
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
    const folder = tempFolder("outbox", root);
    if (mode === "down") await proxy.down();
    if (mode === "slow") proxy.delayMs = SLOW_MS;
    const { child, ended, began } = startRecords({
      name,
      config: { trackingUri: proxy.url, experiment: name, durability, outbox: { folder } },
    });
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
    const kept =
      durability === "outbox" ? said.at(-1) : said.findLast((each) => each.at < last - FLUSH_INTERVAL_MS - SLACK_MS);
    check(readRuns(database, name), name, kept, "FAILED");
  } finally {
    await proxy.close();
  }
}

describe(`A killed program loses nothing with "outbox", and one interval with "exit"`, {
  concurrency: AT_ONCE,
}, () => {
  for (const one of crashes()) {
    test(`${one.name}: "${one.durability}", server ${one.mode}, killed at ${one.at} ms`, () => crash(one));
  }
});

test("When one of four programs in one folder is killed, each has its own runs once", async () => {
  const folder = tempFolder("outbox", root);
  const config: Records["config"] = {
    trackingUri: server.url,
    experiment: "four",
    durability: "outbox",
    outbox: { folder },
  };
  const names = ["first", "second", "third", "fourth"];
  // Who is killed is still at it, however slow the others start
  const programs = names.map((name) => startRecords({ name, config, forMs: name === "first" ? 60_000 : 2_000 }));
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
