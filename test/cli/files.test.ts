import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { systemClock } from "../../src/base/clock.js";
import { sync } from "../../src/cli/sync.js";
import type { ArtifactRepository } from "../../src/contracts/artifact-repository.js";
import { itemsOf } from "../../src/contracts/tracking-store.js";
import { createTracker, PulseError, registerArtifactRepository, registerTrackingStore } from "../../src/index.js";
import type { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { Staging } from "../../src/recorder/staging/staging.js";
import { heldBytes } from "../../src/recorder/staging/upload-source.js";
import { change, start } from "../contract/store-contract.js";
import { command } from "../support/command.js";
import { FakeMlflow, type FakeRun } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";

const root = tempFolder("cli-files");
let schemes = 0;

const newHome = (): string => tempFolder("home", root);

const A = "a".repeat(32);
const [SMALL, LARGE] = [Buffer.from("small"), Buffer.alloc(100_000, "large")];

/** What a tracker that died has left: a run with a small file and a large one beside the outbox. */
function leaveBehind(home: string, uri: string, more: (outbox: Outbox) => void = () => undefined): string {
  const outbox = new OutboxFolder(join(home, "pulse-mlflow/outbox"), uri).create(Date.now(), systemClock.id());
  const given = change(A, { create: start({ name: "left" }), end: { status: "FINISHED", endTime: 3 } });
  const known = {
    key: A,
    experiment: given.experiment,
    parent: undefined,
    parentId: undefined,
    ids: undefined,
    ended: true,
  };
  outbox.putRun(known, Date.now() - 3_600_000);
  outbox.append(given, itemsOf(given), false);
  const staging = new Staging(
    () => outbox.path,
    () => systemClock.id(),
  );
  outbox.files.put(A, "small.txt", heldBytes(SMALL));
  outbox.files.put(A, "deep/large.txt", staging.write(LARGE));
  more(outbox);
  outbox.close();
  return outbox.path;
}

const boxesIn = async (home: string): Promise<Record<string, unknown>[]> =>
  JSON.parse((await command(home, ["status", "--json"])).out).uris.flatMap(
    (each: { outboxes: object[] }) => each.outboxes,
  );

/** A server in memory whose runs keep their files in a folder of this machine. */
async function server(body: (server: FakeMlflow, folder: string) => Promise<void>): Promise<void> {
  const fake = await FakeMlflow.start();
  fake.artifactRoot = newHome();
  try {
    await body(fake, fake.artifactRoot);
  } finally {
    fake.close();
  }
}

const first = (fake: FakeMlflow): FakeRun => [...fake.runs.values()][0] as FakeRun;

test("status shows waiting files with size and age, and discard removes them", async () => {
  const home = newHome();
  const path = leaveBehind(home, "http://mlflow:5000");
  const { out } = await command(home, ["status"]);
  assert.match(
    out,
    /outbox +state +changes +runs +files +size +oldest +open runs\n\S+ +waiting +2 +1 +2 +98\.\d KiB +60 min ago +0\n/,
  );
  assert.match(out, /A change is [^\n]*; files are counted separately\.\n$/);
  const [box] = await boxesIn(home);
  assert.deepEqual(
    [box?.["changes"], box?.["artifacts"], box?.["artifactBytes"], box?.["artifactsSetAside"]],
    [2, 2, 100_005, 0],
  );
  assert.match(
    (await command(home, ["doctor"], { MLFLOW_TRACKING_URI: "null:" })).out,
    /2 changes and 2 files \(97\.7 KiB\) of 1 run wait\n/,
  );
  const gone = await command(home, ["discard", "--yes"]);
  assert.match(gone.out, /http:\/\/mlflow:5000: 2 changes and 2 files \(97\.7 KiB\) of 1 run, in \S+\n/);
  assert.match(gone.out, /2 changes and 2 files \(97\.7 KiB\) of 1 run thrown away\.\n$/);
  assert.ok(!existsSync(path) && !existsSync(`${path}.files`));
});

test("an outbox in use counts its files, and without files there is no such column", async () => {
  const home = newHome();
  const live = new OutboxFolder(join(home, "pulse-mlflow/outbox"), "http://live:1").create(
    Date.now(),
    systemClock.id(),
  );
  new Staging(
    () => live.path,
    () => "one",
  ).write(LARGE);
  const { out } = await command(home, ["status"]);
  assert.doesNotMatch(out.split("\n")[1] ?? "", /files/);
  const [box] = await boxesIn(home);
  assert.ok(Number(box?.["fileBytes"]) > 100_000, JSON.stringify(box));
  live.close();
});

test("sync delivers the runs and files of a dead program, byte for byte", async () => {
  await server(async (fake, folder) => {
    const home = newHome();
    fake.down();
    const program = fileURLToPath(new URL("../fixtures/leaves-files.js", import.meta.url));
    const env = { ...process.env, HOME: home, XDG_STATE_HOME: home };
    assert.equal(spawnSync(process.execPath, [program, fake.url, home], { env, encoding: "utf8" }).stderr, "");
    rmSync(join(home, "weights.bin"));
    const [before] = await boxesIn(home);
    assert.equal(before?.["artifacts"], 3);
    await fake.up();
    const { code, out, err } = await command(home, ["sync"], { MLFLOW_TRACKING_URI: fake.url });
    assert.equal(code, 0, out + err);
    assert.match(out, /^\d changes and 3 files \(390\.6 KiB\) delivered to http:\S+\.\n$/);
    assert.match(err, /^\[█{24}\] (\d) of \1 changes, 3 of 3 files, 390\.6 of 390\.6 KiB, [\d.]+ \w+\/s\n$/);
    const run = first(fake);
    assert.equal(run.status, "FAILED");
    const place = join(folder, run.id);
    assert.equal(readFileSync(join(place, "small.txt"), "utf8"), "small");
    assert.ok(readFileSync(join(place, "deep/large.txt")).equals(Buffer.alloc(100_000, "large ")));
    assert.ok(readFileSync(join(place, "model/weights.bin")).equals(Buffer.alloc(300_000, "weights ")));
    assert.deepEqual(await boxesIn(home), []);
    const left = readdirSync(join(home, "pulse-mlflow/outbox"), { recursive: true }).map(String);
    assert.deepEqual(left.filter((name) => name.includes(".outbox")), []); // biome-ignore format: one line
  });
});

test("sync --json counts files, delivered and left", async () => {
  await server(async (fake) => {
    const home = newHome();
    leaveBehind(home, fake.url);
    fake.down();
    const env = { MLFLOW_TRACKING_URI: fake.url };
    const away = await command(home, ["sync", "--json", "--timeout", "0.3"], env);
    assert.equal(away.code, 2);
    const { delivered, artifacts, left, artifactsLeft, artifactBytesLeft } = JSON.parse(away.out);
    assert.deepEqual({ delivered, artifacts, left, artifactsLeft, artifactBytesLeft }, { delivered: 0, artifacts: 0, left: 2, artifactsLeft: 2, artifactBytesLeft: 100_005 }); // biome-ignore format: one line
    await fake.up();
    const there = await command(home, ["sync", "--json"], env);
    assert.equal(there.code, 0, there.out);
    assert.equal(there.err, "");
    const { artifacts: files, artifactBytes, artifactsLeft: none } = JSON.parse(there.out);
    assert.deepEqual({ files, artifactBytes, none }, { files: 2, artifactBytes: 100_005, none: 0 });
  });
});

test("files for a forbidden place are set aside, and go once that is mended", async () => {
  await server(async (fake, folder) => {
    const home = newHome();
    const path = leaveBehind(home, fake.url);
    const env = { MLFLOW_TRACKING_URI: fake.url };
    fake.artifactRoot = "gs://bucket";
    const refused = await command(home, ["sync"], env);
    assert.equal(refused.code, 2, refused.err);
    assert.match(refused.out, /^2 changes delivered to /);
    assert.match(
      refused.out,
      /\nSet aside: run a{32}, 2 files \(97\.7 KiB\): The artifact root "gs:\S+ is of a kind that is not supported\./,
    );
    assert.match(refused.out, /\n2 files \(97\.7 KiB\) of 1 run are left\./);
    const shown = await command(home, ["status"]);
    assert.match(
      shown.out,
      /waiting +0 +1 +2 +97\.7 KiB .*\n {2}set aside: run a{32}, 2 files \(97\.7 KiB\): The artifact root/,
    );
    assert.match(
      (await command(home, ["doctor"], { MLFLOW_TRACKING_URI: "null:" })).out,
      /: 2 files \(97\.7 KiB\) of 1 run are set aside: The artifact root/,
    );
    fake.artifactRoot = folder;
    assert.equal((await command(home, ["sync"], env)).code, 0);
    assert.ok(readFileSync(join(folder, first(fake).id, "deep/large.txt")).equals(LARGE));
    assert.ok(!existsSync(path));

    leaveBehind(home, fake.url);
    fake.artifactRoot = "gs://bucket";
    await command(home, ["sync"], env);
    const { out } = await command(home, ["discard", "--set-aside", "--yes"]);
    assert.match(out, /2 files \(97\.7 KiB\) of 1 run thrown away\.\n$/);
    assert.deepEqual(await boxesIn(home), []);
  });
});

test("the files of a set-aside run stay with it", async () => {
  await server(async (fake, folder) => {
    const home = newHome();
    const env = { MLFLOW_TRACKING_URI: fake.url };
    leaveBehind(home, fake.url);
    fake.instead = (call) => (call === "POST runs/create" ? { refuse: "Not this one." } : undefined);
    const refused = await command(home, ["sync"], env);
    assert.equal(refused.code, 2, refused.err);
    assert.match(refused.out, /Set aside: run a{32}, 2 changes and 2 files \(97\.7 KiB\): .*Not this one/);
    fake.instead = undefined;
    const { code, out } = await command(home, ["sync"], env);
    assert.equal(code, 0, out);
    assert.match(out, /^2 changes and 2 files \(97\.7 KiB\) delivered/);
    assert.equal(readFileSync(join(folder, first(fake).id, "small.txt"), "utf8"), "small");
  });
});

/** A store like a server, with files that go as a test likes. */
function odd(upload: ArtifactRepository["upload"]): string {
  const scheme = `slow-${++schemes}`;
  const repository = {
    upload,
    list: async () => [],
    read: async () => Promise.reject(new Error("none")),
    close: () => undefined,
  };
  registerArtifactRepository(scheme, (uri) => ({ uri, ...repository }));
  registerTrackingStore(scheme, (uri) => ({
    uri,
    apply: async (changes) =>
      changes.map(({ runKey }) => ({ kind: "done", ids: { runId: runKey, experimentId: "0" } })),
    close: async () => {},
    artifactsOf: () => `${scheme}://files`,
  }));
  return `${scheme}:store`;
}

/** Calls sync with a terminal that takes note of what is drawn. */
async function drawn(
  home: string,
  uri: string,
  onDraw: (line: string) => void,
): Promise<{ code: number; out: string; err: string }> {
  const texts = { out: "", err: "" };
  const stream = (name: "out" | "err"): NodeJS.WritableStream & { isTTY: boolean } => {
    const write = (text: string): boolean => {
      texts[name] += text;
      if (name === "err") onDraw(text);
      return true;
    };
    return { write, isTTY: true } as never;
  };
  const before = process.env["XDG_STATE_HOME"];
  process.env["XDG_STATE_HOME"] = home;
  try {
    const code = await sync(
      { out: stream("out"), err: stream("err"), json: false },
      { uri, watch: false, timeoutMs: undefined },
    );
    return { code, err: texts.err, out: stripVTControlCharacters(texts.out) };
  } finally {
    if (before === undefined) delete process.env["XDG_STATE_HOME"];
    else process.env["XDG_STATE_HOME"] = before;
  }
}

test("on a terminal a large file shows its progress", async () => {
  let goOn = (): void => undefined;
  const halfway = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const uri = odd(async (path, content, options) => {
    if (path !== "deep/large.txt") return;
    options?.onProgress?.(content.size / 2);
    await halfway;
  });
  const home = newHome();
  leaveBehind(home, uri);
  const { code, err } = await drawn(home, uri, (line) => {
    if (/\[█+░+\] 1 of 2 files, 48\.8 of 97\.7 KiB/.test(line)) goOn();
  });
  assert.equal(code, 0, err);
  assert.match(err, /2 of 2 files, 97\.7 of 97\.7 KiB, [^\r]*\/s\n$/);
  assert.ok(err.split("\r").every((line) => line.replace("\x1b[2K", "").length <= 80));
});

test("a file that the server never takes is reported and exits with 2, once", async () => {
  const uri = odd(async (path) => {
    if (path === "small.txt") throw new PulseError("REJECTED", "Not this one.");
  });
  const home = newHome();
  leaveBehind(home, uri);
  const { code, out } = await drawn(home, uri, () => undefined);
  assert.equal(code, 2);
  assert.match(out, /^3 changes and 1 file \(97\.7 KiB\) delivered/); // the third is the tag that says so
  assert.match(out, /\nRefused: small\.txt of run a{32}: Not this one\.\n$/);
  assert.deepEqual(await boxesIn(home), []);
  assert.equal((await drawn(home, uri, () => undefined)).code, 0);
});

test("files that wait for a permission are shown with their experiment", async () => {
  const uri = odd(async () => {
    throw new PulseError("FORBIDDEN", "Not you.");
  });
  const home = newHome();
  leaveBehind(home, uri);
  // The run was accepted just before: for a second a refusal is about it alone.
  const { code, out } = await drawn(home, uri, () => undefined);
  assert.equal(code, 2);
  assert.match(
    out,
    /\nWaiting for permission: experiment Contract, 1 run with 2 files \(97\.7 KiB\): Not you\. Check `auth` and what the user may do\.\n/,
  );
  const shown = await command(home, ["status", "--json"]);
  assert.match(shown.out, /"artifacts": 2/);
});

test("an upload in parts that sync gives up resumes there next time", async () => {
  const states: unknown[] = [];
  let isAborted = false;
  const uri = odd(async (path, _content, options) => {
    if (path !== "deep/large.txt") return;
    states.push(options?.state);
    if (options?.state !== undefined) return;
    options?.onState?.({ parts: 1 });
    options?.signal?.addEventListener("abort", () => {
      isAborted = true;
    });
    setTimeout(() => process.emit("SIGINT"), 20);
    await new Promise(() => undefined);
  });
  const home = newHome();
  leaveBehind(home, uri);
  const first = await drawn(home, uri, () => undefined);
  assert.equal(first.code, 2);
  assert.match(first.out, /1 file \(97\.7 KiB\) of 1 run is left/);
  assert.equal((await drawn(home, uri, () => undefined)).code, 0);
  assert.deepEqual([states, isAborted], [[undefined, { parts: 1 }], false]);
});

test("without a place for files sync delivers all runs, then ends with the reason", async () => {
  const uri = odd(async () => {
    throw new PulseError("UNAUTHORIZED", "No credentials for that bucket.");
  });
  const home = newHome();
  leaveBehind(home, uri);
  leaveBehind(home, uri);
  const { code, out } = await drawn(home, uri, () => undefined);
  assert.equal(code, 2);
  assert.match(
    out,
    /^4 changes delivered to \S+\n4 files \(195\.3 KiB\) of 2 runs are left\. No credentials for that bucket\. Check `auth`/,
  );
});

test("sync says what a tracker has left, files included", async () => {
  await server(async (fake) => {
    const home = newHome();
    fake.down();
    const tracker = createTracker({
      trackingUri: fake.url,
      outbox: { folder: join(home, "pulse-mlflow/outbox") },
      logger: { warn() {} },
    });
    tracker.withRun({ experiment: "E" }, (run) => run.logText("text", "text.txt"));
    await tracker.shutdown({ timeoutMs: 20 });
    const { code, out } = await command(home, ["sync", "--timeout", "0.2"], { MLFLOW_TRACKING_URI: fake.url });
    assert.equal(code, 2);
    assert.match(out, /\d changes and 1 file \(4 B\) of 1 run are left\./);
  });
});
