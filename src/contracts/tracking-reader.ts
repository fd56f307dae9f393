import type { DatasetInput } from "../base/entities.js";

/**
 * A run as a store has it.
 * @experimental
 */
export interface ReadRun {
  /** The experiment's name. */
  readonly experiment: string;
  readonly name: string;
  /** In MLflow's words: `RUNNING`, `FINISHED`, `FAILED`, `KILLED`. */
  readonly status: string;
  /** Milliseconds since the epoch. */
  readonly startTime: number;
  /** Milliseconds since the epoch; null while the run is open. */
  readonly endTime: number | null;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** Every point of every metric, by step, timestamp and value. */
  readonly metrics: Readonly<Record<string, readonly (readonly [step: number, timestamp: number, value: number])[]>>;
  /** The datasets it has used, each once. @default none */
  readonly inputs?: readonly DatasetInput[] | undefined;
}

/**
 * Where stored runs are read: what a store may offer beside being a `TrackingStore`.
 * @experimental It holds what is there today and will grow.
 */
export interface TrackingReader {
  /** One run, by the id the store has given it; undefined when there is none. */
  readRun(runId: string): Promise<ReadRun | undefined>;
}
