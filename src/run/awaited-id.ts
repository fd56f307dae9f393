import type { StoredIds } from "../contracts/tracking-store.js";
import type { RunBuffer } from "../recorder/buffer/run-buffer.js";
import type { Recorder } from "../recorder/recorder.js";

/** Resolves with the id under which the store knows a run; rejects when the run is refused or lost. */
export function awaitedId(recorder: Recorder, log: RunBuffer): Promise<string> {
  if (log.ids) return Promise.resolve(log.ids.runId);
  if (log.refused) return Promise.reject(log.refused);
  return new Promise<StoredIds>((resolve, reject) => {
    // Keeps the process alive while somebody waits; the store's sockets do not.
    const release = recorder.hold(log, reject);
    const released =
      <T>(tell: (about: T) => void) =>
      (about: T): void => {
        release();
        tell(about);
      };
    log.watch({ created: released(resolve), lost: released(reject) });
    recorder.push(); // deliver now instead of in the next turn of the event loop
  }).then(({ runId }) => runId);
}
