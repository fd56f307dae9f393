import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { discard } from "../../src/cli/discard.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { change, start } from "../contract/store-contract.js";
import { cli, leaveBehind, newState, setSomeAside } from "../support/cli-kit.js";
import { execute } from "../support/database.js";

test("discard lists, asks or refuses, and never touches an outbox in use", async () => {
  const state = newState();
  const folder = join(state, "pulse-mlflow/outbox");
  assert.match((await cli(state, ["discard"])).out, /^There is nothing kept that can be thrown away\.\n$/);
  const path = leaveBehind(state, "http://mlflow:5000", setSomeAside);
  const live = new OutboxFolder(folder, "http://live:1").create(Date.now(), systemClock.id());
  const newer = leaveBehind(state, "http://newer:1");
  execute(newer, "PRAGMA user_version = 2");
  const refused = await cli(state, ["discard"]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.err,
    /discard asks before it throws anything away, but this is not an interactive terminal; add --yes/,
  );
  assert.match(
    refused.out,
    /would be thrown away:\n {2}http:\/\/mlflow:5000: 4 changes of 2 runs, in \S+\.outbox\n1 outbox held by running programs will stay\./,
  );
  assert.equal((await cli(state, ["discard", "--json"])).code, 1);

  const aside = await cli(state, ["discard", "--set-aside", "--yes"]);
  assert.equal(aside.code, 0, aside.err);
  assert.match(aside.out, /3 changes of 1 run thrown away\.\n$/);
  const [left] = JSON.parse((await cli(state, ["status", "--json", "--uri", "http://mlflow:5000"])).out).uris[0]
    .outboxes;
  assert.deepEqual([left.changes, left.runs, left.changesSetAside], [1, 1, 0]);
  assert.match(
    (await cli(state, ["discard", "--set-aside"])).out,
    /^There is nothing set aside that can be thrown away/,
  );

  const all = await cli(state, ["discard", "--yes", "--json"]);
  assert.equal(all.code, 0, all.err);
  assert.deepEqual(JSON.parse(all.out), {
    changes: 1,
    runs: 1,
    artifacts: 0,
    artifactBytes: 0,
    outboxes: 1,
    live: 1,
    foreign: [newer],
    missed: [],
  });
  assert.deepEqual([existsSync(path), existsSync(live.path), existsSync(newer)], [false, true, true]);
  live.close();
});

test("discard does what the answer says", async () => {
  const state = newState();
  const path = leaveBehind(state, "http://mlflow:5000");
  const before = process.env["XDG_STATE_HOME"];
  process.env["XDG_STATE_HOME"] = state;
  try {
    for (const [answer, code] of [
      [false, 2],
      [true, 0],
    ] as const) {
      const said: string[] = [];
      const out = { write: (text: string) => said.push(text) > 0 } as unknown as NodeJS.WritableStream;
      const ask = async (question: string): Promise<boolean> => said.push(question) > 0 && answer;
      assert.equal(
        await discard({ out, err: out, json: false, ask }, { uri: undefined, setAside: false, yes: false }),
        code,
      );
      assert.match(
        said.join(""),
        answer ? /\? \[y\/N\] 4 changes of 2 runs thrown away/ : /\? \[y\/N\] Nothing was thrown away/,
      );
      assert.equal(existsSync(path), !answer);
    }
  } finally {
    process.env["XDG_STATE_HOME"] = before;
  }
});

test("discarding a set-aside run does not orphan its children", async () => {
  const folder = new OutboxFolder(join(newState(), "pulse-mlflow/outbox"), "http://mlflow:5000");
  const outbox = folder.create(Date.now(), systemClock.id());
  const put = (key: string, parent: string | undefined): void => {
    outbox.putRun({ key, experiment: { name: "E" }, parent, parentId: undefined, ids: undefined, ended: true }, 1_000);
    outbox.append(change(key, { create: start({ parentKey: parent }) }), 1, false);
  };
  put("a".repeat(32), undefined);
  put("b".repeat(32), "a".repeat(32));
  setSomeAside(outbox);
  outbox.dropSetAside();
  assert.equal(outbox.find("a".repeat(32)), undefined);
  assert.equal(outbox.changes("b".repeat(32), 10).found[0]?.create?.parentKey, undefined);
  assert.equal(outbox.items, 1);
  outbox.close();
});

test("discard for one URI says what it keeps for others", async () => {
  const state = newState();
  leaveBehind(state, "http://other:5000");
  const { code, out } = await cli(state, ["discard", "--yes", "--uri", "http://this:5000"]);
  assert.equal(code, 0);
  assert.match(out, /There is nothing kept that can be thrown away\.\n/);
  assert.match(
    out,
    /Something is also kept for http:\/\/other:5000: npx pulse-mlflow discard --uri http:\/\/other:5000/,
  );
});
