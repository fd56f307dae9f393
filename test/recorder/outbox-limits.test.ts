import assert from "node:assert/strict";
import { utimesSync } from "node:fs";
import { test } from "node:test";
import { fileFacts, OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { away } from "../support/faulty-store.js";
import { kit, newFolder } from "../support/outbox-kit.js";
import { RemoteStore } from "../support/remote-store.js";
import { assertBalanced } from "../support/runs.js";
import { sleep, until } from "../support/wait.js";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Leaves an outbox of a dead tracker in a folder, last written some days ago. */
async function leave(folder: string, uri: string, daysAgo: number, runs = 1): Promise<string> {
  const { store, tracker, files } = kit({ durability: "outbox", exitTimeoutMs: 1 }, new RemoteStore(uri), folder);
  const before = new Set(files());
  store.fault = () => away;
  for (let i = 0; i < runs; i++)
    tracker.withRun({ runName: `left ${i}` }, (run) => run.logParam("p", "x".repeat(1_000)));
  await tracker.shutdown({ timeoutMs: 1 });
  const path = files().find((each) => !before.has(each)) as string;
  const when = (Date.now() - daysAgo * DAY_MS) / 1_000;
  utimesSync(path, when, when);
  return path;
}

const files = (folder: string, uri: string): string[] => new OutboxFolder(folder, uri).files();

test("a full outbox without metrics drops the oldest whole runs and says so", async () => {
  const subject = kit({
    durability: "outbox",
    exitTimeoutMs: 2_000,
    outbox: { folder: newFolder(), maxBytes: 65_536 },
  });
  const { store, tracker, warnings } = subject;
  const asked = new Set<string | undefined>();
  store.fault = ({ create }) => {
    asked.add(create?.name);
    return away;
  };
  const open = tracker.startRun({ runName: "open", params: { lr: 1 } });
  const lost: string[] = [];
  for (let i = 0; i < 200; i++) {
    tracker.withRun({ runName: `run ${i}` }, (run) => {
      run.logParam("p", "x".repeat(500));
      run.logMetric("m", i);
      run.serverId().catch(({ code }: { code: string }) => lost.push(code));
    });
    await sleep(1);
  }
  open.logMetric("late", 1);
  open.end();
  await sleep(50);
  const { dropped } = tracker.stats();
  assert.ok(dropped > 100, String(dropped));
  assert.deepEqual(new Set(lost), new Set(["OUTBOX_FULL"]));
  assert.match(warnings.join("\n"), /all its metrics and its oldest runs were dropped/);
  store.fault = undefined;
  await until("the rest is delivered", () => tracker.stats().pending === 0);
  assertBalanced(tracker, 201);
  assert.equal(store.named("open")?.params.get("lr"), "1");
  assert.equal(store.runs.length + lost.length, 201);
  // Those that may have been created already are not dropped, however old they are; nor are those of a batch that is
  // being read.
  const named = Array.from({ length: 200 }, (_, i) => ({ i, name: `run ${i}` }));
  const gone = named.filter(({ name }) => store.named(name) === undefined);
  const kept = named.filter(({ name }) => store.named(name) !== undefined && !asked.has(name));
  const youngest = Math.max(...gone.map(({ i }) => i));
  const passedOver = kept.filter(({ i }) => i < youngest).length;
  assert.ok(
    store.named("run 199") !== undefined && passedOver <= 10,
    `${passedOver} older ones than run ${youngest} were not dropped`,
  );
  assert.deepEqual([...new Set(store.runs.map(({ status }) => status))], ["FINISHED"]);
  await tracker.shutdown();
});

test("when a full outbox can drop nothing, newer changes wait in memory", async () => {
  const { store, tracker } = kit({
    durability: "outbox",
    exitTimeoutMs: 2_000,
    outbox: { folder: newFolder(), maxBytes: 65_536 },
  });
  const runs = Array.from({ length: 20 }, (_, i) => tracker.startRun({ runName: `open ${i}` }));
  await until("all are created", () => store.runs.length === 20);
  store.fault = () => away;
  for (let n = 0; n < 30; n++) {
    for (const run of runs) run.logParam(`p${n}`, "x".repeat(1_000));
    await sleep(1);
  }
  assert.equal(tracker.stats().dropped, 0);
  store.fault = undefined;
  for (const run of runs) run.end();
  await until("all is delivered", () => tracker.stats().pending === 0);
  assert.ok(store.runs.every(({ params, status }) => params.size === 30 && status === "FINISHED"));
  await tracker.shutdown();
});

test("too old or too many outboxes of dead programs are removed and reported", async () => {
  const folder = newFolder();
  const uris = ["remote:a", "remote:b"];
  await leave(folder, "remote:a", 100);
  await leave(folder, "remote:b", 91, 2);
  const [young, younger] = [await leave(folder, "remote:a", 80), await leave(folder, "remote:a", 1)];
  const { store, tracker, warnings } = kit(
    { durability: "outbox", exitTimeoutMs: 50, outbox: { folder } },
    new RemoteStore("remote:c"),
  );
  store.fault = () => away;
  tracker.withRun({}, () => 1);
  await until("the old ones are gone", () => uris.flatMap((uri) => files(folder, uri)).length === 2);
  assert.deepEqual(files(folder, "remote:a"), [young, younger].sort());
  assert.equal(warnings.filter((warning) => warning.includes("OUTBOX_EXPIRED")).length, 2);
  assert.match(warnings.join("\n"), /6 changes of an earlier program/);
  await tracker.shutdown({ timeoutMs: 1 });
});

test("all outboxes share a limit: the oldest go first, a living one never", async () => {
  const folder = newFolder();
  const living = kit({ durability: "outbox", exitTimeoutMs: 1, outbox: { folder } }, new RemoteStore("remote:living"));
  living.store.fault = () => away;
  living.tracker.withRun({}, () => 1);
  await until("an outbox", () => files(folder, "remote:living").length === 1);
  const [first, second] = [await leave(folder, "remote:a", 5, 60), await leave(folder, "remote:a", 3, 60)];
  const facts = [first, second, ...files(folder, "remote:living")].map((path) => fileFacts(path).bytes);
  const maxTotalBytes = facts.reduce((sum, bytes) => sum + bytes, 0) - 1_000;
  const { store, tracker, warnings } = kit(
    { durability: "outbox", exitTimeoutMs: 50, outbox: { folder, maxTotalBytes } },
    new RemoteStore("remote:c"),
  );
  store.fault = () => away;
  tracker.withRun({}, () => 1);
  await until("the oldest one is gone", () => !files(folder, "remote:a").includes(first));
  await sleep(30);
  assert.deepEqual([files(folder, "remote:a"), files(folder, "remote:living").length], [[second], 1]);
  assert.match(warnings.join("\n"), /180 changes of an earlier program in .* filled more than .*OUTBOX_FULL/);
  await tracker.shutdown({ timeoutMs: 1 });
  await living.tracker.shutdown({ timeoutMs: 1 });
});
