import { shared } from "../registry.js";
import type { Recorder } from "./recorder.js";

/**
 * The recorders that still may hold something when the process ends. One pair of listeners serves them all, in every
 * loaded copy of the package; exit codes and other people's handlers are left alone.
 */
const recorders: Set<Recorder> = shared("recorders", () => new Set<Recorder>());

/** Has a recorder delivered at `beforeExit` (asynchronously) and at `exit` (synchronously, also after `process.exit()`). */
export function guardAtExit(recorder: Recorder): void {
  shared("exit listeners", () => {
    // A flush wakes the loop, after which `beforeExit` comes again: who gave up once is left to `exit`.
    const gaveUp = new WeakSet<Recorder>();
    process.on("beforeExit", () => {
      for (const each of recorders) {
        if (!each.idle && !gaveUp.has(each)) void each.flush().then(() => each.idle || gaveUp.add(each));
      }
    });
    process.on("exit", (code) => {
      for (const each of recorders) each.drainSync(code);
    });
    return true;
  });
  recorders.add(recorder);
}

/** Lets a closed recorder go. */
export function unguard(recorder: Recorder): void {
  recorders.delete(recorder);
}
