import type { MlflowRun, RunStatus } from "../base/entities.js";
import { ago, duration, type Style } from "./output.js";

/** The significant digits of a number for people. */
const DIGITS = 5;
/** Numbers outside of these have an exponent. */
const [SMALL, LARGE] = [1e-4, 1e7];

/** Formats a number for people, with few digits. */
export function shownNumber(value: number): string {
  const size = Math.abs(value);
  if (Number.isSafeInteger(value) && size < LARGE) return String(value);
  if (!Number.isFinite(value) || value === 0) return String(value);
  if (size < SMALL || size >= LARGE) return value.toExponential(DIGITS - 2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(DIGITS)));
}

/** A text that is a number, with a fraction of many digits. */
const LONG_NUMBER = /^-?\d+\.\d{5,}(?:e[+-]?\d+)?$/i;
const NUMBER = /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** Whether a param's value is a number. */
export const isNumber = (text: string): boolean => NUMBER.test(text);

/** Formats a param's value for people: numbers such as 0.30000000000000004 are shortened. */
export const shownParam = (text: string): string => (LONG_NUMBER.test(text) ? shownNumber(Number(text)) : text);

/** Formats a time of this place. */
export function shownTime(time: Date): string {
  if (Number.isNaN(time.getTime())) return "?";
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** Formats the time since something happened. */
export const since = (time: Date, now: number): string => ago(now - time.getTime());

/** Returns how long a run took, or has taken so far, in milliseconds. */
export const lengthOf = ({ startTime, endTime }: MlflowRun, now: number): number =>
  Math.max(0, (endTime?.getTime() ?? now) - startTime.getTime());

/** Formats how long something took. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 9_950 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms);
}

const STYLES: Readonly<Record<RunStatus, Style>> = {
  RUNNING: "yellow",
  SCHEDULED: "yellow",
  FINISHED: "green",
  FAILED: "red",
  KILLED: "red",
};

/** The colour of a status; that of a newer server's status is none. */
export const statusStyle = (status: RunStatus): Style | undefined =>
  Object.hasOwn(STYLES, status) ? STYLES[status] : undefined;

const SHORT_ID = 8;

/** Returns how many digits of some ids tell them apart, at least 8. */
export function idLength(ids: readonly string[]): number {
  const most = ids.reduce((longest, id) => Math.max(longest, id.length), SHORT_ID);
  const count = new Set(ids).size;
  let length = SHORT_ID;
  while (length < most && new Set(ids.map((id) => id.slice(0, length))).size < count) length += 4;
  return length;
}
