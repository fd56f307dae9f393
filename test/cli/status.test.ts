import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { cli, leaveBehind, newState, server } from "../support/cli-kit.js";
import { execute } from "../support/database.js";

test("status shows what is kept, where, how much, how old and who holds it", async () => {
  const state = newState();
  assert.match((await cli(state, ["status"])).out, /Nothing is kept in .*\.\n$/);
  const path = leaveBehind(state, "http://mlflow:5000");
  const live = new OutboxFolder(join(state, "pulse-mlflow/outbox"), "sqlite:////x.db").create(
    Date.now(),
    systemClock.id(),
  );
  writeFileSync(
    join(state, "pulse-mlflow/outbox", readdirSync(join(state, "pulse-mlflow/outbox"))[0] ?? "", "strange.db"),
    "no database ".repeat(500),
  );
  const { code, out } = await cli(state, ["status"]);
  assert.equal(code, 0);
  assert.match(
    out,
    /http:\/\/mlflow:5000\n.*changes +runs.*\n.*waiting\s+4\s+2\s+[\d.]+ KiB\s+.*ago\s+1\n {2}to deliver it: +npx pulse-mlflow sync --uri http:\/\/mlflow:5000\n/,
  );
  assert.match(out, /sqlite:\/\/\/\/x\.db\n.*\n.*held by a running program\s+\d/);
  assert.match(out, /cannot be read: written by another version of this package, or damaged/);
  const json = JSON.parse((await cli(state, ["status", "--json"])).out);
  const boxes = json.uris.flatMap((uri: { outboxes: object[] }) => uri.outboxes);
  assert.deepEqual(boxes.map((box: { state: string; changes?: number }) => [box.state, box.changes]).sort(), [
    ["foreign", undefined],
    ["live", undefined],
    ["waiting", 4],
  ]);
  live.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("an outbox whose maker was killed while making it is not shown", async () => {
  const state = newState();
  const path = leaveBehind(state, "http://127.0.0.1:1");
  rmSync(path);
  writeFileSync(path, "");
  const before = new Date(Date.now() - 60_000);
  utimesSync(path, before, before);
  const { code, out } = await cli(state, ["status"]);
  assert.equal(code, 0);
  assert.match(out, /^Nothing is kept in /);
});

test("status and discard take one URI, as shown or as configured", async () => {
  const state = newState();
  leaveBehind(state, "http://mlflow:5000");
  leaveBehind(state, "notes:/a/b");
  for (const [uri, shown] of [
    ["http://mlflow:5000", "http://mlflow:5000"],
    ["http://mlflow:5000/", "http://mlflow:5000"],
    ["http://me:secret@mlflow:5000", "http://mlflow:5000"],
    ["notes:/a/b", "notes:/a/b"],
  ] as const) {
    const { uris } = JSON.parse((await cli(state, ["status", "--json", "--uri", uri])).out);
    assert.deepEqual(
      uris.map((each: { uri: string }) => each.uri),
      [shown],
      uri,
    );
  }
  assert.match(
    (await cli(state, ["status", "--uri", "http://none:1"])).out,
    /^Nothing is kept for http:\/\/none:1 in /,
  );
  const { out } = await cli(state, ["discard", "--uri", "notes:/a/b", "--yes", "--json"]);
  assert.equal(JSON.parse(out).changes, 4);
  assert.equal(JSON.parse((await cli(state, ["status", "--json"])).out).uris.length, 1);
});

test("status and sync leave an outbox of a newer version alone and say so", async () => {
  await server(
    () => undefined,
    async ({ url }) => {
      const state = newState();
      const path = leaveBehind(state, url);
      execute(path, "PRAGMA user_version = 2");
      const before = readFileSync(path);
      assert.match(
        (await cli(state, ["status"])).out,
        /cannot be read: written by another version of this package, or damaged/,
      );
      const { code, out } = await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url });
      assert.equal(code, 2, out);
      assert.match(out, /\.outbox was written by another version of this package, or is damaged; left untouched/);
      assert.ok(readFileSync(path).equals(before));
    },
  );
});
