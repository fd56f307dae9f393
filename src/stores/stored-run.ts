import type { MemoryRepository } from "../artifacts/memory.js";
import type { DatasetInput, Metric, TerminalStatus } from "../base/entities.js";

/** A run as the memory store keeps it. */
export interface StoredRun {
  readonly runId: string;
  readonly experimentId: string;
  name: string;
  status: "RUNNING" | TerminalStatus;
  readonly startTime: number;
  endTime: number | undefined;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  /** Every point of every metric, in the order of arrival; a replayed point is there once. */
  readonly metrics: Map<string, Metric[]>;
  /** Each dataset once, as it was used first. */
  readonly inputs: DatasetInput[];
  readonly artifacts: MemoryRepository;
}
