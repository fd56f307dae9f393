import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { type Played, play } from "./fault-run.js";
import { Peer, startServer } from "./peer.js";
import { temporaryFolder, uriOf } from "./support.js";

/** Which schedules are played: one, or from-to. */
const [FIRST, LAST] = range(process.env["PULSE_FAULT_SEEDS"] ?? "1-16");
/** Schedules beside each other: their waits are most of the time, the one server is the rest. */
const WIDTH = Number(process.env["PULSE_FAULT_WIDTH"] ?? 3);
const SOAK = process.env["PULSE_FAULT_SEEDS"] !== undefined;

function range(text: string): [number, number] {
  const [first = 1, last = first] = text.split("-").map(Number);
  return [first, last];
}

const folder = temporaryFolder("faults");
const uri = uriOf(join(folder, "faults.db"));
// With its default of 15 connections, of which some requests take two, the server stands still for 30 s when more requests than that meet.
const settings = { MLFLOW_SQLALCHEMYSTORE_POOL_SIZE: "100" };
const [server, peer] = await Promise.all([startServer("newest", uri, folder, [], settings), Peer.start("newest")]);
after(() => Promise.all([server.stop(), peer.close()]));

const all: Played[] = [];

describe("whatever goes wrong between here and a server, what was recorded is there in the end, once", { concurrency: WIDTH }, () => {
  for (let seed = FIRST; seed <= LAST; seed++) {
    test(`schedule ${seed}`, async () => {
      const played = await play(seed, server.url, peer, uri);
      all.push(played);
      const { lost, doubled, running, wrong, unbalanced } = played;
      const problems = { lost, doubled, running, wrong, unbalanced };
      if (SOAK) console.log(`${seed}: ${summary([played])}`);
      const found = Object.entries(problems).flatMap(([what, list]) => list.map((each) => `${what}: ${each}`));
      const faults = played.faults.map(({ kind, path }) => `${kind} ${path.replace("/api/2.0/mlflow/", "").split("?")[0]}`);
      const story = [...found, ...played.warnings, `faults: ${faults.join(", ")}`].join("\n");
      assert.equal(found.length, 0, `PULSE_FAULT_SEEDS=${seed}, ${played.schedule}\n${story}`);
    });
  }
});

const leaks: string[] = [];
process.on("warning", ({ name, message }) => name === "MaxListenersExceededWarning" && leaks.push(message));

test("no listeners pile up meanwhile", () => assert.deepEqual(leaks, []));

after(() => console.log(`${all.length} schedules: ${summary(all)}`));

function summary(played: readonly Played[]): string {
  const sum = (of: (each: Played) => number): number => played.reduce((total, each) => total + of(each), 0);
  const faults: Record<string, number> = {};
  for (const { kind } of played.flatMap((each) => each.faults)) faults[kind] = (faults[kind] ?? 0) + 1;
  const counts = {
    runs: sum((each) => each.runs),
    requests: sum((each) => each.requests),
    faults: Object.values(faults).reduce((total, n) => total + n, 0),
    lost: sum((each) => each.lost.length),
    doubled: sum((each) => each.doubled.length),
    running: sum((each) => each.running.length),
    wrong: sum((each) => each.wrong.length),
    unbalanced: sum((each) => each.unbalanced.length),
    deletedTwins: sum((each) => each.deletedTwins),
    seconds: Math.round(sum((each) => each.seconds)),
  };
  const kinds = Object.entries(faults).map(([kind, n]) => `${kind} ${n}`);
  return `${Object.entries(counts)
    .map(([name, n]) => `${n} ${name}`)
    .join(", ")}${played.length > 1 ? `; ${kinds.join(", ")}` : ""}`;
}
