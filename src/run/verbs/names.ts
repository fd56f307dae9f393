import { messageOf } from "../../base/errors.js";
import { cutText, withoutNul } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import { REDACTED } from "../../base/text/redact.js";
import { shortText } from "../../base/text/value-text.js";
import type { RunHost } from "./run-host.js";
import { type Place, sayRedacted, warnAt } from "./values.js";

/** Returns a name with its secrets redacted; if the user's redactor throws, the whole name is redacted. */
function redacted(host: RunHost, what: string, text: string): string {
  try {
    return String(host.redact(what, text));
  } catch (error) {
    host.diagnostics.warn("CAPTURE_FAILED", `redact failed on a ${what}: ${messageOf(error)}.`, error, "redact");
    return REDACTED;
  }
}

/** Names known to need no redaction. Most programs use few names, and scanning each for secrets is expensive. */
const plain = new Set<string>();
/** The most recent one: checked before the set. */
let lastPlain: string | undefined;
const MAX_NAMES = 1_000;

/** Returns a name as it is stored: without secrets and cut to `limit` characters; warns of both. */
export function limited(place: Place, what: string, given: string, limit: number): string {
  const { host, method } = place;
  const byRules = host.config.redact === undefined || host.config.redact === true;
  if (byRules && (given === lastPlain || plain.has(given))) {
    lastPlain = given;
    return given;
  }
  const text = withoutNul(redacted(host, what, shortText(given)));
  sayRedacted(host, `the ${what}`, given, text);
  if (text.length <= limit) {
    if (byRules && text === given && text.length <= LIMITS.runName && plain.size < MAX_NAMES) plain.add(given);
    return text;
  }
  const shown = JSON.stringify(cutText(text, 60));
  const detail = `The ${what} ${shown} has ${text.length} characters, MLflow keeps ${limit}; it was cut and ends in a hash`;
  warnAt(place, method, "VALUE_CUT", detail, method === undefined ? `${what} ${shown}` : what);
  return cutText(text, limit);
}
