import type { MemoryRepository } from "../artifacts/memory.js";
import type { DatasetInput, Metric, TerminalStatus } from "../base/entities.js";

/** A run in the memory store. */
export interface StoredRun {
  readonly runId: string;
  readonly experimentId: string;
  name: string;
  readonly userId: string;
  status: "RUNNING" | TerminalStatus;
  readonly startTime: number;
  endTime: number | undefined;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  /** All values of each metric, in order of arrival and without replayed duplicates. */
  readonly metrics: Map<string, Metric[]>;
  /** Each dataset once, as first used. */
  readonly inputs: DatasetInput[];
  readonly artifacts: MemoryRepository;
  deleted: boolean;
}

/** An experiment in the memory store. */
export interface StoredExperiment {
  readonly id: string;
  name: string;
  readonly artifactLocation: string;
  /** Milliseconds since the epoch, as `updated`. */
  readonly created: number;
  updated: number;
  deleted: boolean;
  readonly tags: Map<string, string>;
}
