import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { tempFolder } from "../support/folders.js";
import { drawSchedule, KINDS, kindsOf } from "./fault-draw.js";
import { type Played, play } from "./fault-run.js";
import { startStage } from "./fault-stage.js";

/** Which schedules are played: one, or from-to. */
const [FIRST, LAST] = range(process.env["PULSE_FAULT_SEEDS"] ?? "1-50");
/** Schedules beside each other: their waits are most of the time, the one server is the rest. */
const WIDTH = Number(process.env["PULSE_FAULT_WIDTH"] ?? 5);
const SOAK = process.env["PULSE_FAULT_SEEDS"] !== undefined;
const MIN_OF_A_KIND = 20;

function range(text: string): [number, number] {
  const [first = 1, last = first] = text.split("-").map(Number);
  return [first, last];
}

// With its default of 15 connections, of which some requests take two, the server stands still for 30 s when more
// requests than that meet: the crowd of trackers here is none; pool.test.ts has one.
const stage = await startStage(LAST - FIRST + 1, tempFolder("faults"), {
  MLFLOW_SQLALCHEMYSTORE_POOL_SIZE: "100",
});
after(() => stage.close());

const all: Played[] = [];

describe("Whatever happens on the way to a server, everything arrives, once", {
  concurrency: WIDTH,
}, () => {
  for (let seed = FIRST; seed <= LAST; seed++) {
    test(`schedule ${seed}: ${[...kindsOf(seed)].join(", ")}`, async () => {
      const played = await play(seed, stage);
      all.push(played);
      const { lost, doubled, running, wrong, unbalanced, heldUp } = played;
      const problems = { lost, doubled, running, wrong, unbalanced, heldUp };
      if (SOAK) console.log(`${seed}: ${summary([played])}`);
      const found = Object.entries(problems).flatMap(([what, list]) => list.map((each) => `${what}: ${each}`));
      const faults = played.faults.map(
        ({ kind, path }) => `${kind} ${path.replace("/api/2.0/mlflow/", "").split("?")[0]}`,
      );
      const story = [...found, ...played.warnings, `faults: ${faults.join(", ")}`].join("\n");
      assert.equal(found.length, 0, `PULSE_FAULT_SEEDS=${seed}, ${played.schedule}\n${story}`);
    });
  }
});

test("equal seeds draw equal faults, and each kind comes often enough", () => {
  const drawn = Array.from({ length: 50 }, (_, i) => JSON.stringify(drawSchedule(i + 1)));
  for (const [i, schedule] of drawn.entries()) assert.equal(JSON.stringify(drawSchedule(i + 1)), schedule);
  assert.equal(new Set(drawn).size, drawn.length);
  const chosen = process.env["PULSE_FAULT_KINDS"]?.split(",") ?? KINDS;
  for (const kind of KINDS.filter((each) => chosen.includes(each))) {
    const often = drawn.filter((_, i) => kindsOf(i + 1).has(kind)).length;
    assert.ok(often >= MIN_OF_A_KIND, `${kind}: ${often}`);
  }
});

const leaks: string[] = [];
process.on("warning", ({ name, message }) => name === "MaxListenersExceededWarning" && leaks.push(message));

test("listeners do not pile up meanwhile", () => assert.deepEqual(leaks, []));

after(() => console.log(`${all.length} schedules: ${summary(all)}`));

function summary(played: readonly Played[]): string {
  const sum = (of: (each: Played) => number): number => played.reduce((total, each) => total + of(each), 0);
  const faults: Record<string, number> = {};
  for (const { kind } of played.flatMap((each) => each.faults)) faults[kind] = (faults[kind] ?? 0) + 1;
  const counts = {
    runs: sum((each) => each.runs),
    files: sum((each) => each.files),
    requests: sum((each) => each.requests),
    faults: Object.values(faults).reduce((total, n) => total + n, 0),
    "of them on files": sum((each) => each.faults.filter(({ path }) => path.includes("/mlflow-artifacts/")).length),
    lost: sum((each) => each.lost.length),
    doubled: sum((each) => each.doubled.length),
    running: sum((each) => each.running.length),
    wrong: sum((each) => each.wrong.length),
    unbalanced: sum((each) => each.unbalanced.length),
    "held up": sum((each) => each.heldUp.length),
    deletedTwins: sum((each) => each.deletedTwins),
    seconds: Math.round(sum((each) => each.seconds)),
  };
  const kinds = Object.entries(faults).map(([kind, n]) => `${kind} ${n}`);
  return `${Object.entries(counts)
    .map(([name, n]) => `${n} ${name}`)
    .join(", ")}${played.length > 1 ? `; ${kinds.join(", ")}` : ""}`;
}
