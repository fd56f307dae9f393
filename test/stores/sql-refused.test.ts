import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import type { Metric } from "../../src/base/entities.js";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import { SqliteStore } from "../../src/stores/sql/sqlite-store.js";
import { change, start } from "../contract/store-contract.js";
import { execute, readRun } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("refused");
let count = 0;

const [ID, OTHER] = ["a".repeat(32), "b".repeat(32)];
const point = (key: string, step: number, more: Partial<Metric> = {}): Metric => ({
  key,
  value: step,
  step,
  timestamp: 1_000,
  ...more,
});
const refusing = (table: string, when: string, how: string): string =>
  `CREATE TRIGGER no_${table} BEFORE INSERT ON ${table} WHEN ${when} BEGIN SELECT RAISE(${how}, 'not here'); END`;

/** A run with everything; what is said to be refused of it are the metrics "bad", the param "bad" or the tag "bad". */
const whole = (more: Partial<RunChange> = {}): RunChange =>
  change(ID, {
    create: start({ name: "whole" }),
    params: [
      { key: "lr", value: "0.1" },
      { key: "bad", value: "much too long" },
    ],
    tags: [
      { key: "bad", value: "tag" },
      { key: "team", value: "pulse" },
    ],
    metrics: [point("loss", 0), point("bad", 0), point("bad", 1), point("loss", 1)],
    end: { status: "FINISHED", endTime: 3_000 },
    ...more,
  });

/** What is left when so much is refused. */
function expected(refused: readonly string[]): object {
  const kept = (what: string): boolean => !refused.includes(what);
  return {
    status: "FINISHED",
    params: { lr: "0.1", ...(kept("param") && { bad: "much too long" }) },
    tags: {
      "mlflow.user": "me",
      "mlflow.runName": "whole",
      team: "pulse",
      ...(kept("tag") && { bad: "tag" }),
    },
    metrics: {
      loss: [
        [0, 1_000, 0],
        [1, 1_000, 1],
      ],
      ...(kept("metric") && {
        bad: [
          [0, 1_000, 0],
          [1, 1_000, 1],
        ],
      }),
    },
  };
}

const ITEMS: Record<string, number> = { metric: 2, param: 1, tag: 1 };
const refusedOf = (outcome: Outcome | undefined) =>
  outcome?.kind === "done" ? (outcome.refused ?? []) : [{ what: outcome?.kind }];

async function stored(
  setUp: string,
  changes: readonly RunChange[],
  sync = false,
): Promise<{ path: string; outcomes: readonly Outcome[] }> {
  const path = join(folder, `${++count}.db`);
  const store = new SqliteStore(path, { clock: systemClock });
  await store.apply([change("0".repeat(32), { create: start() })]);
  execute(path, setUp);
  const outcomes = sync ? store.applySync(changes, 0) : await store.apply(changes);
  await store.close();
  return { path, outcomes };
}

const CASES: readonly [title: string, setUp: string, refused: readonly string[]][] = [
  ["a trigger on metrics", refusing("metrics", "NEW.key = 'bad'", "ABORT"), ["metric"]],
  ["a trigger on the latest metrics", refusing("latest_metrics", "NEW.key = 'bad'", "ABORT"), ["metric"]],
  ["a trigger on tags", refusing("tags", "NEW.key = 'bad'", "ABORT"), ["tag"]],
  ["a trigger that takes the transaction back", refusing("metrics", "NEW.key = 'bad'", "ROLLBACK"), ["metric"]],
  ["a trigger that leaves what it did", refusing("params", "NEW.key = 'bad'", "FAIL"), ["param"]],
  [
    "a constraint on the length of params",
    `DROP TABLE params; CREATE TABLE params (key VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL CHECK (length(value) < 10),
       run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, run_uuid))`,
    ["param"],
  ],
  [
    "several",
    `${refusing("params", "NEW.key = 'bad'", "ROLLBACK")}; ${refusing("tags", "NEW.key = 'bad'", "ROLLBACK")};
     ${refusing("metrics", "NEW.key = 'bad'", "ROLLBACK")}`,
    ["param", "tag", "metric"],
  ],
];

for (const [title, setUp, refused] of CASES) {
  test(`${title} costs only the refused items`, async () => {
    const other = change(OTHER, { create: start(), metrics: [point("loss", 0)] });
    for (const sync of [false, true]) {
      const { path, outcomes } = await stored(setUp, [whole(), other], sync);
      assert.deepEqual(
        refusedOf(outcomes[0]).map((each) =>
          "items" in each ? [each.what, each.key, each.items, each.error.code] : each,
        ),
        refused.map((what) => [what, "bad", ITEMS[what], "REJECTED"]),
      );
      const { tags: all, ...rest } = readRun(path, ID) ?? assert.fail("no run");
      const { "pulse.refused.bad": reason, ...tags } = all;
      assert.match(
        String(reason),
        /"bad" is not stored, the database refuses it \(.*(not here|CHECK).*\)\. Everything else is\./,
      );
      assert.deepEqual({ status: rest.status, params: rest.params, metrics: rest.metrics, tags }, expected(refused));
      assert.equal(outcomes[1]?.kind, "done");
      assert.deepEqual(refusedOf(outcomes[1]), []);
      assert.deepEqual(readRun(path, OTHER)?.metrics, { loss: [[0, 1_000, 0]] });
    }
  });
}

test("a step or timestamp that is no database integer costs only that value", async () => {
  const bad = [
    point("bad", 2 ** 60),
    point("bad", 0.5),
    point("bad", Number.NaN),
    point("bad", 1, { timestamp: 1e300 }),
  ];
  const { path, outcomes } = await stored("", [whole({ metrics: [...bad, point("loss", 0), point("bad", 7)] })]);
  assert.deepEqual(
    refusedOf(outcomes[0]).map((each) => ("items" in each ? [each.what, each.key, each.items] : each)),
    [["metric", "bad", 4]],
  );
  assert.deepEqual(readRun(path, ID)?.metrics, { bad: [[7, 1_000, 7]], loss: [[0, 1_000, 0]] });
});

test("a refused tag of a run's start is no item of the change", async () => {
  const create = start({ sourceTags: [{ key: "bad", value: "source" }] });
  for (const how of ["ABORT", "ROLLBACK"]) {
    const setUp = refusing("tags", "NEW.key IN ('bad', 'mlflow.runName')", how);
    const { path, outcomes } = await stored(setUp, [whole({ create, params: [], tags: [], metrics: [] })]);
    assert.deepEqual(
      refusedOf(outcomes[0]).map((each) => ("items" in each ? [each.what, each.key, each.items] : each)),
      [
        ["tag", "bad", 0],
        ["tag", "mlflow.runName", 0],
      ],
    );
    assert.equal(readRun(path, ID)?.status, "FINISHED");
  }
});

test("the same change once more ends in the same state", async () => {
  const path = join(folder, `${++count}.db`);
  const store = new SqliteStore(path, { clock: systemClock });
  await store.apply([change(OTHER, { create: start() })]);
  execute(path, refusing("metrics", "NEW.key = 'bad'", "ABORT"));
  const first = await store.apply([whole()]);
  const before = readRun(path, ID);
  assert.deepEqual(await store.apply([whole()]), first);
  assert.deepEqual(readRun(path, ID), before);
  await store.close();
});

test("a refusal of the run itself still refuses all of it", async () => {
  for (const setUp of [
    refusing("runs", `NEW.run_uuid = '${ID}'`, "ABORT"),
    refusing("runs", `NEW.run_uuid = '${ID}'`, "ROLLBACK"),
  ]) {
    const { path, outcomes } = await stored(setUp, [whole(), change(OTHER, { create: start() })]);
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["rejected", "done"],
    );
    assert.equal(readRun(path, ID), undefined);
  }
});
