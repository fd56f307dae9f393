import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LocalRepository } from "../../src/artifacts/local.js";
import { allOf, contentOf, someBytes, stalling } from "../support/contents.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("local");
let count = 0;

function place(): { root: string; outside: string; repository: LocalRepository } {
  const here = join(folder, String(++count));
  const [root, outside] = [join(here, "root"), join(here, "outside")];
  for (const each of [root, outside]) mkdirSync(each, { recursive: true });
  writeFileSync(join(outside, "secret.txt"), "secret");
  return { root, outside, repository: new LocalRepository(root) };
}

test("does not read or write through a link that leads out of the root", async () => {
  const { root, outside, repository } = place();
  symlinkSync(outside, join(root, "link"));
  symlinkSync(join(outside, "secret.txt"), join(root, "file.txt"));
  symlinkSync(join(outside, "not yet"), join(root, "dangling"));
  const refused = { code: "REJECTED", message: /leads outside .* through a symbolic link/ };
  for (const path of ["link/new.txt", "link/sub/new.txt", "dangling/new.txt"]) {
    await assert.rejects(repository.upload(path, contentOf("x")), refused);
    assert.throws(() => repository.uploadSync(path, contentOf("x")), refused);
  }
  for (const path of ["link/secret.txt", "file.txt"]) await assert.rejects(repository.read(path), refused);
  await assert.rejects(repository.list("link"), refused);
  assert.deepEqual(
    (await repository.list()).map(({ path, isDir, size }) => [path, isDir, size]),
    [
      ["dangling", false, undefined],
      ["file.txt", false, undefined],
      ["link", false, undefined],
    ],
  );
  assert.deepEqual(readdirSync(outside), ["secret.txt"]);
});

test("a file replaces a link and leaves the link's target alone", async () => {
  const { root, outside, repository } = place();
  symlinkSync(join(outside, "secret.txt"), join(root, "file.txt"));
  await repository.upload("file.txt", contentOf("new"));
  assert.equal(readFileSync(join(outside, "secret.txt"), "utf8"), "secret");
  assert.equal(readFileSync(join(root, "file.txt"), "utf8"), "new");
});

test("follows links inside the root and the root itself", async () => {
  const { root, repository } = place();
  await repository.upload("real/f.txt", contentOf("x"));
  symlinkSync("real", join(root, "link"));
  symlinkSync(root, `${root}-link`);
  const other = new LocalRepository(`${root}-link`);
  await other.upload("link/g.txt", contentOf("y"));
  assert.deepEqual(
    (await other.list("link")).map(({ path }) => path),
    ["link/f.txt", "link/g.txt"],
  );
  assert.equal(String(await allOf(await repository.read("real/g.txt"))), "y");
});

test("uploadSync stores the whole file with the usual rights and leaves nothing else", async () => {
  const { root, repository } = place();
  const bytes = someBytes(300_000);
  repository.uploadSync("a/b/f.bin", contentOf(bytes));
  await repository.upload("a/b/g.bin", contentOf(bytes));
  for (const name of ["f.bin", "g.bin"]) {
    assert.ok(readFileSync(join(root, "a/b", name)).equals(bytes));
    assert.equal(statSync(join(root, "a/b", name)).mode & 0o777, 0o666 & ~process.umask());
  }
  assert.deepEqual(readdirSync(join(root, "a/b")), ["f.bin", "g.bin"]);
  const changed = { ...contentOf("x"), size: 2 };
  assert.throws(() => repository.uploadSync("a/h.bin", changed), { code: "REJECTED" });
  assert.throws(() => repository.uploadSync("a/h.bin", { size: 1, open: changed.open }), {
    code: "REJECTED",
    message: /cannot be stored synchronously/,
  });
  assert.deepEqual(readdirSync(join(root, "a")), ["b"]);
});

test("a file or folder in the way is an error and stays as it is", async () => {
  const { root, repository } = place();
  writeFileSync(join(root, "file"), "");
  mkdirSync(join(root, "folder/sub"), { recursive: true });
  await assert.rejects(repository.upload("file/below.txt", contentOf("x")), { code: "REJECTED" });
  await assert.rejects(repository.upload("folder", contentOf("x")), { code: "REJECTED" });
  assert.throws(() => repository.uploadSync("folder", contentOf("x")), { code: "REJECTED" });
  assert.deepEqual(readdirSync(root), ["file", "folder"]);
  if (process.getuid?.() === 0) return; // root may write everywhere
  chmodSync(join(root, "folder"), 0o500);
  await assert.rejects(repository.upload("folder/x.txt", contentOf("x")), { code: "NOT_WRITABLE" });
});

test("uploadSync cleans up after an upload of the same file that was under way", async () => {
  const { root, repository } = place();
  let stalled = (): void => undefined;
  const begun = new Promise<void>((resolve) => {
    stalled = resolve;
  });
  const abort = new AbortController();
  const upload = repository.upload(
    "a/f.txt",
    stalling(someBytes(100), 10, () => stalled()),
    { signal: abort.signal },
  );
  await begun;
  assert.equal(readdirSync(join(root, "a")).length, 1);
  repository.uploadSync("a/f.txt", contentOf("whole"));
  assert.deepEqual(readdirSync(join(root, "a")), ["f.txt"]);
  abort.abort(new Error("over"));
  await assert.rejects(upload, /over/);
  assert.equal(readFileSync(join(root, "a/f.txt"), "utf8"), "whole");
});
