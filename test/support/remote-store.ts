import { PulseError } from "../../src/base/errors.js";
import type { ArtifactRepository } from "../../src/contracts/artifact-repository.js";
import type { Outcome, RunChange, StoredIds, TrackingStore } from "../../src/contracts/tracking-store.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import type { StoredRun } from "../../src/stores/stored-run.js";

/** A store like a server: it answers later, gives ids of its own, and fails as told. */
export class RemoteStore implements TrackingStore {
  readonly uri: string;
  readonly batchItems: number = 1_000;
  readonly batchRuns: number = 1;
  readonly width: number = 4;
  readonly durable: boolean = true;
  /** Every change it was given. */
  readonly given: RunChange[] = [];
  /** What to answer instead of storing; undefined stores. */
  fault: ((change: RunChange) => Outcome | undefined) | undefined;
  /** What an upload fails with. */
  uploadFault: ((path: string) => unknown) | undefined;
  /** Every upload begun, by path. */
  readonly uploads: string[] = [];
  readonly #memory = new MemoryStore();
  readonly #ids = new Map<string, StoredIds>();

  constructor(uri = "remote:") {
    this.uri = uri;
  }

  async apply(changes: readonly RunChange[]): Promise<readonly Outcome[]> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return changes.map((change) => {
      this.given.push(change);
      return this.fault?.(change) ?? this.#store(change);
    });
  }

  get runs(): StoredRun[] {
    return [...this.#memory.runs.values()];
  }

  named(name: string): StoredRun | undefined {
    return this.runs.find((run) => run.name === name);
  }

  /** Where a run's files are, like an object store: later, and failing as told. */
  async artifactsOf({ runId }: StoredIds): Promise<ArtifactRepository> {
    const { artifacts } = this.#memory.runs.get(runId) ?? {};
    if (artifacts === undefined) throw new PulseError("RUN_NOT_FOUND", `There is no run ${runId}.`);
    return {
      uri: artifacts.uri,
      list: (path) => artifacts.list(path),
      read: (path, start) => artifacts.read(path, start),
      close: () => undefined,
      upload: async (path, content, options) => {
        this.uploads.push(path);
        await new Promise((resolve) => setTimeout(resolve, 1));
        options?.signal?.throwIfAborted();
        const fault = this.uploadFault?.(path);
        if (fault !== undefined) throw fault;
        await artifacts.upload(path, content);
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #store(change: RunChange): Outcome {
    const { create, runKey } = change;
    const known = this.#ids.get(runKey) ?? change.ids;
    const ids = known ?? { runId: `server-${runKey}`, experimentId: "1" };
    const parentKey = create?.parentKey === undefined ? undefined : change.parentId;
    const [outcome] = this.#memory.applySync([
      { ...change, runKey: ids.runId, create: create && { ...create, parentKey } },
    ]);
    if (outcome?.kind !== "done" || !create) return outcome as Outcome;
    this.#ids.set(runKey, ids);
    return { kind: "done", ids };
  }
}
