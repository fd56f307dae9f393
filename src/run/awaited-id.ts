import type { StoredIds } from "../contracts/tracking-store.js";
import type { RunBuffer } from "../recorder/buffer/run-buffer.js";
import type { Recorder } from "../recorder/recorder.js";

/** Waits for the id under which the store knows a run. */
export function awaitedId(recorder: Recorder, log: RunBuffer): Promise<string> {
  if (log.ids) return Promise.resolve(log.ids.runId);
  if (log.refused) return Promise.reject(log.refused);
  return new Promise<StoredIds>((resolve, reject) => {
    // Nothing else may be left to keep the process: sockets do not.
    const release = recorder.hold(log, reject);
    const released =
      <T>(tell: (about: T) => void) =>
      (about: T): void => {
        release();
        tell(about);
      };
    log.watch({ created: released(resolve), lost: released(reject) });
    recorder.push(); // who waits for the id is not to wait for the next turn
  }).then(({ runId }) => runId);
}
