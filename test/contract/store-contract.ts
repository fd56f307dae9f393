import assert from "node:assert/strict";
import { test } from "node:test";
import type { Metric } from "../../src/entities.js";
import { NO_CHANGE, type RunChange, type RunStart } from "../../src/stores/tracking-store.js";
import { Carrier, type Subject } from "./carrier.js";

let counter = 0;
const runId = (): string => (++counter).toString(16).padStart(32, "0");
const UNKNOWN = "f".repeat(32);

export function start(overrides: Partial<RunStart> = {}): RunStart {
  return {
    name: "a run",
    startTime: 1_000,
    userId: "me",
    sourceTags: [{ key: "mlflow.user", value: "me" }],
    parentKey: undefined,
    resume: false,
    ...overrides,
  };
}

export function change(runKey: string, overrides: Partial<RunChange> = {}): RunChange {
  return { ...NO_CHANGE, runKey, experiment: { name: "Contract" }, ...overrides };
}

const point = (key: string, value: number, step: number, timestamp = 2_000): Metric => ({ key, value, step, timestamp });

/** Applies the changes of one run after the other. */
async function done(store: Carrier, ...changes: RunChange[]): Promise<void> {
  for (const each of changes) {
    const [outcome] = await store.apply([each]);
    assert.equal(outcome?.kind, "done", outcome && "error" in outcome ? outcome.error.message : "");
  }
}

/** What every store must do; `make` gives a fresh one. */
export function storeContract(name: string, make: () => Promise<Subject>): void {
  const contract = (title: string, body: (store: Carrier, subject: Subject) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const subject = await make();
      try {
        await body(new Carrier(subject), subject);
      } finally {
        await subject.dispose();
      }
    });
  };

  contract("a whole run in one change is there with all of it", async (store) => {
    const id = runId();
    const outcomes = await store.apply([
      change(id, {
        create: start({ name: "whole", parentKey: undefined }),
        params: [{ key: "lr", value: "0.1" }],
        tags: [{ key: "team", value: "pulse" }],
        metrics: [point("loss", 1, 0), point("loss", 0.5, 1)],
        end: { status: "FINISHED", endTime: 3_000 },
      }),
    ]);
    const [outcome] = outcomes;
    assert.equal(outcome?.kind, "done");
    assert.match(String(outcome?.kind === "done" && outcome.ids?.runId), /^[0-9a-f]{32}$/);
    assert.deepEqual(await store.read(id), {
      experiment: "Contract",
      name: "whole",
      status: "FINISHED",
      startTime: 1_000,
      endTime: 3_000,
      params: { lr: "0.1" },
      tags: { team: "pulse", "mlflow.runName": "whole", "mlflow.user": "me" },
      metrics: {
        loss: [
          [0, 2_000, 1],
          [1, 2_000, 0.5],
        ],
      },
    });
  });

  contract("a run's changes replayed from any earlier point end in the same state", async (store) => {
    const id = runId();
    const changes = [
      change(id, { create: start(), params: [{ key: "a", value: "1" }], metrics: [point("m", 1, 0)] }),
      change(id, { metrics: [point("m", 2, 1), point("m", Number.NaN, 2)], tags: [{ key: "t", value: "old" }] }),
      change(id, {
        params: [{ key: "b", value: "2" }],
        tags: [
          { key: "t", value: "new" },
          { key: "mlflow.runName", value: "renamed" },
        ],
      }),
      change(id, { metrics: [point("m", 3, 3)], end: { status: "FAILED", endTime: 4_000 } }),
    ];
    await done(store, ...changes);
    const once = await store.read(id);
    assert.equal(once?.name, "renamed");
    for (let from = 0; from < changes.length; from++) {
      await done(store, ...changes.slice(from));
      assert.deepEqual(await store.read(id), once);
    }
    store.forget(id);
    await done(store, ...changes);
    assert.deepEqual(await store.read(id), once);
  });

  contract("non-finite values are kept", async (store) => {
    const id = runId();
    await done(
      store,
      change(id, {
        create: start(),
        metrics: [
          point("m", Number.NaN, 0),
          point("m", Number.POSITIVE_INFINITY, 1),
          point("m", Number.NEGATIVE_INFINITY, 2),
          point("m", -0.1, 3),
          point("m", 1e-20, 4),
          point("m", 5e-324, 5),
        ],
      }),
    );
    const values = (await store.read(id))?.metrics["m"]?.map(([, , value]) => value) ?? [];
    assert.ok(Number.isNaN(values[0]));
    assert.ok((values[1] ?? 0) >= Number.MAX_VALUE && (values[2] ?? 0) <= -Number.MAX_VALUE);
    assert.deepEqual(values.slice(3), [-0.1, 1e-20, 5e-324]);
  });

  contract("a param keeps its first value: another one is a conflict, the same one is not", async (store) => {
    const id = runId();
    await done(store, change(id, { create: start(), params: [{ key: "lr", value: "1" }] }));
    await done(store, change(id, { params: [{ key: "lr", value: "1" }] }));
    const [outcome] = await store.apply([
      change(id, {
        params: [
          { key: "lr", value: "2" },
          { key: "new", value: "n" },
        ],
        end: { status: "FINISHED", endTime: 9 },
      }),
    ]);
    assert.deepEqual(outcome, { kind: "conflict", params: ["lr"] });
    await done(store, change(id, { params: [{ key: "new", value: "n" }], end: { status: "FINISHED", endTime: 9 } }));
    const run = await store.read(id);
    assert.deepEqual(run?.params, { lr: "1", new: "n" });
    assert.equal(run?.status, "FINISHED");
  });

  contract("a child names its parent, and one bad change leaves the others alone", async (store) => {
    const [parent, child] = [runId(), runId()];
    const outcomes = await store.apply([
      change(parent, { create: start() }),
      change(UNKNOWN, { metrics: [point("m", 1, 0)] }),
      change(runId(), { create: start() }),
    ]);
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["done", "rejected", "done"],
    );
    await done(store, change(child, { create: start({ parentKey: parent }) }));
    assert.equal((await store.read(child))?.tags["mlflow.parentRunId"], store.idOf(parent));
  });

  contract("a resumed run is open again and ends again", async (store, { keepsEndTime }) => {
    const id = runId();
    await done(store, change(id, { create: start(), end: { status: "FAILED", endTime: 5 } }));
    const again = store.idOf(id);
    await done(store, change(again, { create: start({ resume: true, name: "other" }) }));
    const open = await store.read(again);
    assert.deepEqual([open?.status, open?.endTime, open?.name], ["RUNNING", keepsEndTime ? 5 : null, "a run"]);
    await done(store, change(again, { end: { status: "FINISHED", endTime: 6 } }));
    assert.equal((await store.read(again))?.status, "FINISHED");
    const [unknown] = await store.apply([change(UNKNOWN, { create: start({ resume: true }) })]);
    assert.equal(unknown?.kind, "rejected");
  });

  contract("an experiment can be named by id, and one that is not there is refused", async (store) => {
    const [id, other] = [runId(), runId()];
    await done(store, change(id, { experiment: { id: "0" }, create: start() }));
    assert.equal((await store.read(id))?.experiment, "Default");
    const [outcome] = await store.apply([change(other, { experiment: { id: "4711" }, create: start() })]);
    assert.equal(outcome?.kind === "rejected" && outcome.error.code, "EXPERIMENT_NOT_FOUND");
  });

  contract("applySync, where there is one, does the same before it returns", async (store, { store: { applySync } }) => {
    const id = runId();
    const outcomes = store.applySync([change(id, { create: start(), metrics: [point("m", 1, 0)] })], 1_000);
    assert.equal(outcomes?.[0]?.kind, applySync && "done");
    assert.deepEqual((await store.read(id))?.metrics, applySync && { m: [[0, 2_000, 1]] });
  });

  contract(
    "the end of a run whose process died is set only while it is there and running, and no earlier than its last metric",
    async (store) => {
      const [open, ended] = [runId(), runId()];
      await done(store, change(open, { create: start(), metrics: [point("m", 1, 0, 7_000)] }));
      await done(store, change(ended, { create: start(), end: { status: "FINISHED", endTime: 3_000 } }));
      for (const id of [open, ended, runId()])
        await done(store, change(id, { end: { status: "FAILED", endTime: 5_000, ifRunning: true } }));
      const seen = await Promise.all([store.read(open), store.read(ended)]);
      assert.deepEqual(
        seen.map((run) => [run?.status, run?.endTime]),
        [
          ["FAILED", 7_000],
          ["FINISHED", 3_000],
        ],
      );
    },
  );

  contract("long lists and long texts arrive whole", async (store) => {
    const id = runId();
    const params = Array.from({ length: 250 }, (_, i) => ({ key: `p${i}`, value: `${i}`.padEnd(6_000, "é") }));
    const tags = Array.from({ length: 120 }, (_, i) => ({ key: `t${i}`, value: `日本 ${i}` }));
    const metrics = Array.from({ length: 2_500 }, (_, i) => point("m", 2 ** 64 + i * 1e6, i));
    await done(store, change(id, { create: start(), params, tags, metrics }));
    const run = await store.read(id);
    assert.equal(Object.keys(run?.params ?? {}).length, 250);
    assert.equal(run?.params["p249"], params[249]?.value);
    assert.equal(run?.tags["t119"], "日本 119");
    assert.deepEqual(
      run?.metrics["m"]?.map(([, , value]) => value),
      metrics.map(({ value }) => value),
    );
  });

  contract("close may be called twice", async (store) => {
    await done(store, change(runId(), { create: start() }));
    await store.close();
    await store.close();
  });
}
