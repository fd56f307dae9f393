// Streams that are logged as files.
import assert from "node:assert/strict";
import { createReadStream, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { configure, logExperiment, PulseError, shutdown, startRun } from "../../src/index.js";
import { Staging } from "../../src/recorder/staging/staging.js";
import { arrival } from "../../src/recorder/uploads/arrivals.js";
import { forgettingRun } from "../../src/run/open-run.js";
import { tempFolder } from "../support/folders.js";
import { kit } from "../support/outbox-kit.js";
import { memory } from "../support/stored-files.js";

const folder = tempFolder("streams");

/**
 * Takes chunks of 50,000 bytes while the disk has room for so many bytes; what is beside the outbox afterwards comes
 * with it.
 */
async function arriving(chunks: number, { disk, inMemory }: { disk: number; inMemory: number }) {
  const outbox = join(tempFolder("arrivals", folder), "a.outbox");
  let id = 0;
  const staging = new Staging(
    () => outbox,
    () => `s${id++}`,
  );
  const begin = staging.writer.bind(staging);
  staging.writer = async () => {
    const writer = await begin();
    let written = 0;
    const write = async (bytes: Uint8Array): Promise<void> => {
      const room = Math.max(0, disk - written);
      written += bytes.length;
      if (bytes.length > room)
        throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      await writer.write(bytes);
    };
    return { ...writer, write };
  };
  async function* source() {
    for (let i = 0; i < chunks; i++) yield Buffer.alloc(50_000, i);
  }
  const room = { staging, usable: () => true, inMemory, beside: () => 1e9 };
  const came = await arrival("x", source(), room, { over: false, progress: () => undefined }).catch(
    (error: unknown) => error,
  );
  return { came, left: readdirSync(`${outbox}.files`) };
}

test("streams of every kind are read to the end, and so are Blobs", async () => {
  const { tracker, text, warnings } = memory();
  const file = join(folder, "stream.txt");
  writeFileSync(file, "from a file");
  await tracker.withRun({}, async (run) => {
    const reused = Buffer.from("..");
    async function* chunks() {
      for (const byte of "abc") {
        reused.fill(byte);
        yield reused;
      }
    }
    const { getReader } = new Blob(["of old"]).stream();
    const old = new Blob(["of old"]).stream();
    await Promise.all([
      run.logStream(createReadStream(file), "node.txt"),
      run.logStream(new Blob(["web"]).stream(), "web.txt"),
      run.logStream({ getReader: () => getReader.call(old) } as never, "old.txt"),
      run.logStream(Readable.from(["te", "xt"]), "text.txt"),
      run.logStream(chunks(), "reused.bin"),
      run.logStream(Readable.from(["a \u{1F600}".slice(0, 3), "\u{1F600} b".slice(1)]), "halves.txt"),
    ]);
    run.logBytes(new Blob(["blob"]), "blob.txt");
  });
  await tracker.flush();
  const expected = {
    "node.txt": "from a file",
    "web.txt": "web",
    "old.txt": "of old",
    "text.txt": "text",
    "reused.bin": "aabbcc",
    "blob.txt": "blob",
    "halves.txt": "a \u{1F600} b",
  };
  for (const [path, content] of Object.entries(expected)) assert.equal(text(path), content, path);
  assert.deepEqual(warnings, []);
});

test("a broken stream, or one without bytes, stores nothing and is reported", async () => {
  const { tracker, names, run: stored, warnings } = memory();
  async function* breaks() {
    yield "a";
    throw new Error("the wire is cut");
  }
  await tracker.withRun({}, async (run) => {
    await run.logStream(breaks(), "broken.txt");
    await run.logStream(Readable.from([1, 2]), "numbers.txt");
    await run.logStream("text" as never, "text.txt");
  });
  await tracker.flush();
  assert.deepEqual(names(), []);
  assert.match(
    String(stored().tags.get("pulse.artifact_failed.broken.txt")),
    /"broken\.txt" of run .* failed while it was read: the wire is cut\./,
  );
  assert.match(
    warnings.join("\n"),
    /"numbers\.txt" of run .* failed while it was read: a stream of bytes or texts is needed, this one gave 1\./,
  );
  assert.match(warnings.join("\n"), /logStream "text\.txt" needs a stream, got "text"; it is left out/);
  assert.equal(tracker.stats().rejected, 2);
});

test("a long stream waits beside the outbox with mode 0600, and leaves nothing behind", async () => {
  const { store, tracker, folder: outbox } = kit({ exitTimeoutMs: 60_000 });
  store.uploadFault = () => new PulseError("STORE_UNAVAILABLE", "Away.");
  const run = tracker.startRun({ runName: "long" });
  async function* long() {
    for (let i = 0; i < 40; i++) yield Buffer.alloc(10_000, i);
  }
  await run.logStream(long(), "long.bin");
  const beside = readdirSync(outbox, { recursive: true })
    .map(String)
    .filter((name) => /\.files[\\/]/.test(name));
  assert.equal(beside.length, 1);
  store.uploadFault = undefined;
  run.end();
  await tracker.flush();
  assert.equal(store.named("long")?.artifacts.files.get("long.bin")?.length, 400_000);
  await tracker.shutdown();
  assert.deepEqual(
    readdirSync(outbox, { recursive: true }).filter((name) => /\.files[\\/]/.test(String(name))),
    [],
  );
});

test("a stream that is too long or never ends is left out and reported", async () => {
  const { tracker, names, warnings } = memory({ maxPendingBytes: 100_000, exitTimeoutMs: 50 });
  const run = tracker.startRun({});
  async function* endless() {
    yield "begins";
    await new Promise(() => undefined);
  }
  await run.logStream(Readable.from([Buffer.alloc(60_000), Buffer.alloc(60_000)]), "long.bin");
  const never = run.logStream(endless(), "never.txt");
  run.end();
  await tracker.shutdown();
  assert.deepEqual(names(), []);
  assert.match(
    warnings.join("\n"),
    /There is no room for all of "long\.bin" of run .*maxPendingBytes.*ARTIFACT_REFUSED/,
  );
  assert.match(
    warnings.join("\n"),
    /The program ended before all of "never\.txt" of run .* was received.*LOST_AT_EXIT/,
  );
  void never;
});

test("flush waits for a stream as long as something comes", async () => {
  const { tracker, text } = memory({ exitTimeoutMs: 2_000 });
  async function* slow() {
    for (let i = 0; i < 30; i++) {
      await new Promise((resolve) => setTimeout(resolve, 80));
      yield String(i);
    }
  }
  tracker.withRun({}, (run) => void run.logStream(slow(), "slow.txt"));
  await tracker.flush();
  assert.equal(text("slow.txt"), Array.from({ length: 30 }, (_, i) => i).join(""));
});

test("a complete stream stays when one logged later for its path breaks off", async () => {
  const { tracker, text, warnings } = memory();
  async function* good() {
    yield "good";
    await new Promise(setImmediate);
  }
  async function* bad() {
    yield "bad";
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    throw new Error("broke");
  }
  await tracker.withRun({}, (run) => Promise.all([run.logStream(good(), "s.txt"), run.logStream(bad(), "s.txt")]));
  await tracker.flush();
  assert.equal(text("s.txt"), "good");
  assert.match(warnings.join("\n"), /"s\.txt" of run .* failed while it was read: broke/);
});

test("flush names the stream that it gave up waiting for", async () => {
  const { tracker, warnings } = memory({ exitTimeoutMs: 40 });
  const run = tracker.startRun({ runName: "waits" });
  let close: () => void = () => undefined;
  async function* silent() {
    yield "begins";
    await new Promise<void>((resolve) => {
      close = resolve;
    });
  }
  const read = run.logStream(silent(), "socket.log");
  await tracker.flush();
  assert.match(
    warnings.join("\n"),
    /flush\(\) gave up: the stream logged as "socket\.log" in run [\da-f]{32} has not ended, and no data arrived for \d+ ms\./,
  );
  close();
  await read;
  run.end();
  await tracker.shutdown();
});

test("a broken stream is no loss when another file has taken its path", async () => {
  const { tracker, text, run, warnings } = memory();
  async function* broken() {
    yield "half";
    await new Promise(setImmediate);
    throw new Error("gone");
  }
  await tracker.withRun({}, async (run) => {
    const read = run.logStream(broken(), "a.txt");
    run.logText("whole", "a.txt");
    await read;
  });
  await tracker.flush();
  assert.equal(text("a.txt"), "whole");
  assert.deepEqual(
    [...run().tags.keys()].filter((key) => key.startsWith("pulse.")),
    [],
  );
  assert.deepEqual(warnings, []);
  const { artifacts, rejected, pending } = tracker.stats();
  assert.deepEqual([artifacts, rejected, pending], [2, 0, 0]);
});

test("a stream goes on in memory when the disk is full, and ends when that is too", async () => {
  const whole = Buffer.concat(Array.from({ length: 6 }, (_, i) => Buffer.alloc(50_000, i)));
  for (const disk of [0, 120_000]) {
    const { came, left } = await arriving(6, { disk, inMemory: 1e6 });
    assert.ok(came instanceof Uint8Array && whole.equals(came), String(came));
    assert.deepEqual(left, []);
  }
  const { came, left } = await arriving(6, { disk: 120_000, inMemory: 200_000 });
  assert.match(
    String(came),
    /There is no room for all of x beside the outbox \(ENOSPC: .*\), nor in memory; it is left out\. Free space on that disk, or raise maxPendingBytes\./,
  );
  assert.deepEqual(left, []);
});

test("a run that forgets still reads a stream to its end", async () => {
  let given = 0;
  async function* counted() {
    for (; given < 3; given++) yield "x";
  }
  await forgettingRun({}).logStream(counted(), "x.txt");
  assert.equal(given, 3);
  async function* breaks() {
    yield "x";
    throw new Error("the wire is cut");
  }
  await forgettingRun({}).logStream(breaks(), "x.txt");
});

test("logExperiment does not wait for another run's stream", async () => {
  const place = tempFolder("beside", folder);
  configure({
    trackingUri: `sqlite:///${join(place, "mlflow.db")}`,
    outbox: { folder: join(place, "outbox") },
    logger: { warn: () => undefined },
  });
  let end = (): void => undefined;
  async function* endless() {
    yield "begins";
    await new Promise<void>((resolve) => {
      end = resolve;
    });
  }
  const run = startRun({ experiment: "Beside" });
  const read = run.logStream(endless(), "long.txt");
  const began = performance.now();
  await logExperiment({ experiment: "Beside", artifacts: { "a.txt": "a" }, timeoutMs: 60_000 });
  assert.ok(performance.now() - began < 55_000, "it has waited for its whole time");
  end();
  await read;
  run.end();
  await shutdown();
});

test("a stream read before is reported, an empty one is an empty file", async () => {
  const { tracker, names, warnings } = memory();
  await tracker.withRun({}, async (run) => {
    const web = new Blob(["gone"]).stream();
    for await (const _ of web as unknown as AsyncIterable<unknown>);
    await run.logStream(web, "used.txt");
    await run.logStream(new Blob([]).stream(), "empty.txt");
  });
  await tracker.flush();
  assert.deepEqual(names(), ["empty.txt"]);
  assert.match(warnings.join("\n"), /"used\.txt".*the stream was read to its end before it was logged/);
});

test("the last call for a path counts, however long a stream takes", async () => {
  const { tracker, text } = memory();
  async function* slow(content: string) {
    yield content;
    await new Promise(setImmediate);
    yield "!";
  }
  await tracker.withRun({}, async (run) => {
    const all = [
      run.logStream(slow("old"), "a.txt"),
      run.logStream(slow("older"), "b.txt"),
      run.logStream(slow("new"), "b.txt"),
    ];
    run.logBytes(new Blob(["from a blob"]), "c.txt");
    run.logText("last", "a.txt");
    run.logText("last", "c.txt");
    run.logText("first", "d.txt");
    all.push(run.logStream(slow("last"), "d.txt"));
    await Promise.all(all);
  });
  await tracker.flush();
  assert.deepEqual(["a.txt", "b.txt", "c.txt", "d.txt"].map(text), ["last", "new!", "last", "last!"]);
  const { artifacts, delivered, pending } = tracker.stats();
  assert.deepEqual([artifacts, delivered, pending], [8, 10, 0]);
});
