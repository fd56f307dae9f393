import timers from "node:timers";
import { later, soon } from "../base/detached.js";
import type { Diagnostics } from "../base/diagnostics.js";
import { messageOf, PulseError } from "../base/errors.js";
import type { RunChange } from "../contracts/tracking-store.js";
import { isDamaged } from "../stores/sql/driver.js";
import type { Account } from "./changes/accounting.js";
import type { Dispatcher } from "./dispatch/dispatcher.js";
import type { Outbox } from "./outbox/outbox.js";
import { closeOutbox, isDenied, type OutboxFolder, tryClaim } from "./outbox/outbox-folder.js";
import { OutboxLog } from "./outbox/outbox-log.js";
import { KeptUploads, type KeptUploadsListener } from "./uploads/kept-uploads.js";
import type { Upload } from "./uploads/upload-target.js";

// Captured now, so that a test that later installs fake timers does not stop delivery.
const { clearTimeout } = timers;

/**
 * The delay between the first record and the search for outboxes of dead trackers, so that a short script does not
 * pay for it.
 */
const FIRST_LOOK_MS = 500;
/** The factor and limit of the delay between searches. Other trackers may die at any time. */
const LATER = 4;
const MAX_LOOK_MS = 60_000;

const ignore = (): void => undefined;

/** Options of a recovery. */
export interface OutboxRecoveryOptions {
  /** Whether to retry what was set aside. @default false */
  readonly retrySetAside?: boolean;
  /** Delivers the files of runs. @default files stay where they are */
  readonly uploads?: (() => Dispatcher<Upload>) | undefined;
  /** Called with the number of items that the store accepted. */
  readonly onDelivered?: (items: number) => void;
  /** Called with what becomes of files. */
  readonly files?: Partial<Pick<KeptUploadsListener, "moved" | "stored" | "refused">>;
}

/** Delivers what dead trackers left in a folder, one outbox after the other, and ends the runs they left open. */
export class OutboxRecovery {
  /** Files of another version of this package, damaged files, and files that are not outboxes. */
  readonly foreign: string[] = [];
  /** Files whose tracker is alive. */
  readonly held: string[] = [];
  readonly #folder: OutboxFolder;
  readonly #dispatcher: Dispatcher<RunChange>;
  readonly #diagnostics: Diagnostics;
  readonly #options: OutboxRecoveryOptions;
  #current: OutboxLog | undefined;
  #files: KeptUploads | undefined;
  #uploads: Dispatcher<Upload> | undefined;
  #paths: string[] | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    folder: OutboxFolder,
    dispatcher: Dispatcher<RunChange>,
    diagnostics: Diagnostics,
    options: OutboxRecoveryOptions = {},
  ) {
    this.#folder = folder;
    this.#dispatcher = dispatcher;
    this.#diagnostics = diagnostics;
    this.#options = options;
  }

  /** Starts after a delay and searches again from time to time. `own` is skipped. */
  watch(own: () => string | undefined, afterMs: number = FIRST_LOOK_MS): void {
    this.#timer = later(() => {
      this.watch(own, Math.min(MAX_LOOK_MS, afterMs * LATER));
      try {
        this.start(own());
      } catch (error) {
        // The driver is missing.
        if (error instanceof PulseError) this.#diagnostics.warnAsync(error, "outboxes");
        // An unreadable folder has nothing to deliver now.
      }
    }, afterMs).unref();
  }

  /** Searches for outboxes left behind and claims the first, unless one is still in progress. `own` is skipped. */
  start(own?: string): void {
    if (this.#current !== undefined) return;
    this.held.length = 0;
    this.foreign.length = 0;
    this.#paths = this.#folder.files().filter((path) => path !== own);
    this.#next();
  }

  /** Whether everything that can be delivered has been. */
  get done(): boolean {
    return this.#paths !== undefined && this.#paths.length === 0 && this.#current === undefined;
  }

  /** Releases the current outbox; the next tracker delivers what is left in it. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#paths = [];
    this.#letGo();
  }

  #next(): void {
    for (let path = this.#paths?.shift(); path !== undefined; path = this.#paths?.shift()) {
      const outbox = tryClaim(path);
      if (outbox === "held") this.held.push(path);
      else if (outbox === "foreign") this.#leave(path);
      else if (this.#begin(outbox)) return;
    }
  }

  #begin(outbox: Outbox): boolean {
    try {
      if (this.#options.retrySetAside) outbox.retrySetAside();
      outbox.endOpenRuns();
    } catch (error) {
      if (isDamaged(error)) {
        outbox.close();
        this.#leave(outbox.path);
        return false;
      }
      this.#warn(outbox, error); // a full disk: open runs are left to the next recovery
    }
    const account: Account = {
      delivered: (items, refused) => this.#options.onDelivered?.(items - refused),
      rejected: () => undefined,
      dropped: () => undefined,
    };
    const look = (): void => void soon(() => this.#look(source));
    const source = new OutboxLog(outbox, this.#dispatcher, this.#diagnostics, account, {
      created: (key, ids) => this.#files?.created(key, ids),
      drained: (key) => this.#files?.drained(key),
      setAside: (key, error) => this.#files?.lost(key, error),
      idle: look,
      away: () => undefined,
      failed: (error, what) => {
        this.#warn(outbox, error);
        // On a full disk, changes are still delivered; the outbox is removed as a whole afterwards.
        if (what === "writing") return;
        source.stop(); // another process may succeed
        look();
      },
    });
    this.#current = source;
    this.#dispatcher.add(source);
    try {
      const uploads = outbox.files.count.files > 0 ? this.#options.uploads?.() : undefined;
      const { moved = ignore, stored = ignore, refused = ignore } = this.#options.files ?? {};
      this.#uploads = uploads;
      const unwritten = (error: unknown): void => this.#warn(outbox, error);
      this.#files =
        uploads &&
        new KeptUploads(outbox, uploads, this.#diagnostics, {
          ...{ rejected: account.rejected, moved, stored, refused },
          idle: look,
          unwritten,
          appended: () => this.#dispatcher.schedule(),
        });
    } catch (error) {
      this.#warn(outbox, error);
    }
    if (source.ready || this.#files?.idle === false) {
      this.#dispatcher.schedule();
      return true;
    }
    this.#letGo();
    return false;
  }

  #leave(path: string): void {
    this.foreign.push(path);
    const why = isDenied(path)
      ? "cannot be read by this user"
      : "was written by another version of this package, or is damaged";
    this.#diagnostics.warnAsync(new PulseError("OUTBOX_LEFT", `${path} ${why}; it was left untouched.`), path);
  }

  #warn({ path }: Outbox, error: unknown): void {
    const detail = `The outcome of the runs kept in ${path} cannot be recorded: ${messageOf(error)}. They are delivered all the same, and may be sent again.`;
    this.#diagnostics.warnAsync(new PulseError("OUTBOX_FAILED", detail, error), path);
  }

  /** Continues with the next outbox once nothing more of this one can be delivered. */
  #look(source: OutboxLog): void {
    if (this.#current !== source || !source.idle || this.#files?.idle === false) return;
    this.#letGo();
    this.#next();
  }

  #letGo(): void {
    const source = this.#current;
    this.#current = undefined;
    this.#files?.stop();
    this.#files = undefined;
    if (source === undefined) return;
    this.#dispatcher.remove(source);
    source.stop();
    try {
      // The run's own reason takes precedence over that of its files.
      const reasons = new Map([...(this.#uploads?.denied.reasons ?? []), ...this.#dispatcher.denied.reasons]);
      source.outbox.noteDenied([...reasons]);
    } catch {
      // The reasons are only shown to users.
    }
    closeOutbox(source.outbox);
  }
}
