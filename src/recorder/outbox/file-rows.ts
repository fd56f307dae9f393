import { types } from "node:util";
import type { RunEnd } from "../../contracts/tracking-store.js";
import { heldBytes, type UploadSource } from "../staging/upload-source.js";
import type { OutboxFile } from "./outbox-file.js";

/** A file of an outbox. */
export interface KeptFile {
  readonly seq: number;
  readonly run: string;
  readonly path: string;
  readonly size: number;
  readonly source: UploadSource;
  readonly state: unknown;
  /** How its run ended, if known. */
  readonly end: RunEnd | undefined;
}

/**
 * The files that wait in an outbox: small ones in rows, larger ones staged beside it or, as a fallback, at the user's
 * own path.
 */
export class FileRows {
  readonly #file: OutboxFile;

  constructor(file: OutboxFile) {
    this.#file = file;
  }

  /** Adds a file and returns its number. */
  put(run: string, path: string, source: UploadSource): number {
    const columns = source.kind === "bytes" ? [source.size, source.bytes, null, null] : placeOf(source);
    const { lastInsertRowid } = this.#file.run(
      "INSERT INTO files (run, path, kind, size, bytes, place, changed) VALUES (?, ?, ?, ?, ?, ?, ?)",
      ...([run, path, source.kind, ...columns] as never[]),
    );
    return Number(lastInsertRowid);
  }

  /** Records where the content is now. */
  move(seq: number, source: UploadSource): void {
    const [size, , place, changed] = source.kind === "bytes" ? [source.size, null, null, null] : placeOf(source);
    this.#file.run(
      "UPDATE files SET kind = ?, size = ?, bytes = NULL, place = ?, changed = ? WHERE seq = ?",
      ...([source.kind, size, place, changed, seq] as never[]),
    );
  }

  /** Records the progress of an upload in parts. */
  setState(seq: number, state: unknown): void {
    this.#file.run("UPDATE files SET state = ? WHERE seq = ?", JSON.stringify(state), seq);
  }

  /** Records how a run ended, since the store may have lost it by the time its files arrive. */
  setEnd(run: string, end: RunEnd): void {
    this.#file.run("UPDATE files SET run_end = ? WHERE run = ?", JSON.stringify(end), run);
  }

  remove(seq: number): void {
    this.#file.run("DELETE FROM files WHERE seq = ?", seq);
  }

  /** Sets a file aside, with the reason. */
  setAside(seq: number, reason: string): void {
    this.#file.run("UPDATE files SET aside = ? WHERE seq = ?", reason, seq);
  }

  /** Returns the next files after `after` that are not set aside, in order. Damaged rows are removed and counted. */
  page(after: number, limit: number): { files: KeptFile[]; damaged: number; upTo: number } {
    const rows = this.#file.all(
      "SELECT * FROM files WHERE seq > ? AND aside IS NULL ORDER BY seq LIMIT ?",
      after,
      limit,
    );
    const files = rows.flatMap((row) => keptFile(row) ?? []);
    const whole = new Set(files.map(({ seq }) => seq));
    const damaged = rows.map((row) => Number(row["seq"])).filter((seq) => !whole.has(seq));
    for (const seq of damaged) this.remove(seq);
    return { files, damaged: damaged.length, upTo: Number(rows.at(-1)?.["seq"] ?? after) };
  }

  /** The names of the files staged beside the outbox. */
  get stagedNames(): Set<string> {
    return new Set(this.#file.all("SELECT place FROM files WHERE kind = 'staged'").map(({ place }) => String(place)));
  }

  /** The number of files, and their size in bytes. */
  get count(): { files: number; bytes: number } {
    const row = this.#file.get("SELECT count(*) AS files, total(size) AS bytes FROM files");
    return { files: Number(row?.["files"] ?? 0), bytes: Number(row?.["bytes"] ?? 0) };
  }
}

function placeOf(source: Exclude<UploadSource, { kind: "bytes" }>): [number, null, string, number] {
  return [source.size, null, source.kind === "staged" ? source.name : source.path, source.changedMs];
}

function keptFile(row: Record<string, unknown>): KeptFile | undefined {
  const { seq, run, path, size, kind, bytes, place, changed, state, run_end } = row;
  const end = stateIn(run_end) as RunEnd | undefined;
  const known = {
    seq: Number(seq),
    run: String(run),
    path: String(path),
    size: Number(size),
    state: stateIn(state),
    end,
  };
  if (kind === "bytes" && types.isUint8Array(bytes)) return { ...known, source: heldBytes(bytes) };
  if (typeof place !== "string" || !Number.isFinite(changed)) return undefined;
  const file = { size: known.size, changedMs: Number(changed) };
  if (kind === "file") return { ...known, source: { kind, path: place, ...file } };
  // A plain file name, since it is in the folder beside the outbox.
  if (kind === "staged" && /^[\w-]+$/.test(place))
    return { ...known, source: { kind, name: place, path: "", ...file } };
  return undefined;
}

function stateIn(state: unknown): unknown {
  try {
    return typeof state === "string" ? JSON.parse(state) : undefined;
  } catch {
    return undefined; // the upload then starts from the beginning
  }
}
