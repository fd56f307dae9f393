import type { MemoryRepository } from "../artifacts/memory.js";
import type { DatasetInput, Metric, TerminalStatus } from "../base/entities.js";

/** A run in the memory store. */
export interface StoredRun {
  readonly runId: string;
  readonly experimentId: string;
  name: string;
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
}
