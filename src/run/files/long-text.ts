import { artifactPath } from "../../artifacts/paths.js";
import { bounded, MAX_TEXT } from "../../base/text/value-text.js";
import type { RunBuffer } from "../../recorder/buffer/run-buffer.js";
import { type Place, redactedText } from "../verbs/values.js";

/** The number of characters that are stored: scanning more for secrets would block the event loop. */
const MOST = 100_000;
/** Further characters that are scanned, so that no secret is cut in two. */
const MARGIN = 2_000;

/** Returns the artifact for the whole of a text; undefined if files are not wanted or not supported. */
export function longTextFile({ host }: Place, name: string): string | undefined {
  // A recorder from an older copy of the package lacks `keepsFiles`.
  if (!host.recorder.keepsFiles || host.config.artifacts.longTexts === false) return undefined;
  try {
    return artifactPath(`pulse/${name}.txt`);
  } catch {
    return undefined; // a key in a non-Latin script may be too long for a file name
  }
}

/**
 * Stores a param or stack that is too long for MLflow as a file. `text` is its redacted beginning; if `value` is
 * longer than that, it is redacted at the end of this turn.
 */
export function keepLongText(
  place: Place,
  log: RunBuffer,
  file: string | undefined,
  key: string,
  value: unknown,
  text: string,
): void {
  if (file === undefined) return;
  const { recorder } = place.host;
  if (typeof value !== "string" || value.length <= MAX_TEXT) recorder.upload(log, file, Buffer.from(text));
  else
    recorder.late(() => {
      const whole = redactedText(place, key, value, undefined, true, MOST + MARGIN);
      recorder.upload(log, file, Buffer.from(value.length > MOST ? bounded(whole, MOST) : whole));
    }, undefined);
}
