import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { resolveConfig } from "../../src/config/resolve.js";
import type { ReadyStore } from "../../src/contracts/tracking-store.js";
import {
  createTracker,
  flush,
  registerTrackingStore,
  type StoreOptions,
  shutdown,
  type TrackingStore,
  withRun,
} from "../../src/index.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { openStore } from "../../src/stores/registry.js";
import { collectWarnings } from "../support/warnings.js";

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

test("a URI goes to the store registered for its scheme, in any case", async () => {
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
    ["http", kept, /"http" is a built-in scheme; choose another name/],
    ["sqlite", kept, /"sqlite" is a built-in scheme/],
    ["memory", kept, /is a built-in scheme/],
    ["null", kept, /is a built-in scheme/],
    [
      "c",
      kept,
      /scheme must be a lower-case letter, then one or more of lower-case letters, digits, \+ \. and -, .* got "c"/,
    ],
    ["Upper", kept, /got "Upper"/],
    ["my_store", kept, /got "my_store"/],
    ["2nd", kept, /a lower-case letter, then/],
    ["toy-store:", kept, /without the colon; got "toy-store:"/],
    ["", kept, /got ""/],
    [undefined, kept, /scheme must be .*; got undefined/],
    ["toy-store", undefined, /make must be a function; got undefined/],
    ["toy-store", new MemoryStore(), /make must be a function; got \{/],
  ] as const)
    assert.throws(() => anything(scheme, make), { code: "INVALID_OPTION", message });
});

test("an unknown scheme says how to add one, and which there are", () => {
  registerTrackingStore("known", kept);
  assert.throws(() => open("unknown:x"), {
    code: "INVALID_TRACKING_URI",
    message:
      /"unknown:x": there is no store for unknown:; registerTrackingStore\(\) adds one \(registered: .*known.*\)\. Did you mean "known:x"\? Use http.*--import/,
  });
  assert.throws(() => open("my_store:x"), {
    code: "INVALID_TRACKING_URI",
    message: /"my_store:x" does not start with a scheme, which is a letter/,
  });
});

test("a failing or empty store maker is reported by scheme, without credentials", () => {
  registerTrackingStore("broken", () => {
    throw new Error("no such host");
  });
  registerTrackingStore("none", () => undefined as never);
  registerTrackingStore("half", () => ({ apply: kept().apply }) as never);
  registerTrackingStore("later", (async () => Promise.reject(new Error("not heard"))) as never);
  for (const [uri, message] of [
    ["broken://me:secret@host", /"broken:\/\/\[redacted\]@host" cannot be used: no such host\.$/],
    ["none:x", /registered for none: returned undefined, where a tracking store with apply and close is expected\.$/],
    ["half:x", /registered for half: returned an object without close/],
    ["later:x", /returned a promise \(create the store synchronously, and connect on the first change\)/],
  ] as const)
    assert.throws(() => open(uri), { code: "INVALID_CONFIG", message });
});

test("a maker that returns the same store twice is refused", async () => {
  const store = kept();
  registerTrackingStore("same", () => store);
  const tracker = createTracker({ trackingUri: "same:x" });
  assert.throws(() => createTracker({ trackingUri: "same:x" }), {
    code: "INVALID_CONFIG",
    message:
      /registered for same: returned a store that belongs to another tracker, which closes it; it must create a new one for each call/,
  });
  await tracker.shutdown();
});

test("a store registered after the first run gets the runs that follow", async () => {
  const { logger, warnings } = collectWarnings();
  const store = kept();
  const { MLFLOW_TRACKING_URI } = process.env;
  const warn = console.warn;
  console.warn = logger.warn;
  process.env["MLFLOW_TRACKING_URI"] = "late-store:x";
  try {
    withRun({ runName: "early" }, () => undefined);
    await flush();
    assert.match(
      warnings.join("\n"),
      /Nothing is stored until this is fixed: .* no store for late-store:; .*register a scheme of your own before the first run/,
    );
    registerTrackingStore("late-store", () => store);
    withRun({ runName: "after" }, () => undefined);
    withRun({ runName: "again" }, () => undefined);
    await shutdown();
  } finally {
    console.warn = warn;
    if (MLFLOW_TRACKING_URI === undefined) delete process.env["MLFLOW_TRACKING_URI"];
    else process.env["MLFLOW_TRACKING_URI"] = MLFLOW_TRACKING_URI;
  }
  assert.deepEqual(
    [...store.memory.runs.values()].map(({ name }) => name),
    ["after", "again"],
  );
});

test("a store of one's own gets none of the configured credentials", () => {
  let given: [string, StoreOptions] | undefined;
  registerTrackingStore("curious", (...all) => {
    given = all;
    return kept();
  });
  const { server } = resolveConfig(
    {
      trackingUri: "curious:x",
      auth: { token: "option-secret" },
      headers: { "x-key": "header-secret" },
      requestTimeoutMs: 1_234,
    },
    { MLFLOW_TRACKING_TOKEN: "environment-secret" },
    {},
  );
  openStore("curious:x", { clock: systemClock, server });
  assert.deepEqual(given, ["curious:x", { requestTimeoutMs: 1_234 }]);
});
