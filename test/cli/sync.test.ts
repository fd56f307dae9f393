import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { PulseError, type PulseErrorCode } from "../../src/base/errors.js";
import { Meter } from "../../src/cli/meter.js";
import { Progress } from "../../src/cli/output.js";
import { Patience } from "../../src/cli/retry-limit.js";
import { advised } from "../../src/contracts/finding.js";
import { itemsOf } from "../../src/contracts/tracking-store.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { change, start } from "../contract/store-contract.js";
import { command } from "../support/command.js";
import { tempFolder } from "../support/folders.js";
import { type Scripted, scripted } from "../support/scripted-server.js";

const root = tempFolder("cli-sync");

const newHome = (): string => tempFolder("home", root);

function leaveBehind(home: string, uri: string): void {
  const outbox = new OutboxFolder(join(home, "pulse-mlflow/outbox"), uri).create(Date.now(), systemClock.id());
  const given = change("a".repeat(32), { create: start(), end: { status: "FINISHED", endTime: 3 } });
  outbox.putRun(
    {
      key: given.runKey,
      experiment: given.experiment,
      parent: undefined,
      parentId: undefined,
      ids: undefined,
      ended: true,
    },
    1,
  );
  outbox.append(given, itemsOf(given), false);
  outbox.close();
}

test("sync ends with the reason where waiting cannot help", async () => {
  const file = join(root, "notes.txt");
  writeFileSync(file, "these are notes ".repeat(100));
  const cases: [Scripted | undefined, RegExp][] = [
    [{ status: 401, body: "<h1>Who are you?</h1>" }, /requires a login, but no credentials are configured for it: Who are you\?\. Check `auth`, or MLFLOW_TRACKING_USERNAME[^;]*\(docs\/configuration\.md\)\.\n/],
    [{ status: 403, body: { error_code: "PERMISSION_DENIED", message: "Not you" } }, /Not you \(PERMISSION_DENIED\)\. Have the server's administrator allow it/],
    [{ status: 404, body: "none" }, /has no \/api\S+ Check the tracking URI: it must be the root of an MLflow server\.\n/],
    [undefined, /notes\.txt: the file is not an SQLite database, or a damaged one .* Choose another file in trackingUri; this one was not touched\.\n/],
  ]; // biome-ignore format: a table
  await Promise.all(
    cases.map(async ([answer, reason]) => {
      const server = answer && (await scripted(() => answer));
      const uri = server?.url ?? `sqlite:///${file}`;
      const home = newHome();
      leaveBehind(home, uri);
      const { code, out, err } = await command(home, ["sync"], { MLFLOW_TRACKING_URI: uri });
      server?.close();
      assert.equal(code, 2, out + err);
      assert.match(out, /^0 changes delivered to \S+\.\n2 changes of 1 run are left\. /);
      assert.match(out, reason);
      assert.doesNotMatch(out + err, /recording goes on/i);
    }),
  );
  assert.ok(readFileSync(file, "utf8").startsWith("these are notes"));
});

test("sync says once that it waits for an absent server, until interrupted", async () => {
  for (const [args, hint] of [
    [[], /^pulse-mlflow: http:\/\/127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED \S+ Waiting for it \(Ctrl\+C ends, --timeout limits it\)\.\n/],
    [["--watch"], /Waiting for it \(Ctrl\+C ends\)\.\n/],
    [["--timeout", "600"], /Waiting for it \(Ctrl\+C ends\)\.\n/],
  ] as const) {
    const home = newHome();
    leaveBehind(home, "http://127.0.0.1:1");
    let isInterrupted = false; // a second time ends at once
    const { code, out, err } = await command(home, ["sync", ...args], { MLFLOW_TRACKING_URI: "http://127.0.0.1:1" }, (heard, signal) => {
      if (!isInterrupted && heard.includes("Waiting")) signal("SIGINT");
      isInterrupted ||= heard.includes("Waiting");
    });
    assert.equal(code, 2, out + err);
    assert.match(err, hint);
    assert.equal(err.match(/ECONNREFUSED/g)?.length, 1);
    assert.match(out, /ECONNREFUSED \S+ Check the address in the tracking URI, that the server runs, and the proxy if there is one\.\n$/);
  }
}); // biome-ignore format: a table

test("sync waits for what may pass, and not for what somebody must mend", () => {
  const error = (code: PulseErrorCode): PulseError => new PulseError(code, "It is so.");
  const patience = new Patience(() => now);
  let now = 0;
  patience.away(error("STORE_UNAVAILABLE"));
  now = 1e9;
  assert.equal(patience.over(true), undefined);
  patience.away(error("NO_MLFLOW")); // a gateway whose server still starts
  now += 1_000;
  assert.equal(patience.over(true), undefined);
  patience.away(error("STORE_UNAVAILABLE"));
  now += 60_000;
  assert.equal(patience.over(true), undefined);
  patience.away(error("UNAUTHORIZED"));
  now += 1_000;
  assert.equal(patience.over(false), undefined); // it has taken something
  patience.away(error("UNAUTHORIZED"));
  now += 3_000;
  assert.equal(patience.over(true)?.code, "UNAUTHORIZED");
});

test("no command's advice speaks of recording", () => {
  const codes = [...readFileSync("src/base/errors.ts", "utf8").matchAll(/^ {2}([A-Z_]+): \{/gm)].map(
    ([, code]) => code as PulseErrorCode,
  );
  assert.ok(codes.length > 40);
  for (const code of codes) {
    const error = new PulseError(code, "It is so.");
    const { detail, todo } = advised(error);
    assert.equal(detail, "It is so.");
    assert.doesNotMatch(todo, /goes on|;\s*$/, code);
    assert.match(todo, /^$|[.)]$/);
  }
});

test("doctor's advice for a failing server suits somebody who looks at it", async () => {
  const server = await scripted(() => ({ status: 500, body: { error_code: "INTERNAL_ERROR", message: "broken" } }));
  const { code, out } = await command(newHome(), ["doctor"], { MLFLOW_TRACKING_URI: server.url });
  server.close();
  assert.equal(code, 2);
  assert.match(out, /\n {2}- Look into the server's log, and try again\.\n/);
  assert.doesNotMatch(out, /recording goes on/i);
});

test("status and doctor do not advise delivery into a file that is no database", async () => {
  const file = join(root, "book.txt");
  writeFileSync(file, "it was a dark night ".repeat(100));
  const home = newHome();
  leaveBehind(home, `sqlite:///${file}`);
  const status = await command(home, ["status"]);
  assert.match(
    status.out,
    /\n {2}cannot be delivered: \S+book\.txt is not a database\. Move it away, or replace it with MLflow's own\.\n {2}to throw it away: /,
  );
  for (const uri of [`sqlite:///${file}`, "null:"]) {
    const doctor = await command(home, ["doctor"], { MLFLOW_TRACKING_URI: uri });
    assert.equal(doctor.code, 2);
    assert.match(doctor.out, /2 changes of 1 run wait\n/);
    assert.match(doctor.out, /- Move it away \(\S+book\.txt is not a database\), or replace it with MLflow's own/);
    assert.doesNotMatch(doctor.out + status.out, /pulse-mlflow sync/);
  }
  writeFileSync(file, "");
  assert.match((await command(home, ["status"])).out, /to deliver it:/);
});

test("a progress line has the amount done, the recent rate and the time left", () => {
  let now = 0;
  const meter = new Meter(() => now);
  meter.waits({ changes: 300, artifacts: 0, artifactBytes: 0 });
  assert.deepEqual([meter.part, meter.underWay], [0, "0 of 300 changes"]);
  now = 2_000;
  meter.delivered(100);
  assert.equal(meter.underWay, "100 of 300 changes, 50/s, 4 s left");
  now = 60_000; // nothing goes any more
  assert.equal(meter.underWay, "100 of 300 changes, 2/s, 2 min left");
  now = 71_000;
  assert.equal(meter.underWay, "100 of 300 changes, 0/s");
  now = 75_000;
  meter.delivered(200);
  assert.equal(meter.ended, "300 of 300 changes, 4/s");

  const files = new Meter(() => now);
  files.waits({ changes: 1, artifacts: 2, artifactBytes: 3 * 1024 ** 3 });
  now += 10_000;
  files.delivered(1);
  files.moved(1024 ** 3);
  assert.equal(files.underWay, "0 of 2 files, 1.0 of 3.0 GiB, 102.4 MiB/s, 20 s left");
  assert.ok(Math.abs(files.part - 1 / 3) < 0.01);
  files.moved(-(1024 ** 3)); // it begins anew
  assert.equal(files.underWay.split(",")[1], " 0 B of 3.0 GiB");
  files.moved(3 * 1024 ** 3);
  files.stored(1024 ** 3);
  files.stored(2 * 1024 ** 3);
  assert.equal(files.ended, "1 of 1 change, 2 of 2 files, 3.0 of 3.0 GiB, 307.2 MiB/s");
  assert.equal(files.part, 1);
});

test("a narrow terminal shortens the bar, then drops it, then cuts the text", () => {
  for (const [columns, drawn] of [
    [80, `[${"█".repeat(12)}${"░".repeat(12)}] half of it`],
    [22, "[████░░░░] half of it"],
    [15, "half of it"],
    [8, "half of"],
  ] as const) {
    let line = "";
    const write = (text: string): boolean => {
      line = text;
      return true;
    };
    const err = { write, isTTY: true, columns } as never;
    new Progress({ out: err, err, json: false }).show(0.5, "half of it");
    assert.equal(line, `\r\x1b[2K${drawn}`);
  }
});
