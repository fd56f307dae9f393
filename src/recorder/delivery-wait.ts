import type { Diagnostics } from "../base/diagnostics.js";
import { PulseError } from "../base/errors.js";
import type { ReadyStore, RunChange } from "../contracts/tracking-store.js";
import type { RunBuffer } from "./buffer/run-buffer.js";
import type { Accounting } from "./changes/accounting.js";
import type { Dispatcher } from "./dispatch/dispatcher.js";
import type { LateRecords } from "./late-records.js";
import type { OutboxWriter } from "./outbox/outbox-writer.js";
import type { Activities } from "./uploads/activities.js";
import type { Uploads } from "./uploads/uploads.js";

/** The parts of a recorder that a wait depends on. */
interface Parts {
  readonly store: ReadyStore;
  readonly diagnostics: Diagnostics;
  readonly exitTimeoutMs: number;
  readonly late: LateRecords;
  readonly activities: Activities;
  readonly account: Accounting;
  readonly dispatcher: Dispatcher<RunChange>;
  readonly writer: OutboxWriter;
  /** Undefined until the first file is logged. */
  readonly uploads: () => Uploads | undefined;
}

/** Waits until everything recorded is stored, as long as the store keeps accepting changes. */
export class DeliveryWait {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Delivers everything recorded so far. Resolves with false if it gave up, `exitTimeoutMs` after the store last
   * accepted something.
   */
  async flush(timeoutMs?: number): Promise<boolean> {
    const { dispatcher, writer, exitTimeoutMs, uploads } = this.#parts;
    const { own, queue } = writer;
    this.#parts.late.settle();
    writer.keepFresh();
    if (this.#parts.activities.any) {
      const begun = performance.now();
      if (!(await this.#finished(timeoutMs))) return false;
      if (timeoutMs !== undefined) timeoutMs -= performance.now() - begun;
    }
    let kept = own.lastSeq;
    const targets = [...new Set([...queue.all(), ...writer.fresh])].map((log): [RunBuffer, number] => [
      log,
      log.recorded,
    ]);
    const files = uploads()?.mark() ?? [];
    const started = performance.now(); // monotonic: the time of day may be set back
    this.push();
    for (;;) {
      if (targets.length > 0) kept = own.lastSeq; // a buffer waited for may be spooled meanwhile
      const { denied } = dispatcher;
      let waits = false; // whether something waits for a permission, which is not waited for
      for (let last = targets.at(-1); last; last = targets.at(-1)) {
        const isDenied = last[0].settled < last[1] && queue.isDenied(last[0]);
        if (last[0].settled < last[1] && !isDenied) break;
        waits ||= isDenied;
        targets.pop();
      }
      const ofFiles = uploads()?.waits(files) ?? "no";
      if (targets.length === 0 && ofFiles !== "yes" && !own.waitsUpTo(kept))
        return !waits && !denied.any && ofFiles === "no";
      const now = performance.now();
      const accepted = Math.max(started, dispatcher.lastAccepted, uploads()?.dispatcher.lastAccepted ?? started);
      const left = Math.min(
        accepted + exitTimeoutMs - now,
        timeoutMs === undefined ? Number.POSITIVE_INFINITY : started + timeoutMs - now,
      );
      if (left <= 0) {
        if (now - accepted >= exitTimeoutMs) this.#saySlow(now - accepted);
        return false;
      }
      await dispatcher.nextSettled(left);
    }
  }

  /**
   * Warns that flush() gave up on a store that does not answer. A refusal has already been reported with its reason.
   */
  #saySlow(ms: number): void {
    const { store, account, diagnostics, dispatcher, uploads, exitTimeoutMs } = this.#parts;
    const all = [dispatcher, uploads()?.dispatcher];
    if (
      exitTimeoutMs === 0 ||
      all.some((each) => (each?.refusingFor ?? 0) > 0) ||
      !all.some((each) => each?.unanswered)
    )
      return;
    const detail = `flush() gave up: ${store.uri} has accepted nothing for ${Math.round(ms)} ms (exitTimeoutMs), and ${account.pending} changes wait.`;
    diagnostics.warnAsync(new PulseError("STORE_UNAVAILABLE", detail), "flush");
  }

  /** Waits for activities in progress, as long as they make progress. */
  async #finished(timeoutMs: number = Number.POSITIVE_INFINITY): Promise<boolean> {
    const some = this.#parts.activities.mark();
    const started = performance.now();
    this.push();
    while (this.#parts.activities.waits(some)) {
      const last = Math.max(started, this.#parts.activities.lastProgress, this.#parts.dispatcher.lastAccepted);
      const left = Math.min(started + timeoutMs, last + this.#parts.exitTimeoutMs) - performance.now();
      if (left <= 0) {
        for (const source of this.#parts.activities.sources(some))
          this.#saySilent(source, Math.round(performance.now() - last));
        return false;
      }
      await this.#parts.dispatcher.nextSettled(left);
    }
    return true;
  }

  #saySilent(source: string, ms: number): void {
    const detail = `flush() gave up: ${source} has not ended, and no data arrived for ${ms} ms.`;
    this.#parts.diagnostics.warnAsync(new PulseError("ARTIFACT_UNREADABLE", detail), source);
  }

  /**
   * Uploads a run's files. Resolves with false if they were not all stored within the time.
   * @throws PulseError if one of them can never be stored.
   */
  async flushFiles(log: RunBuffer, timeoutMs: number): Promise<boolean> {
    const end = performance.now() + timeoutMs;
    const waits = (): boolean => this.#parts.activities.anyOf(log) || this.#parts.uploads()?.waitsFor(log) === true;
    for (this.push(); waits() && performance.now() < end; this.push())
      await this.#parts.dispatcher.nextSettled(end - performance.now());
    const lost = this.#parts.uploads()?.lost.get(log);
    if (lost) throw lost;
    return !waits();
  }

  /** Starts delivery at once. */
  push(): void {
    this.#parts.dispatcher.wake();
    this.#parts.uploads()?.dispatcher.wake();
  }
}
