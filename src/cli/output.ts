import { styleText } from "node:util";
import { printableJson } from "../base/text/printable.js";

/** Where a command writes. */
export interface Terminal {
  readonly out: NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number };
  readonly err: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  readonly json: boolean;
  /** Asks a yes/no question; undefined if the terminal is not interactive. */
  readonly ask?: ((question: string) => Promise<boolean>) | undefined;
}

/** How a text looks on a terminal. */
export type Style = "bold" | "dim" | "green" | "red" | "yellow";

/** Styles a text if the terminal shows colours. */
export function styled(terminal: Terminal, style: Style, text: string): string {
  return terminal.out.isTTY && !process.env["NO_COLOR"] ? styleText(style, text, { validateStream: false }) : text;
}

/** Prints one JSON document. Numbers that JSON lacks are the texts "NaN", "Infinity" and "-Infinity". */
export function printJson(terminal: Terminal, value: unknown): void {
  const written = (_: string, each: unknown): unknown =>
    typeof each === "number" && !Number.isFinite(each) ? String(each) : each;
  terminal.out.write(`${printableJson(JSON.stringify(value, written, 2))}\n`);
}

/** Formats the time since something happened. */
export const ago = (ms: number): string => `${duration(ms)} ago`;

/** Formats a duration. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** The widths of the widest and the narrowest bar. */
const WIDEST = 24;
const NARROWEST = 5;

/** A status line that is redrawn on a terminal; elsewhere only its last state is printed. */
export class Progress {
  readonly #terminal: Terminal;
  #last = "";

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Shows the progress, from 0 to 1, and a text that is cut to the terminal's width. */
  show(done: number, text: string): void {
    const { err, json } = this.#terminal;
    this.#last = `${bar(done, WIDEST)} ${text}`;
    if (!err.isTTY || json) return;
    const columns = (err.columns ?? 80) - 1;
    const room = columns - text.length - 3;
    const line = room < NARROWEST ? text : `${bar(done, Math.min(WIDEST, room))} ${text}`;
    err.write(`\r\x1b[2K${line.slice(0, columns)}`);
  }

  /** Prints a line above it. */
  say(text: string): void {
    const { err, json } = this.#terminal;
    if (!json) err.write(`${err.isTTY ? "\r\x1b[2K" : ""}${text}\n`);
  }

  end(): void {
    const { err, json } = this.#terminal;
    if (this.#last === "" || json) return;
    err.write(err.isTTY ? "\n" : `${this.#last}\n`);
  }
}

function bar(done: number, width: number): string {
  const full = Math.max(0, Math.min(width, Math.floor(width * done)));
  return `[${"█".repeat(full)}${"░".repeat(width - full)}]`;
}
