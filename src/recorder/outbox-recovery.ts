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

// Taken now: a test that later puts fake timers in place must not stop delivery.
const { clearTimeout } = timers;

/**
 * How long after the first recording one looks for outboxes of dead trackers: a short script is not to pay for them.
 */
const FIRST_LOOK_MS = 500;
/** When one looks again: who lived then may have died since. Soon at first, later once a minute. */
const LATER = 4;
const MAX_LOOK_MS = 60_000;

const ignore = (): void => undefined;

/** How an heir goes about it. */
export interface OutboxRecoveryOptions {
  /** Has what was set aside go once more. @default false */
  readonly retrySetAside?: boolean;
  /** Where the files of runs go. @default they stay where they are */
  readonly uploads?: (() => Dispatcher<Upload>) | undefined;
  /** Told of each item the store took. */
  readonly onDelivered?: (items: number) => void;
  /** Told what becomes of files. */
  readonly files?: Partial<Pick<KeptUploadsListener, "moved" | "stored" | "refused">>;
}

/** Delivers what dead trackers have left in a folder, and ends the runs they left open; one outbox after the other. */
export class OutboxRecovery {
  /** Files that are of another version of this package, or none of ours. */
  readonly foreign: string[] = [];
  /** Files whose tracker lives. */
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

  /** Begins in a while, and looks again from time to time; `own` is not looked at. */
  watch(own: () => string | undefined, afterMs: number = FIRST_LOOK_MS): void {
    this.#timer = later(() => {
      this.watch(own, Math.min(MAX_LOOK_MS, afterMs * LATER));
      try {
        this.start(own());
      } catch (error) {
        // There is no driver to read them with
        if (error instanceof PulseError) this.#diagnostics.warnAsync(error, "outboxes");
        // A folder that cannot be looked at has nothing for us now.
      }
    }, afterMs).unref();
  }

  /** Looks for outboxes left behind and begins with the first, unless it is still at it; `own` is not looked at. */
  start(own?: string): void {
    if (this.#current !== undefined) return;
    this.held.length = 0;
    this.foreign.length = 0;
    this.#paths = this.#folder.files().filter((path) => path !== own);
    this.#next();
  }

  /** Whether everything that can be delivered is. */
  get done(): boolean {
    return this.#paths !== undefined && this.#paths.length === 0 && this.#current === undefined;
  }

  /** Lets go of the outbox it has; what is in it is for the next one. */
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
      this.#warn(outbox, error); // a full disk: its open runs are for the next one
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
        // On a full disk it is delivered all the same, and removed as a whole when that is done
        if (what === "writing") return;
        source.stop(); // the next one may do better
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
      ? "may not be read by this user"
      : "was written by another version of this package, or is damaged";
    this.#diagnostics.warnAsync(new PulseError("OUTBOX_LEFT", `${path} ${why}; it was left untouched.`), path);
  }

  #warn({ path }: Outbox, error: unknown): void {
    const detail = `What became of the runs kept in ${path} cannot be written down: ${messageOf(error)}. They are delivered all the same, and may be sent again.`;
    this.#diagnostics.warnAsync(new PulseError("OUTBOX_FAILED", detail, error), path);
  }

  /** Goes on with the next outbox when nothing of this one can be delivered any more. */
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
      // Where both are denied, the run is first.
      const reasons = new Map([...(this.#uploads?.denied.reasons ?? []), ...this.#dispatcher.denied.reasons]);
      source.outbox.noteDenied([...reasons]);
    } catch {
      // It only is for people.
    }
    closeOutbox(source.outbox);
  }
}
