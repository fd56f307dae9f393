import { type Hyperparameters, trialName } from "./learner.js";
import type { Trial } from "./sweep.js";

const BAR_WIDTH = 24;
const ERASE_LINE = "\r\x1b[2K";
/** Short, and without what the name says of a run: a line has 80 columns. */
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

export function tableOf(trials: readonly Trial[]): string {
  const rows = [HEADINGS, ...trials.map(rowOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => alignCell(cell, column, widths[column] ?? 0)).join("  ")).join("\n");
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
