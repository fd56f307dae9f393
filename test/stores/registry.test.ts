import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/clock.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { createTracker, registerTrackingStore, type StoreOptions, type TrackingStore } from "../../src/index.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { openStore } from "../../src/stores/registry.js";
import type { ReadyStore } from "../../src/stores/tracking-store.js";

const { server } = resolveConfig({}, {});
const open = (uri: string): ReadyStore => openStore(uri, { clock: systemClock, server });
const anything = registerTrackingStore as (scheme: unknown, make?: unknown) => void;

function kept(): TrackingStore & { readonly memory: MemoryStore; closed: number } {
  const memory = new MemoryStore();
  return {
    memory,
    closed: 0,
    apply: (changes) => memory.apply(changes),
    async close() {
      this.closed++;
    },
  };
}

test("a tracking URI of a registered scheme goes to what was registered for it, whatever its case", async () => {
  const stores: ReturnType<typeof kept>[] = [];
  const uris: string[] = [];
  registerTrackingStore("kept+x", (uri) => {
    uris.push(uri);
    const store = kept();
    stores.push(store);
    return store;
  });
  const tracker = createTracker({ trackingUri: "KEPT+x://me:secret@host/a?b=c" });
  assert.deepEqual(uris, ["KEPT+x://me:secret@host/a?b=c"]); // what is in it is the store's own
  tracker.withRun({ runName: "there" }, (run) => run.logMetric("m", 1));
  await tracker.flush();
  assert.deepEqual(
    [...(stores[0]?.memory.runs.values() ?? [])].map(({ name, status }) => [name, status]),
    [["there", "FINISHED"]],
  );
  await tracker.shutdown();
  assert.equal(stores[0]?.closed, 1);
});

test("registering a scheme again replaces what was there", () => {
  registerTrackingStore("twice", () => ({ ...kept(), uri: "twice:1" }));
  registerTrackingStore("twice", () => ({ ...kept(), uri: "twice:2" }));
  assert.equal(open("twice:x").uri, "twice:2");
});

test("what cannot be registered is one clear error", () => {
  for (const [scheme, make, message] of [
    ["http", kept, /"http" is a scheme of this package's own; choose another name/],
    ["sqlite", kept, /"sqlite" is a scheme of this package's own/],
    ["memory", kept, /own/],
    ["null", kept, /own/],
    ["c", kept, /expected a scheme of two or more lower-case letters.*got "c"/],
    ["Upper", kept, /got "Upper"/],
    ["jsonl:", kept, /without the colon, got "jsonl:"/],
    ["", kept, /got ""/],
    [undefined, kept, /got undefined/],
    ["jsonl", undefined, /expected a function that makes the store of "jsonl", got undefined/],
    ["jsonl", new MemoryStore(), /got an object/],
  ] as const)
    assert.throws(() => anything(scheme, make), { code: "INVALID_OPTION", message });
});

test("an unknown scheme says how to add one, and which there are", () => {
  registerTrackingStore("known", kept);
  assert.throws(() => open("unknown:x"), {
    code: "INVALID_TRACKING_URI",
    message: /"unknown:x": there is no store for unknown:; registerTrackingStore\(\) adds one \(registered: .*known.*\)\. Use http/,
  });
});

test("what makes a store and fails, or makes none, is said with its scheme and without credentials", () => {
  registerTrackingStore("broken", () => {
    throw new Error("no such host");
  });
  registerTrackingStore("none", () => undefined as never);
  registerTrackingStore("half", () => ({ apply: kept().apply }) as never);
  for (const [uri, message] of [
    ["broken://me:secret@host", /broken:\/\/\[redacted\]@host: no such host/],
    ["none:x", /registered for none: gave undefined, where a tracking store with apply and close is expected/],
    ["half:x", /registered for half: gave an object without close/],
  ] as const)
    assert.throws(() => open(uri), { code: "INVALID_TRACKING_URI", message });
});

test("a store of one's own is given none of the credentials that are configured", () => {
  let given: [string, StoreOptions] | undefined;
  registerTrackingStore("curious", (...all) => {
    given = all;
    return kept();
  });
  const { server } = resolveConfig(
    { trackingUri: "curious:x", auth: { token: "option-secret" }, headers: { "x-key": "header-secret" }, requestTimeoutMs: 1_234 },
    { MLFLOW_TRACKING_TOKEN: "environment-secret" },
    {},
  );
  openStore("curious:x", { clock: systemClock, server });
  assert.deepEqual(given, ["curious:x", { requestTimeoutMs: 1_234 }]);
});
