import { artifactPath } from "../../artifacts/paths.js";
import { bounded, MAX_TEXT } from "../../base/text/text.js";
import type { RunBuffer } from "../../recorder/buffer/run-buffer.js";
import { type Place, redactedText } from "../verbs/values.js";

/** Most characters that are stored: to look for secrets in more would hold others up. */
const MOST = 100_000;
/** So much more is looked at, that no secret is cut in two. */
const MARGIN = 2_000;

/** The artifact that is to hold all of a text; undefined where no file is wanted, or kept. */
export function longTextFile({ host }: Place, name: string): string | undefined {
  // An older copy of the package has no such option.
  if (!host.recorder.keepsFiles || host.config.artifacts.longTexts === false) return undefined;
  try {
    return artifactPath(`pulse/${name}.txt`);
  } catch {
    return undefined; // a key in another script may be too long for a file's name
  }
}

/**
 * Stores a param or stack, too long for MLflow, as a file: its `text` without secrets, or what `value` has beyond that,
 * which is looked through for secrets when this turn is over.
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
