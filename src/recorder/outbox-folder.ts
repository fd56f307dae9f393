import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, platform } from "node:os";
import { join } from "node:path";
import { SQLITE, sqliteCode } from "../stores/sql/driver.js";
import { Outbox } from "./outbox.js";

const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;
const URI_FILE = "uri";

/** Where a user's programs keep what is to outlive them, by the customs of the system. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  const home = env["HOME"] || homedir();
  const state =
    env["XDG_STATE_HOME"] ||
    (platform() === "win32"
      ? env["LOCALAPPDATA"] || join(home, "AppData", "Local")
      : platform() === "darwin"
        ? join(home, "Library", "Application Support")
        : join(home, ".local", "state"));
  return join(state, "pulse-mlflow", "outbox");
}

/** A 64-bit FNV-1a hash in hex: names a folder, protects nothing. */
function hash(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

/** The outboxes of one tracking URI: a folder with a file for each tracker that needed one. */
export class OutboxFolder {
  readonly path: string;
  /** The folder of all tracking URIs. */
  readonly root: string;
  /** The tracking URI, without credentials. */
  readonly uri: string;

  constructor(root: string, uri: string) {
    this.root = root;
    this.path = join(root, hash(uri));
    this.uri = uri;
  }

  /** Makes a new outbox and holds it. */
  create(now: number, id: string): Outbox {
    return new Outbox(this.#newFile(now, id), { uri: this.uri, now });
  }

  /** Makes a new outbox of all that is in one whose file was removed, and empties that. */
  recreate(removed: Outbox, now: number, id: string): Outbox {
    const path = this.#newFile(now, id);
    removed.copyTo(path);
    const copy = new Outbox(path);
    try {
      removed.clear(); // its file may lie somewhere else now
    } catch {
      // It cannot be written any more, which is why there is a copy.
    }
    return copy;
  }

  #newFile(now: number, id: string): string {
    mkdirSync(this.path, { recursive: true, mode: OWNER_FOLDER });
    const uriFile = join(this.path, URI_FILE);
    if (statSync(uriFile, { throwIfNoEntry: false }) === undefined) writeFileSync(uriFile, `${this.uri}\n`, { mode: OWNER_FILE });
    const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
    const path = join(this.path, `${stamp}-${id.slice(0, 12)}.db`);
    closeSync(openSync(path, "wx", OWNER_FILE)); // before SQLite opens it: its own files take over the mode
    return path;
  }

  /** The files of this folder, oldest first. */
  files(): string[] {
    try {
      return readdirSync(this.path)
        .filter((name) => name.endsWith(".db"))
        .sort()
        .map((name) => join(this.path, name))
        .filter((path) => fileFacts(path).bytes > 0); // an empty one is just being made, or its maker died over it
    } catch {
      return []; // there has been no outbox yet
    }
  }
}

/** The folders there are, each with its URI. */
export function outboxFolders(root: string): OutboxFolder[] {
  let names: string[];
  try {
    names = readdirSync(root).sort();
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      return [new OutboxFolder(root, readFileSync(join(root, name, URI_FILE), "utf8").trim())];
    } catch {
      return []; // none of ours
    }
  });
}

/** Takes over an outbox whose tracker is dead; `held` when it lives, `foreign` when the file is of another version or none of ours. */
export function adopt(path: string): Outbox | "held" | "foreign" {
  try {
    return new Outbox(path);
  } catch (error) {
    const code = sqliteCode(error);
    return code === SQLITE.BUSY || code === SQLITE.LOCKED ? "held" : "foreign";
  }
}

/** Lets go of an outbox; one that holds nothing any more is removed: only its owner gets here. */
export function closeOutbox(outbox: Outbox): void {
  try {
    const { empty } = outbox;
    outbox.close();
    if (empty) for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(outbox.path + suffix, { force: true });
  } catch {
    // What cannot be closed or removed now is found by the next one.
  }
}

/** The size of an outbox's files in bytes, and when it was last written. */
export function fileFacts(path: string): { bytes: number; changed: number } {
  const stats = ["", "-wal"].map((suffix) => statSync(path + suffix, { throwIfNoEntry: false }));
  return {
    bytes: stats.reduce((sum, stat) => sum + (stat?.size ?? 0), 0),
    changed: Math.max(...stats.map((stat) => stat?.mtimeMs ?? 0)),
  };
}
