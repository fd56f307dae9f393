import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { ArtifactRepository } from "../../src/contracts/artifact-repository.js";
import type { ReadyStore, RunChange, StoredIds } from "../../src/contracts/tracking-store.js";
import { createTracker, PulseError } from "../../src/index.js";
import { UploadTarget } from "../../src/recorder/uploads/upload-target.js";
import type { StoredRun } from "../../src/stores/stored-run.js";
import { away } from "../support/faulty-store.js";
import { tempFolder } from "../support/folders.js";
import { kit, newFolder } from "../support/outbox-kit.js";
import { RemoteStore } from "../support/remote-store.js";
import { memory } from "../support/stored-files.js";
import { sleep, until } from "../support/wait.js";

const folder = tempFolder("uploads");

test("texts, values, bytes and files of a run are stored as its artifacts", async () => {
  const { tracker, files, warnings } = memory();
  const file = join(folder, "weights.bin");
  writeFileSync(file, "weights");
  const bytes = new Uint8Array([104, 105]);
  tracker.withRun({}, (run) => {
    run.logText("# Report", "report.md");
    run.logDict(
      { at: new Date("2024-01-02T00:00:00Z"), n: 1n, layers: [64, 32], apiKey: "sk-1234567890abcdef1234" },
      "config/run.json",
    );
    run.logBytes(bytes, "a/b.bin");
    bytes[0] = 0;
    run.logArtifact(file, "model");
    run.logText("first", "same.txt");
    run.logText("second", "same.txt");
  });
  await tracker.flush();
  assert.deepEqual(files(), {
    "report.md": "# Report",
    "config/run.json": JSON.stringify(
      { at: "2024-01-02 00:00:00", n: 1, layers: [64, 32], apiKey: "[redacted]" },
      undefined,
      2,
    ),
    "a/b.bin": "hi",
    "model/weights.bin": "weights",
    "same.txt": "second",
  });
  const { artifacts, artifactBytes, pending, delivered, rejected, dropped } = tracker.stats();
  assert.deepEqual({ artifacts, pending, rejected, dropped }, { artifacts: 6, pending: 0, rejected: 0, dropped: 0 });
  assert.equal(delivered, 8);
  assert.ok(artifactBytes > 100);
  assert.equal(warnings.length, 1, warnings.join("\n"));
});

test("a folder is logged as its patterns say, without links", async () => {
  const { tracker, files, warnings } = memory();
  const root = join(folder, "out");
  mkdirSync(join(root, "drafts"), { recursive: true });
  for (const name of ["a.html", "b.txt", "drafts/c.html"]) writeFileSync(join(root, name), name);
  tracker.withRun({}, (run) => {
    symlinkSync("/etc/hostname", join(root, "link.html"));
    run.logArtifacts(root, "some", { include: ["**/*.html"], exclude: ["link.html", "drafts/**"] });
    assert.deepEqual(warnings, [], "links that the patterns leave out");
    run.logArtifacts(root, "all");
  });
  await tracker.flush();
  assert.deepEqual(Object.keys(files()).sort(), ["all/a.html", "all/b.txt", "all/drafts/c.html", "some/a.html"]);
  assert.match(warnings.join("\n"), /1 link or special file is left out: link\.html/);
});

test("a wrong file is reported once and fails nothing else", async () => {
  const { tracker, files, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logArtifact(join(folder, "none.bin"));
    run.logArtifact(folder);
    run.logText("x", "../up.txt");
    run.logText(3 as never, "three.txt");
    run.logDict("text" as never, "d.json");
    run.logBytes("text" as never, "b.bin");
    run.logText("good", "good.txt");
    run.logMetric("loss", 1);
  });
  await tracker.flush();
  assert.deepEqual(files(), { "good.txt": "good" });
  assert.equal(warnings.length, 6, warnings.join("\n"));
});

test("an embedded store keeps files beside the database, even removed ones", async () => {
  const place = tempFolder("db", folder);
  const file = join(place, "gone.bin");
  writeFileSync(file, "gone");
  const tracker = createTracker({
    trackingUri: `sqlite:///${join(place, "mlflow.db")}`,
    outbox: { folder: join(place, "outbox") },
  });
  const run = tracker.startRun({ experiment: "Files" });
  run.logArtifact(file);
  rmSync(file);
  writeFileSync(file, "replaced");
  run.logBytes(Buffer.alloc(200_000, 1), "large.bin");
  run.end();
  await tracker.flush();
  const artifacts = join(place, "mlruns", "1", run.id, "artifacts");
  assert.deepEqual(readdirSync(artifacts).sort(), ["gone.bin", "large.bin"]);
  assert.equal(readFileSync(join(artifacts, "gone.bin"), "utf8"), "gone");
  await tracker.shutdown();
  const left = readdirSync(join(place, "outbox"), { recursive: true }).map(String);
  assert.deepEqual(
    left.filter((name) => /files|outbox$/.test(name)),
    [],
  );
});

const text = ({ artifacts }: StoredRun): Record<string, string> =>
  Object.fromEntries([...artifacts.files].map(([path, bytes]) => [path, Buffer.from(bytes).toString()]));
const unavailable = new PulseError("STORE_UNAVAILABLE", "Away.");

/** Everything that lies in a folder, without the names of folders. */
const lies = (place: string): string[] =>
  existsSync(place)
    ? readdirSync(place, { recursive: true, withFileTypes: true }).flatMap((each) =>
        each.isFile() && each.name !== "uri" ? [each.name] : [],
      )
    : [];

test("files wait while their place is away, and leave nothing behind", async () => {
  const { store, tracker, folder: outbox, warnings } = kit({ exitTimeoutMs: 100 });
  store.uploadFault = () => unavailable;
  const source = join(folder, "waits.bin");
  writeFileSync(source, "waits");
  const run = tracker.startRun({ runName: "waits" });
  run.logText("small", "small.txt");
  run.logArtifact(source, "in");
  run.logBytes(Buffer.alloc(100_000, "x"), "large.txt");
  run.logMetric("loss", 1);
  run.end();
  await tracker.flush();
  rmSync(source);
  assert.equal(store.named("waits")?.status, "FINISHED");
  assert.deepEqual(store.named("waits") && text(store.named("waits") as StoredRun), {});
  assert.equal(tracker.stats().pending, 3);
  store.uploadFault = undefined;
  await until("files", () => tracker.stats().pending === 0);
  assert.deepEqual(text(store.named("waits") as StoredRun), {
    "small.txt": "small",
    "in/waits.bin": "waits",
    "large.txt": "x".repeat(100_000),
  });
  await tracker.shutdown();
  assert.deepEqual(lies(outbox), []);
  assert.match(warnings.join("\n"), /Away/);
});

test("the next program stores what one could not: small, large and linked files", async () => {
  const { store, tracker, folder: outbox, warnings } = kit({ exitTimeoutMs: 50 });
  store.uploadFault = () => unavailable;
  const source = join(folder, "inherited.bin");
  writeFileSync(source, "inherited");
  const run = tracker.startRun({ runName: "inherited" });
  await run.serverId();
  run.logText("small", "small.txt");
  run.logArtifact(source);
  run.logArtifact(source, "copies", { copy: true });
  run.logBytes(Buffer.alloc(100_000, "y"), "large.txt");
  run.end();
  await tracker.shutdown({ timeoutMs: 100 });
  rmSync(source);
  assert.match(warnings.join("\n"), /4 files .* kept in .*KEPT_FOR_LATER/);
  assert.equal(tracker.stats().pending, 4);
  assert.equal(lies(outbox).length, 4); // the outbox, and three files beside it
  store.uploadFault = undefined;
  const heir = kit({}, store, outbox);
  heir.tracker.withRun({ runName: "heir" }, () => undefined);
  await until("inherited files", () => Object.keys(text(store.named("inherited") as StoredRun)).length === 4);
  assert.deepEqual(text(store.named("inherited") as StoredRun), {
    "small.txt": "small",
    "inherited.bin": "inherited",
    "copies/inherited.bin": "inherited",
    "large.txt": "y".repeat(100_000),
  });
  await heir.tracker.shutdown();
  assert.deepEqual(lies(outbox), []);
});

test("files wait for their run's creation, by this program or the next", async () => {
  const { store, tracker, folder: outbox } = kit({ exitTimeoutMs: 50 });
  store.fault = () => away;
  tracker.withRun({ runName: "late" }, (run) => {
    run.logText("late", "late.txt");
    run.logMetric("loss", 1);
  });
  await tracker.shutdown({ timeoutMs: 50 });
  assert.equal(store.uploads.length, 0);
  store.fault = undefined;
  const heir = kit({}, store, outbox);
  heir.tracker.withRun({ runName: "heir" }, () => undefined);
  await until("the run and its file", () => store.named("late")?.artifacts.files.size === 1);
  assert.equal(store.named("late")?.status, "FINISHED");
  await heir.tracker.shutdown();
  assert.deepEqual(lies(outbox), []);
});

test("a refused file is reported once and named by a tag, and the others go on", async () => {
  const { store, tracker, warnings } = kit();
  store.uploadFault = (path) => (path === "bad.txt" ? new PulseError("REJECTED", "Not this one.") : undefined);
  tracker.withRun({ runName: "refused" }, (run) => {
    for (const name of ["bad.txt", "good.txt"]) run.logText(name, name);
  });
  await tracker.flush();
  await tracker.flush();
  const run = store.named("refused") as StoredRun;
  assert.deepEqual(text(run), { "good.txt": "good.txt" });
  assert.equal(run.tags.get("pulse.artifact_failed.bad.txt"), "Not this one.");
  assert.equal(warnings.filter((each) => each.includes("Not this one")).length, 1);
  assert.equal(tracker.stats().rejected, 1);
  assert.equal(tracker.stats().pending, 0);
  await tracker.shutdown();
});

test("a later file of the same name replaces the one that waits", async () => {
  const { store, tracker } = kit({ exitTimeoutMs: 50 });
  store.uploadFault = () => unavailable;
  const run = tracker.startRun({ runName: "same" });
  await run.serverId();
  for (let i = 0; i < 50; i++) {
    run.logText(`version ${i}`, "same.txt");
    if (i % 10 === 0) await sleep(2);
  }
  run.end();
  store.uploadFault = undefined;
  await until("the last version", () => tracker.stats().pending === 0);
  assert.deepEqual(text(store.named("same") as StoredRun), { "same.txt": "version 49" });
  await tracker.shutdown();
});

/** A store that another one takes the place of, which makes runs anew that it is told something of. */
class ReplacedStore extends RemoteStore {
  isReplaced = false;

  override apply(changes: readonly RunChange[]): ReturnType<RemoteStore["apply"]> {
    if (this.fault === undefined && changes.some(({ tags }) => tags.some(({ key }) => key === "pulse.recreated")))
      this.isReplaced = false;
    return super.apply(changes);
  }

  override async artifactsOf(ids: StoredIds): Promise<ArtifactRepository> {
    if (this.isReplaced) throw new PulseError("RUN_NOT_FOUND", `There is no run ${ids.runId}.`);
    return super.artifactsOf(ids);
  }
}

test("files alone make a replaced server's run anew, by this program or the next", async () => {
  for (const isKept of [false, true]) {
    const [store, outbox] = [new ReplacedStore(), newFolder()];
    const first = kit({ exitTimeoutMs: 60_000 }, store, outbox);
    const run = first.tracker.startRun({ runName: "moved" });
    await run.serverId();
    store.isReplaced = true;
    if (isKept) store.fault = () => away;
    for (const name of ["a", "b"]) run.logText(name, `${name}.txt`);
    run.end();
    if (isKept) await first.tracker.shutdown({ timeoutMs: 50 });
    const [left = ""] = isKept ? first.files() : [];
    assert.equal(left !== "", isKept);
    store.fault = undefined;
    const { tracker } = isKept ? kit({ exitTimeoutMs: 60_000 }, store, outbox) : first;
    if (isKept) tracker.withRun({ runName: "next" }, () => 1);
    const stored = (): StoredRun => store.named("moved") as StoredRun;
    await until("the files", () => stored()?.artifacts.files.size === 2 && !existsSync(left));
    assert.deepEqual(text(stored()), { "a.txt": "a", "b.txt": "b" });
    assert.notEqual(stored().tags.get("pulse.recreated"), undefined);
    await tracker.flush();
    assert.deepEqual([tracker.stats().rejected, tracker.stats().pending], [0, 0]);
    await tracker.shutdown();
    assert.deepEqual(lies(outbox), []);
  }
});

test("a run made anew for its files ends as before, also by the next program", async () => {
  const [store, outbox] = [new ReplacedStore(), newFolder()];
  const first = kit({}, store, outbox);
  store.uploadFault = () => unavailable;
  const run = first.tracker.startRun({ runName: "failed" });
  run.logText("text", "a.txt");
  run.end("FAILED");
  await until("the run", () => store.named("failed")?.status === "FAILED");
  await first.tracker.shutdown({ timeoutMs: 50 });
  assert.equal(first.files().length, 1);
  store.isReplaced = true;
  store.uploadFault = undefined;
  const second = kit({ exitTimeoutMs: 60_000 }, store, outbox);
  second.tracker.withRun({ runName: "next" }, () => 1);
  store.isReplaced = true;
  await until("the file", () => store.named("failed")?.artifacts.files.size === 1);
  const [anew] = store.given.filter(({ tags }) => tags.some(({ key }) => key === "pulse.recreated"));
  assert.deepEqual([anew?.end?.status, anew?.end?.ifRunning], ["FAILED", true]);
  await second.tracker.shutdown();
});

test("after a failure a store is asked again for a place, but keeps a repository", async () => {
  const closed: string[] = [];
  const repositoryAt = (uri: string) => ({ uri, close: () => closed.push(uri) }) as unknown as ArtifactRepository;
  let place: string | ArtifactRepository = "a:";
  let asked = 0;
  const artifactsOf = async (): Promise<string | ArtifactRepository> => {
    asked++;
    return place;
  };
  const target = new UploadTarget({ artifactsOf } as unknown as ReadyStore, repositoryAt);
  const ids = { runId: "1", experimentId: "" };
  const first = await target.repository(ids);
  assert.equal(await target.repository(ids), first);
  assert.equal(asked, 1);
  target.doubt();
  assert.equal(await target.repository(ids), first);
  assert.equal(asked, 2);
  target.doubt();
  place = "b:";
  assert.equal((await target.repository(ids))?.uri, "b:");
  assert.deepEqual([asked, closed], [3, ["a:"]]);
  place = repositoryAt("c:");
  const other = { runId: "2", experimentId: "" };
  assert.equal(await target.repository(other), place);
  target.doubt();
  assert.equal(await target.repository(other), place);
  assert.equal(asked, 4);
});

test("a file is lost with its run if that is not made anew", async () => {
  const { store, tracker, warnings } = kit({ exitTimeoutMs: 2_000 }, new ReplacedStore());
  const run = tracker.startRun({ runName: "purged" });
  await run.serverId();
  store.artifactsOf = async ({ runId }) => {
    throw new PulseError("RUN_NOT_FOUND", `There is no run ${runId}.`);
  };
  run.logText("text", "a.txt");
  run.end();
  await tracker.flush();
  await tracker.shutdown();
  assert.deepEqual([tracker.stats().rejected, tracker.stats().pending], [1, 0]);
  assert.match(String(store.named("purged")?.tags.get("pulse.artifact_failed.a.txt")), /There is no run/);
  assert.match(warnings.join("\n"), /RUN_NOT_FOUND/);
});

test("files of runs that sampling leaves out are neither stored nor counted", async () => {
  const { store, tracker, warnings } = kit();
  const fail = (sample: number): void =>
    tracker.withRun({ runName: `sample ${sample}`, sample }, (run) => run.logText("text", "text.txt"));
  fail(0);
  fail(1);
  assert.throws(() =>
    tracker.withRun({ runName: "failed", sample: 0 }, (run) => {
      run.logText("why", "why.txt");
      throw new Error("fails");
    }),
  );
  await tracker.flush();
  assert.deepEqual(store.uploads.sort(), ["text.txt", "why.txt"]);
  assert.equal(tracker.stats().artifacts, 2);
  assert.equal(tracker.stats().pending, 0);
  assert.deepEqual(warnings, []);
  await tracker.shutdown();
});

test('"memory" writes no files, and drops and counts what does not fit', async () => {
  const { store, tracker, folder: outbox, warnings } = kit({ durability: "memory", maxPendingBytes: 65_536 });
  store.uploadFault = () => unavailable;
  const run = tracker.startRun({ runName: "memory" });
  await run.serverId();
  for (let i = 0; i < 20; i++) run.logBytes(Buffer.alloc(10_000, i), `${i}.bin`);
  run.end();
  assert.deepEqual(lies(outbox), []);
  const { dropped, pending } = tracker.stats();
  assert.ok(dropped >= 13 && dropped <= 15, String(dropped));
  assert.ok(pending <= 8);
  store.uploadFault = undefined;
  await tracker.shutdown();
  assert.equal(store.named("memory")?.artifacts.files.size, 20 - dropped);
  assert.match(warnings.join("\n"), /MEMORY_FULL/);
});

test("a file replaced during its copy does not come back", async () => {
  const { store, tracker, folder: outbox } = kit({ exitTimeoutMs: 2_000 });
  const source = join(folder, "copied.bin");
  const run = tracker.startRun({ runName: "copied" });
  await run.serverId();
  for (const content of ["first", "second"]) {
    writeFileSync(source, content);
    run.logArtifact(source, undefined, { copy: true });
  }
  run.end();
  await until("the file", () => tracker.stats().pending === 0);
  await tracker.shutdown();
  assert.deepEqual(text(store.named("copied") as StoredRun), { "copied.bin": "second" });
  assert.deepEqual(lies(outbox), []);
});

test("files in the outbox are not dropped when memory is full", async () => {
  const { store, tracker, folder: outbox } = kit({ maxPendingBytes: 65_536 });
  store.uploadFault = () => unavailable;
  const run = tracker.startRun({ runName: "small" });
  await run.serverId();
  for (let i = 0; i < 20; i++) run.logBytes(Buffer.alloc(10_000, i), `${i}.bin`);
  run.end();
  const { dropped, pending } = tracker.stats();
  assert.ok(dropped === 0 && pending >= 20, `${dropped} dropped, ${pending} pending`);
  store.uploadFault = undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  await tracker.shutdown();
  const files = store.named("small")?.artifacts.files;
  assert.deepEqual(
    Array.from({ length: 20 }, (_, i) => files?.get(`${i}.bin`)?.at(-1)),
    Array.from({ length: 20 }, (_, i) => i),
  );
  assert.deepEqual(lies(outbox), []);
});

test("a file too large for the disk beside the outbox is left out with a warning", async () => {
  const { store, tracker, warnings } = kit({ outbox: { folder: newFolder(), maxArtifactBytes: 150_000 } });
  store.uploadFault = () => unavailable;
  tracker.withRun({ runName: "bounded" }, (run) => {
    for (const name of ["a", "b"]) run.logBytes(Buffer.alloc(100_000), name);
  });
  await until("the first", () => store.uploads.includes("a"));
  assert.match(warnings.join("\n"), /150000 bytes of files wait already; "b".*maxArtifactBytes.*ARTIFACT_REFUSED/);
  store.uploadFault = undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  assert.deepEqual([...(store.named("bounded")?.artifacts.files.keys() ?? [])], ["a"]);
  await tracker.shutdown();
});

test("a file that vanishes before it is kept is named, and the rest goes on", async () => {
  const { store, tracker, warnings } = kit({ durability: "memory" });
  const source = join(folder, "vanishes.bin");
  writeFileSync(source, "vanishes");
  tracker.withRun({ runName: "vanishes" }, (run) => {
    run.logArtifact(source);
    run.logText("stays", "stays.txt");
  });
  rmSync(source);
  await tracker.flush();
  await tracker.flush();
  const run = store.named("vanishes") as StoredRun;
  assert.deepEqual(text(run), { "stays.txt": "stays" });
  assert.match(String(run.tags.get("pulse.artifact_failed.vanishes.bin")), /no longer exists/);
  assert.match(warnings.join("\n"), /vanishes.bin no longer exists.*ARTIFACT_UNREADABLE/);
  await tracker.shutdown();
});

test("a file rewritten in place is stored as rewritten and reported, a copy is not", async () => {
  const { store, tracker, warnings } = kit();
  store.fault = () => away;
  const source = join(folder, "rewritten.bin");
  writeFileSync(source, "before");
  tracker.withRun({ runName: "rewritten" }, (run) => {
    run.logArtifact(source);
    run.logArtifact(source, "copy", { copy: true });
  });
  await sleep(100);
  writeFileSync(source, "after!!");
  store.fault = undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  assert.deepEqual(text(store.named("rewritten") as StoredRun), {
    "rewritten.bin": "after!!",
    "copy/rewritten.bin": "before",
  });
  assert.match(warnings.join("\n"), /was rewritten after it was logged.*ARTIFACT_REWRITTEN/);
  await tracker.shutdown();
});
