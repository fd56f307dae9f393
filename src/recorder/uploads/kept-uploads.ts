import type { Diagnostics } from "../../base/diagnostics.js";
import type { ExperimentRef } from "../../base/entities.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { itemsOf, NO_CHANGE, type RunEnd, type StoredIds } from "../../contracts/tracking-store.js";
import type { Account } from "../changes/accounting.js";
import type { Dispatcher } from "../dispatch/dispatcher.js";
import type { Outbox } from "../outbox/outbox.js";
import { Staging, sweepStaged } from "../staging/staging.js";
import { failureTag, recreatedTag, rewritten, UploadQueue, type WaitingFile } from "./upload-queue.js";
import type { Upload } from "./upload-target.js";

/** Errors caused by the settings rather than the file: another program, or a command, may have other settings. */
const OF_SETTINGS: ReadonlySet<string> = new Set(["ARTIFACT_ROOT", "PACKAGE_MISSING", "INVALID_CONFIG"]);
/** The number of files read at once, and the number left at which more are read. */
const PAGE = 1_000;
const FEW = 100;

/** Called with what becomes of the files of a dead tracker. */
export interface KeptUploadsListener extends Pick<Account, "rejected"> {
  /** So many more bytes were sent; negative if an upload starts again. */
  moved(bytes: number): void;
  /** A file of so many bytes is stored. */
  stored(bytes: number): void;
  /** A file will not be stored. `kept`: it is set aside instead of being removed. */
  refused(path: string, runKey: string, error: PulseError, kept: boolean): void;
  /** No more files can be delivered. */
  idle(): void;
  /** The outbox could not be written. */
  unwritten(error: unknown): void;
  /** A change was added to the outbox. */
  appended(): void;
}

interface KeptFile extends WaitingFile {
  readonly row: number;
  /** The number of bytes sent so far. */
  sent: number;
  readonly end: RunEnd | undefined;
}

/** The files that wait in the outbox of a dead tracker. */
export class KeptUploads {
  readonly #outbox: Outbox;
  readonly #dispatcher: Dispatcher<Upload>;
  readonly #listener: KeptUploadsListener;
  readonly #queue: UploadQueue;
  readonly #staging: Staging;
  #upTo = 0;
  #all = false;

  constructor(outbox: Outbox, dispatcher: Dispatcher<Upload>, diagnostics: Diagnostics, listener: KeptUploadsListener) {
    this.#outbox = outbox;
    this.#dispatcher = dispatcher;
    this.#listener = listener;
    this.#staging = new Staging(
      () => outbox.path,
      () => "",
    );
    this.#queue = new UploadQueue(dispatcher, {
      stored: (file) => this.#stored(file as KeptFile),
      replaced: (file) => this.#stored(file as KeptFile),
      failed: (file, error) => this.#failed(file as KeptFile, error),
      missing: (file, first) => this.#missing(file as KeptFile, first),
      progress: (file, kept, bytes) => this.#progress(file as KeptFile, kept, bytes),
      rewritten: (file) => diagnostics.warnAsync(rewritten(file), file.path),
      locate: (source) => this.#staging.locate(source),
      idle: () => this.#more(),
    });
    sweepStaged(outbox.path, outbox.files.stagedNames);
    dispatcher.add(this.#queue);
    this.#more();
  }

  /** Whether no more files can be delivered. */
  get idle(): boolean {
    return this.#all && this.#queue.idle;
  }

  /** A run is created. */
  created(runKey: string, ids: StoredIds): void {
    this.#queue.created(runKey, ids);
  }

  /** Nothing but files is left of a run, so the store's answer about its creation is known. */
  drained(runKey: string): void {
    const ids = this.#outbox.find(runKey)?.ids;
    if (ids) this.#queue.created(runKey, ids);
    else this.#queue.lost(runKey, new PulseError("RUN_NOT_FOUND", `Run ${runKey} was never created.`));
  }

  /** A run will never be created. */
  lost(runKey: string, error: PulseError): void {
    if (this.#outbox.find(runKey)?.aside !== undefined) this.#queue.lost(runKey, error);
  }

  /** Cancels uploads and removes the queue. */
  stop(): void {
    this.#dispatcher.remove(this.#queue);
    this.#queue.stop();
  }

  #more(): void {
    if (!this.#all && this.#queue.files.size < FEW) {
      const { files, damaged, upTo } = this.#outbox.files.page(this.#upTo, PAGE);
      this.#all = upTo === this.#upTo;
      this.#upTo = upTo;
      this.#listener.rejected(damaged);
      for (const { seq: row, run: runKey, path, source, state, end } of files) {
        const run = this.#outbox.find(runKey);
        const experiment: ExperimentRef = run?.experiment ?? { name: "" };
        const waits = run !== undefined && run.ids === undefined && this.#outbox.holds(runKey);
        const ids = waits ? undefined : (run?.ids ?? { runId: runKey, experimentId: "" });
        const file: KeptFile = { runKey, experiment, path, source, ids, row, state, end, sent: 0 };
        if (run?.aside !== undefined) {
          this.#setAside(file, new PulseError("REJECTED", run.aside));
          continue;
        }
        const replaced = this.#queue.add(file);
        if (replaced) this.#stored(replaced as KeptFile);
      }
    }
    if (this.idle) this.#listener.idle();
  }

  #progress(file: KeptFile, kept: boolean, bytes: number | undefined): void {
    this.#dispatcher.lastAccepted = performance.now();
    if (bytes !== undefined) this.#sent(file, bytes);
    if (kept) this.#write((outbox) => outbox.files.setState(file.row, file.state));
  }

  #sent(file: KeptFile, bytes: number): void {
    this.#listener.moved(bytes - file.sent);
    file.sent = bytes;
  }

  #stored(file: KeptFile): void {
    const bytes = file.source.size;
    this.#gone(file);
    this.#sent(file, bytes);
    this.#listener.stored(bytes);
    this.#more();
  }

  #failed(file: KeptFile, error: PulseError): void {
    const { runKey, experiment, path } = file;
    const known = this.#outbox.find(runKey);
    if (known?.aside !== undefined || OF_SETTINGS.has(error.code)) {
      this.#setAside(file, error);
      this.#more();
      return;
    }
    this.#listener.rejected(1);
    this.#listener.refused(path, runKey, error, false);
    this.#sent(file, 0);
    const isThere = known !== undefined && known.aside === undefined && error.code !== "RUN_NOT_FOUND";
    this.#write((outbox) => {
      if (isThere) outbox.append({ ...NO_CHANGE, runKey, experiment, tags: [failureTag(path, error)] }, 1, false);
      outbox.removeFile(runKey, file.row);
    });
    this.#staging.remove(file.source);
    if (isThere) this.#listener.appended();
    this.#more();
  }

  #setAside(file: KeptFile, error: PulseError): void {
    this.#listener.rejected(1);
    this.#listener.refused(file.path, file.runKey, error, true);
    this.#sent(file, 0);
    this.#write((outbox) => outbox.files.setAside(file.row, error.message));
  }

  #missing(file: KeptFile, first: boolean): boolean {
    const { runKey, experiment } = file;
    const run = this.#outbox.find(runKey);
    // A run that had ended, with an unknown status, would stay open.
    if (run === undefined || run.aside !== undefined || (file.end === undefined && !this.#outbox.holds(runKey)))
      return false;
    if (!first) return true;
    const end = file.end && { ...file.end, ifRunning: true };
    const change = { ...NO_CHANGE, runKey, experiment, tags: [recreatedTag(file)], end };
    const isWritten = this.#write((outbox) => outbox.append(change, itemsOf(change), false));
    if (isWritten) this.#listener.appended();
    return isWritten;
  }

  #gone({ runKey, row, source }: KeptFile): void {
    this.#write((outbox) => outbox.removeFile(runKey, row));
    try {
      this.#staging.remove(source);
    } catch (error) {
      this.#listener.unwritten(new Error(`${messageOf(error)}`));
    }
  }

  #write(body: (outbox: Outbox) => void): boolean {
    try {
      this.#outbox.transaction(() => body(this.#outbox));
      return true;
    } catch (error) {
      this.#listener.unwritten(error);
      return false;
    }
  }
}
