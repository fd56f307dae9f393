import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { type StoreSubject, trackingStoreContract } from "../../src/testing/index.js";

/** The names of the cases that a store fails. */
async function failed(spoil: (store: MemoryStore) => void, more: Partial<StoreSubject> = {}): Promise<string[]> {
  const names: string[] = [];
  const cases = trackingStoreContract(async () => {
    const store = new MemoryStore();
    spoil(store);
    return { store, reader: store, dispose: () => undefined, ...more };
  });
  for (const { name, run } of cases)
    await run().catch(() => {
      names.push(name);
    });
  return names;
}

test("a store that keeps the contract passes every case", async () => {
  assert.deepEqual(await failed(() => undefined), []);
});

test("each promise that is broken fails a case that says so", async () => {
  for (const [spoil, name] of [
    [
      (store: MemoryStore) => {
        const apply = store.applySync.bind(store);
        store.applySync = (changes) => apply(changes.map((change) => ({ ...change, metrics: change.metrics.slice(0, 1) })));
      },
      "a whole run in one change is there with all of it",
    ],
    [
      (store: MemoryStore) => {
        const apply = store.applySync.bind(store);
        let copies = 0;
        store.applySync = (changes) =>
          apply(changes.map((each) => ({ ...each, metrics: each.metrics.map((point) => ({ ...point, timestamp: ++copies })) })));
      },
      "a run's changes replayed from any earlier point end in the same state",
    ],
    [
      (store: MemoryStore) => {
        const apply = store.applySync.bind(store);
        store.applySync = (changes) => apply(changes.map((each) => ({ ...each, params: [] })));
      },
      "a param keeps its first value: another one is a conflict, the same one is not",
    ],
    [
      (store: MemoryStore) => {
        store.close = () => Promise.reject(new Error("closed already"));
      },
      "close may be called twice",
    ],
  ] as const)
    assert.ok((await failed(spoil)).includes(name), name);
});

test("a store that forgets what the last process stored fails, when it is said to outlive it", async () => {
  assert.deepEqual(await failed(() => undefined, { reopen: () => new MemoryStore() }), [
    "what is stored is there for the next process, and what comes again changes nothing",
  ]);
});
