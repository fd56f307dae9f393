import type { DatasetInput, TerminalStatus } from "../base/entities.js";
import type { ReadRun } from "../contracts/tracking-reader.js";
import type { Outcome } from "../contracts/tracking-store.js";
import { assert } from "./assert.js";
import { assertDone } from "./carrier.js";
import { change, newRun, point, start } from "./contract-change.js";
import { expectRun, same } from "./expected-run.js";
import type { CaseBody } from "./store-subject.js";

const END = { status: "FINISHED", endTime: 9_000 } as const;

function assertRejected(outcome: Outcome | undefined, what: string): void {
  assert.equal(outcome?.kind, "rejected", `${what} is rejected; it was answered "${outcome?.kind}"`);
}

/** What a store must do with changes that are applied once. */
export const CASES: Readonly<Record<string, CaseBody>> = {
  "a whole run in one change is there with all of it": async (store) => {
    const id = newRun();
    await store.deliver(
      change(id, {
        create: start({ name: "whole" }),
        params: [{ key: "lr", value: "0.1" }],
        tags: [{ key: "team", value: "pulse" }],
        metrics: [point("loss", 1, 0), point("loss", 0.5, 1)],
        end: { status: "FINISHED", endTime: 3_000 },
      }),
    );
    const metrics: ReadRun["metrics"] = { loss: [[0, 2_000, 1], [1, 2_000, 0.5]] }; // biome-ignore format: two points
    const expected = {
      name: "whole",
      status: "FINISHED",
      endTime: 3_000,
      params: { lr: "0.1" },
      tags: { team: "pulse" },
      metrics,
    };
    await expectRun(store, id, expected, "after one change with all of it");
  },

  "what later changes hold is added; a tag keeps its last value": async (store) => {
    const id = newRun();
    const tag = (value: string) => [{ key: "t", value }];
    await store.deliver(change(id, { create: start(), params: [{ key: "a", value: "1" }], tags: tag("first") }));
    await store.deliver(change(id, { tags: tag("second"), metrics: [point("m", 1, 0)] }));
    const metrics: ReadRun["metrics"] = { m: [[0, 2_000, 1]] };
    await expectRun(store, id, { params: { a: "1" }, tags: { t: "second" }, metrics }, "after two changes");
    await store.deliver(change(id, { params: [{ key: "b", value: "2" }], tags: tag("third") }));
    await store.deliver(
      change(id, { tags: [...tag("fourth"), { key: "mlflow.runName", value: "renamed" }, ...tag("fifth")] }),
    );
    const expected = { name: "renamed", params: { a: "1", b: "2" }, tags: { t: "fifth" }, metrics };
    await expectRun(store, id, expected, "after four changes");
    await store.deliver(change(id, { end: END }));
    await expectRun(store, id, { ...expected, status: "FINISHED", endTime: 9_000 }, "after the end");
  },

  "points are told apart by key, step, timestamp and value": async (store) => {
    const id = newRun();
    await store.deliver(
      change(id, { create: start(), metrics: [point("a", 1, 0), point("b", 1, 0), point("a", 2, 0)] }),
    );
    await store.deliver(
      change(id, { metrics: [point("c", 1, 0), point("a", 1, 0, 2_001), point("a", 1, 1), point("b", 3, 0)] }),
    );
    const metrics: ReadRun["metrics"] = {
      a: [[0, 2_000, 1], [0, 2_000, 2], [0, 2_001, 1], [1, 2_000, 1]],
      b: [[0, 2_000, 1], [0, 2_000, 3]],
      c: [[0, 2_000, 1]],
    }; // biome-ignore format: a line for each metric
    await expectRun(store, id, { metrics }, "after points that differ in one of them");
  },

  "non-finite values are kept": async (store) => {
    const id = newRun();
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0.1, 1e-20, 5e-324];
    await store.deliver(change(id, { create: start(), metrics: values.map((value, step) => point("m", value, step)) }));
    const stored = (await store.read(id))?.metrics["m"]?.map(([, , value]) => value) ?? [];
    const largest = Number.MAX_VALUE; // MLflow's databases have no infinity
    const shown = stored.map((value) =>
      Math.abs(value) >= largest ? Math.sign(value) * Number.POSITIVE_INFINITY : value,
    );
    same(shown, values, "NaN is kept, ±Infinity as itself or as the largest number, and so are the smallest numbers");
  },

  "a negative step, an empty text and a key such as constructor are kept": async (store) => {
    const id = newRun();
    const keys = ["constructor", "__proto__", "toString"];
    const pairs = [...keys.map((key) => ({ key, value: `of ${key}` })), { key: "empty", value: "" }];
    await store.deliver(change(id, { create: start() }));
    for (let again = 0; again < 2; again++) {
      const metrics = [point("m", 1, -1), ...keys.map((key) => point(key, 1, 0))];
      await store.deliver(change(id, { params: pairs, tags: pairs, metrics }));
      const expected = Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
      const points = metrics.map(({ key, step }) => [key, [[step, 2_000, 1]]]);
      await expectRun(
        store,
        id,
        { params: expected, tags: expected, metrics: Object.fromEntries(points) },
        `when they came ${again + 1}×`,
      );
    }
  },

  "a param keeps its first value: another one is a conflict, the same one is not": async (store) => {
    const id = newRun();
    const [lr, other] = [{ key: "lr", value: "1" }, { key: "new", value: "n" }]; // biome-ignore format: two params
    await store.deliver(change(id, { create: start(), params: [lr] }), change(id, { params: [lr] }));
    const outcome = await store.outcomeOf(change(id, { params: [{ key: "lr", value: "2" }, other], end: END }));
    same(
      outcome,
      { kind: "conflict", params: ["lr"] },
      "another value of a param is a conflict that names it, and no other",
    );
    await store.deliver(change(id, { params: [other], end: END }));
    const expected = { status: "FINISHED", endTime: 9_000, params: { lr: "1", new: "n" } };
    await expectRun(store, id, expected, "after a conflict, and the change without that param");
  },

  "in a batch each change fares by itself, whatever becomes of the others": async (store) => {
    const [one, two, three] = [newRun(), newRun(), newRun()];
    const items = (value: string) => ({
      params: [{ key: `p${value}`, value }],
      tags: [{ key: `t${value}`, value }],
      metrics: [point("m", 1, Number(value))],
    });
    const held = (...values: string[]): Partial<ReadRun> => ({
      params: Object.fromEntries(values.map((value) => [`p${value}`, value])),
      tags: Object.fromEntries(values.map((value) => [`t${value}`, value])),
      metrics: { m: values.map((value) => [Number(value), 2_000, 1]) },
    });
    const ended = { status: "FINISHED", endTime: 9_000 };
    const what = "a change of a run that is not there";
    let when = "after a batch of which the first change was rejected";
    const [bad, ...good] = await store.apply([
      change(newRun(), items("1")),
      change(one, { create: start(), ...items("1") }),
      change(two, { create: start(), ...items("1"), end: END }),
    ]);
    assertRejected(bad, what);
    good.forEach(assertDone);
    await expectRun(store, one, held("1"), when);
    await expectRun(store, two, { ...held("1"), ...ended }, when);
    when = "after a batch of which one in the middle was rejected";
    const [created, refused, added] = await store.apply([
      change(three, { create: start(), ...items("1") }),
      change(newRun(), items("1")),
      change(one, { ...items("2"), end: END }),
    ]);
    assertDone(created);
    assertRejected(refused, what);
    assertDone(added);
    await expectRun(store, three, held("1"), when);
    await expectRun(store, one, { ...held("1", "2"), ...ended }, when);
  },

  "a child names its parent": async (store) => {
    const [parent, child] = [newRun(), newRun()];
    await store.deliver(change(parent, { create: start() }), change(child, { create: start({ parentKey: parent }) }));
    await expectRun(
      store,
      child,
      { tags: { "mlflow.parentRunId": store.idOf(parent) } },
      "after the creation of a child",
    );
    await expectRun(store, parent, {}, "after the creation of its child");
  },

  "each way to end is kept, what comes behind an end is added, and a run that is not there cannot end": async (
    store,
  ) => {
    for (const status of ["FINISHED", "FAILED", "KILLED"] satisfies TerminalStatus[]) {
      const [whole, later] = [newRun(), newRun()];
      const end = { status, endTime: 5_000 };
      await store.deliver(
        change(whole, { create: start(), end }),
        change(later, { create: start() }),
        change(later, { end }),
      );
      for (const id of [whole, later])
        await expectRun(store, id, { status, endTime: 5_000 }, `after it has ended ${status}`);
      await store.deliver(change(later, { metrics: [point("m", 1, 0)] })); // another process has resumed it, too
      const metrics: ReadRun["metrics"] = { m: [[0, 2_000, 1]] };
      await expectRun(store, later, { status, endTime: 5_000, metrics }, "after a metric that came behind the end");
    }
    assertRejected(await store.outcomeOf(change(newRun(), { end: END })), "the end of a run that is not there");
  },

  "a resumed run is open again, with all that is in it, and ends again": async (store, { keepsEndTime }) => {
    const id = newRun();
    const held: Partial<ReadRun> = { params: { a: "1" }, tags: { t: "x" }, metrics: { m: [[0, 2_000, 1]] } };
    const items = { params: [{ key: "a", value: "1" }], tags: [{ key: "t", value: "x" }], metrics: [point("m", 1, 0)] };
    await store.deliver(change(id, { create: start(), ...items, end: { status: "FAILED", endTime: 5_000 } }));
    const again = store.idOf(id);
    const changes = [
      change(again, { create: start({ resume: true, name: "other" }) }),
      change(again, { end: END }),
    ] as const;
    await store.deliver(changes[0]);
    await expectRun(store, again, { ...held, endTime: keepsEndTime ? 5_000 : null }, "after a resume");
    for (const when of ["after the end that follows", "after the resume and that end came again"]) {
      await store.deliver(changes[1]);
      await expectRun(store, again, { ...held, status: "FINISHED", endTime: 9_000 }, when);
      await store.deliver(changes[0]);
    }
    const unknown = await store.outcomeOf(change(newRun(), { create: start({ resume: true }) }));
    assertRejected(unknown, "resuming a run that is not there");
  },

  "runs of one experiment's name are in one experiment, those of another in another": async (store) => {
    const ids: string[] = [];
    for (const name of ["Contract", "Another contract", "Contract"]) {
      const id = newRun();
      const outcome = await store.outcomeOf(change(id, { experiment: { name }, create: start() }));
      await expectRun(store, id, { experiment: name }, `after its creation in ${JSON.stringify(name)}`);
      ids.push((outcome.kind === "done" && outcome.ids?.experimentId) || "");
    }
    same(
      [ids[0] === ids[2], ids[0] === ids[1]],
      [true, false],
      "experiments have the same id by the same name, and another by another",
    );
  },

  "an experiment can be named by its id, and one that is not there is refused": async (store) => {
    const [id, other] = [newRun(), newRun()];
    const outcome = await store.outcomeOf(change(id, { create: start() }));
    const experimentId = outcome.kind === "done" ? outcome.ids?.experimentId : undefined;
    assert.ok(experimentId, "a creation is answered with ids");
    await store.deliver(change(other, { experiment: { id: experimentId }, create: start() }));
    await expectRun(store, other, {}, "after a creation that named the experiment by its id");
    const unknown = await store.outcomeOf(change(newRun(), { experiment: { id: "4711" }, create: start() }));
    assertRejected(unknown, "a creation in an experiment with an unknown id");
    same(unknown.kind === "rejected" && unknown.error.code, "EXPERIMENT_NOT_FOUND", "that rejection has this code");
  },

  "a run can be created in the experiment another run is in, and where there is no such run in the one that is named":
    async (store) => {
      const [first, beside, alone] = [newRun(), newRun(), newRun()];
      await store.deliver(change(first, { create: start() }));
      const experiment = { name: "Another contract", of: store.idOf(first) };
      await store.deliver(change(beside, { experiment, create: start() }));
      await expectRun(store, beside, {}, "after its creation in the experiment of another run");
      await store.deliver(change(alone, { experiment: { ...experiment, of: newRun() }, create: start() }));
      await expectRun(
        store,
        alone,
        { experiment: "Another contract" },
        "after its creation in that of a run that is not there",
      );
    },

  "applySync, where there is one, does the same before it returns": async (store, { store: { applySync } }) => {
    if (applySync === undefined) return;
    const [id, other] = [newRun(), newRun()];
    const param = { key: "a", value: "1" };
    const items = { params: [param], tags: [{ key: "t", value: "x" }], metrics: [point("m", 1, 0)] };
    const held: Partial<ReadRun> = { params: { a: "1" }, tags: { t: "x" }, metrics: { m: [[0, 2_000, 1]] } };
    const missing = change(newRun(), items);
    const batch = [change(id, { create: start(), ...items, end: END }), missing, change(other, { create: start() })];
    const [first, second, third] = store.applySync(batch, 1_000);
    assertDone(first);
    assertRejected(second, "a change of a run that is not there");
    assertDone(third);
    await expectRun(store, id, { ...held, status: "FINISHED", endTime: 9_000 }, "after applySync of a whole run");
    for (const each of [change(other, items), change(other, { end: END })])
      assertDone(store.applySync([each], 1_000)[0]);
    await expectRun(
      store,
      other,
      { ...held, status: "FINISHED", endTime: 9_000 },
      "after applySync of one change after the other",
    );
    const [conflict] = store.applySync([change(other, { params: [{ ...param, value: "2" }] })], 1_000);
    same(conflict, { kind: "conflict", params: ["a"] }, "another value of a param is a conflict for applySync, too");
  },

  "the end of a run whose process died is set only while it is there and running, and no earlier than its last metric":
    async (store) => {
      const [open, ended] = [newRun(), newRun()];
      await store.deliver(change(open, { create: start(), metrics: [point("m", 1, 0, 7_000)] }));
      await store.deliver(change(ended, { create: start(), end: { status: "FINISHED", endTime: 3_000 } }));
      const end = { status: "FAILED", endTime: 5_000, ifRunning: true } as const;
      for (const id of [open, ended, newRun()]) await store.deliver(change(id, { end }));
      const metrics: ReadRun["metrics"] = { m: [[0, 7_000, 1]] };
      await expectRun(
        store,
        open,
        { status: "FAILED", endTime: 7_000, metrics },
        "after an end that is only for runs that are open",
      );
      await expectRun(
        store,
        ended,
        { status: "FINISHED", endTime: 3_000 },
        "when it had ended before an end that is only for runs that are open",
      );
    },

  "long lists and long texts arrive whole": async (store) => {
    const id = newRun();
    const params = Array.from({ length: 250 }, (_, i) => ({ key: `p${i}`, value: `${i}`.padEnd(6_000, "é") }));
    const tags = Array.from({ length: 120 }, (_, i) => ({ key: `t${i}`, value: `日本 ${i}` }));
    const metrics = Array.from({ length: 2_500 }, (_, i) => point("m", 2 ** 64 + i * 1e6, i));
    await store.deliver(change(id, { create: start(), params, tags, metrics }));
    const run = await store.read(id);
    assert.equal(Object.keys(run?.params ?? {}).length, 250, "each of many params is there");
    assert.ok(run?.params["p249"] === params[249]?.value, "a param of 6,000 characters is there as it was given");
    assert.equal(run?.tags["t119"], "日本 119", "the last of many tags is there");
    const values = run?.metrics["m"]?.map(([, , value]) => value);
    same(values, metrics.map(({ value }) => value), "each of many points is there with its value"); // biome-ignore format: one comparison
  },

  "a run's datasets are there, each as it was used first": async (store) => {
    const [id, another] = [newRun(), newRun()];
    const input = (name: string, context: string, more: Partial<DatasetInput> = {}): DatasetInput => ({
      ...{ name, digest: "d1", sourceType: "local", source: '{"uri":"a.csv"}', schema: undefined, profile: undefined },
      tags: [{ key: "mlflow.data.context", value: context }],
      ...more,
    });
    const first = input("first", "training", { schema: '{"mlflow_colspec":[]}', profile: '{"num_rows":2}' });
    const other = input("first", "validation", { digest: "d2", tags: [] });
    const changes = [
      change(id, { create: start(), inputs: [first] }),
      change(id, { inputs: [input("first", "again"), other] }),
    ];
    for (const when of ["after two changes", "after they came again"]) {
      await store.deliver(...changes);
      await expectRun(store, id, { inputs: [first, other] }, when);
    }
    await store.deliver(change(another, { create: start(), inputs: [input("first", "test")] }));
    const [seen] = (await store.read(another))?.inputs ?? [];
    same(
      [seen?.name, seen?.tags[0]?.value],
      ["first", "test"],
      "another run has the same dataset with tags of its own",
    );
  },

  "close may be called twice": async (store) => {
    await store.deliver(change(newRun(), { create: start() }));
    await store.close();
    await store.close();
  },
};
