import { NO_CHANGE, type RunChange } from "../../src/contracts/tracking-store.js";
import type { Random } from "./random.js";

/** Start of the first run. */
const START = Date.UTC(2026, 10, 1);

const KEYS = ["loss", "acc", "a/b", "x y", "épreuve", "__proto__"] as const;
const VALUES = ["a", "A", "ab", "a%b", "a_b", "a*b", "a[b", "Émile", "", "10", "9", "it''s", "x\ny"] as const;
const NUMBERS = [0, -0, 1, -1, 0.1, 1e-20, 1 + 2 ** -52, 1e300, Number.NaN, Number.POSITIVE_INFINITY, -1e300] as const;

/** Makes runs that have much in common, and odd keys and values, for stores to search. */
export function runsToSearch(random: Random, count: number, numbers: readonly number[] = NUMBERS): RunChange[] {
  return Array.from({ length: count }, (_, i): RunChange => {
    const startTime = START + random.below(20) * 1_000;
    const some = <T>(keys: readonly T[]): T[] => keys.filter(() => random.chance(0.5));
    return {
      ...NO_CHANGE,
      runKey: (i + 1).toString(16).padStart(32, "0"),
      experiment: { name: random.chance(0.8) ? "Sweep" : "Other" },
      create: {
        name: random.pick(VALUES) || "unnamed",
        startTime,
        userId: random.pick(["me", "you"]),
        sourceTags: [],
        parentKey: undefined,
        resume: false,
      },
      params: some(KEYS).map((key) => ({ key, value: random.pick(VALUES) })),
      tags: some(KEYS).map((key) => ({ key, value: random.pick(VALUES) })),
      metrics: some(KEYS).flatMap((key) =>
        Array.from({ length: 1 + random.below(3) }, (_, step) => ({
          key,
          value: random.pick(numbers),
          step: random.below(3) * step,
          timestamp: startTime + step,
        })),
      ),
      inputs: random.chance(0.3)
        ? [
            {
              name: random.pick(["iris", "wine"]),
              digest: random.pick(["1", "2"]),
              sourceType: "local",
              source: "{}",
              schema: undefined,
              profile: undefined,
              tags: random.chance(0.5) ? [{ key: "mlflow.data.context", value: random.pick(["train", "eval"]) }] : [],
            },
          ]
        : [],
      end: random.chance(0.7)
        ? { status: random.pick(["FINISHED", "FAILED", "KILLED"]), endTime: startTime + random.below(5_000) }
        : undefined,
    };
  });
}

const named = (entity: string, key: string): string => `${entity}."${key}"`;
const quoted = (text: string): string => (text.includes("'") ? `"${text}"` : `'${text}'`);

/** Makes a filter of one comparison, in MLflow's language. */
function comparisonOf(random: Random): string {
  const kind = random.below(6);
  const key = random.pick(KEYS);
  if (kind < 2) {
    const value = random.pick(["0", "1", "-1", "0.1", "1e-20", "1e300", ".5"]);
    return `${named("metrics", key)} ${random.pick(["=", "!=", "<", "<=", ">", ">="])} ${value}`;
  }
  if (kind < 4) {
    const name = named(random.pick(["params", "tags"]), key);
    if (random.chance(0.2)) return `${name} IS ${random.chance(0.5) ? "NOT " : ""}NULL`;
    const value = random.pick([...VALUES, "a%", "%b", "_", "%", "A_b", "a*b", "é%"]);
    return `${name} ${random.pick(["=", "!=", "LIKE", "ILIKE"])} ${quoted(value)}`;
  }
  if (kind === 4)
    return random.pick([
      `start_time ${random.pick([">", "<=", "="])} ${START + random.below(20) * 1_000}`,
      `end_time ${random.pick([">", "<="])} ${START + random.below(25) * 1_000}`,
      `status ${random.pick(["=", "!="])} '${random.pick(["FINISHED", "RUNNING", "finished"])}'`,
      `run_name ${random.pick(["=", "!=", "LIKE", "ILIKE"])} ${quoted(random.pick(VALUES))}`,
      "user_id = 'me'",
      `run_id IN ('${"1".padStart(32, "0")}', '${"a".padStart(32, "0")}')`,
    ]);
  return `datasets.${random.pick(["name", "digest", "context"])} ${random.pick([
    "= 'iris'",
    "!= 'iris'",
    "IN ('train', '1')",
    "NOT IN ('wine')",
    "LIKE '%i%'",
  ])}`;
}

/** Makes a filter in MLflow's language. */
export const filterOf = (random: Random): string =>
  Array.from({ length: 1 + random.below(3) }, () => comparisonOf(random)).join(" AND ");

/** Makes a filter with this package's extensions. */
export function extendedFilterOf(random: Random, depth = 0): string {
  if (depth > 2 || random.chance(0.3))
    return random.pick([
      () => comparisonOf(random),
      () => `duration ${random.pick([">", "<="])} ${random.below(5_000)}`,
      () => `tags.loss IN ('a', 'ab')`,
      () => `params.acc NOT LIKE 'a%'`,
      () => "start_time >= '2026-11-01 00:00:10'",
    ])();
  const [one, other] = [extendedFilterOf(random, depth + 1), extendedFilterOf(random, depth + 1)];
  return random.pick([`(${one} OR ${other})`, `(${one} AND ${other})`, `NOT (${one})`]);
}

/** Makes columns to order by. */
export function orderOf(random: Random): string[] {
  const columns = [
    "start_time",
    "end_time",
    "status",
    "run_id",
    "run_name",
    "user_id",
    ...KEYS.flatMap((key) => ["metrics", "params", "tags"].map((entity) => named(entity, key))),
  ];
  return random
    .shuffled(columns)
    .slice(0, random.below(3))
    .map((column) => `${column}${random.pick(["", " ASC", " DESC"])}`);
}
