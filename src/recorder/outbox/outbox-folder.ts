import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { systemClock } from "../../base/clock.js";
import { PulseError } from "../../base/errors.js";
import { homeFolder, makeFolder } from "../../base/folders.js";
import { SQLITE, sqliteCode } from "../../stores/sql/driver.js";
import { moveStaged, removeStaged } from "../staging/staging.js";
import { Outbox } from "./outbox.js";
import { isOpenHere, UNSURE } from "./outbox-file.js";

const OWNER_FILE = 0o600;
const OWNER_FOLDER = 0o700;
const [GROUP_WRITE, OTHERS_WRITE, STICKY] = [0o020, 0o002, 0o1000];
const URI_FILE = "uri";
/**
 * Not `.db`: version 0.1.0 takes over any `.db` file it can lock, even one held by another copy in its own process.
 * Its own files are still delivered.
 */
const SUFFIX = ".outbox";
const SUFFIXES = /\.(db|outbox)$/;
/** An empty file older than this, in milliseconds, is no longer being created: its creator was killed. */
const MAKING_MS = 5_000;

/**
 * Returns the folder for persistent state of the user's programs, by the conventions of the system.
 * @throws Error if there is none: a user without a home folder.
 */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  const state = [env["XDG_STATE_HOME"], process.platform === "win32" ? env["LOCALAPPDATA"] : undefined].find(
    (path) => path && isAbsolute(path),
  );
  return join(state ?? customaryState(homeFolder(env)), "pulse-mlflow", "outbox");
}

function customaryState(home: string | undefined): string {
  if (home === undefined) throw new Error("this user has no home folder, and XDG_STATE_HOME is no absolute path");
  if (process.platform === "win32") return join(home, "AppData", "Local");
  return process.platform === "darwin" ? join(home, "Library", "Application Support") : join(home, ".local", "state");
}

/** Computes a 64-bit FNV-1a hash in hex. It names a folder and has no security purpose. */
function hash(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

/**
 * The outboxes of one tracking URI: a folder with one file per tracker. Links are not followed, and nothing is read
 * or written where another user could change it.
 */
export class OutboxFolder {
  /** The tracking URI, without credentials. */
  readonly uri: string;
  readonly #given: string | undefined;

  /** `root` defaults to the user's state folder, which is only looked up when needed. */
  constructor(root: string | undefined, uri: string) {
    this.#given = root;
    this.uri = uri;
  }

  /** Where new outboxes are created; also shown to users. */
  get path(): string {
    try {
      return this.#folder(true);
    } catch {
      // It does not exist yet, or may not be used.
      return this.root === "" ? "the state folder" : join(this.root, hash(this.uri));
    }
  }

  /** Creates a new outbox and holds it. */
  create(now: number, id: string): Outbox {
    return made(this.#newFile(now, id), (path) => new Outbox(path, { uri: this.uri, now }));
  }

  /** Copies an outbox whose file was removed into a new one, and empties the old one. */
  recreate(removed: Outbox, now: number, id: string): Outbox {
    const copy = made(this.#newFile(now, id), (path) => {
      removed.copyTo(path);
      return new Outbox(path);
    });
    if (removed.unsure) copy.markUnsure();
    moveStaged(removed.path, copy.path);
    try {
      removed.clear(); // its file may still exist under another name
    } catch {
      // It can no longer be written, which is why there is a copy.
    }
    return copy;
  }

  #newFile(now: number, id: string): string {
    makeFolder(this.#root, OWNER_FOLDER);
    const folder = this.#folder(true);
    makeFolder(folder, OWNER_FOLDER);
    if (isShared(lookAt(folder))) throw new Error(`${folder} can be written by others`);
    try {
      writeFileSync(join(folder, URI_FILE), `${this.uri}\n`, { mode: OWNER_FILE, flag: "wx" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
    const path = join(folder, `${stamp}-${id.slice(0, 12)}${SUFFIX}`);
    closeSync(openSync(path, "wx", OWNER_FILE)); // created before SQLite opens it, since SQLite's own files inherit its mode
    return path;
  }

  /** Returns the outbox files of this folder, oldest first. */
  files(): string[] {
    return [false, true]
      .flatMap((apart) => {
        try {
          const folder = this.#folder(apart);
          if (isShared(lookAt(folder))) return [];
          return readdirSync(folder).map((name) => join(folder, name));
        } catch {
          return []; // there is no outbox yet, or the folder is not ours
        }
      })
      .filter((path, i, all) => SUFFIXES.test(path) && all.indexOf(path) === i && !isBeingMade(path))
      .sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
  }

  /** The folder of all tracking URIs; empty if the machine has none. */
  get root(): string {
    try {
      return this.#root;
    } catch {
      return "";
    }
  }

  get #root(): string {
    return this.#given ?? stateFolder();
  }

  /**
   * Returns the folder of this URI. `apart`: where others may write beside it, a folder with the user's id in its
   * name.
   */
  #folder(apart: boolean): string {
    const root = this.#root;
    const folder = join(root, hash(this.uri));
    const above = this.#given === undefined ? [lookAt(dirname(root)), lookAt(root)] : [lookAt(root, true)];
    const others = [...above, lstatSync(folder, { throwIfNoEntry: false })].some(isShared);
    return apart && others ? `${folder}-${process.getuid?.()}` : folder;
  }
}

/** Creates an outbox from a new file, which is removed if that fails. */
function made(path: string, make: (path: string) => Outbox): Outbox {
  try {
    return make(path);
  } catch (error) {
    removeFiles(path);
    throw error;
  }
}

/** Removes an outbox's files, as far as possible. */
export function removeFiles(path: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal", UNSURE])
    try {
      rmSync(path + suffix, { force: true });
    } catch {
      // Left for the next attempt.
    }
  removeStaged(path);
}

/**
 * Checks a folder before it is used. `mayBeLink`: the user named it.
 * @throws Error if it is not a folder, is a link, belongs to another user, or can be written by everybody.
 */
function lookAt(path: string, mayBeLink = false): Stats {
  const stats = mayBeLink ? statSync(path) : lstatSync(path);
  if (!stats.isDirectory()) throw new Error(`${path} is ${stats.isSymbolicLink() ? "a link" : "not a folder"}`);
  const user = process.getuid?.();
  if (user === undefined) return stats; // Windows has no such modes
  if (stats.uid !== user && stats.uid !== 0) throw new Error(`${path} belongs to another user`);
  if ((stats.mode & OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0)
    throw new Error(`${path} can be written by everybody`);
  return stats;
}

/** Whether users other than the owner can write into a folder, according to POSIX modes. */
function isShared(stats: Stats | undefined): boolean {
  return (
    stats?.isDirectory() === true && process.getuid !== undefined && (stats.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0
  );
}

/** Returns what this user may not read: the root, folders of URIs in it, or outboxes in these. */
export function unreadable(root: string): string[] {
  const inside = (path: string): string[] => {
    try {
      return readdirSync(path).map((name) => join(path, name));
    } catch {
      return [];
    }
  };
  if (isDenied(root)) return [root];
  const folders = inside(root).filter((path) => isDenied(path) || statOf(path)?.isDirectory());
  return folders.flatMap((folder) => (isDenied(folder) ? [folder] : inside(folder).filter(isDenied)));
}

/** Whether this user may not read a file or list a folder. */
export function isDenied(path: string): boolean {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) readdirSync(path);
    else if (stats.isFile()) closeSync(openSync(path, "r"));
    return false;
  } catch (error) {
    return /^(EACCES|EPERM)$/.test(String((error as NodeJS.ErrnoException).code));
  }
}

/** Returns the folders that exist, each with its URI. */
export function outboxFolders(root: string): OutboxFolder[] {
  let names: string[];
  try {
    names = readdirSync(root).sort();
  } catch {
    return [];
  }
  const uris = names.flatMap((name) => {
    try {
      lookAt(join(root, name));
      return [readFileSync(join(root, name, URI_FILE), "utf8").trim()];
    } catch {
      return []; // not ours
    }
  });
  return [...new Set(uris)].map((uri) => new OutboxFolder(root, uri));
}

/**
 * Claims an outbox whose tracker is dead. Returns `held` if the tracker is alive, `foreign` if the file is from
 * another version or not an outbox.
 * @throws PulseError `DRIVER_MISSING`, since the file cannot be examined then.
 */
export function tryClaim(path: string): Outbox | "held" | "foreign" {
  // Opening a file that its owner has just removed would create an empty one.
  if (isOpenHere(path) || isBeingMade(path)) return "held";
  try {
    return new Outbox(path);
  } catch (error) {
    if (error instanceof PulseError) throw error;
    const code = sqliteCode(error);
    return code === SQLITE.BUSY || code === SQLITE.LOCKED ? "held" : "foreign";
  }
}

/** Closes an outbox, and removes it if it is empty: only its owner gets here. */
export function closeOutbox(outbox: Outbox): void {
  try {
    const { empty } = outbox;
    outbox.close();
    if (empty) removeFiles(outbox.path);
  } catch {
    // What cannot be closed or removed now is found by the next search.
  }
}

/** Whether a file is empty because it is just being created, or is gone. */
function isBeingMade(path: string): boolean {
  const { bytes, changed } = fileFacts(path);
  return bytes === 0 && (changed === 0 || systemClock.now() - changed < MAKING_MS);
}

/** Returns the size of an outbox's files in bytes, and when they were last written. */
export function fileFacts(path: string): { bytes: number; changed: number } {
  const stats = ["", "-wal"].map((suffix) => statOf(path + suffix)).filter((stat) => stat?.isFile());
  return {
    bytes: stats.reduce((sum, stat) => sum + (stat?.size ?? 0), 0),
    changed: Math.max(0, ...stats.map((stat) => stat?.mtimeMs ?? 0)),
  };
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined; // it is gone, or access is denied
  }
}
