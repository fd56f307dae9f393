import type { Diagnostics, Stats } from "../../base/diagnostics.js";
import type { PulseError } from "../../base/errors.js";
import type { Events } from "../../base/events.js";
import type { ItemKind } from "./item-kinds.js";

/** Counts what became of items. */
export interface Account {
  /** The store accepted so many items, except for `refused` of them. */
  delivered(items: number, refused: number, error?: PulseError): void;
  /** So many were refused by the store; `error` is that of the first. */
  rejected(items: number, error?: PulseError): void;
  /** So many were given up. */
  dropped(items: number, error?: PulseError): void;
}

/** Counts the files of runs. */
export class FileAccounting implements Account {
  /** Rough size of what waits in memory, in bytes. */
  bytes = 0;
  /** Files that were recorded but neither stored nor given up yet. */
  pending = 0;
  readonly #stats: Stats;
  readonly #events: Events;

  constructor({ stats, events }: Diagnostics) {
    this.#stats = stats;
    this.#events = events;
  }

  /** A file of `size` was recorded, `bytes` of it in memory. */
  recorded(size: number, bytes: number): void {
    const stats = this.#stats;
    stats.artifacts++;
    stats.artifactBytes += size;
    stats.pending++;
    this.pending++;
    this.bytes += bytes;
  }

  /** So many bytes were released from memory. */
  released(bytes: number): void {
    this.bytes -= bytes;
  }

  /** The file belongs to a run that is not recorded. */
  withdrawn(size: number): void {
    this.#stats.artifacts--;
    this.#stats.artifactBytes -= size;
    this.#settled(1);
  }

  delivered(items: number, refused: number, error?: PulseError): void {
    this.#stats.delivered += items - refused;
    this.#stats.rejected += refused;
    this.#settled(items);
    this.#events.count("rejected", refused, error);
  }

  rejected(items: number, error?: PulseError): void {
    this.#stats.rejected += items;
    this.#settled(items);
    this.#events.count("rejected", items, error);
  }

  dropped(items: number, error?: PulseError): void {
    this.#stats.dropped += items;
    this.#settled(items);
    this.#events.count("dropped", items, error);
  }

  #settled(items: number): void {
    this.#stats.pending -= items;
    this.pending -= items;
  }
}

/**
 * Counts what one tracker has recorded, what became of it, and how much of it is in memory. Nothing else updates
 * these numbers.
 */
export class Accounting implements Account {
  /** Rough size of what waits in memory, in bytes. */
  bytes = 0;
  readonly files: FileAccounting;
  readonly #stats: Stats;
  readonly #events: Events;

  constructor(diagnostics: Diagnostics) {
    this.#stats = diagnostics.stats;
    this.#events = diagnostics.events;
    this.files = new FileAccounting(diagnostics);
  }

  /** Items that were recorded but neither delivered, rejected nor dropped yet, without files. */
  get pending(): number {
    return this.#stats.pending - this.files.pending;
  }

  /** Whether nothing waits, not even a file. */
  get idle(): boolean {
    return this.#stats.pending === 0;
  }

  /** So many items were recorded, of `bytes` bytes in all. */
  recorded(kind: ItemKind, bytes: number, items: number): void {
    const stats = this.#stats;
    // Named fields first: looking a field up by a variable name is expensive.
    if (kind === "metrics") stats.metrics += items;
    else if (kind === "runs") stats.runs += items;
    else if (kind !== "ends") stats[kind] += items;
    stats.pending += items;
    this.bytes += bytes;
  }

  /** So many bytes were released from memory; negative if more are used. */
  released(bytes: number): void {
    this.bytes -= bytes;
  }

  delivered(items: number, refused: number, error?: PulseError): void {
    this.#stats.delivered += items - refused;
    this.#stats.rejected += refused;
    this.#stats.pending -= items;
    this.#events.count("rejected", refused, error);
  }

  rejected(items: number, error?: PulseError): void {
    this.#stats.rejected += items;
    this.#stats.pending -= items;
    this.#events.count("rejected", items, error);
  }

  dropped(items: number, error?: PulseError): void {
    this.#stats.dropped += items;
    this.#stats.pending -= items;
    this.#events.count("dropped", items, error);
  }

  /** A run was left out by sampling. */
  unsampled(): void {
    this.#stats.unsampled++;
  }

  /** A call became part of a folded run. */
  folded(): void {
    this.#stats.folded++;
  }
}
