import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { checkConfig } from "../../src/config/options.js";
import { CONFIG_FILE } from "../../src/config/picker.js";
import { resolveConfig } from "../../src/config/resolve.js";
import type { RunChange } from "../../src/contracts/tracking-store.js";
import {
  configure,
  createTracker,
  logExperiment,
  PulseError,
  shutdown,
  type TrackingStore,
  withRun,
} from "../../src/index.js";
import { outboxFolders } from "../../src/recorder/outbox/outbox-folder.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { newFolder } from "../support/outbox-kit.js";
import { until } from "../support/wait.js";
import { collectWarnings } from "../support/warnings.js";

/** A store as somebody else writes one: two methods, and what a test changes. */
class Own implements TrackingStore {
  readonly memory = new MemoryStore();
  uri?: string;
  closed = 0;
  answer: ((...given: Parameters<TrackingStore["apply"]>) => unknown) | undefined;

  async apply(changes: Parameters<TrackingStore["apply"]>[0]): ReturnType<TrackingStore["apply"]> {
    return this.answer ? ((await this.answer(changes)) as never) : this.memory.apply(changes);
  }

  async close(): Promise<void> {
    this.closed++;
  }

  get names(): string[] {
    return [...this.memory.runs.values()].map(({ name, status }) => `${name} ${status}`);
  }
}

const at = (uri: string): Own => Object.assign(new Own(), { uri });

test("configure takes a store and closes it at shutdown or when it is replaced", async () => {
  const [first, second] = [new Own(), new Own()];
  configure({ store: first });
  withRun({ runName: "one" }, () => undefined);
  configure({ store: second });
  withRun({ runName: "two" }, () => undefined);
  await until("the first store is closed", () => first.closed === 1);
  assert.deepEqual([first.names, second.closed], [["one FINISHED"], 0]);
  await shutdown();
  assert.deepEqual([second.names, second.closed], [["two FINISHED"], 1]);
});

test("a store without an address is memory only: nothing on disk, no warning", async () => {
  const folder = newFolder();
  const { logger, warnings } = collectWarnings();
  const store = new Own();
  store.answer = () => Promise.reject(new PulseError("STORE_BUSY", "Not now."));
  const tracker = createTracker({
    store,
    durability: "outbox",
    outbox: { folder },
    flushIntervalMs: 10,
    exitTimeoutMs: 50,
    logger,
  });
  tracker.startRun({ runName: "waits" }).end();
  await tracker.flush({ timeoutMs: 100 });
  assert.throws(() => readdirSync(folder), { code: "ENOENT" });
  assert.deepEqual(warnings, []);
  store.answer = undefined;
  await tracker.shutdown();
  assert.deepEqual(store.names, ["waits FINISHED"]);
});

test("a store with an address gets an outbox, and the next one with it delivers", async () => {
  const folder = newFolder();
  const { logger, warnings } = collectWarnings();
  const store = at("own://me:secret@host/team?a=b");
  store.answer = () => Promise.reject(new Error("no connection"));
  const tracker = createTracker({ store, outbox: { folder }, exitTimeoutMs: 50, logger });
  tracker.startRun({ runName: "kept" }).end();
  await tracker.shutdown();
  const [kept] = outboxFolders(folder);
  const left = kept?.files() ?? [];
  assert.equal(left.length, 1);
  assert.match(String(kept?.uri), /^own:\/\/\[redacted-[0-9a-f]{8}\]@host\/team\?a=b$/);
  assert.match(warnings.join("\n"), /own:\/\/\[redacted\]@host\/team\?a=b has not accepted are kept in/);
  assert.doesNotMatch(warnings.join("\n"), /secret/);

  const other = at("own://you:secret@host/team?a=b");
  const stranger = createTracker({ store: other, outbox: { folder }, logger });
  stranger.startRun({ runName: "theirs" }).end();
  await stranger.shutdown();
  assert.deepEqual(other.names, ["theirs FINISHED"]); // another user's place

  const next = at("own://me:new-secret@host/team?a=b");
  const heir = createTracker({ store: next, outbox: { folder }, logger });
  heir.startRun({ runName: "new" }).end();
  await until(
    "the outbox is delivered",
    () => next.memory.runs.size === 2 && !kept?.files().includes(left[0] as string),
  );
  await heir.shutdown();
  assert.deepEqual(next.names.sort(), ["kept FINISHED", "new FINISHED"]);
});

test("a wrong store, or one beside a tracking URI, is one clear message", () => {
  const method = (): Promise<never> => Promise.reject(new Error());
  for (const [store, message] of [
    [
      {},
      /: store must be a tracking store, an object with the methods apply and close .*; got an object without apply and close/,
    ],
    [{ apply: method }, /got an object without close\./],
    [{ close: method }, /got an object without apply\./],
    ["sqlite:///x.db", /a URI goes into trackingUri\); got "sqlite:\/\/\/x\.db"/],
    [null, /got null/],
    [{ apply: method, close: method, applySync: true }, /got one whose applySync is not a method/],
    [Promise.resolve(new Own()), /got a promise \(create the store synchronously, and connect on the first change\)/],
    [{ apply: method, close: method, uri: " " }, /got one whose uri is not a non-empty string/],
  ] as const)
    for (const make of [createTracker, configure])
      assert.throws(() => make({ store: store as never }), { code: "INVALID_CONFIG", message });
  assert.throws(() => configure({ store: new Own(), trackingUri: "memory:" }), {
    code: "INVALID_CONFIG",
    message: "configure: store and trackingUri exclude each other; give one of them.",
  });
});

test("a store belongs to one tracker, which closes it", async () => {
  const store = new Own();
  const tracker = createTracker({ store });
  assert.throws(() => createTracker({ store }), {
    code: "INVALID_CONFIG",
    message: /belongs to another tracker, which closes it/,
  });
  await tracker.shutdown();
});

test("neither environment nor file can give a store, and both yield to one", () => {
  assert.throws(() => checkConfig({ store: { uri: "own:" } }, CONFIG_FILE), {
    code: "INVALID_CONFIG",
    message: /^pulse-mlflow\.config\.json: store .*got an object without apply and close/,
  });
  const { trackingUri, origins } = resolveConfig(
    { store: at("own://u:p@host") },
    { MLFLOW_TRACKING_URI: "http://host" },
    {},
  );
  assert.deepEqual([trackingUri, origins["trackingUri"]], ["own://u:p@host", "configure()"]);
});

test("logExperiment({ trackingUri }) goes there, without the store's credentials", async () => {
  const store = new Own();
  configure({ store });
  const { runId } = await logExperiment({ experiment: "E", trackingUri: "memory:" });
  assert.equal(store.memory.runs.has(runId), false);
  assert.equal((await logExperiment({ experiment: "E" })).runId.length, 32);
  assert.equal(store.memory.runs.size, 1);
  const given = { store: new Own(), auth: { token: "option-secret" } };
  const { server } = resolveConfig(given, { MLFLOW_TRACKING_URI: "http://host" }, {}, "http://host");
  assert.equal(server.auth, undefined);
  await shutdown();
});

test("a store's invalid answer loses nothing and is reported", async () => {
  const done = { kind: "done", ids: { runId: "r", experimentId: "e" } };
  for (const [answer, message] of [
    [undefined, /the configured store returned no list of outcomes; this is a bug in the store/],
    [[], /returned 0 outcomes for 1 changes/],
    [[{ kind: "ok" }], /returned an outcome of kind "ok"/],
    [[undefined], /returned an outcome of kind undefined/],
    [[{ kind: "done" }], /returned outcome "done" for a creation without ids/],
    [[{ kind: "done", ids: { runId: 5 } }], /returned ids that are not strings/],
    [[{ ...done, refused: [{ key: "k" }] }], /returned invalid refused items/],
    [[{ kind: "rejected", error: new Error("no") }], /returned outcome "rejected" without a PulseError/],
    [
      [{ ...done, refused: [{ key: "k", items: 1e9, error: new PulseError("REJECTED", "No.") }] }],
      /returned invalid refused items/,
    ],
    [[{ kind: "conflict" }], /returned outcome "conflict" without params/],
    [[{ kind: "conflict", params: ["other"] }], /returned a conflict for params that are not in the change/],
    [[done, done], /returned 2 outcomes for 1 changes/],
  ] as const) {
    const store = new Own();
    const { logger, warnings } = collectWarnings();
    store.answer = () => answer;
    const tracker = createTracker({ store, exitTimeoutMs: 2_000, logger });
    tracker.startRun({ runName: "kept" }).end();
    await until("it is said", () => warnings.length === 1);
    assert.match(String(warnings), message);
    store.answer = undefined;
    await tracker.flush();
    assert.deepEqual([store.names, tracker.stats().pending], [["kept FINISHED"], 0]);
    await tracker.shutdown();
  }
});

test("throwing at once and failing to close are reported apart from a refusal", async () => {
  const { logger, warnings } = collectWarnings();
  const store = new Own();
  store.apply = () => {
    throw new Error("at once");
  };
  store.close = () => Promise.reject(new Error("still busy"));
  const tracker = createTracker({ store, exitTimeoutMs: 20, logger });
  tracker.startRun().end();
  await until("it is said", () => warnings.length === 1);
  await assert.rejects(tracker.shutdown(), {
    code: "STORE_UNAVAILABLE",
    message: /the configured store could not be closed: still busy/,
  });
  assert.match(warnings.join("\n"), /The store failed unexpectedly: at once/);
});

test("a store that empties the list it is given harms nobody", async () => {
  const { logger, warnings } = collectWarnings();
  const store = new Own();
  store.answer = (changes) => store.memory.apply((changes as RunChange[]).splice(0));
  const tracker = createTracker({ store, logger });
  tracker.startRun({ runName: "kept" }).end();
  await tracker.shutdown();
  assert.deepEqual([store.names, tracker.stats().pending, warnings], [["kept FINISHED"], 0, []]);
});

test("shutdown does not wait beyond its limits for a store's close", async () => {
  for (const [options, limits] of [
    [{}, { timeoutMs: 20 }],
    [{ exitTimeoutMs: 20, requestTimeoutMs: 20 }, {}],
  ] as const) {
    const store = new Own();
    store.close = () => new Promise(() => undefined);
    const tracker = createTracker({ store, ...options });
    tracker.startRun({ runName: "kept" }).end();
    await tracker.shutdown(limits);
    assert.deepEqual(store.names, ["kept FINISHED"]);
  }
});
