import { styleText } from "node:util";
import { amount } from "../amounts.js";
import { printableJson } from "../capture/printable.js";
import { PulseError } from "../errors.js";

/** Where a command writes, and how it looks there. */
export interface Terminal {
  readonly out: NodeJS.WritableStream & { isTTY?: boolean };
  readonly err: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  readonly json: boolean;
  /** Asks a question that is answered yes or no; undefined where nobody sits at it. */
  readonly ask?: ((question: string) => Promise<boolean>) | undefined;
}

/** What is to be done where outboxes cannot be read. */
export const DRIVER_MISSING: string = new PulseError("DRIVER_MISSING", "The SQLite driver is missing, so what is kept cannot be read.")
  .message;

type Style = "bold" | "dim" | "green" | "red" | "yellow";

/** Styles a text for a terminal that shows colours. */
export function styled(terminal: Terminal, style: Style, text: string): string {
  return terminal.out.isTTY && !process.env["NO_COLOR"] ? styleText(style, text) : text;
}

/** Prints one JSON document. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out.write(`${printableJson(JSON.stringify(value, undefined, 2))}\n`);
}

/** Aligns rows in columns; numbers, which come as such, to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const texts = [head, ...rows.map((row) => row.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell)))];
  const widths = head.map((_, column) => Math.max(...texts.map((row) => (row[column] ?? "").length)));
  const right = head.map((_, column) => rows.some((row) => typeof row[column] === "number"));
  const lines = texts.map((row) =>
    row.map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))).join("  "),
  );
  return lines.map((line) => line.trimEnd()).join("\n");
}

/** Shows bytes as people read them. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Shows how long ago something was. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h ago` : `${Math.round(seconds / 86_400)} days ago`;
}

/** A line that is drawn again and again on a terminal; elsewhere only its last state is printed. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #counts: (done: number, total: number) => string;
  #last = "";
  #note = "";

  /** @param counts shows how much is done of how much */
  constructor(terminal: Terminal, counts: (done: number, total: number) => string = changesOf) {
    this.#terminal = terminal;
    this.#counts = counts;
  }

  show(done: number, total: number, note: string): void {
    const width = 24;
    const full = total === 0 ? width : Math.min(width, Math.floor((width * done) / total));
    this.#last = `[${"█".repeat(full)}${"░".repeat(width - full)}] ${this.#counts(done, total)}${note === "" ? "" : `, ${note}`}`;
    const { err, json } = this.#terminal;
    if (!err.isTTY && !json && note !== this.#note && !/\/s$/.test(note)) err.write(`${this.#last}\n`); // trouble is news in a log, too
    this.#note = note;
    if (err.isTTY && !json) err.write(`\r\x1b[2K${this.#last.slice(0, (err.columns ?? 80) - 1)}`);
  }

  end(): void {
    const { err, json } = this.#terminal;
    if (this.#last === "" || json) return;
    err.write(err.isTTY ? "\n" : `${this.#last}\n`);
  }
}

const changesOf = (done: number, total: number): string => `${done.toLocaleString("en")} of ${amount(total)}`;
