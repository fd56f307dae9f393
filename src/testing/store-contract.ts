import assert from "node:assert/strict";
import type { DatasetInput, Metric } from "../entities.js";
import type { TrackingReader } from "../stores/tracking-reader.js";
import { NO_CHANGE, type RunChange, type RunStart, type TrackingStore } from "../stores/tracking-store.js";
import { Carrier } from "./carrier.js";

/**
 * A store under test.
 * @experimental
 */
export interface StoreSubject {
  readonly store: TrackingStore;
  /** Reads what is stored. It is asked again and again, behind `reopen` too, and must see what was stored last, by whichever store. */
  readonly reader: TrackingReader;
  /** Makes another store on the same place, as the next process has one; the first is closed by then. Leave it out where nothing outlives the store. */
  readonly reopen?: (() => TrackingStore | Promise<TrackingStore>) | undefined;
  /** The end time of a run that is resumed stays until it ends again, as on MLflow's servers. @default false */
  readonly keepsEndTime?: boolean | undefined;
  /** Lets go of the place; the stores are closed by then. */
  dispose(): Promise<void> | void;
}

/**
 * One promise of the contract: `run` rejects when the store does not keep it.
 * @experimental
 */
export interface StoreContractCase {
  readonly name: string;
  run(): Promise<void>;
}

let counter = 0;
const runId = (): string => (++counter).toString(16).padStart(32, "0");
const UNKNOWN = "f".repeat(32);

/** @internal The start of a run. */
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

/** @internal A change in which only what is given happens. */
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

/**
 * What every tracking store must do, as cases for any test runner; `makeSubject` gives a fresh store for each.
 * @experimental
 * @example
 * import assert from "node:assert/strict";
 * import { test } from "node:test";
 * import { type StoreSubject, trackingStoreContract } from "pulse-mlflow/testing";
 * const makeSubject = async (): Promise<StoreSubject> => assert.fail("your store, and how to read what is in it");
 * for (const { name, run } of trackingStoreContract(makeSubject)) test.skip(name, run); // test(name, run) in yours
 */
export function trackingStoreContract(makeSubject: () => Promise<StoreSubject>): readonly StoreContractCase[] {
  const cases: StoreContractCase[] = [];
  const contract = (name: string, body: (store: Carrier, subject: StoreSubject) => Promise<void>): void => {
    const run = async (): Promise<void> => {
      const subject = await makeSubject();
      const carrier = new Carrier(subject.store, subject.reader);
      try {
        await body(carrier, subject);
      } finally {
        await carrier.close();
        await subject.dispose();
      }
    };
    cases.push({ name, run });
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

  contract("an experiment can be named by its id, and one that is not there is refused", async (store) => {
    const [id, other] = [runId(), runId()];
    const [outcome] = await store.apply([change(id, { create: start() })]);
    const experimentId = outcome?.kind === "done" ? outcome.ids?.experimentId : undefined;
    assert.ok(experimentId, "a creation is answered with ids");
    await done(store, change(other, { experiment: { id: experimentId }, create: start() }));
    assert.equal((await store.read(other))?.experiment, "Contract");
    const [unknown] = await store.apply([change(runId(), { experiment: { id: "4711" }, create: start() })]);
    assert.equal(unknown?.kind === "rejected" && unknown.error.code, "EXPERIMENT_NOT_FOUND");
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

  contract("a run's datasets are there, each as it was used first", async (store) => {
    const id = runId();
    const input = (name: string, context: string, more: Partial<DatasetInput> = {}): DatasetInput => ({
      name,
      digest: "d1",
      sourceType: "local",
      source: '{"uri":"a.csv"}',
      schema: undefined,
      profile: undefined,
      tags: [{ key: "mlflow.data.context", value: context }],
      ...more,
    });
    const first = input("first", "training", { schema: '{"mlflow_colspec":[]}', profile: '{"num_rows":2}' });
    const other = input("first", "validation", { digest: "d2", tags: [] });
    const changes = [change(id, { create: start(), inputs: [first] }), change(id, { inputs: [input("first", "again"), other] })];
    await done(store, ...changes);
    await done(store, ...changes);
    assert.deepEqual(await store.inputs(id), [first, other]);
    const another = runId();
    await done(store, change(another, { create: start(), inputs: [input("first", "test")] }));
    assert.deepEqual(
      (await store.inputs(another)).map(({ name, tags }) => [name, tags[0]?.value]),
      [["first", "test"]],
    );
  });

  contract("close may be called twice", async (store) => {
    await done(store, change(runId(), { create: start() }));
    await store.close();
    await store.close();
  });

  contract("what is stored is there for the next process, and what comes again changes nothing", async (store, { reopen }) => {
    if (reopen === undefined) return;
    const id = runId();
    const first = change(id, { create: start(), params: [{ key: "a", value: "1" }], metrics: [point("m", 1, 0)] });
    const second = change(id, { metrics: [point("m", 2, 1)], tags: [{ key: "t", value: "x" }] });
    await done(store, first, second);
    const [before, was] = [await store.read(id), store.idOf(id)];
    await store.close();
    store.store = await reopen();
    await done(store, second);
    store.forget(id); // the process was killed before the answer came
    await done(store, first, second);
    assert.equal(store.idOf(id), was);
    assert.deepEqual(await store.read(id), before);
    const [outcome] = await store.apply([change(id, { params: [{ key: "a", value: "2" }] })]);
    assert.deepEqual(outcome, { kind: "conflict", params: ["a"] });
    await done(store, change(id, { metrics: [point("m", 3, 2)], end: { status: "FINISHED", endTime: 9_000 } }));
    const run = await store.read(id);
    assert.deepEqual([run?.status, run?.metrics["m"]?.length], ["FINISHED", 3]);
  });

  return cases;
}
