import assert from "node:assert/strict";
import { chmodSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import { createTracker } from "../../src/index.js";
import { tryClaim } from "../../src/recorder/outbox/outbox-folder.js";
import { away, problem } from "../support/faulty-store.js";
import { tempFolder } from "../support/folders.js";
import { runFolders } from "../support/mlruns.js";
import { type Kit, kit } from "../support/outbox-kit.js";
import { assertBalanced } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";

const denied: Outcome = { kind: "denied", error: problem("FORBIDDEN") };
const nameOf = ({ experiment }: RunChange): string => ("name" in experiment ? experiment.name : experiment.id);
const deny =
  (...names: string[]) =>
  (change: RunChange): Outcome | undefined =>
    names.includes(nameOf(change)) ? denied : undefined;
const asked = ({ store }: Kit, name: string): number => store.given.filter((change) => nameOf(change) === name).length;

/** Records short runs of an experiment. */
function record({ tracker }: Kit, experiment: string, runs: number): void {
  for (let i = 0; i < runs; i++)
    tracker.withRun({ experiment, runName: `${experiment} ${i}` }, (run) => run.logMetric("m", i));
}

const stored = ({ store }: Kit, experiment: string): number =>
  store.runs.filter(({ name }) => name.startsWith(experiment)).length;

for (const durability of ["memory", "exit", "outbox"] as const) {
  test(`runs of a denied experiment wait apart, and others go on (${durability})`, async () => {
    const subject = kit({ durability, exitTimeoutMs: 2_000 });
    const { store, tracker, warnings } = subject;
    store.fault = deny("theirs", "secret");
    record(subject, "theirs", 6);
    record(subject, "ours", 20);
    record(subject, "secret", 1);
    await until("the others are stored", () => stored(subject, "ours") === 20);
    assert.ok(asked(subject, "theirs") <= 4, `${asked(subject, "theirs")} requests for runs nobody may write`);
    await sleep(100); // what waits is written down meanwhile
    record(subject, "ours again", 20);
    await until("later ones, too", () => stored(subject, "ours again") === 20);
    assert.equal(tracker.stats().pending, 21);
    assert.equal(warnings.filter((warning) => warning.includes("FORBIDDEN")).length, 2, warnings.join("\n"));
    store.fault = undefined;
    await until("with the permission they are stored", () => tracker.stats().pending === 0);
    assert.equal(stored(subject, "theirs"), 6);
    assertBalanced(tracker, 47);
    await tracker.shutdown();
    assert.deepEqual(subject.files(), []);
  });
}

for (const durability of ["memory", "outbox"] as const) {
  test(`ten thousand denied runs hold up nobody behind them (${durability})`, async () => {
    const subject = kit({ durability });
    const { store, tracker } = subject;
    store.fault = () => away;
    record(subject, "theirs", 10_000);
    record(subject, "ours", 200);
    await sleep(100);
    assert.equal(stored(subject, "ours"), 0);
    store.given.length = 0;
    store.fault = deny("theirs");
    await until("the others are stored", () => stored(subject, "ours") === 200);
    assert.ok(asked(subject, "theirs") <= 6, `${asked(subject, "theirs")} requests for runs nobody may write`);
    assert.ok(store.given.length <= 210, `${store.given.length} requests for 200 runs`);
    assert.equal(tracker.stats().pending, 30_000);
    await tracker.shutdown({ timeoutMs: 1 });
  });
}

test("a single denied run waits alone", async () => {
  const subject = kit({ exitTimeoutMs: 2_000 });
  const { store, tracker } = subject;
  record(subject, "ours", 1);
  const alone = tracker.startRun({ experiment: "ours", runName: "alone" });
  await until("both are created", () => store.runs.length === 2);
  store.fault = ({ runKey }) => (runKey === alone.id ? denied : undefined);
  alone.logMetric("m", 1);
  for (let i = 0; i < 20; i++) {
    record(subject, "ours", 1);
    await sleep(5);
  }
  await until("all others are stored", () => stored(subject, "ours") === 21);
  store.fault = undefined;
  alone.end();
  await until("and then this one", () => tracker.stats().pending === 0);
  assert.equal(store.named("alone")?.metrics.get("m")?.length, 1);
});

test("a child of a denied parent waits only in the same experiment", async () => {
  for (const durability of ["memory", "outbox"] as const) {
    const subject = kit({ durability, exitTimeoutMs: 2_000 });
    const { store, tracker } = subject;
    store.fault = deny("theirs");
    const parentId = await tracker.withRun({ experiment: "theirs", runName: "parent" }, async ({ id }) => {
      tracker.withRun({ experiment: "ours", runName: "ours at once" }, () => 1);
      tracker.withRun({ runName: "same" }, () => 1);
      await sleep(60);
      tracker.withRun({ experiment: "ours", runName: "ours later" }, () => 1);
      return id;
    });
    await until("the children elsewhere", () => stored(subject, "ours") === 2);
    assert.ok(store.runs.every(({ tags }) => tags.has("pulse.parent_key")));
    store.fault = undefined;
    await until("the rest", () => tracker.stats().pending === 0);
    assert.equal(store.named("same")?.tags.get("mlflow.parentRunId"), `server-${parentId}`);
    await tracker.shutdown();
  }
});

test("an outbox remembers what is denied, and the next tracker delivers the rest", async () => {
  const first = kit({ durability: "outbox" });
  first.store.fault = deny("theirs");
  record(first, "theirs", 3);
  await until("it is denied", () => asked(first, "theirs") > 0);
  await first.tracker.shutdown({ timeoutMs: 50 });
  const outbox = tryClaim(first.files()[0] as string);
  assert.ok(typeof outbox === "object");
  assert.deepEqual(outbox.summary().denied, [
    { experiment: "theirs", reason: problem("FORBIDDEN").message, runs: 3, files: 0, fileBytes: 0 },
  ]);
  outbox.close();
  const second = kit({ durability: "outbox" }, first.store, first.folder);
  second.store.fault = undefined;
  record(second, "ours", 1);
  await until("all are stored", () => stored(second, "theirs") === 3 && stored(second, "ours") === 1);
  await second.tracker.shutdown();
  await until("nothing is left", () => second.files().length === 0);
});

test("concurrent calls fall to one when a store lags, and rise when it accepts", async () => {
  const subject = kit({ durability: "memory" });
  const { store } = subject;
  let [under, most] = [0, 0];
  const apply = store.apply.bind(store);
  store.apply = async (changes) => {
    most = Math.max(most, ++under);
    await sleep(3);
    return apply(changes).finally(() => under--);
  };
  record(subject, "a", 40);
  await until("stored", () => store.runs.length === 40);
  assert.equal(most, 4);
  let failures = 0;
  store.fault = () => (failures++ < 12 ? { kind: "retry", error: problem("SERVER_ERROR") } : undefined);
  record(subject, "b", 12);
  await until("it has failed", () => failures >= 6);
  most = 0;
  record(subject, "c", 1);
  await until("it fails on and on", () => failures >= 12);
  assert.ok(most < 4, `${most} calls under way while the store fails`);
  most = 0;
  record(subject, "d", 60);
  await until("stored", () => stored(subject, "d") === 60);
  assert.equal(most, 4);
});

test("runs of a closed experiment folder are stored soon after it is opened again", async () => {
  const place = tempFolder("denied");
  const root = join(place, "mlruns");
  const isRoot = process.getuid?.() === 0; // who may write everywhere
  const tracker = createTracker({
    trackingUri: root,
    experiment: "closed",
    durability: "memory",
    logger: { warn: () => {} },
  });
  tracker.startRun().end();
  await tracker.flush();
  for (const each of [place, root]) chmodSync(each, 0o777);
  const [experiment = ""] = readdirSync(root).filter((name) => name.length > 10);
  chmodSync(join(root, experiment), 0o555);
  if (isRoot) process.seteuid?.(65_534);
  try {
    for (let i = 0; i < 5; i++) tracker.withRun({ runName: `run ${i}` }, (run) => run.logMetric("m", i));
    await until(
      "it is denied",
      () => (tracker.stats().warnings as Record<string, number>)["NOT_WRITABLE"] !== undefined,
    );
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(join(root, experiment), 0o777);
  }
  await until("all are stored", () => tracker.stats().pending === 0);
  assert.equal(runFolders(root).length, 6);
  await tracker.shutdown();
});
