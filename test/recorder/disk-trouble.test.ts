import assert from "node:assert/strict";
import { renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, test } from "node:test";
import { Outbox } from "../../src/recorder/outbox/outbox.js";
import { tryClaim } from "../../src/recorder/outbox/outbox-folder.js";
import { SQLITE } from "../../src/stores/sql/driver.js";
import { away } from "../support/faulty-store.js";
import { type Kit, kit, newFolder } from "../support/outbox-kit.js";
import { RemoteStore } from "../support/remote-store.js";
import { assertBalanced, values } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";

const { append, remove, changes, holds } = Outbox.prototype;
afterEach(() => Object.assign(Outbox.prototype, { append, remove, changes, holds }));

/** Has every use of an outbox of that kind fail as SQLite does, until the function it gives is called. */
function disk(fails: ("append" | "remove" | "changes" | "holds")[], errcode: number): () => void {
  for (const name of fails)
    Outbox.prototype[name] = (): never => {
      throw Object.assign(new Error("injected"), { code: "ERR_SQLITE_ERROR", errcode });
    };
  return () => Object.assign(Outbox.prototype, { append, remove, changes, holds });
}

/** Runs of several kinds: one that goes on, short ones, a parent with a child. */
function begin({ tracker }: Kit, name: string): (how: string) => void {
  const long = tracker.startRun({ runName: `${name} long`, params: { name } });
  let i = 0;
  return (how) => {
    for (let n = 0; n < 10; n++) long.logMetric("m", i++);
    tracker.withRun({ runName: `${name} parent` }, () =>
      tracker.withRun({ runName: `${name} child` }, (run) => run.logMetric("m", 1)),
    );
    if (how === "end") long.end();
  };
}

async function check({ store, tracker }: Kit, names: readonly string[], points: number): Promise<void> {
  await until("everything is delivered", () => tracker.stats().pending === 0);
  for (const name of names) {
    const long = store.named(`${name} long`);
    assert.deepEqual(
      long && values(long)["m"],
      Array.from({ length: points }, (_, n) => n),
      name,
    );
    assert.equal(long?.params.get("name"), name);
  }
  assert.deepEqual([...new Set(store.runs.map(({ status }) => status))], ["FINISHED"]);
  for (const child of store.runs.filter(({ name }) => name.endsWith("child")))
    assert.ok(child.tags.has("mlflow.parentRunId"), child.name);
  assert.deepEqual([tracker.stats().dropped, tracker.stats().rejected], [0, 0]);
}

for (const [what, fails] of [
  ["writing", ["append"]],
  ["taking out", ["remove"]],
  ["reading", ["changes", "holds"]],
  ["everything", ["append", "remove", "changes", "holds"]],
] as const) {
  for (const [name, errcode] of [
    ["a full disk", SQLITE.FULL],
    ["a disk error", SQLITE.IOERR],
  ] as const) {
    test(`${name} loses nothing, doubles nothing and keeps the order (${what})`, async () => {
      const subject = kit({ durability: "outbox", exitTimeoutMs: 2_000 });
      const { store, tracker, warnings } = subject;
      const work = begin(subject, "a");
      store.fault = () => away;
      work("go on"); // this much lies in the outbox
      await sleep(30);
      const mend = disk([...fails], errcode);
      work("go on");
      await sleep(30);
      store.fault = undefined; // the store is back before the disk
      const other = begin(subject, "b");
      other("go on");
      await sleep(150);
      mend();
      work("end");
      for (let n = 0; n < 2; n++) other(n === 1 ? "end" : "go on");
      await check(subject, ["a", "b"], 30);
      assert.equal(warnings.filter((warning) => warning.includes("OUTBOX_FAILED")).length, 1, warnings.join("\n"));
      assertBalanced(tracker, 14);
      // Nothing came twice in a way that a server could tell.
      assert.equal(store.given.filter(({ create, attempted }) => create && !attempted).length, 14);
      await tracker.shutdown();
      assert.deepEqual(subject.files(), []);
    });
  }
}

test("what cannot be written is not reported as kept", async () => {
  const { store, tracker, warnings } = kit({ durability: "outbox", exitTimeoutMs: 50 });
  store.fault = () => away;
  tracker.withRun({ runName: "kept" }, () => 1);
  await sleep(30);
  disk(["append"], SQLITE.FULL);
  tracker.withRun({ runName: "lost" }, (run) => run.logMetric("m", 1));
  await tracker.shutdown();
  assert.deepEqual([tracker.stats().pending, tracker.stats().dropped], [2, 3]);
  assert.match(warnings.join("\n"), /3 changes of 1 run could not be stored.*LOST_AT_EXIT/);
  assert.match(warnings.join("\n"), /2 changes .* kept in .*KEPT_FOR_LATER/);
});

for (const [what, spoil] of [
  ["the file was removed", (path) => rmSync(path)],
  ["its log was removed", (path) => rmSync(`${path}-wal`)],
  ["the folder was removed", (path) => rmSync(dirname(path), { recursive: true })],
  ["all of the state folder was removed", (path) => rmSync(dirname(dirname(path)), { recursive: true })],
  ["the folder was moved away", (path) => renameSync(dirname(path), newFolder())],
] as [string, (path: string) => void][]) {
  test(`an outbox survives when ${what}`, async () => {
    const subject = kit({ durability: "outbox", exitTimeoutMs: 100 });
    const { store, tracker, files } = subject;
    const work = begin(subject, "a");
    store.fault = () => away;
    work("go on");
    await until("an outbox", () => files().length === 1);
    await sleep(20);
    spoil(files()[0] as string);
    work("go on");
    await sleep(60);
    work("end");
    await tracker.shutdown();
    assert.equal(files().length, 1);
    // The next tracker finds everything.
    const second = kit({ durability: "outbox", exitTimeoutMs: 2_000 }, new RemoteStore(), subject.folder);
    const more = begin(second, "b");
    for (let n = 0; n < 3; n++) more(n === 2 ? "end" : "go on");
    await until("what was left is delivered", () => second.files().length <= 1 && second.store.runs.length === 14);
    await check(second, ["a", "b"], 30);
    await second.tracker.shutdown();
    assert.deepEqual(second.files(), []);
  });
}

test("the file of a lost run counts as lost too, and leaves no tag", async () => {
  const { store, tracker, warnings } = kit({ durability: "outbox", exitTimeoutMs: 50 });
  store.fault = () => away;
  tracker.withRun({ runName: "kept" }, () => 1);
  await sleep(30);
  disk(["append"], SQLITE.FULL);
  tracker.withRun({ runName: "lost" }, (run) => run.logText("text", "a.txt"));
  await tracker.shutdown();
  const { pending, dropped, rejected } = tracker.stats();
  assert.deepEqual({ pending, dropped, rejected }, { pending: 2, dropped: 2, rejected: 1 });
  assert.match(warnings.join("\n"), /2 changes .* kept in .*KEPT_FOR_LATER/);
});

test("an outbox that was removed and cannot be made again is still delivered", async () => {
  const subject = kit({ durability: "outbox", exitTimeoutMs: 2_000 });
  const { store, tracker, files, folder } = subject;
  const work = begin(subject, "a");
  store.fault = () => away;
  work("go on");
  await until("an outbox", () => files().length === 1);
  await sleep(20);
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "in the way");
  work("go on");
  await sleep(60);
  work("end");
  store.fault = undefined;
  await check(subject, ["a"], 30);
  await tracker.shutdown();
});

test("the content of an outbox that was removed for good counts as lost", async () => {
  const { store, tracker, files, folder, warnings } = kit({ durability: "outbox", exitTimeoutMs: 50 });
  store.fault = () => away;
  tracker.withRun({}, (run) => run.logMetric("m", 1));
  await until("an outbox", () => files().length === 1);
  await sleep(20);
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "in the way");
  await tracker.shutdown();
  assert.deepEqual([tracker.stats().pending, tracker.stats().dropped], [0, 3]);
  assert.equal(warnings.filter((warning) => warning.includes("KEPT_FOR_LATER")).length, 0, warnings.join("\n"));
  assert.match(warnings.join("\n"), /LOST_AT_EXIT/);
});

test("an unreadable outbox costs only its content, counted, and a new one follows", async () => {
  const { store, tracker, files, warnings } = kit({ durability: "outbox", exitTimeoutMs: 2_000 });
  store.fault = () => away;
  tracker.withRun({ runName: "before" }, (run) => run.logMetric("m", 1));
  await until("an outbox", () => files().length === 1);
  await sleep(20);
  const mend = disk(["append", "changes", "holds"], SQLITE.CORRUPT);
  tracker.withRun({ runName: "during" }, (run) => run.logMetric("m", 1));
  await sleep(60);
  mend();
  await sleep(200);
  tracker.withRun({ runName: "after" }, (run) => run.logMetric("m", 1));
  await sleep(60);
  store.fault = undefined;
  await until("delivered", () => tracker.stats().pending === 0);
  // (The file is sound in truth, so that the next one to look for outboxes delivers it.)
  assert.deepEqual(
    store.runs
      .map(({ name }) => name)
      .filter((name) => name !== "before")
      .sort(),
    ["after", "during"],
  );
  assert.equal(tracker.stats().dropped, 3);
  assertBalanced(tracker, 3);
  assert.match(warnings.join("\n"), /OUTBOX_FAILED/);
  await tracker.shutdown();
});

test("a folder that becomes writable later is used from then on", async () => {
  const folder = newFolder();
  writeFileSync(folder, "in the way");
  const { store, tracker, files } = kit({ durability: "outbox", exitTimeoutMs: 50 }, new RemoteStore(), folder);
  store.fault = () => away;
  tracker.withRun({}, (run) => run.logMetric("m", 1));
  await sleep(50);
  rmSync(folder);
  await until("an outbox", () => files().length === 1);
  await tracker.shutdown();
  const outbox = tryClaim(files()[0] as string);
  assert.ok(typeof outbox === "object");
  assert.equal(outbox.summary().items, 3);
  outbox.close();
});

test("a dead tracker's outbox is delivered from a full disk and then removed", async (t) => {
  const folder = newFolder();
  const before = kit({ durability: "outbox", exitTimeoutMs: 20 }, new RemoteStore(), folder);
  before.store.fault = () => away;
  for (let i = 0; i < 300; i++) before.tracker.withRun({ runName: `run ${i}` }, (run) => run.logMetric("m", i));
  await before.tracker.shutdown();
  const [path = ""] = before.files();
  const writes = ["append", "remove", "markAttempted", "setIds", "setAside", "noteDenied", "endOpenRuns"] as const;
  for (const name of writes)
    t.mock.method(Outbox.prototype, name, (): never => {
      throw Object.assign(new Error("database or disk is full"), { code: "ERR_SQLITE_ERROR", errcode: SQLITE.FULL });
    });
  const next = kit({}, new RemoteStore(), folder);
  next.tracker.withRun({ runName: "next" }, () => 1);
  await until("everything is delivered", () => next.store.runs.length === 301 && !next.files().includes(path));
  assert.deepEqual([...new Set(next.store.runs.map(({ status }) => status))], ["FINISHED"]);
  const said = next.warnings.filter((warning) => warning.includes(path) && warning.includes("OUTBOX_FAILED"));
  assert.equal(said.length, 1, next.warnings.join("\n"));
  assert.match(said[0] ?? "", /disk is full/);
  await next.tracker.shutdown();
});

for (const [what, spoil] of [
  ["cut to nothing", (path: string) => truncateSync(path, 0)],
  ["cut in its log", (path: string) => truncateSync(`${path}-wal`, 32)],
] as const)
  test(`an outbox that somebody has ${what} is replaced, and what is lost is counted`, async () => {
    const folder = newFolder();
    const { store, tracker, files, warnings } = kit(
      { durability: "outbox", exitTimeoutMs: 20 },
      new RemoteStore(),
      folder,
    );
    store.fault = () => away;
    const record = async (from: number): Promise<void> => {
      for (let i = from; i < from + 200; i++) {
        tracker.withRun({ runName: `run ${i}` }, (run) => run.logMetric("m", i));
        if (i % 20 === 0) await sleep(1);
      }
      await sleep(20);
    };
    await record(0);
    const [path = ""] = files();
    spoil(path);
    await record(200);
    await until("there is another one", () => files().some((file) => file !== path));
    await tracker.shutdown();
    const { pending, dropped, delivered } = tracker.stats();
    assert.deepEqual([pending + dropped, delivered], [1_200, 0]);
    assert.ok(dropped <= 600, `${dropped} were given up`);
    assert.ok(dropped === 0 || warnings.some((warning) => warning.includes("OUTBOX_FAILED")), warnings.join("\n"));
    const next = kit({}, new RemoteStore(), folder);
    next.tracker.withRun({ runName: "next" }, () => 1);
    await until("what was kept is delivered", () => next.store.runs.length === 1 + pending / 3);
    await next.tracker.shutdown();
  });

test("the next program leaves an unreadable outbox alone and says so", async () => {
  const folder = newFolder();
  const before = kit({ durability: "outbox", exitTimeoutMs: 20 }, new RemoteStore(), folder);
  before.store.fault = () => away;
  before.tracker.withRun({}, () => 1);
  await before.tracker.shutdown();
  const [path = ""] = before.files();
  writeFileSync(path, "no database ".repeat(1_000));
  const next = kit({}, new RemoteStore(), folder);
  next.tracker.withRun({}, () => 1);
  await until("it is said", () =>
    next.warnings.some((warning) => warning.includes(path) && warning.includes("damaged")),
  );
  assert.ok(next.files().includes(path));
  await next.tracker.shutdown();
});
