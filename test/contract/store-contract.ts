import assert from "node:assert/strict";
import { test } from "node:test";
import { change, start } from "../../src/testing/contract-change.js";
import { type StoreSubject, trackingStoreContract } from "../../src/testing/index.js";

export { change, start } from "../../src/testing/contract-change.js";

/** What every store must do, and what those of MLflow's must beside it; `make` gives a fresh one. */
export function storeContract(name: string, make: () => Promise<StoreSubject>): void {
  for (const { name: title, run } of trackingStoreContract(make)) test(`${name}: ${title}`, run);

  test(`${name}: ids are MLflow's, and so is experiment 0`, async () => {
    const { store, reader, dispose } = await make();
    const [outcome] = await store.apply([change("d".repeat(32), { experiment: { id: "0" }, create: start() })]);
    assert.ok(outcome?.kind === "done" && outcome.ids);
    assert.match(outcome.ids.runId, /^[0-9a-f]{32}$/);
    assert.equal((await reader.readRun(outcome.ids.runId))?.experiment, "Default");
    await store.close();
    await dispose();
  });
}
