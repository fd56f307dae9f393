import type { DatasetInput, TerminalStatus } from "../base/entities.js";
import type { StoredRun } from "../inner/testing.js";
import { artifactTexts } from "./artifact-text.js";

/** One value of a metric's history. */
export interface TestPoint {
  readonly value: number;
  readonly step: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
}

/** A run at the moment it was read. */
export interface TestRun {
  readonly id: string;
  readonly name: string;
  readonly experiment: string;
  readonly status: "RUNNING" | TerminalStatus;
  readonly parentId: string | undefined;
  readonly startTime: number;
  readonly endTime: number | undefined;
  readonly params: Readonly<Record<string, string>>;
  /** What MLflow shows as the run's description. */
  readonly description: string | undefined;
  /** Without the tags that MLflow's client sets itself (`mlflow.*`). */
  readonly tags: Readonly<Record<string, string>>;
  readonly metrics: Readonly<Record<string, readonly TestPoint[]>>;
  /** Datasets of `logInput`, each once, as it was used first. */
  readonly inputs: readonly DatasetInput[];
  /**
   * Files by path. Files that take several turns of the event loop, such as streams and encoded images, are complete
   * after `await tracker.flush()`.
   */
  readonly artifacts: Readonly<Record<string, Uint8Array>>;
}

/** A run for snapshots: without ids and times, and with its children inside it. */
export interface RunSnapshot {
  readonly name: string;
  readonly experiment: string;
  readonly status: string;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  /** `[step, value]` pairs. */
  readonly metrics: Readonly<Record<string, readonly (readonly [step: number, value: number])[]>>;
  /** Texts of up to 10,000 characters; size and hash of other files. Only for runs that have files. */
  readonly artifacts?: Readonly<Record<string, string>> | undefined;
  readonly children: readonly RunSnapshot[];
}

/** @internal Converts a stored run. */
export function testRun(run: StoredRun, experiment: string): TestRun {
  const tags = [...run.tags].filter(([key]) => !key.startsWith("mlflow."));
  return {
    id: run.runId,
    name: run.name,
    experiment,
    status: run.status,
    parentId: run.tags.get("mlflow.parentRunId"),
    startTime: run.startTime,
    endTime: run.endTime,
    params: Object.fromEntries(run.params),
    description: run.tags.get("mlflow.note.content"),
    tags: Object.fromEntries(tags),
    metrics: Object.fromEntries(
      [...run.metrics].map(([key, points]) => [
        key,
        points.map(({ value, step, timestamp }) => ({ value, step, timestamp })),
      ]),
    ),
    inputs: [...run.inputs],
    artifacts: Object.fromEntries(
      [...run.artifacts.files].sort(byPath).map(([path, bytes]) => [path, plainBytes(bytes)]),
    ),
  };
}

const byPath = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/** Some files are Buffers, which deep comparison treats as different. */
const plainBytes = ({ buffer, byteOffset, length }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, length);

/**
 * @internal Converts runs for snapshots. Runs without a parent in the list are at the top, others inside their
 * parents.
 */
export function snapshots(runs: readonly TestRun[]): RunSnapshot[] {
  const known = new Set(runs.map(({ id }) => id));
  const below = new Map<string | undefined, TestRun[]>();
  for (const run of runs) {
    const parent = run.parentId !== undefined && known.has(run.parentId) ? run.parentId : undefined;
    const siblings = below.get(parent);
    if (siblings) siblings.push(run);
    else below.set(parent, [run]);
  }
  const snapshot = ({ id, name, experiment, status, params, tags, metrics, artifacts }: TestRun): RunSnapshot => ({
    name,
    experiment,
    status,
    params,
    tags,
    metrics: Object.fromEntries(
      Object.entries(metrics).map(([key, points]) => [key, points.map(({ step, value }) => [step, value])]),
    ),
    ...(Object.keys(artifacts).length > 0 && { artifacts: artifactTexts(artifacts) }),
    children: (below.get(id) ?? []).map(snapshot),
  });
  return (below.get(undefined) ?? []).map(snapshot);
}
