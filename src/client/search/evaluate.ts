import type { Comparison, Filter, Operator } from "./filter.js";
import type { OrderBy } from "./order.js";

/** The data of a run that filters and orders use. */
export interface SearchedRun {
  readonly runId: string;
  readonly status: string;
  readonly userId: string;
  readonly artifactUri: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  /** Undefined while the run is open. */
  readonly endTime: number | undefined;
  readonly params: ReadonlyMap<string, string>;
  readonly tags: ReadonlyMap<string, string>;
  /** The latest value of each metric. */
  readonly metrics: ReadonlyMap<string, number>;
  readonly datasets: readonly SearchedDataset[];
}

/** A dataset that a run has used. */
interface SearchedDataset {
  readonly name: string;
  readonly digest: string;
  /** What it was used for; undefined where that was not said. */
  readonly context: string | undefined;
}

/** Whether a run matches. A missing key never matches, not even with `!=`, except with `IS NULL`. */
export function matches(filter: Filter, run: SearchedRun): boolean {
  if (filter.kind !== "comparison") {
    const one = (each: Filter): boolean => matches(each, run);
    return filter.kind === "and" ? filter.of.every(one) : filter.of.some(one);
  }
  const { entity, key } = filter;
  if (entity === "dataset")
    return run.datasets.some((dataset) => compare(filter, dataset[key as keyof SearchedDataset]));
  return compare(filter, fieldOf(run, entity, key));
}

function compare({ operator, value: wanted }: Comparison, value: string | number | undefined): boolean {
  if (operator === "IS NULL") return value === undefined;
  if (value === undefined) return false;
  if (operator === "IS NOT NULL") return true;
  if (typeof value === "number") return compareNumbers(operator, value, wanted as number);
  switch (operator) {
    case "IN":
      return (wanted as readonly string[]).includes(value);
    case "NOT IN":
      return !(wanted as readonly string[]).includes(value);
    case "LIKE":
      return isLike(value, wanted as string);
    case "NOT LIKE":
      return !isLike(value, wanted as string);
    case "ILIKE":
      return isLike(asciiLower(value), asciiLower(wanted as string));
    case "NOT ILIKE":
      return !isLike(asciiLower(value), asciiLower(wanted as string));
    default:
      return operator === "=" ? value === wanted : value !== wanted;
  }
}

function compareNumbers(operator: Operator, value: number, wanted: number): boolean {
  switch (operator) {
    case "=":
      return value === wanted;
    case ">":
      return value > wanted;
    case ">=":
      return value >= wanted;
    case "<":
      return value < wanted;
    case "<=":
      return value <= wanted;
    default:
      return value !== wanted; // also where the value is NaN
  }
}

/** MLflow's databases cannot store infinities and store the largest numbers instead. */
const stored = (value: number): number =>
  Number.isFinite(value) || Number.isNaN(value) ? value : Math.sign(value) * Number.MAX_VALUE;

function fieldOf(run: SearchedRun, entity: OrderBy["entity"], key: string): string | number | undefined {
  if (entity === "param") return run.params.get(key);
  if (entity === "tag") return run.tags.get(key);
  if (entity === "metric") {
    const value = run.metrics.get(key);
    return value === undefined ? undefined : stored(value);
  }
  switch (key) {
    case "run_id":
      return run.runId;
    case "run_name":
      return run.tags.get("mlflow.runName");
    case "status":
      return run.status;
    case "artifact_uri":
      return run.artifactUri;
    case "user_id":
      return run.userId;
    case "start_time":
      return run.startTime;
    case "end_time":
      return run.endTime;
    default:
      return run.endTime === undefined ? undefined : run.endTime - run.startTime;
  }
}

/** Folds ASCII letters only, as SQLite's LIKE does. */
const asciiLower = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

/**
 * Whether a text matches a pattern with `%` (any characters) and `_` (one character). Does not use a regular
 * expression, which could take exponential time.
 */
function isLike(text: string, pattern: string): boolean {
  const [chars, wanted] = [[...text], [...pattern]];
  let [i, j] = [0, 0];
  let [percent, from] = [-1, 0];
  while (i < chars.length) {
    if (j < wanted.length && wanted[j] === "%") {
      [percent, from] = [j++, i];
    } else if (j < wanted.length && (wanted[j] === "_" || wanted[j] === chars[i])) {
      i++;
      j++;
    } else if (percent >= 0) {
      // The last % matches one more character.
      [j, i] = [percent + 1, ++from];
    } else return false;
  }
  while (wanted[j] === "%") j++;
  return j === wanted.length;
}

/**
 * Returns a comparator of runs. NaN and then missing values come last in both directions. Ties are ordered by start
 * time, latest first, then by id.
 */
export function compareBy(orders: readonly OrderBy[]): (a: SearchedRun, b: SearchedRun) => number {
  return (a, b) => {
    for (const { entity, key, ascending } of orders) {
      const [one, other] = [fieldOf(a, entity, key), fieldOf(b, entity, key)];
      const [rankOne, rankOther] = [rank(one), rank(other)];
      if (rankOne !== rankOther) return rankOne - rankOther;
      if (rankOne > 0 || one === other) continue;
      const less = typeof one === "string" ? compareTexts(one, other as string) : (one as number) - (other as number);
      if (less !== 0) return ascending ? less : -less;
    }
    return b.startTime - a.startTime || compareTexts(a.runId, b.runId);
  };
}

const rank = (value: string | number | undefined): number => (value === undefined ? 2 : Number.isNaN(value) ? 1 : 0);

/** Compares by UTF-8 bytes, as databases do: by code points, not by UTF-16 units. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one === other) continue;
    const [high, low] = [isSurrogate(one), isSurrogate(other)];
    return high === low ? one - other : high ? 1 : -1;
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;
