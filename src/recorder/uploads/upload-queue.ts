import { later } from "../../base/detached.js";
import type { ExperimentRef } from "../../base/entities.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { cutText, sanitizeKey } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import type { UploadOptions } from "../../contracts/artifact-repository.js";
import type { StoredIds } from "../../contracts/tracking-store.js";
import type { Batch, ChangeLog, Decision } from "../dispatch/change-log.js";
import { experimentKey } from "../dispatch/denied-experiments.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { UploadSource } from "../staging/upload-source.js";
import type { Upload } from "./upload-target.js";

/** A file that waits to be uploaded. */
export interface WaitingFile {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly path: string;
  source: UploadSource;
  /** The store's ids of the run, once it is created. */
  ids: StoredIds | undefined;
  /** Its row in the outbox. */
  row?: number | undefined;
  /** Whether the store once no longer had its run, so that the run was created again. */
  missed?: boolean | undefined;
  /** The progress of an upload in parts. */
  state?: unknown;
  /** Set while it is being copied to the staging folder; it is not uploaded before. */
  copying?: Promise<void> | undefined;
  /** Run and path in one, computed on demand. */
  name?: string | undefined;
}

/** Called with what becomes of files. */
export interface UploadListener {
  stored(file: WaitingFile): void;
  /** The file will never be stored. */
  failed(file: WaitingFile, error: PulseError): void;
  /**
   * The store no longer has the run. Returns true if the run is created again, for which the file waits. `first`: no
   * other file of the run is waiting for that yet.
   */
  missing(file: WaitingFile, first: boolean): boolean;
  /** Another file has taken its place. */
  replaced(file: WaitingFile): void;
  /**
   * Part of the file is stored. `kept`: the state needed to continue from there has changed; `bytes`: the number of
   * bytes sent so far.
   */
  progress(file: WaitingFile, kept: boolean, bytes?: number): void;
  rewritten(file: WaitingFile): void;
  /** Returns the current place of a source. */
  locate(source: UploadSource): UploadSource;
  /** Nothing is waiting that can be delivered. */
  idle?(): void;
}

/** The files of runs, in upload order: one at a time per run and path, and none before its run is created. */
export class UploadQueue implements ChangeLog<Upload> {
  readonly #dispatcher: Dispatcher<Upload>;
  readonly #listener: UploadListener;
  /** All files that wait or are in flight. For each run and path there is at most one of each. */
  readonly #files = new Set<WaitingFile>();
  readonly #waiting = new Map<string, WaitingFile>();
  readonly #inFlight = new Map<string, InFlightBatch>();
  readonly #ready = new Set<WaitingFile>();
  /** Files whose run is not created yet, by run key. */
  readonly #uncreated = new Map<string, WaitingFile[]>();
  readonly #denied = new Set<WaitingFile>();
  #over = false;

  constructor(dispatcher: Dispatcher<Upload>, listener: UploadListener) {
    this.#dispatcher = dispatcher;
    this.#listener = listener;
  }

  get ready(): boolean {
    return !this.#over && this.#ready.size > 0;
  }

  /** Whether nothing is in flight or can be sent without an outside event. */
  get idle(): boolean {
    return (
      this.#over ||
      this.#files.size ===
        this.#denied.size + [...this.#uncreated.values()].reduce((sum, { length }) => sum + length, 0)
    );
  }

  /** All files that are not stored yet. */
  get files(): ReadonlySet<WaitingFile> {
    return this.#files;
  }

  /** Whether a file waits for a permission. */
  isDenied(file: WaitingFile): boolean {
    return this.#denied.has(file);
  }

  /** Adds a file. Returns the file it replaces, if one with the same run and path was waiting. */
  add(file: WaitingFile): WaitingFile | undefined {
    const replaced = this.#waiting.get(nameOf(file));
    if (replaced) this.drop(replaced);
    this.#files.add(file);
    this.#queue(file);
    return replaced;
  }

  #queue(file: WaitingFile): void {
    this.#waiting.set(nameOf(file), file);
    if (file.ids === undefined) {
      const others = this.#uncreated.get(file.runKey);
      if (others) others.push(file);
      else this.#uncreated.set(file.runKey, [file]);
    } else if (file.copying !== undefined) {
      const goOn = (): void => {
        file.copying = undefined;
        this.#goOn(file);
      };
      file.copying.then(goOn, goOn);
    } else if (!this.#inFlight.has(nameOf(file))) {
      this.#ready.add(file);
      this.#dispatcher.schedule();
    }
  }

  /** Continues with a file that waited for something, if it is still in the queue. */
  #goOn(file: WaitingFile): void {
    if (!this.#over && this.#files.has(file) && !this.#ready.has(file)) this.#queue(file);
  }

  /** Whether files wait for a run to be created. */
  expects(runKey: string): boolean {
    return this.#uncreated.has(runKey);
  }

  /** A run is created, so its files may be uploaded. */
  created(runKey: string, ids: StoredIds): void {
    for (const file of this.#takeUncreated(runKey)) {
      file.ids = ids;
      this.#queue(file);
    }
  }

  /** A run will never be created. */
  lost(runKey: string, error: PulseError): void {
    for (const file of this.#takeUncreated(runKey)) this.#fail(file, error);
  }

  #takeUncreated(runKey: string): WaitingFile[] {
    const files = this.#uncreated.get(runKey) ?? [];
    this.#uncreated.delete(runKey);
    return files;
  }

  reopen(): void {
    const files = [...this.#denied];
    this.#denied.clear();
    for (const file of files) this.#queue(file);
  }

  take(): Batch<Upload> | undefined {
    const { denied } = this.#dispatcher;
    for (const file of this.#ready) {
      this.#ready.delete(file);
      if (!denied.any || denied.admits(experimentKey(file.experiment))) return this.#send(file);
      this.#denied.add(file);
    }
    return undefined;
  }

  #send(file: WaitingFile): Batch<Upload> {
    const name = nameOf(file);
    const flight = new InFlightBatch(file);
    this.#waiting.delete(name);
    this.#inFlight.set(name, flight);
    const isOver = (): boolean => this.#inFlight.get(name) !== flight;
    return {
      work: [this.uploadOf(file, flight)],
      get recalled() {
        return isOver();
      },
      divisible: () => false,
      conclude: ([decision]) => this.#conclude(file, decision as Decision),
    };
  }

  /** Returns the work for a file whose run is created. */
  uploadOf(file: WaitingFile, flight?: InFlightBatch): Upload {
    const onState = (state: unknown): void => {
      if (this.#over) return; // the upload continues from the last state that was written
      file.state = state;
      this.#listener.progress(file, true);
    };
    const onProgress = (bytes: number): void => {
      if (!this.#over) this.#listener.progress(file, false, bytes);
    };
    const { runKey, experiment, path, ids, state } = file;
    const source = this.#listener.locate(file.source);
    const options: UploadOptions = {
      get signal() {
        return flight?.signal;
      },
      state,
      onState,
      onProgress,
    };
    return {
      ...{ runKey, experiment, path, source, ids: ids as StoredIds, subject: path, options },
      rewritten: () => this.#listener.rewritten(file),
    };
  }

  #conclude(file: WaitingFile, decision: Decision): void {
    const name = nameOf(file);
    this.#inFlight.delete(name);
    const next = this.#waiting.get(name); // a newer file for the same path
    switch (decision.kind) {
      case "done":
        this.#files.delete(file);
        this.#listener.stored(file);
        break;
      case "rejected":
        if (next && decision.error.code === "RUN_NOT_FOUND") this.#replace(file);
        else if (!this.#isAwaited(file, decision.error)) this.#fail(file, decision.error);
        break;
      default:
        if (next) this.#replace(file);
        else if (decision.kind === "denied") {
          this.#waiting.set(name, file);
          this.#denied.add(file);
        } else if (decision.kind === "later") {
          this.#waiting.set(name, file);
          later(() => this.#goOn(file), decision.afterMs).unref();
        } else this.#queue(file);
    }
    if (next) this.#queue(next);
    if (this.idle) this.#listener.idle?.();
  }

  #replace(file: WaitingFile): void {
    this.#files.delete(file);
    this.#listener.replaced(file);
  }

  /** Whether a file whose run has disappeared from the store waits for the run to be created again. */
  #isAwaited(file: WaitingFile, { code }: PulseError): boolean {
    const { runKey, ids, missed } = file;
    // A resumed run (its key is its id) was created by somebody else.
    if (code !== "RUN_NOT_FOUND" || missed || ids?.runId === runKey) return false;
    if (!this.#listener.missing(file, !this.#uncreated.has(runKey))) return false;
    file.missed = true;
    file.ids = undefined;
    this.#queue(file);
    return true;
  }

  #fail(file: WaitingFile, error: PulseError): void {
    this.drop(file);
    this.#listener.failed(file, error);
  }

  /** Removes a file, whatever its state. */
  drop(file: WaitingFile): void {
    const name = nameOf(file);
    const flight = this.#inFlight.get(name);
    if (flight?.file === file) {
      this.#inFlight.delete(name);
      flight.abort();
    }
    if (this.#waiting.get(name) === file) this.#waiting.delete(name);
    for (const files of [this.#files, this.#ready, this.#denied]) files.delete(file);
    const uncreated = this.#uncreated.get(file.runKey);
    const at = uncreated?.indexOf(file) ?? -1;
    if (at >= 0) uncreated?.splice(at, 1);
  }

  /** Takes back what is in flight: its outcome will not be observed. */
  recall(): void {
    const flights = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const flight of flights) {
      const { file } = flight;
      flight.abort();
      const next = this.#waiting.get(nameOf(file)); // a newer file for the same path
      if (next) this.#replace(file);
      this.#queue(next ?? file);
    }
  }

  /**
   * Ignores all further events. Uploads in parts are not aborted, since they end with their connection and the next
   * program can continue them.
   */
  stop(): void {
    this.#over = true;
    for (const flight of this.#inFlight.values()) if (flight.file.state === undefined) flight.abort();
    this.#inFlight.clear();
  }
}

/** A file that is being uploaded. */
class InFlightBatch {
  readonly file: WaitingFile;
  #controller: AbortController | undefined;
  #aborted = false;

  constructor(file: WaitingFile) {
    this.file = file;
  }

  /** Created on demand: for a small file it would be the most expensive part. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort();
  }
}

const nameOf = (file: WaitingFile): string => {
  file.name ??= `${file.runKey} ${file.path}`;
  return file.name;
};

/** Returns the rough size of a waiting file in memory, in bytes. */
export const bytesInMemory = ({ source }: WaitingFile): number =>
  FILE_BYTES + (source.kind === "bytes" ? source.size : 0);
const FILE_BYTES = 400;

/** Returns the warning for a file that was rewritten after it was logged. */
export function rewritten({ source, path }: WaitingFile): PulseError {
  const name = source.kind === "file" ? source.path : path;
  return new PulseError("ARTIFACT_REWRITTEN", `${name} was rewritten after it was logged as ${JSON.stringify(path)}.`);
}

/** Returns the tag of a run that had to be created again, with its former id. */
export const recreatedTag = (file: WaitingFile): { key: string; value: string } => ({
  key: "pulse.recreated",
  value: file.ids?.runId ?? "",
});

/** Returns the tag that says that a file could not be stored. */
export function failureTag(path: string, error: unknown): { key: string; value: string } {
  return { key: sanitizeKey(`pulse.artifact_failed.${path}`), value: cutText(messageOf(error), LIMITS.tagValue) };
}
