import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";
import { basename, dirname, join } from "node:path";
import { mock, test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { needReadable } from "../../src/cli/target.js";
import { createTracker } from "../../src/index.js";
import {
  closeOutbox,
  isDenied,
  OutboxFolder,
  outboxFolders,
  tryClaim,
  unreadable,
} from "../../src/recorder/outbox/outbox-folder.js";
import { createFile } from "../../src/stores/sql/database-file.js";
import { newFolder } from "../support/outbox-kit.js";
import { until } from "../support/wait.js";
import { collectWarnings } from "../support/warnings.js";

const URI = "remote:";
const make = (folder: OutboxFolder) => folder.create(Date.now(), systemClock.id());
const mode = (path: string): number => lstatSync(path).mode & 0o777;

function made(mode?: number): string {
  const root = newFolder();
  mkdirSync(root);
  if (mode !== undefined) chmodSync(root, mode);
  return root;
}

/** Leaves an outbox with something in it. */
function leave(folder: OutboxFolder): string {
  const outbox = make(folder);
  outbox.putRun(
    { key: "k", experiment: { name: "e" }, parent: undefined, parentId: undefined, ids: undefined, ended: false },
    1,
  );
  outbox.close();
  return outbox.path;
}

/** Gives a path to another user, or says that we are another one, where that takes no rights. */
function givenAway(path: string, body: () => void): void {
  const { getuid } = process;
  const user = getuid?.() ?? 0;
  if (user === 0) chownSync(path, 12_345, 0);
  else process.getuid = () => user + 1;
  try {
    body();
  } finally {
    if (getuid) process.getuid = getuid;
  }
}

/** Does something as a user who may not read what has these rights for its owner alone. */
function asOther(path: string, body: () => void): void {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  else chmodSync(path, 0);
  try {
    body();
  } finally {
    if (isRoot) process.seteuid?.(0);
    else chmodSync(path, 0o700);
  }
}

for (const [title, rights] of [
  ["the group may write", 0o770],
  ["everybody may write beside each other", 0o1777],
] as const) {
  test(`where ${title} we make a private folder`, () => {
    const root = made(rights);
    const folder = new OutboxFolder(root, URI);
    const path = leave(folder);
    assert.equal(mode(dirname(path)), 0o700);
    assert.match(basename(dirname(path)), new RegExp(`-${process.getuid?.()}$`));
    assert.deepEqual(folder.files(), [path]);
    assert.deepEqual(
      outboxFolders(root).map(({ uri }) => uri),
      [URI],
    );
  });
}

test("a private folder's outboxes are still found when others may write beside it", () => {
  const root = made();
  const folder = new OutboxFolder(root, URI);
  const [before, old] = [leave(folder), leave(folder)];
  renameSync(old, old.replace(/outbox$/, "db")); // as version 0.1.0 named it
  chmodSync(root, 0o770);
  const after = leave(folder);
  assert.notEqual(dirname(before), dirname(after));
  assert.deepEqual(folder.files().sort(), [before, old.replace(/outbox$/, "db"), after].sort());
  assert.equal(outboxFolders(root).length, 1);
});

test("a link, another user's folder, or one that all may write is refused", () => {
  const everybodys = made(0o777);
  assert.throws(() => make(new OutboxFolder(everybodys, URI)), /can be written by everybody/);

  const theirs = made();
  givenAway(theirs, () => {
    assert.throws(() => make(new OutboxFolder(theirs, URI)), /belongs to another user/);
  });

  const root = made();
  const folder = new OutboxFolder(root, URI);
  const kept = leave(folder);
  const inside = dirname(kept);
  givenAway(inside, () => {
    assert.throws(() => make(folder), /belongs to another user/);
    assert.deepEqual(folder.files(), []);
  });

  const linked = made();
  const other = leave(new OutboxFolder(made(), URI));
  symlinkSync(dirname(other), join(linked, basename(inside)));
  const behind = new OutboxFolder(linked, URI);
  assert.throws(() => make(behind), /is a link/);
  assert.deepEqual(behind.files(), []);
  assert.deepEqual(outboxFolders(linked), []);
});

test("an outbox that is a link is left alone", () => {
  const root = made();
  const folder = new OutboxFolder(root, URI);
  const path = leave(folder);
  const elsewhere = join(made(), "copy.outbox");
  copyFileSync(path, elsewhere);
  symlinkSync(elsewhere, join(dirname(path), "0-link.outbox"));
  assert.deepEqual(folder.files(), [path]);
});

test("the user's own link to a folder is followed", () => {
  const target = made();
  const link = newFolder();
  symlinkSync(target, link);
  const folder = new OutboxFolder(link, URI);
  const path = leave(folder);
  assert.deepEqual(folder.files(), [path]);
});

test("without a home folder recording goes on in memory, with one warning", async () => {
  const { HOME, XDG_STATE_HOME } = process.env;
  delete process.env["HOME"];
  delete process.env["XDG_STATE_HOME"];
  const homedir = mock.method(os, "homedir", () => {
    throw new Error("no such user");
  });
  syncBuiltinESMExports();
  const { logger, warnings } = collectWarnings();
  try {
    const tracker = createTracker({
      trackingUri: "http://127.0.0.1:1",
      auth: { token: "t" },
      durability: "outbox",
      exitTimeoutMs: 50,
      logger,
    });
    assert.equal(homedir.mock.callCount(), 0);
    for (let i = 0; i < 3; i++) {
      assert.equal(
        tracker.withRun({}, () => i),
        i,
      );
      await new Promise(setImmediate);
    }
    const asked = homedir.mock.callCount();
    await until("a look for outboxes of others", () => homedir.mock.callCount() > asked);
    await tracker.shutdown();
  } finally {
    Object.assign(process.env, { HOME, XDG_STATE_HOME });
    mock.restoreAll();
    syncBuiltinESMExports();
  }
  assert.ok(homedir.mock.callCount() > 0);
  assert.match(
    warnings.join("\n"),
    /Nothing can be written to the state folder now: this user has no home folder.*OUTBOX_FAILED/,
  );
  assert.equal(warnings.filter((warning) => warning.includes("OUTBOX_FAILED")).length, 1);
});

test("an outbox that this process has open counts as held, whoever opened it", () => {
  const folder = new OutboxFolder(made(), URI);
  const outbox = make(folder);
  assert.equal(tryClaim(outbox.path), "held");
  const link = join(made(), "link.outbox");
  symlinkSync(outbox.path, link);
  assert.equal(tryClaim(link), "held");
  closeOutbox(outbox);
  assert.deepEqual(readdirSync(dirname(outbox.path)), ["uri"]);
});

test("an impossible folder is an error, even where Node itself tries for ever", () => {
  for (const path of ["/proc/none/of/them", "/dev/null/none"])
    for (const makes of [() => make(new OutboxFolder(path, URI)), () => createFile(join(path, "mlflow.db"))])
      assert.throws(makes, /ENOENT|ENOTDIR/);
  const root = newFolder();
  createFile(join(root, "a", "b", "mlflow.db"));
  createFile(join(root, "a", "b", "other.db"));
  assert.deepEqual(readdirSync(join(root, "a", "b")), ["mlflow.db", "other.db"]);
});

test("commands say that outboxes may not be read, not that there are none", {
  skip: process.platform === "win32",
}, () => {
  const root = made(0o755);
  for (let above = root; above.startsWith(os.tmpdir()) && above !== os.tmpdir(); above = dirname(above))
    chmodSync(above, 0o755);
  const path = leave(new OutboxFolder(root, URI));
  needReadable(root);
  asOther(dirname(path), () => {
    assert.deepEqual(unreadable(root), [dirname(path)]);
    assert.throws(() => needReadable(root), {
      code: "OUTBOX_LEFT",
      message: /cannot be read by this user, so what is kept/,
    });
  });
  chmodSync(dirname(path), 0o755);
  asOther(path, () => {
    assert.ok(unreadable(root).includes(path));
    assert.equal(isDenied(path), true);
  });
  const other = made(0o755);
  needReadable(other); // there is nothing
});
