import type { Stats } from "../diagnostics.js";
import type { ItemKind } from "./changes/item-kinds.js";

/** Who is told what became of items. */
export interface Account {
  /** The store took so many items, all but `refused` of them. */
  delivered(items: number, refused: number): void;
  /** So many were refused for what they are. */
  rejected(items: number): void;
  /** So many were given up. */
  dropped(items: number): void;
}

/** The books of one tracker: nobody else writes what was recorded, what became of it, and how much of it is in memory. */
export class Accounting implements Account {
  /** Rough resident size of what waits in memory. */
  bytes = 0;
  readonly #stats: Stats;

  constructor(stats: Stats) {
    this.#stats = stats;
  }

  /** Items recorded and neither delivered, rejected nor dropped. */
  get pending(): number {
    return this.#stats.pending;
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
  }

  rejected(items: number): void {
    this.#stats.rejected += items;
    this.#stats.pending -= items;
  }

  dropped(items: number): void {
    this.#stats.dropped += items;
    this.#stats.pending -= items;
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
