import { itemsOf } from "../stores/tracking-store.js";
import type { RunLog } from "./run-log.js";

/** The run logs that hold something, in the order in which they are to be handed over. */
export class RunQueue {
  #logs: RunLog[] = [];
  /** Those of the batch that is with the store now. */
  flight: readonly RunLog[] = [];

  get empty(): boolean {
    return this.#logs.length === 0;
  }

  push(log: RunLog): void {
    this.#logs.push(log);
  }

  /** Puts logs back at the front, in their order. */
  putBack(logs: readonly RunLog[]): void {
    if (logs.length > 0) this.#logs = logs.concat(this.#logs);
  }

  /** Puts what is in flight back: it may be stored already, but changes are idempotent, so it simply goes again. */
  recall(): void {
    this.putBack(this.flight);
    this.flight = [];
  }

  /** Takes the next logs, at most `items` items of their changes; children of uncreated parents stay with their parent. */
  take(items: number): RunLog[] {
    const batch: RunLog[] = [];
    let left = items;
    let read = 0;
    while (read < this.#logs.length && left > 0) {
      const log = this.#logs[read] as RunLog;
      const { parent } = log;
      if (parent?.uncreated && log.uncreated) {
        parent.waiting ??= [];
        parent.waiting.push(log);
      } else {
        const change = log.take(left);
        const size = change ? itemsOf(change) : 0;
        if (size > left && batch.length > 0) break;
        left -= size;
        if (change) batch.push(log);
      }
      read++;
    }
    this.#logs.splice(0, read);
    return batch;
  }

  /** Every log that holds something: queued, in flight, or waiting for its parent. */
  all(): RunLog[] {
    const withChildren = (logs: readonly RunLog[]): RunLog[] =>
      logs.flatMap((log) => (log.waiting ? [log, ...withChildren(log.waiting)] : log));
    return withChildren([...this.flight, ...this.#logs]);
  }

  clear(): void {
    this.#logs = [];
  }
}
