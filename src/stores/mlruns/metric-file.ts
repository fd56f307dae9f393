import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import type { Metric } from "../../base/entities.js";
import { PLAIN } from "./files.js";

/** How long a line without an end is left to whoever may be writing it just now. */
const SETTLING_MS = 20;
const CHUNK_BYTES = 256 * 1024;
/** A longer line is no point. */
const MAX_LINE = 4_096;

/** How a file was left: a point is not in it whose step is greater, or whose time is later, than those of all in it. */
export interface Written {
  /** In bytes; whole lines, or the file is read the next time. */
  readonly size: number;
  /** The greatest step, and the latest time of a point with it. */
  readonly step: number;
  readonly timestamp: number;
  /** The latest time of all. */
  readonly latest: number;
}

type Top = { -readonly [name in Exclude<keyof Written, "size">]: number };

/** A place in which there is something else than a file of points. */
export class NoMetricFile extends Error {
  constructor() {
    super("there is something else than points in its place");
  }
}

/**
 * Adds points to the file of a metric, as MLflow does: a line `timestamp value step` each, at its end and in one piece,
 * so that programs that do it at the same time do not write into each other's lines. Each point is there once, however
 * often it comes: a file that is not as it was left is read, and so is one that gets a point which is not behind all
 * others. Half a line that a killed program has left is taken away.
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
      // What is behind all that was there can only be in what has come since.
      const isLater = rises(metrics, top) || metrics.every((metric) => metric.timestamp > latest);
      const from = last !== undefined && isLater && last.size >= 0 && last.size <= size ? last.size : 0;
      if (!asLeft || from === 0) size = sift(descriptor, size, wanted, top, from);
      added = [...wanted.values()];
    }
    if (added.length > 0) {
      const lines = linesOf(added);
      append(descriptor, lines, size);
      size += lines.length; // each character is a byte
    }
    for (const point of added) raise(top, point.step, point.timestamp);
    return { size, ...top };
  } finally {
    closeSync(descriptor);
  }
}

const NO_POINT: Top = { step: Number.NEGATIVE_INFINITY, timestamp: 0, latest: -1 };

/** The latest time of a file's points. */
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

/** Lines as MLflow writes them; Python's words for what is no number, and one zero: databases have one. */
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

/** Whether each point lies behind the one before, by step and time: then none is there yet, and none comes twice. */
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

/** Stands for the size of a file that is to be read the next time: its last line has no end. */
const TORN = -1;

/**
 * Takes from the points that are `wanted` those that are in the file, of which `from` bytes are known, and mends what a
 * killed program has left at its end, if there is anything to be added; gives the size the file has then.
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
  // Somebody may be writing it just now: a large piece comes page by page.
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

/** Reads a line as Python's client does: 2, 3 or 5 fields, with a step where there are 3. */
function pointOf(line: string): Point | undefined {
  const parts = line.trim().split(" ");
  const fields = parts.length;
  if (fields !== 2 && fields !== 3 && fields !== 5) return undefined;
  const [timestamp, step] = [Number(parts[0]), fields === 3 ? Number(parts[2]) : 0];
  const value = numberOf(parts[1] as string);
  if (!Number.isInteger(timestamp) || value === undefined || !Number.isInteger(step)) return undefined;
  return { timestamp, value, step, fields };
}

/** A value as we write it, however Python did; undefined for what is none. */
function numberOf(text: string): string | undefined {
  const word = /^([+-]?)(nan|inf(?:inity)?)$/i.exec(text);
  if (word) return /nan/i.test(text) ? "nan" : word[1] === "-" ? "-inf" : "inf";
  const number = text === "" ? Number.NaN : Number(text);
  return Number.isNaN(number) ? undefined : pointValue(number);
}

/**
 * Reads a file line by line, `from` the end of one on; gives where the last whole line ends, and what comes behind it.
 */
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

/** Adds lines at the end of a file that has `size`, in one piece; of what does not fit, nothing stays. */
function append(descriptor: number, lines: string, size: number): void {
  let written = 0;
  try {
    while (written < lines.length)
      written += writeSync(descriptor, written === 0 ? lines : lines.slice(written), null, "latin1");
  } catch (error) {
    try {
      // Only where nobody else has added anything.
      if (written > 0 && fstatSync(descriptor).size === size + written) ftruncateSync(descriptor, size);
    } catch {
      // Half a line stays, which the next to come takes away.
    }
    throw error;
  }
}
