import { messageOf, type PulseErrorCode } from "../../base/errors.js";
import type { RunBuffer } from "../../recorder/buffer/run-buffer.js";
import type { Recorder } from "../../recorder/recorder.js";
import { jsonText } from "./json.js";
import { canWriteParquet, parquetOf } from "./parquet.js";
import { Table, type TableRows } from "./table.js";

const PARQUET = ".parquet";
/** The tag in which MLflow looks up tables. */
const TABLES_TAG = "mlflow.loggedArtifacts";

/** What `RunTables` needs from its run. */
export interface TablesOptions {
  readonly recorder: Recorder;
  readonly log: RunBuffer;
  /** Whether the run existed before, and with it perhaps its tables. */
  readonly resumed: boolean;
  /** The run's id, for messages. */
  readonly id: string;
  readonly warn: (code: PulseErrorCode, detail: string, about: string) => void;
  readonly newId: () => string;
}

/** The tables of one run. A growing table is recorded from time to time, each time as a whole. */
export class RunTables {
  readonly #options: TablesOptions;
  readonly #tables = new Map<string, GrowingTable>();

  constructor(options: TablesOptions) {
    this.#options = options;
  }

  /**
   * Adds rows to the table at a path.
   * @throws PulseError `INVALID_VALUE` when they are not rows or columns.
   */
  add(wanted: string, rows: TableRows, plain: (column: string, value: unknown) => unknown): void {
    const path = wanted.endsWith(PARQUET) && !canWriteParquet() ? this.#asJson(wanted) : wanted;
    const known = this.#tables.get(path);
    const table = known ?? new GrowingTable(path, this.#options);
    table.rows.add(rows, plain);
    if (known === undefined) {
      this.#tables.set(path, table);
      if (this.#options.resumed) void this.#tagBeside();
      else this.#tag(this.#tables.keys());
    }
    table.grew();
  }

  /** Another file is logged at this path: a pending table is not recorded there unless it grows again. */
  overtaken(path: string): void {
    this.#tables.get(path)?.overtaken();
  }

  #tag(paths: Iterable<string>): void {
    this.#options.log.tag({ key: TABLES_TAG, value: tagOf(paths) });
  }

  #asJson(path: string): string {
    const other = path.replace(/parquet$/, "json");
    this.#options.warn(
      "PACKAGE_MISSING",
      `logTable: Parquet needs hyparquet-writer; the table is stored as ${other}`,
      "parquet",
    );
    return other;
  }

  /** Tags the tables together with those that the resumed run already had. */
  #tagBeside(): Promise<void> {
    const { recorder, log } = this.#options;
    const own = (before: readonly string[]): void => this.#tag(new Set([...before, ...this.#tables.keys()]));
    return recorder.during(
      async () => own(tablesIn(await recorder.storedTag(log, TABLES_TAG))),
      () => own([]),
    );
  }
}

/** Returns the tables listed in a tag. */
function tablesIn(tag: string | undefined): string[] {
  try {
    const listed: unknown = JSON.parse(tag ?? "[]");
    return Array.isArray(listed) ? listed.flatMap((each) => (typeof each?.path === "string" ? [each.path] : [])) : [];
  } catch {
    return []; // the tag was set by somebody else and is not a list
  }
}

/** A table, and the state of the stored one that it continues. */
class GrowingTable {
  rows = new Table();
  #path: string;
  readonly #options: TablesOptions;
  /** Whether the stored table has been read, or cannot exist. */
  #known: boolean;
  /** Whether the table has grown since it was last recorded. */
  #due = false;
  readonly #record = (): void => {
    if (!this.#due) return;
    this.#due = false;
    this.#options.recorder.upload(this.#options.log, this.#path, this.#bytes());
  };

  constructor(path: string, options: TablesOptions) {
    this.#path = path;
    this.#options = options;
    this.#known = !options.resumed;
    if (options.resumed) void this.#lookUp();
  }

  grew(): void {
    this.#due = true;
    if (this.#known) this.#options.recorder.grown(this.#record);
  }

  overtaken(): void {
    this.#due = false;
  }

  #bytes(): Uint8Array {
    if (!this.#path.endsWith(PARQUET)) return Buffer.from(jsonText(this.rows));
    return parquetOf(this.rows);
  }

  /**
   * Reads the stored table, whose rows come first. If it cannot be read, the new rows become a table under another
   * name, so that nothing is overwritten.
   */
  #lookUp(): Promise<void> {
    const { recorder, log, id, newId, warn } = this.#options;
    const path = this.#path;
    const lookUp = async (): Promise<void> => {
      const stored = await recorder.storedFile(log, path);
      if (this.#known) return;
      if (stored && path.endsWith(PARQUET)) throw new Error("Parquet is only written");
      if (stored) this.rows = this.rows.behind(JSON.parse(Buffer.from(stored).toString("utf8")));
      this.#known = true;
      this.#record();
    };
    return recorder.during(lookUp, (error) => {
      this.#path = path.replace(/(?=\.\w+$)/, `-${newId().slice(0, 8)}`);
      this.#known = true;
      const why =
        error === undefined ? "was not read before the program ended" : `cannot be read (${messageOf(error)})`;
      warn(
        "ARTIFACT_UNREADABLE",
        `Table ${JSON.stringify(path)} of run ${id} ${why}; the new rows are in ${this.#path}`,
        path,
      );
      this.#record();
    });
  }
}

/** Formats the tag as MLflow's Python client does. */
const tagOf = (paths: Iterable<string>): string =>
  `[${Array.from(paths, (path) => `{"path": ${JSON.stringify(path)}, "type": "table"}`).join(", ")}]`;
