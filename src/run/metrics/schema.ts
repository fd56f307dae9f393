import { shared } from "../../base/shared-state.js";
import { cutText, sanitizeKey } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import { type Check, checkOptions, nearest } from "../../base/wrong-input.js";

/** The definition of a metric. */
export interface MetricSchema {
  /** The unit, for instance `"nats"` or `"ms"`; stored as tag `pulse.unit.<metric>`. */
  readonly unit?: string | undefined;
  /** Whether smaller or larger values are better; stored as tag `pulse.goal.<metric>`. */
  readonly goal?: "minimize" | "maximize" | undefined;
  /** The smallest and largest plausible value. Values outside are logged, counted and warned of. */
  readonly range?: readonly [min: number, max: number] | undefined;
}

/** @internal The metrics defined for an experiment. */
export interface Schema {
  readonly metrics: Readonly<Record<string, MetricSchema>>;
  /** Units and goals. */
  readonly tags: readonly { readonly key: string; readonly value: string }[];
}

const schemas: Map<string, Schema> = shared("schemas", () => new Map<string, Schema>());

/** @internal Returns the schema of an experiment, if one is defined. */
export const schemaOf = (experiment: string): Schema | undefined =>
  schemas.size === 0 ? undefined : schemas.get(experiment);

/**
 * @internal Adds metric definitions to an experiment, beside those that already exist.
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

/** Tags of experiments, by experiment name. MLflow shows them with the experiment. */
const experimentTags = shared("experiment tags", () => new Map<string, Readonly<Record<string, unknown>>>());

/** @internal Sets the description and tags of an experiment; they override earlier ones. */
export function describeExperiment(
  name: string,
  description: string | undefined,
  tags: Readonly<Record<string, unknown>> = {},
): void {
  const all = { ...tags, ...(description !== undefined && { "mlflow.note.content": description }) };
  if (Object.keys(all).length > 0) experimentTags.set(name, { ...experimentTags.get(name), ...all });
}

/** @internal Returns the tags of an experiment. */
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

/** The probable correction of each unknown key. Unknown keys without one may be intended. */
const meant = new WeakMap<Schema, Map<string, string | undefined>>();
const MAX_KEYS = 1_000;

/**
 * @internal Returns what is wrong with a value, or undefined. An unknown key that is close to a defined one is
 * probably a typo, made where no compiler checks keys.
 */
export function schemaFault(schema: Schema, given: string, mended: string, value: number): SchemaFault | undefined {
  const { metrics } = schema;
  const key = Object.hasOwn(metrics, given) ? given : mended;
  if (!Object.hasOwn(metrics, key)) {
    const near = slipOf(schema, given);
    if (near === undefined) return undefined;
    const detail = `Metric ${JSON.stringify(given)} is not one that defineExperiment() lists; did you mean ${JSON.stringify(near)}? It is logged as it is`;
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
