import { cutText, sanitizeKey } from "../capture/keys.js";
import { LIMITS } from "../entities.js";
import { PulseError } from "../errors.js";
import { shared } from "../registry.js";

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
export const schemaOf = (experiment: string): Schema | undefined => (schemas.size === 0 ? undefined : schemas.get(experiment));

/**
 * @internal Notes what is known of an experiment's metrics, beside what somebody else knows of it.
 * @throws PulseError `INVALID_OPTION` naming what is wrong.
 */
export function addSchema(name: string, metrics: Readonly<Record<string, MetricSchema>>): void {
  const tags = Object.entries(metrics).flatMap(([key, metric]) => {
    const bad = faultOf(metric);
    if (bad) throw new PulseError("INVALID_OPTION", `defineExperiment: metrics.${key}${bad}.`);
    const { unit, goal } = metric;
    return [
      ...(unit === undefined ? [] : [{ key: sanitizeKey(`pulse.unit.${key}`), value: cutText(unit, LIMITS.tagValue) }]),
      ...(goal === undefined ? [] : [{ key: sanitizeKey(`pulse.goal.${key}`), value: goal }]),
    ];
  });
  const known = schemas.get(name);
  const clean = Object.fromEntries(Object.entries(metrics).map(([key, metric]) => [sanitizeKey(key), metric]));
  schemas.set(name, { metrics: { ...known?.metrics, ...clean }, tags: [...(known?.tags ?? []), ...tags] });
}

function faultOf(metric: unknown): string | undefined {
  if (typeof metric !== "object" || metric === null) return " must be an object with unit, goal and range, or {}";
  const { unit, goal, range, ...others } = metric as Record<string, unknown>;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `.${unknown} is none of unit, goal, range`;
  if (unit !== undefined && typeof unit !== "string") return ".unit must be a string";
  if (goal !== undefined && goal !== "minimize" && goal !== "maximize") return '.goal must be "minimize" or "maximize"';
  const [min, max] = Array.isArray(range) && range.length === 2 ? (range as unknown[]) : [];
  const isRange = typeof min === "number" && typeof max === "number" && min <= max;
  return range === undefined || isRange ? undefined : ".range must be [min, max]";
}

/** @internal What is wrong with a value, in words, or undefined. */
export function outOfRange({ metrics }: Schema, key: string, value: number): string | undefined {
  const range = Object.hasOwn(metrics, key) ? metrics[key]?.range : undefined;
  if (range === undefined || (value >= range[0] && value <= range[1])) return undefined;
  return `Metric ${JSON.stringify(key)} is ${value}, not from ${range[0]} to ${range[1]}.`;
}
