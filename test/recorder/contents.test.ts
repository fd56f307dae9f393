// What is logged as a file without being one: values as YAML, streams, tables, images, figures.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import sharp from "sharp";
import { configure, logExperiment, PulseError, shutdown, startRun } from "../../src/index.js";
import { Staging } from "../../src/recorder/staging/staging.js";
import { openSource, sourceFile } from "../../src/recorder/staging/upload-source.js";
import { arrival } from "../../src/recorder/uploads/arrivals.js";
import { figureFile } from "../../src/run/files/figure.js";
import { forgettingRun } from "../../src/run/open-run.js";
import { tempFolder } from "../support/folders.js";
import { kit } from "../support/outbox-kit.js";
import { memory } from "../support/stored-files.js";

const folder = tempFolder("contents");
const apart = tempFolder("links");

test(".yaml and .yml files hold sorted YAML that YAML 1.1 reads as meant, no secrets", async () => {
  const { tracker, text, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logDict(
      { no: "no", big: 1e21, small: -1e-7, at: new Date(0), b: [1, { c: null }], password: "hunter2hunter2" },
      "c.yml",
    );
    const shared = { x: 1 };
    run.logDict({ one: shared, two: shared }, "shared.YAML");
    run.logDict({ loss: Number.NaN, most: Infinity, least: -Infinity }, "numbers.yaml");
    run.logDict({ loss: Number.NaN }, "numbers.json");
  });
  await tracker.flush();
  // As PyYAML writes and reads them; JSON has no word for them.
  assert.equal(text("numbers.yaml"), "least: -.inf\nloss: .nan\nmost: .inf\n");
  assert.equal(text("numbers.json"), '{\n  "loss": null\n}');
  assert.equal(
    text("c.yml"),
    'at: "1970-01-01 00:00:00"\nb:\n  - 1\n  - c: null\nbig: 1.0e+21\n"no": "no"\npassword: "[redacted]"\nsmall: -1.0e-7\n',
  );
  assert.equal(text("shared.YAML"), "one:\n  x: 1\ntwo:\n  x: 1\n");
  assert.match(warnings.join("\n"), /"c\.yml".*REDACTED/);
});

test("secrets in pairs, named values and after options are replaced in values", async () => {
  const { tracker, text } = memory();
  tracker.withRun({}, (run) =>
    run.logDict(
      {
        pairs: [
          ["password", "hunter2hunter2"],
          ["user", "ann"],
        ],
        named: [
          { name: "api_key", value: "zzzzzzzzzzzz" },
          { value: "plain", name: "HOME" },
        ],
        command: ["train", "--password", "hunter3hunter3", "--epochs", "3"],
        words: ["password", "username", "email"],
      },
      "c.json",
    ),
  );
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("c.json") ?? ""), {
    pairs: [
      ["password", "[redacted]"],
      ["user", "ann"],
    ],
    named: [
      { name: "api_key", value: "[redacted]" },
      { value: "plain", name: "HOME" },
    ],
    command: ["train", "--password", "[redacted]", "--epochs", "3"],
    words: ["password", "username", "email"],
  });
});

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
    /"broken\.txt" of run .* broke off: the wire is cut\./,
  );
  assert.match(
    warnings.join("\n"),
    /"numbers\.txt" of run .* broke off: a stream of bytes or texts is needed, this one gave 1\./,
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
  assert.match(warnings.join("\n"), /The program ended before all of "never\.txt" of run .* had come.*LOST_AT_EXIT/);
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

test("the last call for a path counts, also when one of them is a table", async () => {
  const { tracker, text } = memory();
  const both = '{\n  "columns": [\n    "a"\n  ],\n  "data": [\n    [\n      1\n    ],\n    [\n      2\n    ]\n  ]\n}';
  await tracker.withRun({}, async (run) => {
    for (const path of ["text.json", "stream.json", "again.json"]) run.logTable([{ a: 1 }], path);
    run.logText("x", "text.json");
    run.logText("x", "again.json");
    await run.logStream(Readable.from(["s"]), "stream.json");
    run.logTable([{ a: 2 }], "again.json");
  });
  await tracker.flush();
  assert.deepEqual(["text.json", "stream.json", "again.json"].map(text), ["x", "s", both]);
});

test("a copied file is the one of that moment, and a link stands for its target", async () => {
  const { store, tracker } = kit({ exitTimeoutMs: 60_000 });
  const inside = tempFolder("links", apart);
  const [copied, target, link] = ["copied.bin", "v1.bin", "latest.bin"].map((name) => join(inside, name)) as [
    string,
    string,
    string,
  ];
  tracker.withRun({ runName: "files" }, (run) => {
    for (let i = 0; i < 20; i++) {
      writeFileSync(copied, `OLD${"x".repeat(i * 20_000)}`);
      run.logArtifact(copied, String(i), { copy: true });
      writeFileSync(copied, `NEW${"y".repeat(i * 20_000)}`);
    }
    writeFileSync(target, "version1");
    symlinkSync("v1.bin", link);
    run.logArtifact(link);
    rmSync(target);
    writeFileSync(target, "VERSION2");
  });
  await tracker.flush();
  const { files } = store.named("files")?.artifacts ?? { files: new Map<string, Uint8Array>() };
  for (let i = 0; i < 20; i++)
    assert.equal(Buffer.from(files.get(`${i}/copied.bin`) ?? "").toString(), `OLD${"x".repeat(i * 20_000)}`, String(i));
  assert.equal(Buffer.from(files.get("latest.bin") ?? "").toString(), "version1");
  await tracker.shutdown();
});

test("a pipe is no file, and nobody waits for its writer", { skip: process.platform === "win32" }, async () => {
  const { tracker, names, warnings } = memory();
  const pipe = join(tempFolder("pipes", apart), "pipe");
  execFileSync("mkfifo", [pipe]);
  tracker.withRun({}, (run) => {
    run.logArtifact(pipe);
    run.logText("after", "after.txt");
  });
  await tracker.flush();
  assert.deepEqual(names(), ["after.txt"]);
  assert.match(warnings.join("\n"), /pipe cannot be read: it is no file/);
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
  assert.match(warnings.join("\n"), /"s\.txt" of run .* broke off: broke/);
});

test("promises, throwing options and file: names are refused without throwing", async () => {
  const { tracker, names, warnings } = memory();
  const evil = {
    get key(): string {
      throw new Error("evil");
    },
  };
  tracker.withRun({}, (run) => {
    run.logImage(Buffer.from("x"), evil);
    run.logText("x", "file:x");
  });
  await tracker.flush();
  assert.deepEqual(names(), []);
  assert.match(warnings.join("\n"), /logImage.*evil/);
  assert.match(warnings.join("\n"), /"file:x" begins as a file: URI/);
  configure({ trackingUri: "memory:" });
  const artifacts = { "a.json": Promise.resolve({ a: 1 }) } as never;
  await assert.rejects(
    logExperiment({ experiment: "x", artifacts }),
    /"a\.json" needs a text, bytes, .*; got a promise/,
  );
  await shutdown();
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
    /flush\(\) gave up: the stream logged as "socket\.log" in run [\da-f]{32} has not ended, and nothing came for \d+ ms\./,
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

test("a table grows by rows and columns, is stored as a whole and named by a tag", async () => {
  const { tracker, text, run: stored, warnings } = memory();
  const run = tracker.startRun({});
  for (let i = 0; i < 500; i++) run.logTable([{ i, square: i * i }], "t.json");
  run.logTable({ i: [500, Number.NaN], at: [new Date(0), 5n] }, "t.json");
  run.logTable({ i: 502, ok: true, password: "hunter2hunter2" }, "t.json");
  run.logTable([new Map([["i", 503]])], "other/u.json");
  await tracker.flush();
  run.end();
  await tracker.flush();
  const { columns, data } = JSON.parse(text("t.json") ?? "");
  assert.deepEqual(columns, ["i", "square", "at", "ok", "password"]);
  assert.equal(data.length, 503);
  assert.deepEqual(data[2], [2, 4, null, null, null]);
  assert.deepEqual(data.slice(500), [
    [500, null, "1970-01-01T00:00:00.000Z", null, null],
    [null, null, 5, null, null],
    [502, null, null, true, "[redacted]"],
  ]);
  assert.equal(
    stored().tags.get("mlflow.loggedArtifacts"),
    '[{"path": "t.json", "type": "table"}, {"path": "other/u.json", "type": "table"}]',
  );
  assert.ok(tracker.stats().artifacts < 10, "it is not stored once for each row");
  assert.equal(warnings.length, 1, warnings.join("\n"));
});

test("a wrong table is reported and leaves the table as it was", async () => {
  const { tracker, text, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logTable([{ a: 1 }], "t.json");
    const wrong = [3, "x", [1], [[1]], { a: [1, 2], b: [1] }, { a: [1], b: 2 }];
    for (const [i, rows] of wrong.entries()) run.logTable(rows as never, `${i}.json`);
    run.logTable([{ a: 1 }, 2] as never, "t.json");
    run.logTable([{ a: 1 }], "t.csv");
    run.logTable([{ a: 1 }], "it's.json");
  });
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? ""), { columns: ["a"], data: [[1]] });
  const said = warnings.join("\n");
  for (const expected of [
    /needs rows or columns, got 3/,
    /columns of one length: "a" has 2 values, "b" 1/,
    /"b" is 2/,
    /must end in \.json or \.parquet/,
    /has one of " '/,
  ])
    assert.match(said, expected);
});

test("a resumed run appends its rows, and does not overwrite what is no table", async () => {
  const { tracker, store } = memory();
  const { tracker: later, text, names, warnings, run: stored } = memory({}, store); // as in another program
  const first = tracker.startRun({});
  first.logTable([{ a: 1 }, { a: 2 }], "t.json");
  first.logTable([{ a: 1 }], "kept.json");
  first.logText("{}", "odd.json");
  first.end();
  await tracker.flush();
  const again = later.startRun({ runId: first.id });
  again.logTable([{ b: 3 }], "t.json");
  again.logTable([{ a: 4 }], "t.json");
  again.logTable([{ x: 1 }], "odd.json");
  again.logTable([{ x: 1 }], "new.json");
  await later.flush();
  again.logTable([{ a: 5 }], "t.json");
  again.end();
  await later.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? ""), { columns: ["a", "b"], data: [[1, null], [2, null], [null, 3], [4, null], [5, null]] }); // biome-ignore format: rows
  assert.equal(text("odd.json"), "{}");
  const [apart] = names().filter((name) => /^odd-[0-9a-f]{8}\.json$/.test(name));
  assert.deepEqual(JSON.parse(text(apart ?? "") ?? ""), { columns: ["x"], data: [[1]] });
  assert.deepEqual(JSON.parse(text("new.json") ?? ""), { columns: ["x"], data: [[1]] });
  assert.match(
    warnings.join("\n"),
    /Table "odd\.json" of run .* cannot be read \(it is no table\); the new rows are in odd-/,
  );
  assert.equal(stored().status, "FINISHED");
  const tables = JSON.parse(stored().tags.get("mlflow.loggedArtifacts") ?? "").map(
    ({ path }: { path: string }) => path,
  );
  assert.deepEqual(tables, ["t.json", "kept.json", "odd.json", "new.json"]);
});

const pixels = { width: 400, height: 200, data: Uint8Array.from({ length: 400 * 200 * 3 }, (_, i) => (i * 7) % 256) };

test("pixels become a readable PNG: grey, RGB, RGBA, integers and floats", async () => {
  const { tracker, bytes } = memory();
  tracker.withRun({}, (run) => {
    run.logImage(pixels, "rgb.png");
    run.logImage({ width: 2, height: 2, data: [0, 50, 100, 255] }, "grey.png");
    run.logImage({ width: 1, height: 1, data: new Float32Array([0, 0.5, 1, 1]) }, "float.png");
  });
  await tracker.flush();
  const raw = async (path: string) => sharp(bytes(path)).raw().toBuffer({ resolveWithObject: true });
  const { data, info } = await raw("rgb.png");
  assert.deepEqual([info.width, info.height, info.channels], [400, 200, 3]);
  assert.ok(data.equals(Buffer.from(pixels.data)));
  assert.deepEqual([...(await sharp(bytes("grey.png")).toColourspace("b-w").raw().toBuffer())], [0, 50, 100, 255]);
  assert.deepEqual([...(await raw("float.png")).data], [0, 128, 255, 255]);
});

test("images with a key appear in MLflow's grid: two files, a step and the tag", async () => {
  const { tracker, names, bytes, run: stored } = memory();
  const jpeg = await sharp({ create: { width: 600, height: 300, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer();
  tracker.withRun({}, (run) => {
    run.logImage(pixels, { key: "digits/wrong" });
    run.logImage(jpeg, { key: "digits/wrong", timestamp: 1_700_000_000_000 });
    run.logImage({ toBuffer: async () => jpeg }, { key: "other", step: 7 });
  });
  await tracker.flush();
  const grid = names().map((name) =>
    /^images\/(.*)\+step\+(\d+)\+timestamp\+(\d+)\+[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.png|\+compressed\.webp)$/
      .exec(name)
      ?.slice(1),
  );
  assert.deepEqual(
    grid.map((found) => [found?.[0], found?.[1], found?.[3]]),
    ["digits~wrong 0", "digits~wrong 1", "other 7"].flatMap((each) =>
      ["+compressed.webp", ".png"].map((ending) => [...each.split(" "), ending]),
    ),
  );
  assert.ok(grid.some((found) => found?.[2] === "1700000000000"));
  for (const name of names().filter((each) => each.endsWith(".webp"))) {
    const { format, width } = await sharp(bytes(name)).metadata();
    assert.deepEqual([format, width], ["webp", 256], name);
  }
  assert.equal(stored().tags.get("mlflow.loggedImages"), "True");
});

test("a wrong image is reported", async () => {
  const { tracker, names, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logImage("x" as never, "a.png");
    run.logImage({ width: 2, height: 2, data: [1, 2, 3] }, "b.png");
    run.logImage({ width: 1, height: 1, data: [256] }, "c.png");
    run.logImage({ width: 1, height: 1, data: new Float64Array([1.5]) }, "d.png");
    run.logImage({ width: 1, height: 1, data: [1] }, "e.jpg");
    run.logImage(Buffer.from("text"), { key: "k" });
    run.logImage(pixels, { key: "50%" });
    run.logImage({ toBuffer: async () => "x" as never }, "f.png");
    run.logImage({ toBuffer: () => Promise.reject(new Error("no canvas")) }, "g.png");
  });
  await tracker.flush();
  assert.deepEqual(names(), []);
  const said = warnings.join("\n");
  for (const expected of [
    /logImage "a\.png" takes bytes or pixels, not a path: readFileSync\("x"\) gives bytes/,
    /2 x 2 pixels are 1, 3 or 4 values each, so 4, 12 or 16 in all; got 3/,
    /values are from 0 to 255; got 256/,
    /values are from 0 to 1 in a float array; got 1\.5/,
    /the name must end in \.png, got "e\.jpg"/,
    /must be a PNG, JPEG, GIF or WebP file/,
    /key must be letters, digits/,
    /toBuffer\(\) gave "x", not bytes/,
    /no canvas/,
  ])
    assert.match(said, expected);
});

test("a user's own images stay out of the folder that MLflow's grid reads", async () => {
  const { tracker, names, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logBytes(Buffer.from([1]), "images/mine.png");
    run.logText("x", "images/notes.txt");
    run.logBytes(Buffer.from([1]), "images/deeper/mine.png");
  });
  await tracker.flush();
  assert.deepEqual(names(), ["image-files/mine.png", "images/deeper/mine.png", "images/notes.txt"]);
  assert.match(warnings.join("\n"), /images\/mine\.png is stored as image-files\/mine\.png.*ARTIFACT_RENAMED/);
});

test("figures are JSON, or a page that loads nothing and cannot be broken out of", async () => {
  const { tracker, text, names, warnings } = memory();
  const plotly = {
    data: [{ x: new Float64Array([1, 2]), y: [3, Number.NaN] }],
    layout: { title: { text: "</script><script>alert(1)</script>" } },
  };
  tracker.withRun({}, (run) => {
    run.logFigure(plotly, "plot.json");
    run.logFigure(plotly, "plot.html");
    run.logFigure({ mark: "bar", data: { values: [] }, encoding: {} }, "vega.html");
    run.logFigure('<svg xmlns="http://www.w3.org/2000/svg"></svg>', "a.svg");
    run.logFigure("<p>", "page.html");
    for (const [figure, path] of [[{ foo: 1 }, "b.json"], ["text", "b.svg"], [plotly, "b.png"]] as const) run.logFigure(figure, path); // biome-ignore format: one line
  });
  await tracker.flush();
  assert.deepEqual(names(), ["a.svg", "page.html", "plot.html", "plot.json", "vega.json"]);
  assert.deepEqual(JSON.parse(text("plot.json") ?? "").data, [{ x: [1, 2], y: [3, null] }]);
  const page = text("plot.html") ?? "";
  assert.ok(page.length > 1_000_000 && page.startsWith("<!doctype html>"));
  assert.equal(page.split("</script>").length, 3); // Plotly's and the one that shows the figure
  assert.doesNotMatch(page, /<script[^>]+src|<link/);
  assert.match(page, /Plotly\.newPlot\("figure", \{/);
  assert.match(
    warnings.join("\n"),
    /a page needs vega, vega-lite, vega-embed; the figure is stored as vega\.json.*PACKAGE_MISSING/,
  );
  assert.match(warnings.join("\n"), /a figure of Plotly .* is needed; got \{"foo":1\}/);
});

test("a Vega-Lite page holds its three packages in order", () => {
  const place = tempFolder("vega", folder);
  for (const name of ["vega", "vega-lite", "vega-embed"])
    writeFileSync(join(place, `${name}.min.js`), `/* ${name} </script> */`);
  const { text, path, missing } = figureFile(
    { $schema: "https://vega.github.io/schema/vega-lite/v6.json" },
    "v.html",
    JSON.stringify,
    () => join(place, "index.js"),
  );
  assert.deepEqual([path, missing], ["v.html", undefined]);
  assert.deepEqual(text.match(/\/\* [\w-]+ <\\\/script> \*\/|vegaEmbed\("#figure", \{.*\}\);/g)?.length, 4);
});

test("wrong names and files are answered with what is right", async () => {
  const { tracker, names, warnings } = memory();
  const file = join(folder, "there.txt");
  writeFileSync(file, "x");
  const empty = tempFolder("empty", folder);
  tracker.withRun({}, (run) => {
    run.logArtifact(undefined as never);
    run.logArtifacts("");
    run.logArtifact(join(folder, "missing.txt"));
    run.logArtifact(folder);
    run.logArtifact(file, undefined, { cpoy: true } as never);
    run.logArtifacts(file);
    run.logArtifacts(join(folder, "nodir"));
    run.logArtifacts(empty);
    run.logArtifacts(folder, "x", { include: ["*.none"] });
    run.logArtifacts(empty, "x", { ignore: ["*"] } as never);
    run.logText("report.md", "This is my report");
    run.logText("x", "reports/");
  });
  await tracker.flush();
  assert.deepEqual(names(), ["This is my report", "there.txt"]);
  const said = warnings.join("\n");
  for (const expected of [
    /logArtifact needs the path of a file, got undefined/,
    /logArtifacts needs the path of a folder, got ""/,
    /missing\.txt does not exist; it is left out/,
    /is a folder: logArtifacts\(\) logs those/,
    /logArtifact: there is no option "cpoy"\. Did you mean "copy"\?/,
    /there\.txt is a file: logArtifact\(\) logs those/,
    /nodir does not exist/,
    /there is no file in it/,
    /no file in it is picked by include and exclude/,
    /logArtifacts: there is no option "ignore"/,
    /the text comes first, then the file: "report\.md" was stored as "This is my report"/,
    /"reports\/" is that of a folder: the file's name is missing/,
  ])
    assert.match(said, expected);
});

test("logExperiment resolves when its files are stored, and rejects if one fails", async () => {
  const place = tempFolder("log", folder);
  const path = join(place, "w.bin");
  writeFileSync(path, "weights");
  const trackingUri = `sqlite:///${join(place, "mlflow.db")}`;
  const artifacts = {
    "model.json": { lr: 0.1 },
    "plot.svg": "<svg/>",
    data: { path },
    "s.txt": Readable.from(["s"]),
    "b/x.bin": Buffer.alloc(200_000),
  };
  const { runId } = await logExperiment({ experiment: "Files", artifacts, trackingUri });
  const stored = join(place, "mlruns", "1", runId, "artifacts");
  assert.deepEqual(
    readdirSync(stored, { recursive: true, withFileTypes: true })
      .flatMap((each) => (each.isFile() ? [each.name] : []))
      .sort(),
    ["data", "model.json", "plot.svg", "s.txt", "x.bin"],
  );
  for (const [wrong, expected] of [
    [{ "a.txt": { path: join(place, "none") } }, { code: "ARTIFACT_UNREADABLE", message: /none does not exist/ }],
    [{ "a.txt": 3 }, { code: "INVALID_VALUE", message: /"a\.txt" needs a text/ }],
    [{ "../a.txt": "x" }, { code: "INVALID_VALUE" }],
    [{ "a.txt": Readable.from([3]) }, { code: "ARTIFACT_UNREADABLE", message: /broke off/ }],
  ] as const)
    await assert.rejects(logExperiment({ experiment: "Files", artifacts: wrong, trackingUri }), expected);
  await assert.rejects(logExperiment({ experiment: "Files", artifacts: ["x"] as never, trackingUri }), {
    code: "INVALID_OPTION",
  });
});

test("handles of one run in a program share its tables, also in sequence", async () => {
  const { tracker, text } = memory();
  const first = tracker.startRun({});
  first.logTable([{ i: 0 }], "t.json");
  first.end();
  const second = tracker.startRun({ runId: first.id });
  second.logTable([{ i: 1 }], "t.json");
  first.logTable([{ i: 2 }], "t.json");
  second.end();
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? "").data, [[0], [1], [2]]);
});

test("promises, maps, sets and generators as tables are reported", async () => {
  const { tracker, names, warnings } = memory();
  tracker.withRun({}, (run) => {
    const wrong: unknown[] = [
      Promise.resolve([]),
      new Map([["a", 1]]),
      new Set([1]),
      (function* () {})(),
      [Promise.resolve({})],
    ];
    for (const [i, rows] of wrong.entries()) run.logTable(rows as never, `${i}.json`);
    run.logFigure(null as never, "f.json");
  });
  await tracker.flush();
  assert.deepEqual(names(), []);
  assert.equal(warnings.length, 6, warnings.join("\n"));
  assert.doesNotMatch(warnings.join("\n"), /destructure|iterable/);
});

test("YAML 1.1 readers get texts as they were", async () => {
  const { tracker, text } = memory();
  tracker.withRun({}, (run) =>
    run.logDict(
      { a: "=", b: "<<", "<<": 1, c: "a\u2028b", d: "\x7f", e: " \n", f: "two\nlines \n", g: "é 🎉", "h\t": "a\tb" },
      "t.yaml",
    ),
  );
  await tracker.flush();
  const lines = (text("t.yaml") ?? "").trimEnd().split("\n");
  assert.deepEqual(lines, [
    '"<<": 1', 'a: "="', 'b: "<<"', 'c: "a\\u2028b"', 'd: "\\u007f"', 'e: "\\ \\n"', 'f: "two\\nlines\\ \\n"', "g: é 🎉",
    '"h\\t": "a\\tb"',
  ]); // biome-ignore format: a line each
});

test("a new handle waits for another handle's rows that are on their way", async (t) => {
  const { tracker, text } = memory();
  const first = tracker.startRun({});
  first.logTable([{ i: 0 }], "t.json");
  first.end();
  // As when the first handle is gone, and what the two had in common with it.
  t.mock.method(tracker.recorder, "ofRun", (_id: string, make: () => object) => make());
  const second = tracker.startRun({ runId: first.id });
  second.logTable([{ i: 1 }], "t.json");
  second.end();
  await tracker.flush();
  assert.deepEqual(JSON.parse(text("t.json") ?? "").data, [[0], [1]]);
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

test("an unreadable file gets a tag, and image bytes that are none a warning", async () => {
  const { tracker, run, warnings, names } = memory();
  interface Row {
    digit: number;
  }
  const rows: Row[] = [{ digit: 1 }];
  interface Columns {
    digit: number[];
  }
  const columns: Columns = { digit: [2, 3] };
  tracker.withRun({}, (run) => {
    run.logArtifact("/nope/m.bin", "models");
    run.logImage(new Uint8Array([1, 2, 3]), "odd.png");
    run.logTable(rows, "t.json");
    run.logTable(columns, "t.json");
  });
  await tracker.flush();
  assert.match(run().tags.get("pulse.artifact_failed.models/m.bin") ?? "", /\/nope\/m\.bin does not exist/);
  assert.match(
    warnings.join("\n"),
    /logImage "odd\.png": the bytes are no PNG, JPEG, GIF or WebP file; they are stored as they are/,
  );
  assert.deepEqual(names(), ["odd.png", "t.json"]);
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

test("a file that grows while it is read is stored as it was, a cut one is not", () => {
  const path = join(folder, "growing.log");
  const source = (): Parameters<typeof openSource>[0] => ({ kind: "staged", name: "n", ...sourceFile(path) });
  writeFileSync(path, "one");
  const growing = openSource(source(), "all/err.txt");
  assert.equal(growing.grown(), false);
  writeFileSync(path, " two", { flag: "a" });
  assert.equal(growing.grown(), true);
  assert.equal(growing.content.size, 3);
  const cut = openSource(source(), "all/err.txt");
  writeFileSync(path, "");
  assert.throws(() => cut.grown(), {
    code: "ARTIFACT_UNREADABLE",
    message: /^The file logged as "all\/err\.txt" was changed while it was read\./,
  });
});
