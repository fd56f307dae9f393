import { types } from "node:util";
import type { Tag } from "../../base/entities.js";
import { messageOf, PulseError, type PulseErrorCode } from "../../base/errors.js";
import { cutText, keyText, sanitizeKey, withoutNul } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import { REDACTED, redactText } from "../../base/text/redact.js";
import { MAX_TEXT, valueText } from "../../base/text/value-text.js";
import { shownValue } from "../../base/wrong-input.js";
import { type EmitValue, emitRecord } from "../../capture/params.js";
import type { RunHost } from "./run-host.js";

/** The place that warnings name: a run, or one that is about to be opened. */
export interface Place {
  readonly host: RunHost;
  /** Class and method that opened it. */
  readonly method: string | undefined;
  readonly runName: string;
  readonly experiment: string;
}

/**
 * Warns about a problem and its place, once per method and subject (`about`). `method`: the one that records, which
 * may have joined the run.
 */
export function warnAt(
  place: Place,
  method: string | undefined,
  code: PulseErrorCode,
  detail: string,
  about: string,
  cause?: unknown,
): void {
  place.host.diagnostics.warn(code, `${detail} (${placeName(place, method)}).`, cause, `${method ?? ""} ${about}`);
}

/** Describes a place: the method or the run, and the experiment. */
function placeName({ runName, experiment, method: opener }: Place, method: string | undefined = opener): string {
  const shown = (text: string): string => JSON.stringify(cutText(text, 60));
  const where = method ?? (runName === "" ? "" : `run ${shown(runName)}`);
  return `${where === "" ? "" : `${where}, `}experiment ${shown(experiment)}`;
}

/** Notes that an undefined value is not logged. Never throws, since leaving a value unset may be intended. */
export function sayUndefined(place: Place, verb: string, key: string): void {
  const detail = `${verb}: the value of ${shownValue(key)} is undefined`;
  sayNothing(place, `${verb} ${key}`, detail, verb === "logMetrics" ? "" : " Log null or a text to record that.");
}

/** Notes that nothing is logged, and where. `about` identifies the note. */
export function sayNothing(place: Place, about: string, detail: string, todo: string = ""): void {
  if ((place.host as Place["host"] | undefined) === undefined) return;
  const whole = (): string => `${detail}, and nothing is logged (${placeName(place)}).${todo}`;
  place.host.diagnostics.notice("NOTHING_FOUND", whole, `${about} ${place.method ?? ""}`);
}

/** Visits the entries of a user's record, whose getters may throw. */
export function eachOf(place: Place, verb: string, record: object, visit: EmitValue): void {
  const { method, host } = place;
  try {
    const limited = (what: string): void => warnAt(place, method, "CAPTURE_LIMIT", `${verb}: ${what} logged`, verb);
    emitRecord(record, visit, limited, (name) => sayUndefined(place, verb, name));
  } catch (error) {
    if (host.config.strict && error instanceof PulseError) throw error;
    warnAt(place, method, "CAPTURE_FAILED", `${verb}: the record could not be read: ${messageOf(error)}`, verb, error);
  }
}

/**
 * Warns that a key is stored under another name: because MLflow does not accept it, because another key was changed
 * to it, or because another place of the capture has the same key (`apart`).
 */
export function sayMended(
  place: Place,
  method: string | undefined,
  key: string,
  clean: string,
  stored: string,
  apart: boolean,
): void {
  const [from, to] = [redactText(keyText(key)), stored].map((text) => JSON.stringify(cutText(text, 60)));
  const why = apart
    ? "is also the key of another value"
    : clean === key
      ? "is already taken by another key of the run"
      : "is not accepted by MLflow";
  warnAt(place, method, "INVALID_KEY", `Key ${from} ${why}; it is stored as ${to}`, stored);
}

/** Warns that the value of a metric is not a number. */
export function sayNoNumber(place: Place, method: string | undefined, key: string, value: unknown): void {
  const got = `${shownValue(value, key)}${types.isPromise(value) ? ": await it before logging" : ""}`;
  warnAt(
    place,
    method,
    "INVALID_VALUE",
    `Metric ${JSON.stringify(key)} needs a number, got ${got}; it is left out`,
    key,
  );
}

/** Converts a metric value to the number that is stored. */
export function numberOf(
  place: Place,
  method: string | undefined,
  key: string,
  value: number | bigint | boolean,
): number {
  const number = Number(value);
  if (typeof value === "bigint" && !Number.isFinite(number))
    warnAt(
      place,
      method,
      "INVALID_VALUE",
      `The value of metric ${JSON.stringify(key)} is too large for a number; Infinity is logged`,
      key,
    );
  return number;
}

/**
 * Timestamps that are most likely in seconds: in milliseconds they would all be in January 1970, in seconds they are
 * from 2001 to 2096.
 */
const SECONDS = { from: 1_000_000_000, to: 4_000_000_000 };

/** Returns the tag that holds the original key, or the place it came from. */
export function keyTag(place: Place, stored: string, given: string, method: string | undefined): Tag {
  const value = textOf(place, "pulse.key", keyText(given), LIMITS.tagValue, method, true);
  return { key: sanitizeKey(`pulse.key.${stored}`), value };
}

/** Converts a step or timestamp to an integer, with a warning if it is not one. */
export function integerOf(
  place: Place,
  given: unknown,
  what: string,
  key: string,
  fallback: number,
  method: string | undefined,
): number {
  if (Number.isSafeInteger(given)) {
    // First, since `types.isDate` is expensive.
    const number = given as number;
    if (what === "timestamp" && number >= SECONDS.from && number <= SECONDS.to) {
      const detail = `Metric ${JSON.stringify(key)}: the timestamp ${number} looks like seconds; it is in milliseconds since 1970 (Date.now())`;
      warnAt(place, method, "INVALID_VALUE", detail, `seconds ${key}`);
    }
    return number;
  }
  const value = types.isDate(given) ? given.getTime() : typeof given === "bigint" ? Number(given) : given;
  if (Number.isSafeInteger(value)) return value as number;
  const whole = typeof value === "number" ? Math.trunc(value) : Number.NaN;
  const taken = Number.isSafeInteger(whole) ? whole : fallback;
  const wanted = what === "timestamp" ? "a whole number of milliseconds since 1970, or a Date" : "a whole number";
  const detail = `Metric ${JSON.stringify(key)}: the ${what} must be ${wanted}, got ${shownValue(given)}; ${taken} is used`;
  warnAt(place, method, "INVALID_VALUE", detail, `${what} ${key}`);
  return taken;
}

/** Notes, once per name, that the redaction rules replaced a probable secret. */
export function sayRedacted(host: RunHost, name: string, given: unknown, text: string): void {
  if (
    host.config.redact === false ||
    !text.includes(REDACTED) ||
    (typeof given === "string" && given.includes(REDACTED))
  )
    return;
  const shown = cutText(name, 60);
  host.diagnostics.notice("REDACTED", `What looks like a secret in ${shown} was replaced by ${REDACTED}.`, shown);
}

/** Returns the text of a param or tag: redacted, then cut. With `ofError` neither is reported. */
export function textOf(
  place: Place,
  key: string,
  value: unknown,
  limit: number,
  method: string | undefined,
  ofError = false,
): string {
  const text = redactedText(place, key, value, method, ofError);
  if (text.length > limit && !ofError) sayCut(place, key, text, limit, method);
  return cutText(text, limit);
}

/** Warns that a text is cut. `file`: the artifact that stores the whole text. */
export function sayCut(
  place: Place,
  key: string,
  text: string,
  limit: number,
  method: string | undefined,
  file?: string,
): void {
  const whole = file === undefined ? "" : `, and is stored whole as artifact ${JSON.stringify(file)}`;
  const detail = `The value of ${JSON.stringify(key)} has ${text.length} characters, MLflow keeps ${limit}; it was cut and ends in a hash${whole}`;
  warnAt(place, method, "VALUE_CUT", detail, key);
}

/** Returns the redacted text of a value, of at most `most` characters of a string. */
export function redactedText(
  place: Place,
  key: string,
  value: unknown,
  method: string | undefined,
  ofError = false,
  most: number = MAX_TEXT,
): string {
  const { host } = place;
  const { redact, config } = host;
  try {
    const given = redact(key, valueText(key, value, config.redact !== false, undefined, most));
    const text = typeof given === "string" ? withoutNul(given) : REDACTED;
    if (!ofError) sayRedacted(host, JSON.stringify(key), value, text);
    return text;
  } catch (error) {
    const detail = `The value of ${JSON.stringify(key)} could not be turned into text: ${messageOf(error)}`;
    warnAt(place, method, "CAPTURE_FAILED", detail, key, error);
    return "[unreadable]";
  }
}

/** Describes a field of an option whose value is undefined. `given`: the option is a function. */
export function unset(option: string, name: string, given: boolean): string {
  const todo = given ? " It gets the list of the arguments: ([first, second]) => ..." : "";
  return `option ${option} has undefined for ${JSON.stringify(cutText(name, 60))}, and nothing is logged.${todo}`;
}
