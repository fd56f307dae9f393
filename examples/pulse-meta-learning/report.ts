import { trialName } from "./learner.js";
import type { Hyperparameters } from "./reptile.js";
import type { Trial } from "./sweep.js";

const BAR_WIDTH = 24;
const ERASE_LINE = "\r\x1b[2K";
/** Short, without what the run's name already says: a line has 80 columns. */
const HEADINGS = ["run", "status", "accuracy", "confidence", "fragility", "final loss"];

/** One line per trial, with a moving bar where the output is a terminal. */
export class ProgressReport {
  readonly #total: number;
  #count = 0;
  #name = "";

  constructor(total: number) {
    this.#total = total;
  }

  started(hyperparameters: Hyperparameters): void {
    this.#count += 1;
    this.#name = `trial ${this.#count}/${this.#total}  ${trialName(hyperparameters).padEnd(18)}`;
    this.advanced(0);
  }

  advanced(done: number): void {
    if (!process.stdout.isTTY) return;
    const filled = Math.round(done * BAR_WIDTH);
    process.stdout.write(`${ERASE_LINE}${this.#name}  ${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}`);
  }

  ended({ outcome }: Trial): void {
    const verdict = outcome.status === "fulfilled" ? `accuracy ${decimals(outcome.value.accuracy)}` : "failed";
    console.log(`${process.stdout.isTTY ? ERASE_LINE : ""}${this.#name}  ${verdict}`);
  }
}

const [CHART_WIDTH, BAR_HEIGHT, LABEL_WIDTH] = [480, 24, 140];

/** The accuracy of each trial as bars, in SVG. */
export function accuracyChart(trials: readonly Trial[]): string {
  const bars = trials.map(({ hyperparameters, outcome }, i) => {
    const accuracy = outcome.status === "fulfilled" ? outcome.value.accuracy : 0;
    const [y, width] = [i * BAR_HEIGHT, Math.round(accuracy * (CHART_WIDTH - LABEL_WIDTH - 60))];
    const said = outcome.status === "fulfilled" ? decimals(accuracy) : "failed";
    return (
      `<text x="0" y="${y + 16}">${trialName(hyperparameters)}</text>` +
      `<rect x="${LABEL_WIDTH}" y="${y + 4}" width="${width}" height="${BAR_HEIGHT - 8}" fill="steelblue"/>` +
      `<text x="${LABEL_WIDTH + width + 6}" y="${y + 16}">${said}</text>`
    );
  });
  const size = `width="${CHART_WIDTH}" height="${trials.length * BAR_HEIGHT}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">${bars.join("")}</svg>`;
}

export function tableOf(trials: readonly Trial[]): string {
  const rows = [HEADINGS, ...trials.map(rowOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) => row.map((cell, column) => alignCell(cell, column, widths[column] ?? 0)).join("  "))
    .join("\n");
}

export function decimals(value: number): string {
  return value.toFixed(3);
}

function rowOf({ hyperparameters, outcome }: Trial): string[] {
  const name = trialName(hyperparameters);
  if (outcome.status === "rejected") return [name, "FAILED", "-", "-", "-", "-"];
  const { accuracy, avg_confidence, avg_fragility, final_loss } = outcome.value;
  return [name, "FINISHED", ...[accuracy, avg_confidence, avg_fragility, final_loss].map(decimals)];
}

function alignCell(cell: string, column: number, width: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}
