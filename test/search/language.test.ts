import assert from "node:assert/strict";
import { test } from "node:test";
import type { DatasetInput, MlflowRun } from "../../src/base/entities.js";
import { compareKeys, compareTexts, matchesExperiment, matchesRun, runKey } from "../../src/search/evaluate.js";
import { type Filter, parseFilter } from "../../src/search/filter.js";
import { EXPERIMENTS, RUNS } from "../../src/search/identifiers.js";
import { parseOrder, wholeOrder } from "../../src/search/order.js";
import { Random } from "../support/random.js";

const NOW = Date.UTC(2026, 10, 27);
const DAY = 86_400_000;

function run(
  given: Partial<Record<"metrics" | "params" | "tags", Record<string, never | string | number>>> & {
    id?: string;
    start?: number;
    end?: number;
  },
): MlflowRun {
  return {
    runId: given.id ?? "1",
    runName: "calm-harbor",
    experimentId: "1",
    status: given.end === undefined ? "RUNNING" : "FINISHED",
    userId: "me",
    lifecycleStage: "active",
    artifactUri: "file:/a",
    startTime: new Date(given.start ?? NOW),
    endTime: given.end === undefined ? undefined : new Date(given.end),
    params: (given.params ?? {}) as Record<string, string>,
    tags: (given.tags ?? {}) as Record<string, string>,
    metrics: (given.metrics ?? {}) as Record<string, number>,
    inputs: [dataset("iris", "1", [{ key: "mlflow.data.context", value: "train" }]), dataset("wine", "2", [])],
  };
}

const dataset = (name: string, digest: string, tags: readonly { key: string; value: string }[]): DatasetInput => ({
  name,
  digest,
  sourceType: "local",
  source: "{}",
  schema: undefined,
  profile: undefined,
  tags,
});

const trained = run({
  metrics: { loss: 0.2, "a/b c": 1, bad: Number.NaN, huge: Number.POSITIVE_INFINITY },
  params: { lr: "0.1", "learning rate": "high" },
  tags: { stage: "Prod", "mlflow.runName": "calm-harbor" },
  start: NOW - 2 * DAY,
  end: NOW - DAY,
});

const matching = (filter: string, given: MlflowRun = trained): boolean => matchesRun(parseFilter(filter, NOW), given);

test("MLflow's own language is read as MLflow reads it", () => {
  for (const filter of [
    "",
    "metrics.loss < .5",
    "metric.loss=0.2 and params.lr = '0.1'",
    'metrics."a/b c" >= 1',
    "metrics.`a/b c` >= 1",
    "params.'learning rate' LIKE 'h%'",
    "`params`.lr = '0.1'",
    "tags.stage ILIKE 'pr_d'",
    "run_name = 'calm-harbor'",
    'attributes."run name" = "calm-harbor"',
    "attr.status != 'FAILED'",
    "run_id IN ('1', '2',)",
    "run_id NOT IN ('2')",
    `start_time > ${NOW - 3 * DAY} AND created < ${NOW}`,
    "datasets.name = 'iris' AND dataset.context IN ('train')",
    "params.nope IS NULL AND params.lr IS NOT NULL",
    "metrics.loss < 1 AND",
    "AND",
    "metrics.bad != 1",
    "metrics.huge > 1e-300",
  ])
    assert.ok(matching(filter), filter);
  for (const filter of [
    "metrics.loss > 0.5",
    "metrics.nope != 1",
    "params.nope != 'x'",
    "tags.stage = 'prod'",
    "tags.stage LIKE 'pr%'",
    "metrics.bad > 0",
    "metrics.bad <= 0",
    `end_time > ${NOW}`,
    "datasets.context = 'eval'",
  ])
    assert.equal(matching(filter), false, filter);
});

test("OR, NOT and parentheses combine comparisons, and AND binds closer", () => {
  assert.ok(matching("metrics.loss > 1 AND params.lr = 'x' OR tags.stage = 'Prod'"));
  assert.equal(matching("metrics.loss > 1 AND (params.lr = 'x' OR tags.stage = 'Prod')"), false);
  assert.ok(matching("NOT (metrics.loss > 1 OR tags.stage LIKE 'Dev%')"));
  assert.ok(matching("NOT NOT metrics.loss < 1"));
  assert.ok(matching("tags.stage NOT LIKE 'Dev%' AND tags.stage NOT IN ('a', 'b')"));
});

test("what a run does not have matches nothing, also behind NOT", () => {
  assert.equal(matching("NOT metrics.nope > 1"), false);
  assert.equal(matching("NOT metrics.nope <= 1"), false);
  assert.equal(matching("duration > 0", run({})), false);
  assert.ok(matching("NOT params.nope IS NOT NULL"));
});

test("times are days, ISO texts in UTC, or counted from now", () => {
  const at = (filter: string): unknown => {
    const parsed = parseFilter(filter, NOW);
    return parsed.kind === "comparison" ? parsed.value : parsed;
  };
  assert.equal(at("start_time > '2026-11-01'"), Date.UTC(2026, 10, 1));
  assert.equal(at("start_time > '2026-11-01 14:30'"), Date.UTC(2026, 10, 1, 14, 30));
  assert.equal(at("start_time > '2026-11-01T14:30:05.5+02:00'"), Date.UTC(2026, 10, 1, 12, 30, 5, 500));
  assert.equal(at("end_time < now()"), NOW);
  assert.equal(at("start_time > now() - 2d"), NOW - 2 * DAY);
  assert.equal(at("start_time > NOW()-90m"), NOW - 90 * 60_000);
  assert.equal(at("end_time < now() + 1w"), NOW + 7 * DAY);
  assert.ok(matching(`duration = ${DAY}`));
});

test("what cannot be read is an error that points at the place", () => {
  for (const [filter, message] of [
    ["   ", /nothing in it/],
    ["metrics.loss == 1", /character 14: == is written =/],
    ["metrics.loss <> 1", /<> is written !=/],
    ["metrics.loss BETWEEN 1 AND 2", /no BETWEEN/],
    ["metrics.loss > 'a'", /a number is expected, not 'a'/],
    ["metrics.loss > +1", /a number is expected/],
    ["metrics.loss > NaN", /a number is expected/],
    ["params.lr > '1'", /params\.lr takes =, !=, LIKE, ILIKE, IN, not >/],
    ["params.lr = 0.1", /compared with a text in ' or "/],
    ["metrics.loss LIKE 'a'", /metrics\.loss takes =, !=/],
    ["metric.loss IS NULL", /IS NULL is for params and tags/],
    ["metrcs.loss > 1", /"metrcs" is none of .*did you mean metrics\?/],
    ["strat_time > 1", /"strat_time" is not an attribute.*did you mean start_time\?/],
    ["dataset.nme = 'a'", /did you mean name\?/],
    ["metrics. > 1", /a key is expected behind metrics\./],
    ["params.lr = 'a", /text that begins with ' has no end/],
    ["params.lr = 'a';", /";" has no meaning here/],
    ["(metrics.loss > 1", /\) is expected, not the end/],
    ["metrics.loss > 1)", /no \( for this/],
    ["run_id IN ()", /a text in quotes is expected/],
    ["run_id IN ('a' 'b')", /, or \) is expected/],
    ["start_time > '2026-02-31'", /is no time/],
    ["start_time > 'yesterday'", /write '2026-11-01'/],
    ["start_time > now", /written now\(\)/],
    ["start_time > now() - 2y", /a duration is expected, such as/],
    [`${"(".repeat(200)}metrics.loss > 1`, /levels deep at most/],
    [`metrics.loss > 1${" OR metrics.loss > 1".repeat(1_000)}`, /1000 comparisons at most/],
    ["x".repeat(1_000_001), /1000000 are the most/],
  ] as const)
    assert.throws(() => parseFilter(filter, NOW), { code: "INVALID_FILTER", message }, filter.slice(0, 60));
});

test("columns order runs; what is missing comes last in both directions", () => {
  const runs = [
    run({ id: "a", metrics: { loss: 2 }, start: 1 }),
    run({ id: "b", metrics: { loss: Number.NaN }, start: 2 }),
    run({ id: "c", start: 3 }),
    run({ id: "d", metrics: { loss: 1 }, start: 4 }),
    run({ id: "e", metrics: { loss: 1 }, start: 4 }),
  ];
  const ordered = (...columns: string[]): string =>
    runs
      .toSorted((a, b) => {
        const orders = wholeOrder(parseOrder(columns), RUNS);
        return compareKeys(orders, runKey(a, orders), runKey(b, orders));
      })
      .map(({ runId }) => runId)
      .join("");
  assert.equal(ordered("metrics.loss"), "deabc");
  assert.equal(ordered("metrics.loss DESC"), "adebc");
  assert.equal(ordered(), "decba");
  assert.equal(ordered("start_time asc"), "abcde");
  for (const [column, message] of [
    ["metrics.loss, metrics.acc", /ASC, DESC or the end/],
    ["metrics.loss UP", /ASC, DESC or the end/],
    ["metrics.loss ASC NULLS FIRST", /ASC, DESC or the end/],
    ["dataset.name", /cannot be ordered by datasets/],
    ["", /a column such as/],
    ["nope", /not an attribute/],
  ] as const)
    assert.throws(() => parseOrder([column]), { code: "INVALID_FILTER", message }, column);
  assert.throws(() => parseOrder(["metrics.loss", "metric.loss DESC"]), { message: /twice/ });
});

test("texts are ordered as databases order their bytes", () => {
  const texts = ["", "A", "a", "b", "é", "\uffee", "😀", "ab"];
  const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  assert.deepEqual(texts.toSorted(compareTexts), texts.toSorted(byBytes));
});

test("NOT twice is the filter itself, and a filter and its NOT never both match", () => {
  const random = new Random(17);
  const comparison = (): string =>
    random.pick([
      "metrics.loss > 0.1",
      "metrics.loss = 0.2",
      "metrics.nope < 1",
      "params.lr LIKE '%1'",
      "tags.stage IN ('Prod')",
      "tags.x IS NULL",
      "duration > 5",
    ]);
  const filter = (depth: number): string => {
    if (depth === 0 || random.chance(0.3)) return comparison();
    if (random.chance(0.3)) return `NOT (${filter(depth - 1)})`;
    return `(${filter(depth - 1)}) ${random.pick(["AND", "OR"])} (${filter(depth - 1)})`;
  };
  for (let i = 0; i < 500; i++) {
    const text = filter(4);
    const [plain, twice]: Filter[] = [parseFilter(text, NOW), parseFilter(`NOT (NOT (${text}))`, NOW)];
    assert.deepEqual(twice, plain, text);
    assert.ok(!(matching(text) && matching(`NOT (${text})`)), text);
  }
});

test("a pattern of many % is compared in time that does not explode", () => {
  const text = "a".repeat(5_000);
  assert.equal(matching(`tags.stage LIKE '${"%a".repeat(200)}b'`, run({ tags: { stage: text } })), false);
});

test("experiments are filtered and ordered by their own names", () => {
  const experiment = {
    experimentId: "12",
    name: "Sweep",
    artifactLocation: "file:/a",
    lifecycleStage: "active" as const,
    creationTime: new Date(NOW),
    lastUpdateTime: undefined,
    tags: { team: "ml" },
  };
  const matching = (filter: string): boolean => matchesExperiment(parseFilter(filter, NOW, EXPERIMENTS), experiment);
  for (const filter of [
    "name = 'Sweep'",
    "name ILIKE 's%'",
    "tags.team = 'ml'",
    "experiment_id IN ('12')",
    "tags.x IS NULL",
    "creation_time > now() - 1d",
  ])
    assert.ok(matching(filter), filter);
  for (const filter of ["last_update_time > 0", "NOT tags.team = 'ml'"]) assert.equal(matching(filter), false, filter);
  assert.throws(() => matching("metrics.loss > 1"), { message: /"metrics" is none of tags, attributes/ });
  assert.throws(() => matching("start_time > 1"), { message: /not an attribute of experiments.*write tags\. before/ });
  const columns = (...given: string[]): string =>
    wholeOrder(parseOrder(given, EXPERIMENTS), EXPERIMENTS)
      .map(({ key, ascending }) => `${key}${ascending ? "" : "-"}`)
      .join();
  assert.equal(columns(), "creation_time-,experiment_id");
  assert.equal(columns("name DESC"), "name-,experiment_id-");
});
