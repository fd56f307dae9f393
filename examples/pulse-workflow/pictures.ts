import type { Metric } from "pulse-mlflow";
import type { Guess } from "../pulse-meta-learning/reptile.js";

const CELL = 48;
const [WIDTH, HEIGHT] = [480, 120];

/** A confusion matrix in SVG: a row for each digit, a column for what it was taken for, darker the more often. */
export function confusionPicture(confusion: readonly Guess[]): string {
  const digits = [...new Set(confusion.flatMap(({ digit, guess }) => [digit, guess]))].toSorted((a, b) => a - b);
  const asked = new Map<number, number>();
  for (const { digit, times } of confusion) asked.set(digit, (asked.get(digit) ?? 0) + times);
  const at = (digit: number): number => (digits.indexOf(digit) + 1) * CELL;
  const labels = digits.map((digit) => text(0, at(digit), String(digit)) + text(at(digit), 0, String(digit)));
  const cells = confusion.map(({ digit, guess, times }) => {
    const share = times / (asked.get(digit) ?? times);
    const [x, y] = [at(guess), at(digit)];
    const box = `<rect x="${x}" y="${y}" width="${CELL}" height="${CELL}" fill="steelblue" fill-opacity="${share.toFixed(2)}"/>`;
    return box + text(x, y, String(times));
  });
  const size = (digits.length + 1) * CELL;
  return svg(size, size, [...labels, ...cells].join(""));
}

/** A metric's history in SVG, from 0 up to its highest value. */
export function curve(history: readonly Metric[]): string {
  const highest = Math.max(...history.map(({ value }) => value));
  const points = history.map(({ value }, i) => {
    const x = (i / Math.max(1, history.length - 1)) * WIDTH;
    return `${x.toFixed(1)},${(HEIGHT * (1 - value / highest)).toFixed(1)}`;
  });
  return svg(WIDTH, HEIGHT, `<polyline points="${points.join(" ")}" fill="none" stroke="steelblue" stroke-width="2"/>`);
}

function text(x: number, y: number, label: string): string {
  return `<text x="${x + CELL / 2}" y="${y + CELL / 2 + 5}" text-anchor="middle">${label}</text>`;
}

function svg(width: number, height: number, content: string): string {
  const size = `width="${width}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="14">${content}</svg>`;
}
