import { types } from "node:util";
import { counted } from "../../base/amounts.js";
import type { Clock } from "../../base/clock.js";
import { later } from "../../base/detached.js";
import type { Diagnostics } from "../../base/diagnostics.js";
import { PulseError } from "../../base/errors.js";
import type { StoredIds } from "../../contracts/tracking-store.js";
import type { RunBuffer, RunWatcher } from "../buffer/run-buffer.js";
import type { FileAccounting } from "../changes/accounting.js";
import { Dispatcher } from "../dispatch/dispatcher.js";
import type { Outbox } from "../outbox/outbox.js";
import { stateOf } from "../outbox/outbox-writer.js";
import type { OwnOutbox } from "../outbox/own-outbox.js";
import { type StagedFile, Staging } from "../staging/staging.js";
import { type HeldBytes, heldBytes, type SourceFile, type UploadSource } from "../staging/upload-source.js";
import type { Activity } from "./activities.js";
import { type ArrivalRoom, arrival } from "./arrivals.js";
import { bytesInMemory, failureTag, recreatedTag, rewritten, UploadQueue, type WaitingFile } from "./upload-queue.js";
import type { Upload, UploadTarget } from "./upload-target.js";

/** The interval at which the arrival of a file is checked. */
const LOOK_MS = 20;
/** Larger files do not become rows, since writing these would block the event loop. */
const MAX_ROW = 64 * 1024;
/** Files that cannot be linked are copied synchronously up to this size. */
const MAX_COPY = 64 * 1024 * 1024;

/** The parts of an `Uploads`. */
export interface UploadsOptions {
  readonly target: UploadTarget;
  readonly diagnostics: Diagnostics;
  readonly clock: Clock;
  readonly account: FileAccounting;
  /** Where files wait until they are stored. */
  readonly own: OwnOutbox;
  /** Makes sure that a run is notified, even if it is only in the outbox. */
  readonly follow: (log: RunBuffer) => void;
  readonly onSettled: () => void;
  /** Bound of files that wait in memory, in bytes. */
  readonly maxPendingBytes: number;
  /** Bound of the staged files, in bytes. */
  readonly maxArtifactBytes: number;
}

/** Content to upload: bytes or text that nothing else changes, a file, or a staged file. */
export type LoggedContent = Uint8Array | HeldBytes | (SourceFile & { readonly copy: boolean }) | StagedFile;

/** A file of this tracker. */
interface OwnFile extends WaitingFile {
  readonly log: RunBuffer;
  readonly size: number;
}

/** The files of this tracker's runs until they are stored. */
export class Uploads {
  readonly dispatcher: Dispatcher<Upload>;
  readonly #options: UploadsOptions;
  readonly #queue: UploadQueue;
  readonly #staging: Staging;
  readonly #room: ArrivalRoom;
  /** Files that are not spooled. */
  readonly #unkept = new Set<OwnFile>();
  /** The paths with streams in progress: how many, and how often something was logged there meanwhile. */
  readonly #arriving = new Map<string, { streams: number; calls: number; taken: number }>();
  /** The error of the last file of each run that can never be stored. */
  readonly lost: WeakMap<RunBuffer, PulseError> = new WeakMap();
  #stagedBytes = 0;
  /** The warning about dropped files. */
  #full: PulseError | undefined;

  constructor(options: UploadsOptions) {
    const { target, diagnostics, clock, own, onSettled } = options;
    this.#options = options;
    this.dispatcher = new Dispatcher<Upload>({ store: target, diagnostics, clock, onSettled });
    this.#queue = new UploadQueue(this.dispatcher, {
      stored: (file) => this.#stored(file as OwnFile),
      failed: (file, error) => this.#failed(file as OwnFile, error),
      missing: (file, first) => this.#missing(file as OwnFile, first),
      replaced: (file) => this.#stored(file as OwnFile),
      progress: (file, kept) => this.#progress(file as OwnFile, kept),
      locate: (source) => this.#staging.locate(source),
      rewritten: (file) => diagnostics.warnAsync(rewritten(file), file.path),
    });
    this.dispatcher.add(this.#queue);
    this.#staging = new Staging(
      () => own.path,
      () => clock.id(),
    );
    this.#room = {
      staging: this.#staging,
      usable: () => own.write(() => undefined),
      inMemory: options.maxPendingBytes,
      beside: () => options.maxArtifactBytes - this.#stagedBytes,
    };
  }

  /** The store was unavailable, and may be another one when it returns. */
  doubt(): void {
    this.#options.target.doubt();
  }

  /**
   * Reads a file from a stream, and stores it unless something else is logged under its path meanwhile: the last call
   * for a path wins.
   */
  async receive(log: RunBuffer, path: string, chunks: AsyncIterable<Uint8Array>, activity: Activity): Promise<void> {
    const name = `${log.runKey} ${path}`;
    const arriving = this.#arriving.get(name) ?? { streams: 0, calls: 0, taken: 0 };
    this.#arriving.set(name, arriving);
    arriving.streams++;
    const call = ++arriving.calls;
    try {
      const content = await arrival(`${JSON.stringify(path)} of run ${log.runKey}`, chunks, this.#room, activity);
      if (content === undefined) return;
      if (arriving.taken < call) {
        arriving.taken = call; // a later stream may still complete or fail
        this.#take(log, path, content);
      } else this.#overtaken(content);
    } catch (error) {
      if (arriving.taken < call) throw error;
      this.#overtaken(new Uint8Array()); // it failed, but a later call counts
    } finally {
      arriving.streams--;
      if (arriving.streams === 0) this.#arriving.delete(name);
    }
  }

  #overtaken(content: LoggedContent): void {
    const { account } = this.#options;
    const source = sourceOf(content);
    account.recorded(source.size, 0);
    account.delivered(1, 0);
    if (source.kind !== "staged") return;
    try {
      this.#staging.remove(source);
    } catch {
      // It is swept later.
    }
  }

  /** Records that a file can never be stored. */
  refuse(log: RunBuffer, path: string, error: PulseError): void {
    const { account, diagnostics } = this.#options;
    account.recorded(0, 0);
    account.rejected(1, error);
    this.lost.set(log, error);
    diagnostics.warnAsync(error, path);
    log.tag(failureTag(path, error));
  }

  /**
   * Returns a stored file of a run, once the run is created and no upload to the path is in progress; undefined if
   * there is none.
   */
  async stored(log: RunBuffer, path: string): Promise<Uint8Array | undefined> {
    const ids = await this.created(log);
    const isComing = (): boolean =>
      [...this.#queue.files].some((file) => file.path === path && file.ids?.runId === ids.runId);
    // Unref'd: whoever waits keeps the process alive.
    while (isComing()) await new Promise<void>((resolve) => later(resolve, LOOK_MS).unref());
    return this.#options.target.read(ids, path);
  }

  /**
   * Resolves with the store's ids of a run once it is created.
   * @throws PulseError if it can never be created.
   */
  async created(log: RunBuffer): Promise<StoredIds> {
    this.#options.follow(log);
    return (
      log.ids ??
      (await new Promise<StoredIds>((resolve, reject) => {
        if (log.refused) reject(log.refused);
        log.watch({ created: resolve, lost: (error) => log.refused && reject(error) });
      }))
    );
  }

  /** Adds a file of a run. */
  add(log: RunBuffer, path: string, content: LoggedContent): void {
    const arriving = this.#arriving.size > 0 ? this.#arriving.get(`${log.runKey} ${path}`) : undefined;
    if (arriving) arriving.taken = ++arriving.calls;
    this.#take(log, path, content);
  }

  #take(log: RunBuffer, path: string, content: LoggedContent): void {
    const { account, maxArtifactBytes } = this.#options;
    const source = sourceOf(content);
    const { kind, size } = source;
    const file: OwnFile = {
      runKey: log.runKey,
      experiment: log.experiment,
      path,
      source,
      ids: log.ids,
      log,
      size,
      name: undefined,
      row: undefined,
      copying: undefined,
    };
    account.recorded(size, bytesInMemory(file));
    if (log.refused) {
      this.#failed(file, log.refused); // already reported
      return;
    }
    if (kind === "staged") this.#stagedBytes += size;
    else if (this.#options.own.usable && (kind === "file" || size > MAX_ROW)) {
      if (!this.#hasRoomFor(size)) {
        const detail = `${maxArtifactBytes} bytes of files wait already; ${JSON.stringify(path)} of run ${log.runKey} (${size} bytes) is left out. Raise outbox.maxArtifactBytes, or log less at once.`;
        const error = new PulseError("ARTIFACT_REFUSED", detail);
        this.#options.diagnostics.warnAsync(error, path);
        this.#failed(file, error);
        return;
      }
      this.#stage(file, "copy" in content && !content.copy ? "link" : "copy");
    }
    if (log.ids === undefined) this.#watch(log);
    this.#unkept.add(file);
    const replaced = this.#queue.add(file);
    if (replaced) this.#stored(replaced as OwnFile);
    if (file.source.kind === "staged") this.#write([file]);
    if (account.bytes > this.#options.maxPendingBytes) this.#relieve();
  }

  #hasRoomFor(size: number): boolean {
    return this.#stagedBytes + size <= this.#options.maxArtifactBytes;
  }

  #watch(log: RunBuffer): void {
    const { runKey } = log;
    if (this.#queue.expects(runKey)) return;
    this.#options.follow(log);
    log.watch(new RunOfFiles(log, this.#queue, this.#options.own));
  }

  #missing(file: OwnFile, first: boolean): boolean {
    const { log } = file;
    if (log.refused) return false;
    this.#watch(log);
    if (first) log.tag(recreatedTag(file)); // stored after the run is created again
    return true;
  }

  /**
   * Moves a file to the staging folder, where nothing else changes or removes it. If it cannot be linked or copied at
   * once, it is copied in the background.
   */
  #stage(file: OwnFile, how: "link" | "copy"): void {
    if (!this.#options.own.write(() => undefined)) return; // there is no outbox now
    const { source } = file;
    if (source.kind === "file" && how === "link")
      try {
        this.#staged(file, this.#staging.link(source));
        return;
      } catch {
        if (source.size > MAX_COPY) return; // stays at the user's path
      }
    if (source.kind === "bytes") {
      this.#writeBytes(file);
      return;
    }
    if (source.kind !== "file") return;
    if (how === "copy" && source.size <= MAX_COPY) {
      this.#copyNow(file, source); // synchronously, since the program may rewrite it in its next line
      return;
    }
    file.copying = this.#staging.copy(source).then(
      (staged) => {
        // It may have been copied at exit, or replaced, meanwhile.
        if (file.source === source && this.#queue.files.has(file)) {
          this.#staged(file, staged);
          if (file.row === undefined) this.#write([file]);
        } else this.#staging.remove(staged);
      },
      () => undefined, // stays at the user's path
    );
  }

  #writeBytes(file: OwnFile): void {
    const { source } = file;
    if (source.kind !== "bytes") return;
    try {
      this.#staged(file, this.#staging.write(source.bytes));
    } catch {
      // It stays in memory.
    }
  }

  #staged(file: OwnFile, source: UploadSource): void {
    const before = bytesInMemory(file);
    file.source = source;
    this.#stagedBytes += source.size;
    this.#options.account.released(before - bytesInMemory(file));
    if (file.row !== undefined) {
      const { row } = file;
      this.#options.own.mustWrite((outbox) => outbox.files.move(row, source));
    }
  }

  /**
   * Frees memory when it is full: spools what was not spooled yet, then moves the oldest files to the staging folder,
   * or drops them.
   */
  #relieve(): void {
    const { account, maxPendingBytes, own } = this.#options;
    if (own.usable) this.keep();
    if (account.bytes <= maxPendingBytes) return;
    // Oldest first, without copying the list: that would be slow for each new file.
    for (const file of this.#queue.files as Set<OwnFile>) {
      if (account.bytes <= maxPendingBytes) return;
      if (file.source.kind !== "bytes") continue;
      if (file.row !== undefined && this.#hasRoomFor(file.size)) this.#writeBytes(file);
      if (file.source.kind !== "bytes") continue;
      this.#queue.drop(file);
      this.#gone(file);
      const detail = `${maxPendingBytes} bytes of files wait; ${JSON.stringify(file.path)} of run ${file.runKey} was dropped (stats().dropped counts it).`;
      // One shared error: it is reported once, and creating errors is expensive.
      this.#full ??= new PulseError("MEMORY_FULL", detail);
      account.dropped(1, this.#full);
      this.#options.diagnostics.warnAsync(this.#full, "files");
    }
  }

  /** Spools all files that are not spooled yet; false if that is not possible. */
  keep(): boolean {
    if (this.#unkept.size === 0) return true;
    if (!this.#options.own.usable) return false;
    return this.#write([...this.#unkept]);
  }

  #write(files: readonly OwnFile[]): boolean {
    const { own, clock } = this.#options;
    for (const file of files) if (file.source.kind === "bytes" && file.source.size > MAX_ROW) this.#stage(file, "copy");
    const rows: number[] = [];
    const written = own.write((outbox) => {
      rows.length = 0;
      for (const { log, path, source } of files) {
        outbox.putRun({ ...stateOf(log), ended: isOver(log) }, clock.now());
        rows.push(outbox.files.put(log.runKey, path, source));
      }
    });
    if (!written) return false;
    for (const [i, file] of files.entries()) {
      file.row = rows[i];
      this.#unkept.delete(file);
      if (!file.log.kept && !isOver(file.log)) file.log.register(true);
    }
    return true;
  }

  /** Whether files of a run are waiting. */
  waitsFor(log: RunBuffer): boolean {
    return ([...this.#queue.files] as OwnFile[]).some((file) => file.log === log);
  }

  /** Returns what is waiting now, for `waits`. */
  mark(): WaitingFile[] {
    return [...this.#queue.files];
  }

  /**
   * Whether some of these files are waiting and may still be stored ("yes"), or only wait for a permission
   * ("denied"). Removes the others from the list.
   */
  waits(files: WaitingFile[]): "no" | "denied" | "yes" {
    let denied = false;
    for (let last = files.at(-1); last; last = files.at(-1)) {
      const isDenied = this.#queue.isDenied(last);
      if (this.#queue.files.has(last) && !isDenied) return "yes";
      denied ||= isDenied;
      files.pop();
    }
    return denied ? "denied" : "no";
  }

  /** Stores synchronously what it can, for runs that are created, up to the first failure. */
  writeSync(): void {
    this.#queue.recall();
    for (const file of [...this.#queue.files] as OwnFile[]) {
      if (file.ids === undefined) continue;
      try {
        if (!this.#options.target.uploadSync(this.#queue.uploadOf(file))) return;
        this.#queue.drop(file);
        this.#stored(file);
      } catch {
        return; // it is uploaded as usual, or spooled
      }
    }
  }

  /** Stores synchronously what it can; the rest is spooled or lost. For the end of the process or the tracker. */
  writeAll(): void {
    const { account, own, diagnostics } = this.#options;
    this.writeSync();
    if (account.pending === 0) return;
    const left = [...this.#queue.files] as OwnFile[];
    for (const file of left)
      if (file.copying !== undefined && file.source.kind === "file") this.#copyNow(file, file.source);
    const what = `${counted(left.length, "file", "files")} (${left.reduce((sum, { size }) => sum + size, 0)} bytes)`;
    if (this.keep() && this.#keepEnds(left) && own.safe) {
      const detail = `${what} that ${account.pending === 1 ? "is" : "are"} not stored yet ${account.pending === 1 ? "is" : "are"} kept in ${own.path}.`;
      diagnostics.warnAsync(new PulseError("KEPT_FOR_LATER", detail), "files");
      return;
    }
    const lost = new PulseError("LOST_AT_EXIT", `${what} could not be stored.`);
    account.dropped(left.length, lost);
    for (const file of left) {
      this.#queue.drop(file);
      this.#gone(file);
    }
    diagnostics.warnAsync(lost, "files");
  }

  #keepEnds(files: readonly OwnFile[]): boolean {
    return this.#options.own.write((outbox) => {
      for (const { runKey, ending } of new Set(files.map(({ log }) => log)))
        if (ending) outbox.files.setEnd(runKey, ending);
    });
  }

  #copyNow(file: OwnFile, source: UploadSource & { kind: "file" }): void {
    try {
      this.#staged(file, this.#staging.copySync(source));
    } catch {
      // It stays at the user's path.
    }
  }

  /** Stops sending. */
  stop(): void {
    this.dispatcher.stop();
    this.#queue.stop();
  }

  #progress({ row, state }: OwnFile, kept: boolean): void {
    this.dispatcher.lastAccepted = performance.now();
    if (kept && row !== undefined) this.#options.own.mustWrite((outbox) => outbox.files.setState(row, state));
  }

  #stored(file: OwnFile): void {
    this.#options.account.delivered(1, 0);
    this.#gone(file);
  }

  #failed(file: OwnFile, error: PulseError): void {
    const { account } = this.#options;
    if (error.code === "NOT_RECORDED") {
      this.#gone(file);
      account.withdrawn(file.size);
      return;
    }
    if (!this.#setAside(file, error)) this.#gone(file);
    account.rejected(1, error);
    this.lost.set(file.log, error);
    if (file.log.refused === undefined) file.log.tag(failureTag(file.path, error)); // otherwise the run is not in the store
  }

  /**
   * Sets a file aside together with the changes of its run, so that everything can be delivered once the reason is
   * fixed. Returns whether it did.
   */
  #setAside(file: OwnFile, error: PulseError): boolean {
    const { account, own } = this.#options;
    const { log, runKey } = file;
    if (log.refused === undefined || !own.usable) return false;
    let isAside = false;
    own.write((outbox) => {
      isAside = outbox.find(runKey)?.aside !== undefined;
    });
    if (!isAside || (file.row === undefined && !this.#write([file]))) return false;
    const { row } = file;
    if (row === undefined || !own.write((outbox) => outbox.files.setAside(row, error.message))) return false;
    account.released(bytesInMemory(file));
    return true;
  }

  /** Releases a file, whatever became of it. */
  #gone(file: OwnFile): void {
    const { account, own } = this.#options;
    this.#unkept.delete(file);
    account.released(bytesInMemory(file));
    const { row, runKey, source } = file;
    const remove = (): void => {
      if (source.kind !== "staged") return;
      this.#stagedBytes -= source.size;
      try {
        this.#staging.remove(source);
      } catch {
        // It is swept later.
      }
    };
    if (row === undefined) remove();
    else own.mustWrite((outbox: Outbox) => outbox.removeFile(runKey, row), remove);
  }
}

/** Whether nothing but files is left of a run. */
const isOver = (log: RunBuffer): boolean => log.ended && log.empty && !log.inFlight && log.ids !== undefined;

function sourceOf(content: LoggedContent): UploadSource {
  if (types.isUint8Array(content)) return heldBytes(content);
  if ("kind" in content) return content;
  const { path, size, changedMs } = content;
  return { kind: "file", path, size, changedMs };
}

/**
 * Notifies the files of a run. A class, since an object literal of closures would be the largest part of what a small
 * file holds in memory.
 */
class RunOfFiles implements RunWatcher {
  readonly #log: RunBuffer;
  readonly #queue: UploadQueue;
  readonly #own: OwnOutbox;

  constructor(log: RunBuffer, queue: UploadQueue, own: OwnOutbox) {
    this.#log = log;
    this.#queue = queue;
    this.#own = own;
  }

  created(ids: StoredIds): void {
    const { runKey } = this.#log;
    this.#queue.created(runKey, ids);
    if (this.#own.source) this.#own.mustWrite((outbox) => outbox.setIds(runKey, ids));
  }

  /** Also called when the run was created again. */
  stored(ids: StoredIds): void {
    this.#queue.created(this.#log.runKey, ids);
  }

  lost(error: PulseError): void {
    if (this.#log.refused) this.#queue.lost(this.#log.runKey, error);
  }
}
