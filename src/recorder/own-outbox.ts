import type { Clock } from "../clock.js";
import type { Diagnostics } from "../diagnostics.js";
import { messageOf, PulseError } from "../errors.js";
import type { Delivery } from "./delivery.js";
import type { Outbox } from "./outbox.js";
import { closeOutbox, type OutboxFolder } from "./outbox-folder.js";
import { type OutboxListener, OutboxSource } from "./outbox-source.js";

/** What a tracker's own outbox is made of. */
export interface OwnOutboxOptions {
  /** Undefined keeps nothing on disk. */
  readonly folder: OutboxFolder | undefined;
  /** Bound of the outbox in bytes. */
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly diagnostics: Diagnostics;
  readonly delivery: Delivery;
}

/** A full outbox is emptied to this share of its bound. */
const EMPTIED_TO = 0.9;

/** The outbox of one tracker: made when first needed, bounded, and done without once it fails. */
export class OwnOutbox {
  source: OutboxSource | undefined;
  readonly #options: OwnOutboxOptions;
  readonly #listener: OutboxListener;
  #unusable: boolean;
  /** The size at which there was nothing left to drop: looking again at each write would be dear. */
  #nothingToDropAt: number | undefined;

  constructor(options: OwnOutboxOptions, listener: OutboxListener) {
    this.#options = options;
    this.#listener = {
      ...listener,
      broken: (error) => {
        this.#broken(error);
        listener.broken(error);
      },
    };
    this.#unusable = options.folder === undefined;
  }

  /** Whether something can be written down. */
  get usable(): boolean {
    return !this.#unusable;
  }

  /** The highest sequence number given so far. */
  get lastSeq(): number {
    return this.source?.outbox.lastSeq ?? 0;
  }

  get path(): string | undefined {
    return this.source?.outbox.path;
  }

  /** Does something in one transaction, after which it is on disk; false when it cannot be done and nothing was. */
  write(body: (outbox: Outbox) => void): boolean {
    const source = this.#open();
    if (source === undefined) return false;
    try {
      source.outbox.transaction(() => body(source.outbox));
      this.#bound(source.outbox);
      return true;
    } catch (error) {
      this.#broken(error);
      return false;
    }
  }

  /** Whether something written down up to `seq` still waits for the store. */
  waitsUpTo(seq: number): boolean {
    if (seq === 0 || this.source === undefined || this.#unusable) return false;
    try {
      return this.source.outbox.waitsUpTo(seq);
    } catch (error) {
      this.#broken(error);
      return false;
    }
  }

  /** Lets go of the outbox; its file stays when it holds something. */
  close(): void {
    const { source } = this;
    if (source === undefined) return;
    this.source = undefined;
    this.#unusable = true;
    this.#options.delivery.remove(source);
    source.stop();
    closeOutbox(source.outbox);
  }

  #open(): OutboxSource | undefined {
    const { folder, clock, delivery, diagnostics } = this.#options;
    if (this.#unusable || folder === undefined) return undefined;
    if (this.source === undefined) {
      try {
        this.source = new OutboxSource(folder.create(clock.now(), clock.id()), delivery, diagnostics, this.#listener);
        delivery.add(this.source);
      } catch (error) {
        this.#broken(error);
      }
    }
    return this.source;
  }

  #broken(error: unknown): void {
    if (this.#unusable) return;
    this.#unusable = true;
    const where = this.path ?? this.#options.folder?.path;
    const detail = `Nothing can be written down in ${where}: ${messageOf(error)}.`;
    this.#options.diagnostics.warnLater(new PulseError("OUTBOX_FAILED", detail, error));
  }

  #bound(outbox: Outbox): void {
    const { maxBytes, diagnostics } = this.#options;
    if (outbox.bytes <= maxBytes) return;
    if (this.#nothingToDropAt !== undefined && outbox.bytes < this.#nothingToDropAt + maxBytes * (1 - EMPTIED_TO)) return;
    const dropped = outbox.dropOldestMetrics(maxBytes * EMPTIED_TO, (key) => this.source?.isBusy(key) ?? false);
    this.#nothingToDropAt = outbox.bytes > maxBytes * EMPTIED_TO ? outbox.bytes : undefined;
    if (dropped === 0) return;
    diagnostics.stats.dropped += dropped;
    diagnostics.stats.pending -= dropped;
    const detail = `The outbox ${outbox.path} holds ${maxBytes} bytes; its oldest metrics were dropped (stats().dropped counts them).`;
    diagnostics.warnLater(new PulseError("OUTBOX_FULL", detail));
  }
}
