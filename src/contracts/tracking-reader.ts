import type { DatasetInput } from "../base/entities.js";

/**
 * A run as it is stored.
 * @experimental
 */
export interface ReadRun {
  /** The name of its experiment. */
  readonly experiment: string;
  readonly name: string;
  /** MLflow's status: `RUNNING`, `FINISHED`, `FAILED` or `KILLED`. */
  readonly status: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  /** Milliseconds since the epoch; null while the run is open. */
  readonly endTime: number | null;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Every value of every metric, as a tuple of step, timestamp and value. */
  readonly metrics: Readonly<Record<string, readonly (readonly [step: number, timestamp: number, value: number])[]>>;
  /** The datasets it used, without duplicates. @default none */
  readonly inputs?: readonly DatasetInput[] | undefined;
}

/**
 * Reads stored runs. A `TrackingStore` may implement this as well.
 * @experimental It covers what exists today and will grow.
 */
export interface TrackingReader {
  /** Reads one run by its id in the store; undefined if there is no such run. */
  readRun(runId: string): Promise<ReadRun | undefined>;
}
