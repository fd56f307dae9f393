import { PulseError } from "../base/errors.js";
import type { ArtifactPlace, Outcome, ReadyStore, RunChange, StoredIds } from "../contracts/tracking-store.js";
import { MemoryStore } from "../inner/testing.js";
import type { MlflowCall } from "./mlflow-call.js";

/** A call and the run it belongs to. */
export interface RecordedCall {
  readonly runId: string;
  readonly call: MlflowCall;
}

/** An in-memory store that records each call and can be made unavailable. */
export class RecordingStore implements ReadyStore {
  readonly uri = "memory:";
  readonly batchItems = 10_000;
  readonly durable = false;
  readonly volatile = true;
  readonly kept: MemoryStore = new MemoryStore();
  readonly calls: RecordedCall[] = [];
  /** Whether the server answers. */
  available = true;

  apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    return Promise.resolve(this.applySync(changes));
  }

  applySync(changes: readonly RunChange[]): readonly Outcome[] {
    if (!this.available) return changes.map(() => ({ kind: "away", error: away() }));
    return changes.map((change) => {
      const known = this.kept.runs.has(change.runKey);
      const outcome = this.kept.applySync([change])[0] as Outcome;
      if (outcome.kind === "done")
        for (const call of callsOf(change, known)) this.calls.push({ runId: change.runKey, call });
      return outcome;
    });
  }

  reader(): ReturnType<MemoryStore["reader"]> {
    return this.kept.reader();
  }

  /** Returns the run's files. Each stored file counts as a call. */
  artifactsOf(ids: StoredIds): ArtifactPlace {
    const kept = this.kept.artifactsOf(ids);
    const reached = (): typeof kept => {
      if (!this.available) throw away();
      return kept;
    };
    const note = (path: string, bytes: number): void => {
      this.calls.push({ runId: ids.runId, call: ["logArtifact", path, bytes] });
    };
    return {
      uri: kept.uri,
      async upload(path, content, options) {
        await reached().upload(path, content, options);
        note(path, content.size);
      },
      uploadSync(path, content) {
        reached().uploadSync(path, content);
        note(path, content.size);
      },
      list: async (path) => reached().list(path),
      read: async (path, start) => reached().read(path, start),
      close: () => kept.close(),
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const away = (): PulseError => new PulseError("STORE_UNAVAILABLE", "The test has made the server unavailable.");

/** Converts a change to calls, in the order of the fluent client. */
function* callsOf(
  { create, experiment, params, tags, metrics, end }: RunChange,
  known: boolean,
): Generator<MlflowCall> {
  if (create && !known) {
    yield ["setExperiment", "name" in experiment ? experiment.name : experiment.id];
    yield create.parentKey === undefined
      ? ["startRun", create.name]
      : ["startRun", create.name, { parentRunId: create.parentKey }];
  }
  for (const { key, value } of params) yield ["logParam", key, value];
  for (const { key, value } of tags) yield ["setTag", key, value];
  for (const { key, value, step } of metrics) yield ["logMetric", key, value, step];
  if (end) yield ["endRun", end.status];
}
