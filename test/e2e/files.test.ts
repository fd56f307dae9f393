import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { createTracker, LogArtifact, type PulseConfig } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";
import { startServer } from "./peer.js";
import { startStack } from "./stack.js";
import { startPeers, uriOf } from "./support.js";

const folder = tempFolder("files");
const [peers, newest, old, stack] = await Promise.all([
  startPeers(),
  startServer("newest", uriOf(join(folder, "newest.db")), folder),
  startServer("old", uriOf(join(folder, "old.db")), folder),
  startStack(),
]);
after(() => Promise.all([newest.stop(), old.stop(), stack.stop()]));

const embedded = uriOf(join(folder, "embedded.db"));
const { username, password } = stack;

const PLACES = [
  ["the newest MLflow with a folder", peers.newest, newest.url, {}],
  ["MLflow 2.22 with a folder", peers.old, old.url, {}],
  ["the newest MLflow with PostgreSQL, S3 and basic auth", peers.newest, stack.url, { auth: { username, password } }],
  ["an embedded database", peers.newest, embedded, {}],
] as const;

for (const [name, peer, uri, config] of PLACES)
  test(`${name}: Python's client reads back logged files byte for byte`, async () => {
    const tracker = createTracker({
      trackingUri: uri,
      outbox: { folder: join(folder, "outbox") },
      ...(config as PulseConfig),
    });
    const source = tempFolder("source", folder);
    mkdirSync(join(source, "out/deep"), { recursive: true });
    const contents: Record<string, Buffer> = {
      "report.md": Buffer.from("# Report\nä 🎉\n"),
      "empty.txt": Buffer.alloc(0),
      "config/run.json": Buffer.from('{\n  "layers": [\n    64,\n    32\n  ],\n  "name": "a"\n}'),
      "small.bin": Buffer.from([0, 1, 2, 255]),
      "large.bin": Buffer.alloc(3_000_000, "pulse"),
      "model/weights.bin": Buffer.alloc(1_000_000, 7),
      "all/a.html": Buffer.from("<p>a</p>"),
      "all/deep/b c.csv": Buffer.from("a,b\n1,2\n"),
    };
    writeFileSync(join(source, "weights.bin"), contents["model/weights.bin"] as Buffer);
    writeFileSync(join(source, "out/a.html"), contents["all/a.html"] as Buffer);
    writeFileSync(join(source, "out/deep/b c.csv"), contents["all/deep/b c.csv"] as Buffer);
    const run = tracker.startRun({ experiment: "Files", runName: "files" });
    run.logText(String(contents["report.md"]), "report.md");
    run.logText("", "empty.txt");
    run.logDict({ layers: [64, 32], name: "a" }, "config/run.json");
    run.logBytes(contents["small.bin"] as Buffer, "small.bin");
    run.logBytes(contents["large.bin"] as Buffer, "large.bin");
    run.logArtifact(join(source, "weights.bin"), "model");
    run.logArtifacts(join(source, "out"), "all");
    run.logMetric("loss", 0.5);
    const id = await run.serverId();
    run.end();
    await tracker.flush();
    rmSync(source, { recursive: true });
    await tracker.shutdown();
    const { artifacts, pending, dropped, rejected } = tracker.stats();
    assert.deepEqual({ artifacts, pending, dropped, rejected }, { artifacts: 8, pending: 0, dropped: 0, rejected: 0 });
    const found = await peer.artifacts(uri === stack.url ? stack.peerUri : uri, id);
    assert.deepEqual(
      Object.fromEntries(Object.entries(found).map(([path, [size, hash]]) => [path, [size, hash]])),
      Object.fromEntries(
        Object.entries(contents)
          .sort()
          .map(([path, bytes]) => [path, [bytes.length, createHash("sha256").update(bytes).digest("hex")]]),
      ),
    );
  });

for (const [name, peer, uri, config] of PLACES)
  test(`${name}: tables, YAML, images, streams and results suit MLflow's client and UI`, async () => {
    const make = () =>
      createTracker({ trackingUri: uri, outbox: { folder: join(folder, "outbox") }, ...(config as PulseConfig) });
    const tracker = make();
    class Learner {
      @LogArtifact({ "notes-{step}.md": "note", "confusion.json": "confusion" })
      *evaluate() {
        for (const note of ["a", "b"]) yield { note, confusion: [[1, 2]] };
      }
    }
    const settings = { no: "no", time: "12:30:45", n: 1e21, nested: { list: [1, null, "0x1F"] } };
    const id = await tracker.withRun({ experiment: "Contents" }, async (run) => {
      run.logTable([{ digit: 7, guess: 1 }], "guesses.json");
      run.logTable({ digit: [2, 3], score: [0.5, null] }, "guesses.json");
      run.logTable({ x: [1, 2], t: ["a", null] }, "t.parquet");
      run.logDict(settings, "config.yaml");
      run.logImage({ width: 2, height: 2, data: [0, 90, 180, 255] }, { key: "misread/7" });
      await run.logStream(new Blob([Buffer.alloc(300_000, "s")]).stream(), "stream.bin");
      for (const _ of new Learner().evaluate());
      return run.serverId();
    });
    await tracker.shutdown();
    const again = make();
    again.withRun({ experiment: "Contents", runId: id }, (run) => run.logTable([{ digit: 4 }], "guesses.json"));
    await again.shutdown();
    for (const each of [tracker, again]) {
      const { pending, dropped, rejected } = each.stats();
      assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 0 });
    }
    const at = uri === stack.url ? stack.peerUri : uri;
    const { tables, yaml } = await peer.tables(at, id, ["guesses.json", "t.parquet"]);
    assert.deepEqual(tables, {
      "guesses.json": [["digit", "guess", "score"], [[7, 1, null], [2, null, 0.5], [3, null, null], [4, null, null]]],
      "t.parquet": [["x", "t"], [[1, "a"], [2, null]]],
    }); // biome-ignore format: a row a line
    assert.deepEqual(yaml, settings);
    const found = await peer.artifacts(at, id);
    const names = Object.keys(found).sort();
    assert.deepEqual(
      names.filter((path) => !path.startsWith("images/")),
      ["config.yaml", "confusion.json", "guesses.json", "notes-0.md", "notes-1.md", "stream.bin", "t.parquet"],
    );
    const images = names.filter((path) => path.startsWith("images/misread~7+step+0+timestamp+"));
    assert.deepEqual(
      images.map((path) => path.replace(/^.*[0-9a-f]{12}/, "")),
      ["+compressed.webp", ".png"],
    );
    assert.equal(found["stream.bin"]?.[0], 300_000);
  });
