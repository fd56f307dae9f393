import type { Diagnostics, Stats } from "../../base/diagnostics.js";
import type { PulseError } from "../../base/errors.js";
import type { Events } from "../../base/events.js";
import type { ItemKind } from "./item-kinds.js";

/** Who is told what became of items. */
export interface Account {
  /** The store took so many items, all but `refused` of them. */
  delivered(items: number, refused: number): void;
  /** So many were refused for what they are, the first of them with this error. */
  rejected(items: number, error?: PulseError): void;
  /** So many were given up. */
  dropped(items: number, error?: PulseError): void;
}

/** The books of the files of runs. */
export class FileAccounting implements Account {
  /** Rough resident size of what waits in memory. */
  bytes = 0;
  /** Files recorded and neither stored nor given up. */
  pending = 0;
  readonly #stats: Stats;
  readonly #events: Events;

  constructor({ stats, events }: Diagnostics) {
    this.#stats = stats;
    this.#events = events;
  }

  /** One more, of this size, and so much of it in memory. */
  recorded(size: number, bytes: number): void {
    const stats = this.#stats;
    stats.artifacts++;
    stats.artifactBytes += size;
    stats.pending++;
    this.pending++;
    this.bytes += bytes;
  }

  /** So many bytes are no longer in memory. */
  released(bytes: number): void {
    this.bytes -= bytes;
  }

  /** It belongs to a run that is not recorded. */
  withdrawn(size: number): void {
    this.#stats.artifacts--;
    this.#stats.artifactBytes -= size;
    this.#settled(1);
  }

  delivered(items: number, refused: number): void {
    this.#stats.delivered += items - refused;
    this.#stats.rejected += refused;
    this.#settled(items);
    this.#events.count("rejected", refused, undefined);
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
 * The books of one tracker: nobody else writes what was recorded, what became of it, and how much of it is in memory.
 */
export class Accounting implements Account {
  /** Rough resident size of what waits in memory. */
  bytes = 0;
  readonly files: FileAccounting;
  readonly #stats: Stats;
  readonly #events: Events;

  constructor(diagnostics: Diagnostics) {
    this.#stats = diagnostics.stats;
    this.#events = diagnostics.events;
    this.files = new FileAccounting(diagnostics);
  }

  /** Items recorded and neither delivered, rejected nor dropped, without files. */
  get pending(): number {
    return this.#stats.pending - this.files.pending;
  }

  /** Whether nothing waits, no file either. */
  get idle(): boolean {
    return this.#stats.pending === 0;
  }

  /** So many items more, of this size in memory in all. */
  recorded(kind: ItemKind, bytes: number, items: number): void {
    const stats = this.#stats;
    // By name where it counts: to look a field up by a changing name is dear.
    if (kind === "metrics") stats.metrics += items;
    else if (kind === "runs") stats.runs += items;
    else if (kind !== "ends") stats[kind] += items;
    stats.pending += items;
    this.bytes += bytes;
  }

  /** So many bytes are no longer in memory; fewer than none are more. */
  released(bytes: number): void {
    this.bytes -= bytes;
  }

  delivered(items: number, refused: number): void {
    this.#stats.delivered += items - refused;
    this.#stats.rejected += refused;
    this.#stats.pending -= items;
    this.#events.count("rejected", refused, undefined);
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

  /** A run that sampling has left out. */
  unsampled(): void {
    this.#stats.unsampled++;
  }

  /** A call that is part of a folded run. */
  folded(): void {
    this.#stats.folded++;
  }
}
