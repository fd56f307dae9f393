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

/** One file that waits. */
export interface WaitingFile {
  readonly runKey: string;
  readonly experiment: ExperimentRef;
  readonly path: string;
  source: UploadSource;
  /** What the store calls the run, once it is created there. */
  ids: StoredIds | undefined;
  /** Its row in the outbox. */
  row?: number | undefined;
  /** The store had its run no more once, and was told of it. */
  missed?: boolean | undefined;
  /** How far an upload in parts has come. */
  state?: unknown;
  /** It is being copied to where it is safe: not before. */
  copying?: Promise<void> | undefined;
  /** Run and path in one, once it is asked for. */
  name?: string | undefined;
}

/** Who is told what becomes of files. */
export interface UploadListener {
  stored(file: WaitingFile): void;
  /** It never will be. */
  failed(file: WaitingFile, error: PulseError): void;
  /**
   * The store has its run no more: true when it is made anew, for which the file waits as for any creation. `first`: no
   * other file of the run does yet.
   */
  missing(file: WaitingFile, first: boolean): boolean;
  /** Another file has taken its place. */
  replaced(file: WaitingFile): void;
  /**
   * A part of it is stored; `kept`: what is to be known to go on from there has changed; `bytes`: how much is sent so
   * far.
   */
  progress(file: WaitingFile, kept: boolean, bytes?: number): void;
  rewritten(file: WaitingFile): void;
  /** Where a source lies now. */
  locate(source: UploadSource): UploadSource;
  /** Nothing waits that can be delivered. */
  idle?(): void;
}

/**
 * The files of runs, in the order in which they are to be stored: of one run and path one at a time, none before its
 * run is created.
 */
export class UploadQueue implements ChangeLog<Upload> {
  readonly #dispatcher: Dispatcher<Upload>;
  readonly #listener: UploadListener;
  /** All that wait or are under way, by run and path: of each name one that is under way, and one behind it. */
  readonly #files = new Set<WaitingFile>();
  readonly #waiting = new Map<string, WaitingFile>();
  readonly #inFlight = new Map<string, InFlightBatch>();
  readonly #ready = new Set<WaitingFile>();
  /** Those whose run is not created yet, by its key. */
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

  /** Whether nothing is under way or may be without anybody's doing. */
  get idle(): boolean {
    return (
      this.#over ||
      this.#files.size ===
        this.#denied.size + [...this.#uncreated.values()].reduce((sum, { length }) => sum + length, 0)
    );
  }

  /** All that are not stored. */
  get files(): ReadonlySet<WaitingFile> {
    return this.#files;
  }

  /** Whether a file waits for a permission. */
  isDenied(file: WaitingFile): boolean {
    return this.#denied.has(file);
  }

  /** Takes one more; gives back what waits under the same name and is not under way: nobody needs that any more. */
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

  /** Goes on with a file that waited for something, if it still does. */
  #goOn(file: WaitingFile): void {
    if (!this.#over && this.#files.has(file) && !this.#ready.has(file)) this.#queue(file);
  }

  /** Whether files wait for a run to be created. */
  expects(runKey: string): boolean {
    return this.#uncreated.has(runKey);
  }

  /** A run is created: its files may go. */
  created(runKey: string, ids: StoredIds): void {
    for (const file of this.#takeUncreated(runKey)) {
      file.ids = ids;
      this.#queue(file);
    }
  }

  /** A run never will be. */
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

  /** What is handed over of a file whose run is created. */
  uploadOf(file: WaitingFile, flight?: InFlightBatch): Upload {
    const onState = (state: unknown): void => {
      if (this.#over) return; // it goes on from what was written down last
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
    const next = this.#waiting.get(name); // one that came meanwhile and takes its place
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

  /** Whether a file whose run the store has no more waits until that is made anew. */
  #isAwaited(file: WaitingFile, { code }: PulseError): boolean {
    const { runKey, ids, missed } = file;
    // A run that was resumed (its key is its id) is somebody else's.
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

  /** Takes one out, whatever becomes of it. */
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

  /** Takes back what is under way: nobody will hear what becomes of it. */
  recall(): void {
    const flights = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const flight of flights) {
      const { file } = flight;
      flight.abort();
      const next = this.#waiting.get(nameOf(file)); // one that came meanwhile and takes its place
      if (next) this.#replace(file);
      this.#queue(next ?? file);
    }
  }

  /**
   * Takes no notice of anything any more. What has come in parts so far stays there, for the next one to go on: that
   * ends with its connection.
   */
  stop(): void {
    this.#over = true;
    for (const flight of this.#inFlight.values()) if (flight.file.state === undefined) flight.abort();
    this.#inFlight.clear();
  }
}

/** A file that is on its way. */
class InFlightBatch {
  readonly file: WaitingFile;
  #controller: AbortController | undefined;
  #aborted = false;

  constructor(file: WaitingFile) {
    this.file = file;
  }

  /** Made when it is asked for: for a small file it would be the dearest part. */
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

/** Rough resident size of what waits of a file in memory, in bytes. */
export const bytesInMemory = ({ source }: WaitingFile): number =>
  FILE_BYTES + (source.kind === "bytes" ? source.size : 0);
const FILE_BYTES = 400;

/** What is said of a file that was no longer what was logged. */
export function rewritten({ source, path }: WaitingFile): PulseError {
  const name = source.kind === "file" ? source.path : path;
  return new PulseError("ARTIFACT_REWRITTEN", `${name} was rewritten after it was logged as ${JSON.stringify(path)}.`);
}

/** The tag of a run that is made anew, as far as a store does so, with the id it had. */
export const recreatedTag = (file: WaitingFile): { key: string; value: string } => ({
  key: "pulse.recreated",
  value: file.ids?.runId ?? "",
});

/** The tag that says that a file is not there. */
export function failureTag(path: string, error: unknown): { key: string; value: string } {
  return { key: sanitizeKey(`pulse.artifact_failed.${path}`), value: cutText(messageOf(error), LIMITS.tagValue) };
}
