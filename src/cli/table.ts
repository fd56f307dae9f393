import { printable } from "../base/text/printable.js";
import { type Style, styled, type Terminal } from "./output.js";
import { cutTo, filled, widestOf, widthOf } from "./width.js";

/** How a command prints its result. */
export type Format = "text" | "json" | "csv" | "md";

/** A value of a table: as people read it, and as programs do. */
export interface Cell {
  readonly text: string;
  /** In full, for programs; `undefined` if there is none. @default the text */
  readonly value?: string | number | Date | undefined;
  readonly style?: Style | undefined;
}

/** A column of a table. */
export interface Column {
  /** For people. */
  readonly title: string;
  /** For programs. @default the title */
  readonly key?: string;
  /** Whether its cells are numbers: they go to the right and are never cut. */
  readonly right?: boolean;
  /** On a terminal that is too narrow, texts are cut to this width. @default never cut */
  readonly least?: number;
  /** The cell of each row. */
  readonly cells: readonly Cell[];
}

const GAP = 2;
/** Titles are not cut further than this. */
const LEAST_TITLE = 10;

/** Prints a table. Only a terminal limits its width; `notes` are for people and go below it. */
export function printTable(
  terminal: Terminal,
  columns: readonly Column[],
  format: Exclude<Format, "json">,
  notes: readonly string[] = [],
): void {
  if (format === "text") {
    for (const line of textTable(terminal, columns, notes)) terminal.out.write(`${line}\n`);
    return;
  }
  terminal.out.write(format === "csv" ? csvTable(columns) : markdownTable(columns));
  for (const note of notes) terminal.err.write(`${note}\n`);
}

/** Formats rows as aligned columns, numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const columns = head.map((title, i) => ({
    title,
    right: rows.some((row) => typeof row[i] === "number"),
    cells: rows.map((row) => ({ text: row[i]?.toLocaleString("en") ?? "" })),
  }));
  return textTable(undefined, columns).join("\n");
}

/** Returns the columns of a terminal that lines may take; without a terminal there is no limit. */
export const widthOfTerminal = ({ out }: Terminal): number =>
  out.isTTY ? Math.max(20, out.columns || 80) : Number.POSITIVE_INFINITY;

/**
 * Returns the lines of a table for people, with its notes; without a terminal, they are plain.
 * @param indent by how much the caller indents them
 */
export function textTable(
  terminal: Terminal | undefined,
  columns: readonly Column[],
  notes: readonly string[] = [],
  indent = 0,
): string[] {
  const most = terminal === undefined ? Number.POSITIVE_INFINITY : widthOfTerminal(terminal) - indent;
  const look = (style: Style, text: string): string => (terminal === undefined ? text : styled(terminal, style, text));
  const plain = columns.map((column) => {
    const canBeCut = column.least !== undefined && !column.right;
    const shortened = (text: string): string => (canBeCut ? cutTo(text, most) : text); // measuring long ones takes long
    const cells = column.cells.map((cell) => ({ ...cell, text: shortened(printable(cell.text)) }));
    return { ...column, title: printable(column.title), cells };
  });
  const shown = fitting(plain, most);
  const rows = Math.max(0, ...plain.map(({ cells }) => cells.length));
  const line = (row: number): string =>
    shown
      .map(({ column: { title, cells, right = false }, width }, i) => {
        const { text, style } = row < 0 ? { text: title, style: "bold" as const } : (cells[row] ?? { text: "" });
        const last = i === shown.length - 1;
        const padded = last && !right ? cutTo(text, width) : filled(cutTo(text, width), width, right);
        return style === undefined || text === "" ? padded : look(style, padded);
      })
      .join(" ".repeat(GAP))
      .trimEnd();
  const lines = Array.from({ length: rows + 1 }, (_, i) => line(i - 1));
  const dropped = plain.slice(shown.length).map(({ title }) => title);
  const said = dropped.length === 0 ? [] : [...noteOf(dropped)];
  return [...lines, ...[...notes, ...said].map((note) => look("dim", cutTo(printable(note), most)))];
}

function noteOf(dropped: readonly string[]): string[] {
  const names = dropped.slice(0, 3).join(", ");
  const one = dropped.length === 1;
  return [
    `${dropped.length} more ${one ? "column does" : "columns do"} not fit: ${names}${dropped.length > 3 ? ", …" : ""}`,
  ];
}

interface Fitted {
  readonly column: Column;
  width: number;
}

/** Leaves out columns from the right until the others fit, and shortens those that can be, the widest first. */
function fitting(columns: readonly Column[], most: number): Fitted[] {
  const sized = columns.map((column) => {
    const cells = widestOf(column.cells.map(({ text }) => text));
    const title = widthOf(column.title);
    const width = Math.max(cells, title);
    const uncut = column.right ? cells : Math.min(cells, column.least ?? cells);
    return { column, width, least: Math.min(width, Math.max(uncut, Math.min(title, LEAST_TITLE))) };
  });
  const sum = (widths: readonly number[]): number => widths.reduce((all, width) => all + width + GAP, -GAP);
  let kept = sized.length;
  while (kept > 1 && sum(sized.slice(0, kept).map(({ least }) => least)) > most) kept--;
  const shown = sized.slice(0, kept);
  let over = most === Number.POSITIVE_INFINITY ? 0 : sum(shown.map(({ width }) => width)) - most;
  for (; over > 0; over--) {
    const widest = shown.filter(({ width, least }) => width > least).sort((a, b) => b.width - a.width)[0];
    if (widest === undefined) break;
    widest.width--;
  }
  return shown;
}

/** Formats a table as RFC 4180 says, with a line of keys. */
function csvTable(columns: readonly Column[]): string {
  const rows = Math.max(0, ...columns.map(({ cells }) => cells.length));
  const lines = [
    columns.map(({ title, key }) => csvCell(key ?? title)),
    ...Array.from({ length: rows }, (_, row) => columns.map(({ cells }) => csvCell(fullValue(cells[row])))),
  ];
  return lines.map((line) => `${line.join(",")}\r\n`).join("");
}

type Value = string | number | undefined;

function fullValue(cell: Cell | undefined): Value {
  if (cell === undefined) return undefined;
  const value = "value" in cell ? cell.value : cell.text;
  return typeof value === "object" ? value.toISOString() : value;
}

/** Beginnings that spreadsheets take for a formula, also in their wide forms. */
const FORMULA = /^[\s\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r]/;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** Formats a value for spreadsheets; a text that they would run as a formula gets a quote in front. */
export function csvCell(value: Value): string {
  if (value === undefined) return "";
  if (typeof value === "number") return String(value);
  const clean = printable(value);
  const isFormula = (FORMULA.test(value) || FORMULA.test(clean)) && !NUMBER.test(clean);
  const text = isFormula ? `'${clean}` : clean;
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Formats a table for GitHub. */
function markdownTable(columns: readonly Column[]): string {
  const rows = Math.max(0, ...columns.map(({ cells }) => cells.length));
  const lines = [
    columns.map(({ title }) => markdownText(title)),
    columns.map(({ right }) => (right ? "---:" : "---")),
    ...Array.from({ length: rows }, (_, row) => columns.map(({ cells }) => markdownText(cells[row]?.text ?? ""))),
  ];
  return lines.map((line) => `| ${line.join(" | ")} |\n`).join("");
}

/** Makes a text show as it is in a cell of a table in Markdown: neither markup, nor a link or an image. */
export const markdownText = (text: string): string =>
  text
    .split(/\r\n|[\n\r]/)
    .map((line) => printable(line).replace(/[\\|`<[*~]/g, "\\$&"))
    .join("<br>");
