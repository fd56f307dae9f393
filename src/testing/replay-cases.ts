import { assert } from "./assert.js";
import { change, cut, merged, newRun, point, start } from "./contract-change.js";
import { expectRun, same } from "./expected-run.js";
import type { CaseBody } from "./store-subject.js";

/** Returns the changes of a run, and the state they lead to. */
function story(id: string) {
  const changes = [
    change(id, { create: start(), params: [{ key: "a", value: "1" }], metrics: [point("m", 1, 0)] }),
    change(id, {
      metrics: [point("m", 2, 1), point("m", Number.NaN, 2), point("n", 2, 1)],
      tags: [{ key: "t", value: "old" }],
    }),
    change(id, {
      params: [{ key: "b", value: "2" }],
      tags: [
        { key: "t", value: "new" },
        { key: "mlflow.runName", value: "renamed" },
      ],
    }),
    change(id, { metrics: [point("m", 3, 3)], end: { status: "FAILED", endTime: 4_000 } }),
  ];
  const m = [[0, 2_000, 1], [1, 2_000, 2], [2, 2_000, Number.NaN], [3, 2_000, 3]] as const; // biome-ignore format: four points
  const held = { params: { a: "1", b: "2" }, tags: { t: "new" }, metrics: { m, n: [[1, 2_000, 2]] as const } };
  return { changes, expected: { name: "renamed", status: "FAILED", endTime: 4_000, ...held } };
}

/** What a store must do with repeated changes, whose first answers were lost. */
export const REPLAY_CASES: Readonly<Record<string, CaseBody>> = {
  "a run's changes replayed from any earlier point end in the same state": async (store) => {
    const id = newRun();
    const { changes, expected } = story(id);
    await store.deliver(...changes);
    await expectRun(store, id, expected, "after its changes came once");
    for (let from = 0; from < changes.length; from++) {
      await store.deliver(...changes.slice(from));
      await expectRun(store, id, expected, `after its changes came again from number ${from + 1} on`);
    }
    const was = store.idOf(id);
    store.forget(id);
    await store.deliver(...changes);
    same(store.idOf(id), was, "a creation that comes again, because its answer was lost, makes no second run");
    await expectRun(store, id, expected, "after its changes came again, because the answers were lost");
  },

  "changes that come again merged into one, or cut in two, change nothing": async (store) => {
    const id = newRun();
    const { changes, expected } = story(id);
    await store.deliver(...changes);
    for (let upTo = 2; upTo <= changes.length; upTo++) {
      await store.deliver(merged(changes.slice(0, upTo)), ...changes.slice(upTo));
      await expectRun(store, id, expected, `after its first ${upTo} changes came again as one`);
    }
    const [first, second, ...others] = changes as [(typeof changes)[0], (typeof changes)[0]];
    await store.deliver(first, ...cut(second, 1), ...others);
    await expectRun(store, id, expected, "after one of its changes came again as two");
    await store.deliver(...cut(merged(changes), 2));
    await expectRun(store, id, expected, "after all of it came again as two");
  },

  "a creation that was handed over before and never arrived is made, with all of it": async (store) => {
    const id = newRun();
    const { changes, expected } = story(id);
    const whole = merged(changes);
    store.lost(whole);
    await store.deliver(whole);
    await expectRun(store, id, expected, "after a creation that is marked as attempted, of a run that is not there");
  },

  "what is stored is there for the next process, and what comes again changes nothing": async (store, { reopen }) => {
    if (reopen === undefined) {
      assert.ok(
        store.store.volatile === true,
        "a store that is not `volatile` outlives its process: give `reopen`, which this case needs",
      );
      return;
    }
    const id = newRun();
    const [first, second, ...others] = story(id).changes;
    assert.ok(first && second);
    await store.deliver(first, second);
    const [was, { uri }] = [store.idOf(id), store.store];
    await store.close();
    store.store = await reopen();
    same(store.store.uri, uri, "a place has the same address each time: what waits for it is kept under that");
    await store.deliver(second);
    store.forget(id); // the process was killed before the answer came
    await store.deliver(first, second);
    same(store.idOf(id), was, "a creation that comes again in the next process makes no second run");
    const conflict = await store.outcomeOf(change(id, { params: [{ key: "a", value: "2" }] }));
    same(conflict, { kind: "conflict", params: ["a"] }, "a param has its first value for the next process, too");
    await store.deliver(...others);
    await expectRun(store, id, story(id).expected, "after the next process has gone on");
  },
};
