import { types } from "node:util";
import { cutText, keyText, sanitizeKey, withoutNul } from "../capture/keys.js";
import { emitRecord } from "../capture/params.js";
import { REDACTED, redactText } from "../capture/redact.js";
import { valueText } from "../capture/text.js";
import { messageOf, PulseError } from "../errors.js";
import { shownValue } from "../wrong-input.js";
import type { RunHost } from "./run-host.js";

/** Walks along a record of the user's given to a verb of a run, which may have getters that throw. */
export function eachOf(
  { config, diagnostics }: RunHost,
  { id }: { readonly id: string },
  verb: string,
  record: object,
  visit: (key: string, value: unknown) => void,
): void {
  try {
    emitRecord(record, visit, (what) => diagnostics.warn("CAPTURE_LIMIT", `Run ${id}, ${verb}: ${what} logged.`, undefined, verb));
  } catch (error) {
    if (config.strict && error instanceof PulseError) throw error;
    diagnostics.warn("CAPTURE_FAILED", `Run ${id}: ${verb} could not read a record: ${messageOf(error)}.`, error, verb);
  }
}

/** The key MLflow accepts for a key of the user's. */
export function keyOf(host: RunHost, key: string): string {
  const clean = sanitizeKey(typeof key === "string" ? key : keyText(key));
  if (clean !== key)
    host.diagnostics.warn(
      "INVALID_KEY",
      `Key ${JSON.stringify(cutText(redactText(keyText(key)), 60))} is none MLflow accepts; it is stored as ${JSON.stringify(cutText(clean, 60))}.`,
    );
  return clean;
}

/** A step or a time as the integer it must be. */
export function integerOf(host: RunHost, given: unknown, what: string, key: string, fallback: number): number {
  if (Number.isSafeInteger(given)) return given as number; // first: to ask for a Date is dear
  const value = types.isDate(given) ? given.getTime() : typeof given === "bigint" ? Number(given) : given;
  if (Number.isSafeInteger(value)) return value as number;
  const whole = typeof value === "number" ? Math.trunc(value) : Number.NaN;
  const taken = Number.isSafeInteger(whole) ? whole : fallback;
  host.diagnostics.warn(
    "INVALID_VALUE",
    `Metric ${JSON.stringify(key)}: the ${what} must be an integer, got ${shownValue(given)}; ${taken} is taken.`,
  );
  return taken;
}

/** Says, once for each name, that the rules have taken something for a secret. */
export function sayRedacted(host: RunHost, name: string, given: unknown, text: string): void {
  if (host.config.redact === false || !text.includes(REDACTED) || (typeof given === "string" && given.includes(REDACTED))) return;
  const shown = cutText(name, 60);
  host.diagnostics.notice("REDACTED", `What looks like a secret in ${shown} was replaced by ${REDACTED}.`, shown);
}

/** The text of a param or tag: redacted, then cut. That of an error may be cut, and may lose secrets, without a word. */
export function textOf(host: RunHost, key: string, value: unknown, limit: number, ofError = false): string {
  const { redact, config, diagnostics } = host;
  let text: string;
  try {
    text = redact(key, valueText(key, value, config.redact !== false));
    text = typeof text === "string" ? withoutNul(text) : REDACTED;
  } catch (error) {
    diagnostics.warn("CAPTURE_FAILED", `The value of ${JSON.stringify(key)} could not be turned into text: ${messageOf(error)}.`, error);
    return "[unreadable]";
  }
  if (!ofError) sayRedacted(host, JSON.stringify(key), value, text);
  if (text.length > limit && !ofError) {
    diagnostics.warn(
      "VALUE_CUT",
      `The value of ${JSON.stringify(key)} has ${text.length} characters, MLflow keeps ${limit}; it was cut and ends in a hash.`,
    );
  }
  return cutText(text, limit);
}
