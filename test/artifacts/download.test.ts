import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { download } from "../../src/artifacts/download.js";
import { LocalRepository } from "../../src/artifacts/local.js";
import type { ArtifactInfo, ArtifactRepository } from "../../src/contracts/artifact-repository.js";
import { contentOf, someBytes } from "../support/contents.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("download");
let count = 0;
const target = (): string => join(folder, `target ${++count}`);

/** A repository that says whatever a test likes. */
function saying(
  listings: Record<string, readonly Partial<ArtifactInfo>[]>,
  read: ArtifactRepository["read"],
): ArtifactRepository {
  const list = async (path = ""): Promise<ArtifactInfo[]> =>
    (listings[path] ?? []).map((entry) => ({ path: "", isDir: false, size: undefined, ...entry }));
  return { uri: "odd:", upload: async () => {}, list, read, close() {} };
}

test("downloads a folder with everything in it, or one file", async () => {
  const repository = new LocalRepository(join(folder, "source"));
  const files = { "a.txt": "", "d/b.bin": someBytes(100_000).toString("latin1"), "d/e/c ü.txt": "c" };
  for (const [path, text] of Object.entries(files))
    await repository.upload(path, contentOf(Buffer.from(text, "latin1")));
  const everything = target();
  const progress = new Map<string, number>();
  assert.equal(
    await download(repository, "", everything, { onProgress: ({ path }, bytes) => progress.set(path, bytes) }),
    everything,
  );
  for (const [path, text] of Object.entries(files)) assert.equal(readFileSync(join(everything, path), "latin1"), text);
  assert.deepEqual(readdirSync(join(everything, "d")), ["b.bin", "e"]);
  assert.equal(progress.get("d/b.bin"), 100_000);
  const one = target();
  assert.equal(await download(repository, "d/e/c ü.txt", one), join(one, "d/e/c ü.txt"));
  assert.deepEqual(readdirSync(one, { recursive: true }).length, 3);
  await assert.rejects(download(repository, "nothing", target()), { code: "ARTIFACT_NOT_FOUND" });
});

test("a download resumes where an earlier one ended", async () => {
  const bytes = someBytes(300_000);
  const starts: number[] = [];
  let breaks = true;
  const repository = saying({ "": [{ path: "f.bin", size: bytes.length }] }, async (_path, start = 0) => {
    starts.push(start);
    return Readable.from(
      (function* () {
        yield bytes.subarray(start, 200_000);
        if (breaks) throw new Error("connection lost");
        yield bytes.subarray(200_000);
      })(),
    );
  });
  const place = target();
  await assert.rejects(download(repository, "f.bin", place), { code: "STORE_UNAVAILABLE", message: /connection lost/ });
  assert.ok(!existsSync(join(place, "f.bin")));
  breaks = false;
  await download(repository, "f.bin", place);
  assert.deepEqual(starts, [0, 200_000 - 65_536]); // the last 64 KiB are compared
  assert.ok(readFileSync(join(place, "f.bin")).equals(bytes));
  assert.deepEqual(readdirSync(place), ["f.bin"]);
});

test("a download does not resume another file's beginning or mix with a second one", async () => {
  const [old, bytes] = [someBytes(300_000), Buffer.alloc(300_000, "new")];
  let given: Buffer = old;
  let breaks = true;
  const repository = saying({ "": [{ path: "f.bin", size: bytes.length }] }, async (_path, start = 0) => {
    const now = given;
    return Readable.from(
      (async function* () {
        yield now.subarray(start, 200_000);
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (breaks) throw new Error("connection lost");
        yield now.subarray(200_000);
      })(),
    );
  });
  const place = target();
  await assert.rejects(download(repository, "f.bin", place), { message: /connection lost/ });
  [given, breaks] = [bytes, false];
  await download(repository, "f.bin", place);
  assert.ok(readFileSync(join(place, "f.bin")).equals(bytes));
  const shared = target();
  const both = await Promise.allSettled([download(repository, "f.bin", shared), download(repository, "f.bin", shared)]);
  const [failed] = both.filter((each) => each.status === "rejected");
  assert.match(String(failed?.reason), /f\.bin is being written by another download/);
  assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
  assert.ok(readFileSync(join(shared, "f.bin")).equals(bytes));
});

test("a file of the wrong size is not kept", async () => {
  for (const given of ["shrt", "much too long"]) {
    const repository = saying({ "": [{ path: "f.bin", size: 5 }] }, async () => Readable.from([Buffer.from(given)]));
    const place = target();
    await assert.rejects(download(repository, "f.bin", place), {
      code: "STORE_UNAVAILABLE",
      message: /should have 5 bytes/,
    });
    assert.ok(!existsSync(join(place, "f.bin")));
  }
});

test("writes nothing outside the target, whatever a repository lists", async () => {
  const evil = async (): Promise<Readable> => Readable.from([Buffer.from("evil")]);
  for (const path of ["../evil.txt", "/tmp/evil.txt", "d/evil.txt", "..", "", "."]) {
    const place = target();
    await assert.rejects(download(saying({ "": [{ path }] }, evil), "", place), { code: "REJECTED" });
    assert.ok(!existsSync(join(folder, "evil.txt")));
  }
  const place = target();
  const outside = target();
  for (const each of [place, outside]) mkdirSync(each);
  symlinkSync(outside, join(place, "link"));
  const repository = saying({ "": [{ path: "link", isDir: true }], link: [{ path: "link/evil.txt" }] }, evil);
  await assert.rejects(download(repository, "", place), { code: "REJECTED", message: /symbolic link/ });
  assert.deepEqual(readdirSync(outside), []);
});

test("a download follows no link in place of its own unfinished files", async () => {
  const [place, outside] = [target(), join(folder, "outside.txt")];
  let breaks = true;
  const read = async (): Promise<Readable> =>
    Readable.from(
      (function* () {
        yield Buffer.from("e");
        if (breaks) throw new Error("connection lost");
        yield Buffer.from("vil");
      })(),
    );
  const listing = [{ path: "a.txt", size: 4 }];
  await assert.rejects(download(saying({ "": listing }, read), "", place), { code: "STORE_UNAVAILABLE" });
  const [unfinished = ""] = readdirSync(place);
  rmSync(join(place, unfinished));
  symlinkSync(outside, join(place, unfinished));
  breaks = false;
  await assert.rejects(download(saying({ "": listing }, read), "", place), { code: "NOT_WRITABLE" });
  assert.ok(!existsSync(outside));

  rmSync(join(place, unfinished));
  breaks = true;
  const early = async (path: string): Promise<Readable> =>
    path === "0.txt" ? Readable.from([Buffer.from("0")]) : read();
  const two = saying({ "": [{ path: "0.txt", size: 1 }, ...listing] }, early);
  await assert.rejects(download(two, "", place), { code: "STORE_UNAVAILABLE" });
  const journal = readdirSync(place).find((name) => name.startsWith(".pulse-") && name !== unfinished) ?? "";
  rmSync(join(place, journal));
  symlinkSync(outside, join(place, journal));
  await assert.rejects(download(two, "", place), { code: "STORE_UNAVAILABLE" });
  assert.ok(!existsSync(outside));
});

test("a file that changed here or there is downloaded again", async () => {
  const place = target();
  let [breaks, text] = [true, "0"];
  const reads: string[] = [];
  const read = async (path: string): Promise<Readable> => {
    reads.push(path);
    if (path === "z" && breaks) throw new Error("connection lost");
    return Readable.from([Buffer.from(text)]);
  };
  const listing = (): Record<string, Partial<ArtifactInfo>[]> => ({
    "": ["a", "b", "z"].map((path) => ({ path, size: text.length })),
  });
  await assert.rejects(download(saying(listing(), read), "", place), { code: "STORE_UNAVAILABLE" });
  writeFileSync(join(place, "a"), "x");
  utimesSync(join(place, "a"), 1, 1);
  await assert.rejects(download(saying(listing(), read), "", place), { code: "STORE_UNAVAILABLE" });
  assert.deepEqual(reads, ["a", "b", "z", "a", "z"]);
  [breaks, text] = [false, "1!"];
  await download(saying(listing(), read), "", place);
  assert.deepEqual(reads.slice(5), ["a", "b", "z"]);
  assert.equal(readFileSync(join(place, "b"), "utf8"), "1!");
});

test("a listing without an end is refused", async () => {
  const list = async (path = ""): Promise<ArtifactInfo[]> => [
    { path: path === "" ? "d" : `${path}/d`, isDir: true, size: undefined },
  ];
  const endless: ArtifactRepository = { ...saying({}, async () => Readable.from([])), list };
  await assert.rejects(download(endless, "", target()), { code: "REJECTED", message: /more than 100 deep/ });
});

test("a signal ends a download with its reason", async () => {
  const giveUp = new AbortController();
  const read = async (): Promise<Readable> =>
    Readable.from(
      (function* () {
        yield Buffer.from("a");
        giveUp.abort("enough");
        yield Buffer.from("b");
      })(),
    );
  const repository = saying({ "": [{ path: "f.bin", size: 2 }] }, read);
  await assert.rejects(
    download(repository, "f.bin", target(), { signal: giveUp.signal }),
    (error) => error === "enough",
  );
});
