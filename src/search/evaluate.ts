import type { MlflowExperiment, MlflowRun } from "../base/entities.js";
import type { Comparison, Filter, Operator } from "./filter.js";
import type { Entity } from "./identifiers.js";
import type { OrderBy } from "./order.js";

/** A value that is compared; undefined if there is none. */
export type Value = string | number | undefined;
/** Returns the values of a key; several only of datasets. */
type Fields = (entity: Entity, key: string) => readonly Value[];

/** Whether a run matches. A missing key never matches, not even with `!=`, except with `IS NULL`. */
export const matchesRun = (filter: Filter, run: MlflowRun): boolean =>
  matches(filter, (entity, key) => (entity === "dataset" ? datasetFields(run, key) : [runField(run, entity, key)]));

/** Whether an experiment matches. */
export const matchesExperiment = (filter: Filter, experiment: MlflowExperiment): boolean =>
  matches(filter, (entity, key) => [experimentField(experiment, entity, key)]);

function matches(filter: Filter, fields: Fields): boolean {
  if (filter.kind === "comparison") return fields(filter.entity, filter.key).some((value) => compare(filter, value));
  const one = (each: Filter): boolean => matches(each, fields);
  return filter.kind === "and" ? filter.of.every(one) : filter.of.some(one);
}

function compare({ operator, value: wanted }: Comparison, value: Value): boolean {
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

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

/** The tag that says what a dataset was used for. */
const CONTEXT = "mlflow.data.context";

function datasetFields({ inputs }: MlflowRun, key: string): readonly Value[] {
  return inputs.map((input) =>
    key === "context" ? input.tags.find((tag) => tag.key === CONTEXT)?.value : input[key as "name" | "digest"],
  );
}

function runField(run: MlflowRun, entity: Entity, key: string): Value {
  if (entity === "param") return own(run.params, key);
  if (entity === "tag") return own(run.tags, key);
  if (entity === "metric") {
    const value = own(run.metrics, key);
    return value === undefined ? undefined : stored(value);
  }
  switch (key) {
    case "run_id":
      return run.runId;
    case "run_name":
      return own(run.tags, "mlflow.runName");
    case "status":
      return run.status;
    case "artifact_uri":
      return run.artifactUri;
    case "user_id":
      return run.userId;
    case "start_time":
      return run.startTime.getTime();
    case "end_time":
      return run.endTime?.getTime();
    default:
      return run.endTime && run.endTime.getTime() - run.startTime.getTime();
  }
}

function experimentField(experiment: MlflowExperiment, entity: Entity, key: string): Value {
  if (entity === "tag") return own(experiment.tags, key);
  switch (key) {
    case "experiment_id":
      return experiment.experimentId;
    case "name":
      return experiment.name;
    case "creation_time":
      return experiment.creationTime?.getTime();
    default:
      return experiment.lastUpdateTime?.getTime();
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

/** The values by which something is ordered, one for each column. */
export type SortKey = readonly Value[];

export const runKey = (run: MlflowRun, orders: readonly OrderBy[]): SortKey =>
  orders.map(({ entity, key }) => runField(run, entity, key));

export const experimentKey = (experiment: MlflowExperiment, orders: readonly OrderBy[]): SortKey =>
  orders.map(({ entity, key }) => experimentField(experiment, entity, key));

/** Compares two keys. NaN and then missing values come last in both directions. */
export function compareKeys(orders: readonly OrderBy[], a: SortKey, b: SortKey): number {
  for (const [i, { key, ascending }] of orders.entries()) {
    const [one, other] = [a[i], b[i]];
    const [rankOne, rankOther] = [rank(one), rank(other)];
    if (rankOne !== rankOther) return rankOne - rankOther;
    if (rankOne > 0 || one === other) continue;
    const less =
      typeof one === "number"
        ? one - (other as number)
        : key === "experiment_id"
          ? compareIds(one as string, other as string)
          : compareTexts(one as string, other as string);
    if (less !== 0) return ascending ? less : -less;
  }
  return 0;
}

const rank = (value: Value): number => (value === undefined ? 2 : Number.isNaN(value) ? 1 : 0);

/** Experiment ids are numbers of up to 18 digits, but not in all stores. */
function compareIds(a: string, b: string): number {
  const isNumber = /^\d+$/;
  return isNumber.test(a) && isNumber.test(b) ? a.length - b.length || compareTexts(a, b) : compareTexts(a, b);
}

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
