import assert from "node:assert/strict";
import { test } from "node:test";
import type { Metric } from "../../src/entities.js";
import type { Outcome, RunChange, RunStart, TrackingStore } from "../../src/stores/tracking-store.js";

/** A run as any store can tell it. */
export interface ReadRun {
  readonly experiment: string;
  readonly name: string;
  readonly status: string;
  readonly startTime: number;
  readonly endTime: number | null;
  readonly params: Record<string, string>;
  readonly tags: Record<string, string>;
  /** `[step, timestamp, value]` of each point, sorted. */
  readonly metrics: Record<string, [number, number, number][]>;
}

/** A store under test and a way to read what is in it. */
export interface Subject {
  readonly store: TrackingStore;
  read(runId: string): Promise<ReadRun | undefined>;
  dispose(): Promise<void>;
}

let counter = 0;
const runId = (): string => (++counter).toString(16).padStart(32, "0");

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
  return { runKey, experiment: { name: "Contract" }, create: undefined, metrics: [], params: [], tags: [], end: undefined, ...overrides };
}

const point = (key: string, value: number, step: number, timestamp = 2_000): Metric => ({ key, value, step, timestamp });

async function all(store: TrackingStore, changes: readonly RunChange[]): Promise<readonly Outcome[]> {
  return store.apply(changes);
}

async function done(store: TrackingStore, ...changes: RunChange[]): Promise<void> {
  for (const outcome of await all(store, changes)) assert.equal(outcome.kind, "done");
}

/** What every store must do; `make` gives a fresh one. */
export function storeContract(name: string, make: () => Promise<Subject>): void {
  const contract = (title: string, body: (subject: Subject) => Promise<void>): void => {
    test(`${name}: ${title}`, async () => {
      const subject = await make();
      try {
        await body(subject);
      } finally {
        await subject.dispose();
      }
    });
  };

  contract("a whole run in one change is there with all of it", async ({ store, read }) => {
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
    assert.equal(outcome?.kind === "done" && outcome.ids?.runId, id);
    assert.deepEqual(await read(id), {
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

  contract("a run's changes replayed from any earlier point end in the same state", async ({ store, read }) => {
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
    const once = await read(id);
    assert.equal(once?.name, "renamed");
    for (let from = 0; from < changes.length; from++) {
      await done(store, ...changes.slice(from));
      assert.deepEqual(await read(id), once);
    }
  });

  contract("non-finite values are kept", async ({ store, read }) => {
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
    const values = (await read(id))?.metrics["m"]?.map(([, , value]) => value) ?? [];
    assert.ok(Number.isNaN(values[0]));
    assert.ok((values[1] ?? 0) >= Number.MAX_VALUE && (values[2] ?? 0) <= -Number.MAX_VALUE);
    assert.deepEqual(values.slice(3), [-0.1, 1e-20, 5e-324]);
  });

  contract("a param keeps its first value: another one is a conflict, the same one is not", async ({ store, read }) => {
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
    const run = await read(id);
    assert.deepEqual(run?.params, { lr: "1", new: "n" });
    assert.equal(run?.status, "FINISHED");
  });

  contract("a child names its parent, and one bad change leaves the others alone", async ({ store, read }) => {
    const [parent, child] = [runId(), runId()];
    const outcomes = await store.apply([
      change(parent, { create: start() }),
      change("f".repeat(32), { metrics: [point("m", 1, 0)] }),
      change(child, { create: start({ parentKey: parent }) }),
    ]);
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["done", "rejected", "done"],
    );
    assert.equal((await read(child))?.tags["mlflow.parentRunId"], parent);
  });

  contract("a resumed run is open again and ends again", async ({ store, read }) => {
    const id = runId();
    await done(store, change(id, { create: start(), end: { status: "FAILED", endTime: 5 } }));
    await done(store, change(id, { create: start({ resume: true, name: "other" }) }));
    const open = await read(id);
    assert.deepEqual([open?.status, open?.endTime, open?.name], ["RUNNING", null, "a run"]);
    await done(store, change(id, { end: { status: "FINISHED", endTime: 6 } }));
    assert.equal((await read(id))?.status, "FINISHED");
    const [unknown] = await store.apply([change("e".repeat(32), { create: start({ resume: true }) })]);
    assert.equal(unknown?.kind, "rejected");
  });

  contract("an experiment can be named by id, and one that is not there is refused", async ({ store, read }) => {
    const [id, other] = [runId(), runId()];
    await done(store, change(id, { experiment: { id: "0" }, create: start() }));
    assert.equal((await read(id))?.experiment, "Default");
    const [outcome] = await store.apply([change(other, { experiment: { id: "4711" }, create: start() })]);
    assert.equal(outcome?.kind === "rejected" && outcome.error.code, "EXPERIMENT_NOT_FOUND");
  });

  contract("applySync does the same before it returns", async ({ store, read }) => {
    const id = runId();
    const outcomes = store.applySync?.([change(id, { create: start(), metrics: [point("m", 1, 0)] })], 1_000);
    assert.equal(outcomes?.[0]?.kind, "done");
    assert.deepEqual((await read(id))?.metrics, { m: [[0, 2_000, 1]] });
  });

  contract("close may be called twice", async ({ store }) => {
    await done(store, change(runId(), { create: start() }));
    await store.close();
    await store.close();
  });
}
