import { shared } from "../../base/shared-state.js";
import { cutText, sanitizeKey } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import { type Check, checkOptions, nearest } from "../../base/wrong-input.js";

/** What is known of a metric beforehand. */
export interface MetricSchema {
  /** What it is counted in, for instance `"nats"` or `"ms"`; stored as tag `pulse.unit.<metric>`. */
  readonly unit?: string | undefined;
  /** Which way is better; stored as tag `pulse.goal.<metric>`. */
  readonly goal?: "minimize" | "maximize" | undefined;
  /** The least and the greatest value that make sense; others are logged, counted and warned of. */
  readonly range?: readonly [min: number, max: number] | undefined;
}

/** @internal What is known of the runs of one experiment. */
export interface Schema {
  readonly metrics: Readonly<Record<string, MetricSchema>>;
  /** Units and goals. */
  readonly tags: readonly { readonly key: string; readonly value: string }[];
}

const schemas: Map<string, Schema> = shared("schemas", () => new Map<string, Schema>());

/** @internal The schema of an experiment, if somebody defined one. */
export const schemaOf = (experiment: string): Schema | undefined =>
  schemas.size === 0 ? undefined : schemas.get(experiment);

/**
 * @internal Notes what is known of an experiment's metrics, beside what somebody else knows of it.
 * @throws PulseError `INVALID_OPTION` naming what is wrong.
 */
export function addSchema(name: string, metrics: Readonly<Record<string, MetricSchema>>): void {
  const tags = Object.entries(metrics).flatMap(([key, metric]) => {
    checkOptions("defineExperiment", metric, CHECKS, { at: `metrics.${key}` });
    const { unit, goal } = metric;
    return [
      ...(unit === undefined ? [] : [{ key: sanitizeKey(`pulse.unit.${key}`), value: cutText(unit, LIMITS.tagValue) }]),
      ...(goal === undefined ? [] : [{ key: sanitizeKey(`pulse.goal.${key}`), value: goal }]),
    ];
  });
  const known = schemas.get(name);
  const clean = Object.fromEntries(
    Object.entries(metrics).flatMap(([key, metric]) => [
      [sanitizeKey(key), metric],
      [key, metric],
    ]),
  );
  schemas.set(name, { metrics: { ...known?.metrics, ...clean }, tags: [...(known?.tags ?? []), ...tags] });
}

/** Tags of experiments, by name: what MLflow shows beside their runs. */
const experimentTags = shared("experiment tags", () => new Map<string, Readonly<Record<string, unknown>>>());

/** @internal Notes what is said of an experiment itself, above what somebody else says of it. */
export function describeExperiment(
  name: string,
  description: string | undefined,
  tags: Readonly<Record<string, unknown>> = {},
): void {
  const all = { ...tags, ...(description !== undefined && { "mlflow.note.content": description }) };
  if (Object.keys(all).length > 0) experimentTags.set(name, { ...experimentTags.get(name), ...all });
}

/** @internal What is said of an experiment. */
export const tagsOf = (experiment: string): Readonly<Record<string, unknown>> | undefined =>
  experimentTags.size === 0 ? undefined : experimentTags.get(experiment);

const CHECKS: Record<keyof MetricSchema, Check> = {
  unit: ["a string", (value) => typeof value === "string"],
  goal: ['"minimize" or "maximize"', (value) => value === "minimize" || value === "maximize"],
  range: ["[min, max]", isRange],
};

function isRange(value: unknown): boolean {
  const [min, max] = Array.isArray(value) && value.length === 2 ? (value as unknown[]) : [];
  return typeof min === "number" && typeof max === "number" && min <= max;
}

/** What is wrong with a value. */
interface SchemaFault {
  readonly code: "OUT_OF_RANGE" | "NOTHING_FOUND";
  readonly detail: string;
}

/** Of keys that a schema does not have, the one that was probably meant; other code may log others on purpose. */
const meant = new WeakMap<Schema, Map<string, string | undefined>>();
const MAX_KEYS = 1_000;

/**
 * @internal What is wrong with a value; undefined where nothing is. A key that is close to one of the schema's is a
 * slip of who has no compiler.
 */
export function schemaFault(schema: Schema, given: string, mended: string, value: number): SchemaFault | undefined {
  const { metrics } = schema;
  const key = Object.hasOwn(metrics, given) ? given : mended;
  if (!Object.hasOwn(metrics, key)) {
    const near = slipOf(schema, given);
    if (near === undefined) return undefined;
    const detail = `Metric ${JSON.stringify(given)} is none that defineExperiment() names; did you mean ${JSON.stringify(near)}? It is logged as it is`;
    return { code: "NOTHING_FOUND", detail };
  }
  const range = metrics[key]?.range;
  if (range === undefined || (value >= range[0] && value <= range[1])) return undefined;
  return {
    code: "OUT_OF_RANGE",
    detail: `Metric ${JSON.stringify(key)} is ${value}, not from ${range[0]} to ${range[1]}`,
  };
}

function slipOf(schema: Schema, key: string): string | undefined {
  const known = meant.get(schema) ?? new Map<string, string | undefined>();
  meant.set(schema, known);
  if (known.has(key) || known.size >= MAX_KEYS) return known.get(key);
  const near = nearest(key, Object.keys(schema.metrics));
  known.set(key, near);
  return near;
}
