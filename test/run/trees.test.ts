import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallOptions, currentRun, type Run, startRun, tracked } from "../../src/index.js";
import { createTestTracker, type TestTracker } from "../../src/testing/index.js";
import { Random } from "../support/random.js";
import { assertBalanced } from "../support/runs.js";
import { sleep } from "../support/wait.js";

const TREES = 60;
const DEEPEST = 3;

type Kind = (depth: number) => Promise<unknown>;

/**
 * Tracked functions of every nature, with options drawn at random, that call each other, open runs by hand and fail.
 */
function draw(dice: Random, handles: Run[]): readonly Kind[] {
  const kinds: Kind[] = [];
  const calls = (depth: number): Promise<unknown>[] => {
    const run = currentRun();
    run?.logMetric("m", depth);
    run?.setTag("depth", depth);
    if (dice.chance(0.1))
      handles.push(startRun({ sample: dice.pick([0, 1]), runName: "handle", nest: dice.pick(["child", "root"]) }));
    if (dice.chance(0.15)) throw new Error("at once");
    const below = depth < DEEPEST ? Array.from({ length: Math.floor(dice.next() * 4) }, () => dice.pick(kinds)) : [];
    return below.map((each) => each(depth + 1).catch(() => undefined)); // some outlive their caller
  };
  const rest = async (): Promise<void> => {
    if (dice.chance(0.7)) await sleep(Math.floor(dice.next() * 3));
    if (dice.chance(0.1)) throw new Error("late");
  };
  for (let i = 0; i < 8; i++) {
    const options: CallOptions = {
      runName: `kind ${i}`,
      ...(dice.chance(0.4) && { sample: dice.pick([0, 0.3, () => dice.chance(0.5), 1]) }),
      ...(dice.chance(0.4) && { maxRunsPerSecond: dice.pick([0, 1, 3]) }),
      ...(dice.chance(0.3) && { nest: dice.pick(["join", "root", "child"] as const) }),
      ...(dice.chance(0.3) && { metrics: "v" }),
    };
    const nature = dice.pick(["async", "plain", "generator", "async generator"]);
    if (nature === "async") {
      kinds.push(
        tracked(async (depth: number) => {
          await Promise.all(calls(depth));
          await rest();
          return { v: depth };
        }, options as never),
      );
    } else if (nature === "plain") {
      const plain = tracked((depth: number) => ({ v: calls(depth).length }), options as never);
      kinds.push(async (depth) => plain(depth));
    } else if (nature === "generator") {
      const walked = tracked(function* (depth: number) {
        for (const _ of calls(depth)) yield { v: depth };
      }, options as never);
      kinds.push(async (depth) => {
        for (const _ of walked(depth)) if (dice.chance(0.3)) break;
      });
    } else {
      const walked = tracked(async function* (depth: number) {
        for (const call of calls(depth)) {
          await call;
          yield { v: depth };
          await rest();
        }
      }, options as never);
      kinds.push(async (depth) => {
        for await (const _ of walked(depth)) if (dice.chance(0.3)) break;
      });
    }
  }
  return kinds;
}

test("random trees of calls leave no run open, orphaned or unaccounted for", async () => {
  for (let seed = 1; seed <= TREES; seed++) {
    const dice = new Random(seed);
    const handles: Run[] = [];
    const tracker = createTestTracker() as TestTracker & { opened: number; recorder: { held: ReadonlySet<unknown> } };
    const kinds = draw(dice, handles);
    await tracker.run(async () => {
      for (let round = 0; round < 5; round++) {
        tracker.now += dice.pick([0, 0, 400, 1_000]);
        await Promise.allSettled(Array.from({ length: 3 }, () => dice.pick(kinds)(0)));
      }
    });
    await sleep(15);
    for (const handle of handles) handle.end(dice.pick(["FINISHED", "FAILED"]));
    await tracker.shutdown();
    const { runs } = tracker;
    const ids = new Set(runs.map(({ id }) => id));
    const label = `seed ${seed}`;
    assert.deepEqual(
      runs.filter(({ status }) => status === "RUNNING"),
      [],
      label,
    );
    assert.deepEqual(
      runs.filter(({ parentId }) => parentId !== undefined && !ids.has(parentId)),
      [],
      label,
    );
    assert.deepEqual([tracker.opened, tracker.recorder.held.size, tracker.stats().pending], [0, 0, 0], label);
    const strange = tracker.warnings.filter((warning) => !warning.includes("OUTSIDE_RUN"));
    assert.deepEqual(strange, [], label);
    assertBalanced(tracker, runs.length);
  }
});
