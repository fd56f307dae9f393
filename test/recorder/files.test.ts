// Files that are copied, linked, named wrong or changed while they are read.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { configure, logExperiment, shutdown } from "../../src/index.js";
import { openSource, sourceFile } from "../../src/recorder/staging/upload-source.js";
import { tempFolder } from "../support/folders.js";
import { kit } from "../support/outbox-kit.js";
import { memory } from "../support/stored-files.js";

const folder = tempFolder("files");

const apart = tempFolder("links");

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
  assert.match(warnings.join("\n"), /pipe cannot be read: it is not a file/);
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
  assert.match(warnings.join("\n"), /"file:x" starts like a file: URI/);
  configure({ trackingUri: "memory:" });
  const artifacts = { "a.json": Promise.resolve({ a: 1 }) } as never;
  await assert.rejects(
    logExperiment({ experiment: "x", artifacts }),
    /"a\.json" needs a string, bytes, .*; got a promise/,
  );
  await shutdown();
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
    /no file in it matches include and exclude/,
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
    [{ "a.txt": 3 }, { code: "INVALID_VALUE", message: /"a\.txt" needs a string/ }],
    [{ "../a.txt": "x" }, { code: "INVALID_VALUE" }],
    [{ "a.txt": Readable.from([3]) }, { code: "ARTIFACT_UNREADABLE", message: /failed while it was read/ }],
  ] as const)
    await assert.rejects(logExperiment({ experiment: "Files", artifacts: wrong, trackingUri }), expected);
  await assert.rejects(logExperiment({ experiment: "Files", artifacts: ["x"] as never, trackingUri }), {
    code: "INVALID_OPTION",
  });
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
