import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { RunEnd } from "../../src/contracts/tracking-store.js";
import { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder, tryClaim } from "../../src/recorder/outbox/outbox-folder.js";
import { change, start } from "../contract/store-contract.js";
import { execute, query, readRun } from "../support/database.js";
import { away } from "../support/faulty-store.js";
import { inherit } from "../support/inherit.js";
import { kit, newFolder } from "../support/outbox-kit.js";
import { assertBalanced } from "../support/runs.js";
import { until } from "../support/wait.js";

const [BEFORE, HURT, CHILD, AFTER] = ["a", "b", "c", "d"].map((letter) => letter.repeat(32)) as [
  string,
  string,
  string,
  string,
];
const END: RunEnd = { status: "FINISHED", endTime: 3_000 };
const metric = (key: string) => [{ key, value: 1, step: 0, timestamp: 2_000 }];

/** An outbox with a run of two changes and a child, between two other runs, as a dead tracker leaves it. */
function leave(): { root: string; database: string; path: string } {
  const root = newFolder();
  const database = join(root, "store", "mlflow.db");
  mkdirSync(dirname(database), { recursive: true });
  const outbox = new OutboxFolder(join(root, "outboxes"), `sqlite:///${database}`).create(Date.now(), "f".repeat(32));
  const put = (key: string, parent?: string): void => {
    outbox.putRun(
      { key, experiment: { name: `of ${key}` }, parent, parentId: undefined, ids: undefined, ended: true },
      1_000,
    );
    const first = change(key, { create: start({ name: key, parentKey: parent }), metrics: metric("first") });
    outbox.append({ ...first, experiment: { name: `of ${key}` } }, 2, false);
    outbox.append(
      change(key, { metrics: metric("second"), params: [{ key: "p", value: "v" }], tags: [{ key: "t", value: "v" }] }),
      3,
      false,
    );
    outbox.append(change(key, { end: END }), 1, false);
  };
  put(BEFORE);
  put(HURT);
  put(CHILD, HURT);
  put(AFTER);
  outbox.close();
  return { root: join(root, "outboxes"), database, path: outbox.path };
}

const second = (set: string): string => `UPDATE changes SET ${set} WHERE run = '${HURT}' AND rest LIKE '%"p"%'`;
const first = (set: string): string => `UPDATE changes SET ${set} WHERE run = '${HURT}' AND start IS NOT NULL`;

/** What is damaged, how many items are set aside for it, and whether that is the whole run. */
const DAMAGES: readonly [sql: string, items: number, whole: boolean][] = [
  [second("metrics = '[[\"m\", 1,'"), 3, false],
  [second("metrics = x'00ff00'"), 3, false],
  [second("metrics = '{}'"), 3, false],
  [second("metrics = '[null]'"), 3, false],
  [second('metrics = \'[["m", "one", 1, 1]]\''), 3, false],
  [second("metrics = '[[\"m\", 1, null, 1]]'"), 3, false],
  [second("metrics = 17"), 3, false],
  [second("rest = 'null'"), 3, false],
  [second("rest = '5'"), 3, false],
  [second("metrics = 'null'"), 3, false],
  [second("rest = '{\"params\":{}}'"), 3, false],
  [second('rest = \'{"params":[{"key":1,"value":2}]}\''), 3, false],
  [second("rest = '{\"tags\":[null]}'"), 3, false],
  [second('rest = \'{"end":{"status":"DONE"}}\''), 3, false],
  [second("rest = '{\"end\":null}'"), 3, false],
  [second("rest = x'7b7d'"), 3, false],
  [second("items = 'three'"), 0, false],
  [second("run = x'6262'"), 3, false],
  [second("run = 'nobody'"), 3, false],
  [first("start = '{\"name\":'"), 6, true],
  [first("start = '{}'"), 6, true],
  [first("start = '5'"), 6, true],
  [first("metrics = 'x'"), 6, true],
  [`UPDATE runs SET experiment = 'x' WHERE key = '${HURT}'`, 6, true],
  [`UPDATE runs SET experiment = '{"name":5}' WHERE key = '${HURT}'`, 6, true],
];

for (const [sql, items, whole] of DAMAGES) {
  test(`damaged rows are set aside, everything else is delivered: ${sql.slice(0, 60)}`, async () => {
    const { root, database, path } = leave();
    execute(path, sql);
    for (let again = 0; again < 2; again++) {
      const { left, warnings } = await inherit(root, `sqlite:///${database}`, 20_000, { retrySetAside: again > 0 });
      assert.deepEqual(left, [path]);
      if (!sql.includes("SET run =") && !sql.includes("UPDATE runs"))
        assert.match(warnings.join("\n"), /^[^\n]*What is kept of run b+ is damaged: .*REJECTED/);
      for (const key of [BEFORE, CHILD, AFTER]) {
        const run = readRun(database, key);
        assert.deepEqual(
          [run?.status, Object.keys(run?.metrics ?? {}), run?.params],
          ["FINISHED", ["first", "second"], { p: "v" }],
        );
      }
      assert.equal(readRun(database, CHILD)?.tags["mlflow.parentRunId"], whole ? undefined : HURT);
      const hurt = readRun(database, HURT);
      if (whole) assert.equal(hurt, undefined);
      else
        assert.deepEqual([hurt?.status, Object.keys(hurt?.metrics ?? {}), hurt?.params], ["FINISHED", ["first"], {}]);
      const outbox = tryClaim(path);
      assert.ok(outbox instanceof Outbox);
      const { setAside } = outbox.summary();
      outbox.close();
      assert.equal(
        setAside.reduce((sum, each) => sum + each.items, 0),
        items,
      );
      for (const { reason } of setAside) assert.match(reason, /^What is kept of .* is damaged: /);
    }
    assert.equal(query(path, "SELECT count(*) AS n FROM changes WHERE aside IS NULL")[0]?.["n"], 0);
  });
}

test("many damaged rows do not hide what is behind them", async () => {
  const { root, database, path } = leave();
  const columns = "run, items, bytes, attempted, points, metrics";
  execute(
    path,
    `INSERT INTO changes (${columns}) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    SELECT '${HURT}', 1, 10, 0, 1, '[' FROM n`,
  );
  execute(path, `INSERT INTO changes (${columns}) VALUES ('${HURT}', 1, 10, 0, 1, '[["last",1,1,1]]')`);
  await inherit(root, `sqlite:///${database}`);
  assert.deepEqual(Object.keys(readRun(database, HURT)?.metrics ?? {}), ["first", "last", "second"]);
});

test("a living tracker counts a damaged row as rejected and delivers the rest", async () => {
  const { store, tracker, files } = kit({ durability: "outbox" });
  store.fault = () => away;
  const { append } = Outbox.prototype;
  Outbox.prototype.append = function (this: Outbox, given, ...rest) {
    const seq = append.call(this, given, ...rest);
    if (given.metrics.some(({ key }) => key === "hurt"))
      (this as unknown as { run(sql: string, seq: number): void }).run(
        "UPDATE changes SET metrics = '[' WHERE seq = ?",
        seq,
      );
    return seq;
  };
  const runs = ["one", "two", "three"].map((runName) => tracker.startRun({ runName }));
  await until("an outbox", () => files().length === 1);
  for (const [i, run] of runs.entries()) run.logMetric(i === 1 ? "hurt" : "m", i);
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  for (const run of runs) run.end();
  store.fault = undefined;
  await tracker.flush({ timeoutMs: 5_000 });
  Outbox.prototype.append = append;
  assert.deepEqual(store.runs.map(({ name, status, metrics }) => [name, status, [...metrics.keys()]]).sort(), [
    ["one", "FINISHED", ["m"]],
    ["three", "FINISHED", ["m"]],
    ["two", "FINISHED", []],
  ]);
  assert.equal(tracker.stats().rejected, 1);
  await tracker.shutdown();
  assertBalanced(tracker, 3);
});
