import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Metric, MetricPoint } from "../../base/entities.js";
import { PLAIN } from "./files.js";

/** How long to wait for a program that may be writing a line without an end. */
const SETTLING_MS = 20;
const CHUNK_BYTES = 256 * 1024;
/** Longer lines are not metric values. */
const MAX_LINE = 4_096;

/**
 * The state in which a file was left. A value with a higher step or a later time than all in it cannot be in it yet.
 */
export interface Written {
  /** In bytes, of whole lines; negative if the file must be read again. */
  readonly size: number;
  /** The highest step, and the latest time of a value with it. */
  readonly step: number;
  readonly timestamp: number;
  /** The latest time of any value. */
  readonly latest: number;
}

type Top = { -readonly [name in Exclude<keyof Written, "size">]: number };

/** The file of a metric does not contain metric values. */
export class NoMetricFile extends Error {
  constructor() {
    super("its file does not contain metric values");
  }
}

/**
 * Appends values to a metric's file the way MLflow does: a line `timestamp value step` each, in a single write, so that
 * concurrent programs do not write into each other's lines. Each value is stored once, however often it is passed: the
 * file is read if it changed since it was left, or if a value is not beyond all others. Half a line left by a killed
 * program is removed.
 * @throws the error of the file system; NoMetricFile
 */
export function addPoints(path: string, metrics: readonly Metric[], last: Written | undefined): Written {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | PLAIN);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new NoMetricFile();
    let { size } = stats;
    const { step, timestamp, latest } = last ?? NO_POINT;
    const top = { step, timestamp, latest };
    const asLeft = (last?.size ?? 0) === size;
    let added = metrics;
    if (!asLeft || !rises(metrics, top)) {
      const wanted = new Map(
        metrics.map((metric) => [nameOf(metric.timestamp, pointValue(metric.value), metric.step), metric]),
      );
      // A value beyond all previous ones can only be in the part added since.
      const isLater = rises(metrics, top) || metrics.every((metric) => metric.timestamp > latest);
      const from = last !== undefined && isLater && last.size >= 0 && last.size <= size ? last.size : 0;
      if (!asLeft || from === 0) size = sift(descriptor, size, wanted, top, from);
      added = [...wanted.values()];
    }
    if (added.length > 0) {
      const lines = linesOf(added);
      append(descriptor, lines, size);
      size += lines.length; // all characters are ASCII
    }
    for (const point of added) raise(top, point.step, point.timestamp);
    return { size, ...top };
  } finally {
    closeSync(descriptor);
  }
}

const NO_POINT: Top = { step: Number.NEGATIVE_INFINITY, timestamp: 0, latest: -1 };

/** Returns the latest time of the values in a file. */
export function latestTime(path: string): number {
  const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    let latest = 0;
    if (fstatSync(descriptor).isFile())
      readLines(descriptor, 0, (line) => {
        latest = Math.max(latest, Number(/^\d+/.exec(line)?.[0] ?? 0));
      });
    return latest;
  } finally {
    closeSync(descriptor);
  }
}

/** Formats lines as MLflow does: Python's words for NaN and infinities, and no negative zero, as in databases. */
function linesOf(metrics: readonly Metric[]): string {
  let text = "";
  for (const { timestamp, value, step } of metrics) text += `${timestamp} ${pointValue(value)} ${step}\n`;
  return text;
}

function pointValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

const nameOf = (timestamp: number, value: string, step: number): string => `${timestamp} ${value} ${step}`;

/**
 * Whether each value is beyond the one before, by step and time. Then none is in the file yet, and none is repeated.
 */
function rises(metrics: readonly Metric[], top: Top): boolean {
  let { step, timestamp } = top;
  for (const each of metrics) {
    if (each.step < step || (each.step === step && each.timestamp <= timestamp)) return false;
    step = each.step;
    timestamp = each.timestamp;
  }
  return true;
}

function raise(top: Top, step: number, timestamp: number): void {
  if (timestamp > top.latest) top.latest = timestamp;
  if (step < top.step || (step === top.step && timestamp <= top.timestamp)) return;
  top.step = step;
  top.timestamp = timestamp;
}

/** Used as the size of a file whose last line has no end, so that it is read again next time. */
const TORN = -1;

/**
 * Removes from `wanted` the values already in the file, of which `from` bytes are known. If there is something to add,
 * repairs an unfinished last line. Returns the resulting file size.
 */
function sift(descriptor: number, size: number, wanted: Map<string, Metric>, top: Top, from: number): number {
  let fields = 0;
  const { end, rest } = readLines(descriptor, from, (line) => {
    const point = pointOf(line);
    if (point === undefined) return;
    fields = point.fields;
    raise(top, point.step, point.timestamp);
    wanted.delete(nameOf(point.timestamp, point.value, point.step));
  });
  const length = end + rest.length;
  if (rest === "") return length;
  if (wanted.size === 0) return TORN;
  // Another program may be writing right now: large writes arrive page by page.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLING_MS);
  if (fstatSync(descriptor).size !== length) return sift(descriptor, size, wanted, top, from);
  const point = pointOf(rest);
  const isOurs = [...wanted.values()].some((metric) => linesOf([metric]).startsWith(rest));
  if (point === undefined || isOurs || (fields !== 0 && point.fields !== fields)) {
    ftruncateSync(descriptor, end);
    return end;
  }
  wanted.delete(nameOf(point.timestamp, point.value, point.step));
  raise(top, point.step, point.timestamp);
  append(descriptor, "\n", length);
  return length + 1;
}

interface Point {
  readonly timestamp: number;
  readonly value: string;
  readonly step: number;
  readonly fields: number;
}

/** Parses a line as MLflow's Python client does: 2, 3 or 5 fields, with a step if there are 3. */
function pointOf(line: string): Point | undefined {
  const parts = line.trim().split(" ");
  const fields = parts.length;
  if (fields !== 2 && fields !== 3 && fields !== 5) return undefined;
  const [timestamp, step] = [Number(parts[0]), fields === 3 ? Number(parts[2]) : 0];
  const value = numberOf(parts[1] as string);
  if (!Number.isInteger(timestamp) || value === undefined || !Number.isInteger(step)) return undefined;
  return { timestamp, value, step, fields };
}

/** Parses a line as a value of a metric; undefined if it is none. */
export function pointIn(line: string): MetricPoint | undefined {
  const point = pointOf(line);
  if (point === undefined) return undefined;
  const word = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY }[point.value];
  return { value: word ?? Number(point.value), timestamp: point.timestamp, step: point.step };
}

/** Normalises a value written by Python; undefined if it is not a number. */
function numberOf(text: string): string | undefined {
  const word = /^([+-]?)(nan|inf(?:inity)?)$/i.exec(text);
  if (word) return /nan/i.test(text) ? "nan" : word[1] === "-" ? "-inf" : "inf";
  const number = text === "" ? Number.NaN : Number(text);
  return Number.isNaN(number) ? undefined : pointValue(number);
}

/** Reads a file line by line, starting at a line's end. Returns where the last whole line ends, and what follows it. */
function readLines(descriptor: number, from: number, take: (line: string) => void): { end: number; rest: string } {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let rest = "";
  let read = from;
  for (;;) {
    const length = readSync(descriptor, chunk, 0, chunk.length, read);
    if (length === 0) return { end: read - rest.length, rest };
    read += length;
    const lines = (rest + chunk.toString("latin1", 0, length)).split("\n");
    rest = lines.pop() as string;
    if (rest.length > MAX_LINE) throw new NoMetricFile();
    for (const line of lines) take(line);
  }
}

/** Appends lines to a file of `size` bytes in a single write. If they do not fit, nothing of them is kept. */
function append(descriptor: number, lines: string, size: number): void {
  let written = 0;
  try {
    while (written < lines.length)
      written += writeSync(descriptor, written === 0 ? lines : lines.slice(written), null, "latin1");
  } catch (error) {
    try {
      // Only if nobody else has appended anything.
      if (written > 0 && fstatSync(descriptor).size === size + written) ftruncateSync(descriptor, size);
    } catch {
      // The next writer removes the half line.
    }
    throw error;
  }
}
