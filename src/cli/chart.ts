import type { MetricPoint } from "../base/entities.js";
import { shownNumber, span } from "./shown.js";
import { filled, widthOf } from "./width.js";

const BARS = "▁▂▃▄▅▆▇█";

/** Draws values as a row of bars, at most `width` of them; values that are no numbers leave a gap. */
export function sparkline(points: readonly MetricPoint[], width: number): string {
  const values = [...points].sort(byStep).map(({ value }) => value);
  const count = Math.min(width, values.length);
  const start = (bar: number): number => Math.floor((bar * values.length) / count);
  const bars = Array.from({ length: count }, (_, bar) => mean(values.slice(start(bar), start(bar + 1))));
  const [low, high] = rangeOf(bars);
  return bars
    .map((value) => (Number.isFinite(value) ? BARS[Math.round(shareOf(value, low, high) * (BARS.length - 1))] : " "))
    .join("");
}

const byStep = (a: MetricPoint, b: MetricPoint): number => a.step - b.step || a.timestamp - b.timestamp;

/** Returns the mean of those that are numbers; NaN if none is. */
function mean(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite);
  return finite.length === 0 ? Number.NaN : finite.reduce((sum, value) => sum + value / finite.length, 0);
}

function rangeOf(values: readonly number[]): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** Returns where a value lies between others, from 0 to 1; halves, so that the largest numbers do not overflow. */
const shareOf = (value: number, low: number, high: number): number =>
  high > low ? (value / 2 - low / 2) / (high / 2 - low / 2) : 0.5;

/** A character of Braille has dots, two across and four down; their bits by row and column. */
const [ACROSS, DOWN] = [2, 4];
const BITS: readonly (readonly number[])[] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]; // biome-ignore format: as the dots lie
const BRAILLE = 0x2800;

/** The part of a chart with the line, in dots of Braille. */
class Canvas {
  readonly #columns: number;
  readonly #bits: number[][];
  readonly #marks = new Map<string, string>();

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#bits = Array.from({ length: rows }, () => new Array<number>(columns).fill(0));
  }

  line(fromX: number, fromY: number, toX: number, toY: number): void {
    const dots = Math.max(1, Math.abs(toX - fromX), Math.abs(toY - fromY));
    for (let dot = 0; dot <= dots; dot++)
      this.#dot(Math.round(fromX + ((toX - fromX) * dot) / dots), Math.round(fromY + ((toY - fromY) * dot) / dots));
  }

  /** Puts a character in place of the dots there. */
  mark(x: number, y: number, character: string): void {
    this.#marks.set(`${Math.floor(y / DOWN)} ${Math.floor(x / ACROSS)}`, character);
  }

  lines(): string[] {
    return this.#bits.map((row, y) =>
      Array.from(
        { length: this.#columns },
        (_, x) => this.#marks.get(`${y} ${x}`) ?? (row[x] ? String.fromCharCode(BRAILLE + row[x]) : " "),
      ).join(""),
    );
  }

  #dot(x: number, y: number): void {
    const row = this.#bits[Math.floor(y / DOWN)];
    const column = Math.floor(x / ACROSS);
    if (row !== undefined) row[column] = (row[column] ?? 0) | (BITS[y % DOWN]?.[x % ACROSS] ?? 0);
  }
}

/**
 * Draws the values of a metric over its steps, or over time if it has only one step: values to the left, steps below,
 * `▲` at the highest value and `▼` at the lowest. Values that are not finite are left out.
 * @param width of the whole chart, in columns of the terminal
 * @param height of the part with the line, in lines
 */
export function chart(points: readonly MetricPoint[], width: number, height: number): string[] {
  const sorted = points.filter(({ value }) => Number.isFinite(value)).sort(byStep);
  if (sorted.length === 0) return [];
  const [low, high] = rangeOf(sorted.map(({ value }) => value));
  const [firstStep, lastStep] = rangeOf(sorted.map(({ step }) => step));
  const isTimed = firstStep === lastStep && sorted.length > 1;
  const axis = ({ step, timestamp }: MetricPoint): number => (isTimed ? timestamp : step);
  const [from, to] = rangeOf(sorted.map(axis));

  const labels = valueLabels(low, high, height);
  const margin = Math.max(...labels.map(widthOf));
  const columns = Math.max(2, width - margin - 2);
  const place = (point: MetricPoint): [x: number, y: number] => [
    Math.round(shareOf(axis(point), from, to) * (columns * ACROSS - 1)),
    Math.round((1 - shareOf(point.value, low, high)) * (height * DOWN - 1)),
  ];
  const canvas = new Canvas(columns, height);
  for (const [i, point] of sorted.entries()) canvas.line(...place(sorted[i - 1] ?? point), ...place(point));
  if (high > low) {
    canvas.mark(...place(sorted.find(({ value }) => value === low) as MetricPoint), "▼");
    canvas.mark(...place(sorted.find(({ value }) => value === high) as MetricPoint), "▲");
  }
  if (sorted.length === 1) canvas.mark(...place(sorted[0] as MetricPoint), "●");
  const middle = (from + to) / 2;
  const hasMiddle = isTimed || Math.abs(Math.round(middle) - middle) < (to - from) / 100; // a step lies about there
  const shownAt = (at: number): string => (isTimed ? span(at - from) : shownNumber(Math.round(at)));
  const ends = [shownAt(from), hasMiddle ? shownAt(middle) : "", shownAt(to)];
  const indent = " ".repeat(margin + 1);
  return [
    ...canvas
      .lines()
      .map((line, row) => `${filled(labels[row] ?? "", margin, true)} ${labels[row] ? "┤" : "│"}${line}`.trimEnd()),
    `${indent}└${"─".repeat(columns)}`,
    `${indent} ${from === to ? filled(ends[0] ?? "", columns / 2, true) : spread(ends, columns)}`,
    `${indent} ${isTimed ? "time since the first" : "step"}`,
  ];
}

/** Returns what stands at the left of each line: the highest value, that in the middle and the lowest. */
function valueLabels(low: number, high: number, height: number): string[] {
  const labels = new Array<string>(height).fill("");
  if (high > low) {
    labels[0] = shownNumber(high);
    labels[height - 1] = shownNumber(low);
  }
  const middle = Math.floor(height / 2);
  labels[middle] = shownNumber(high - shareOf(middle, 0, height - 1) * high + shareOf(middle, 0, height - 1) * low);
  return labels;
}

/** Puts texts at the left, in the middle and at the right; the middle one only where there is room. */
function spread([left = "", middle = "", right = ""]: readonly string[], columns: number): string {
  const between = columns - widthOf(left) - widthOf(right);
  if (between < 1) return left;
  if (between < widthOf(middle) + 4) return left + " ".repeat(between) + right;
  const before = Math.floor((columns - widthOf(middle)) / 2) - widthOf(left);
  const shown = " ".repeat(Math.max(1, before)) + middle;
  return left + filled(shown, between, false) + right;
}
