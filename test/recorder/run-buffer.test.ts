import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunChange } from "../../src/contracts/tracking-store.js";
import { type ChangeSink, RunBuffer } from "../../src/recorder/buffer/run-buffer.js";
import { Random } from "../support/random.js";

const START = { name: "n", startTime: 1, userId: "u", sourceTags: [], parentKey: "p", resume: false };

/** A buffer, and what it has told of. */
function made(): { buffer: RunBuffer; told: Record<string, number> } {
  const told: Record<string, number> = {};
  const sink: ChangeSink = {
    added(_buffer, kind, bytes, items = 1) {
      told[kind] = (told[kind] ?? 0) + items;
      told["bytes"] = (told["bytes"] ?? 0) + bytes;
    },
    ending: () => undefined,
  };
  return { buffer: new RunBuffer(sink, { endUnfinished: () => undefined }, "id", { name: "X" }, undefined), told };
}

const KEY_SETS = [[], ["a"], ["a", "b"], ["a", "b", "c"]];

test("results buffered as rows become the same metrics as one by one", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const dice = new Random(seed);
    const [whole, single] = [made(), made()];
    let seen: unknown[][] = [[], []];
    const both = (act: (buffer: RunBuffer, isWhole: boolean) => unknown): void => {
      seen = [whole, single].map(({ buffer }, i) => [...(seen[i] as unknown[]), act(buffer, i === 0)]);
    };
    let left = true;
    let rows = 0;
    for (let step = 0; step < 30; step++) {
      const [limit, most, value] = [1 + dice.below(6), dice.pick([1, 2, 5, Number.POSITIVE_INFINITY]), dice.next()];
      const what = dice.pick([
        "result",
        "result",
        "start",
        "metric",
        "param",
        "tag",
        "end",
        "take",
        "sent",
        "keep",
        "drop",
        "orphan",
      ]);
      both((buffer, isWhole) => {
        if (what === "start") buffer.start(START);
        if (what === "metric") buffer.metric({ key: "m", value, timestamp: step, step: step });
        if (what === "param") buffer.param({ key: `p${step}`, value: "1" });
        if (what === "tag") buffer.tag({ key: `t${step}`, value: "1" });
        if (what === "end") buffer.end({ status: "FINISHED", endTime: step });
        if (what === "take") return buffer.take(limit);
        if (what === "sent" && buffer.head) buffer.settleHead();
        if (what === "keep") {
          const pieces = buffer.peek(limit, most);
          buffer.keep(undefined, 0, most);
          return pieces;
        }
        if (what === "drop") return buffer.dropMetrics(most);
        if (what === "orphan") buffer.orphan();
        if (what !== "result") return undefined;
        const keys = KEY_SETS[limit % 4] as string[];
        const values = keys.map((_, i) => value + i);
        if (isWhole) left = keys.length > 0 && buffer.result(keys, [...values, step], rows);
        else if (left)
          for (const [i, key] of keys.entries())
            buffer.metric({ key, value: values[i] as number, timestamp: step, step: rows });
        if (!isWhole && left) rows++;
        return undefined;
      });
      both((buffer) => [buffer.empty, buffer.metricsLeft]);
      assert.deepEqual(seen[0], seen[1], `seed ${seed}, ${what}`);
    }
    both((buffer): RunChange[] => buffer.peek(1_000));
    assert.deepEqual(seen[0], seen[1], `seed ${seed}`);
    assert.deepEqual(whole.told, single.told);
  }
});

test("a buffer that asks before each metric takes none as a row", () => {
  const sink: ChangeSink = { admits: () => true, added: () => undefined, ending: () => undefined };
  const buffer = new RunBuffer(sink, { endUnfinished: () => undefined }, "id", { name: "X" }, undefined);
  assert.equal(buffer.result(["a"], [1, 0], 0), false);
  assert.equal(buffer.empty, true);
});
