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
 * Version 0.1.0 takes over whatever `.db` it can lock, also one that another copy in its own process holds; its own are
 * still delivered.
 */
const SUFFIX = ".outbox";
const SUFFIXES = /\.(db|outbox)$/;
/** An empty file that is older than this, in milliseconds, is not just being made: its maker was killed over it. */
const MAKING_MS = 5_000;

/**
 * Where a user's programs keep what is to outlive them, by the customs of the system.
 * @throws Error where there is no such place: a user without a home.
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

/** A 64-bit FNV-1a hash in hex: names a folder, protects nothing. */
function hash(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

/**
 * The outboxes of one tracking URI: a folder with a file for each tracker that needed one. Links are not followed, and
 * nothing is written or read where another user could change it.
 */
export class OutboxFolder {
  /** The tracking URI, without credentials. */
  readonly uri: string;
  readonly #given: string | undefined;

  /** `root` is the user's state folder when undefined; nothing is asked of the machine before it is needed. */
  constructor(root: string | undefined, uri: string) {
    this.#given = root;
    this.uri = uri;
  }

  /** Where new outboxes lie, for people too. */
  get path(): string {
    try {
      return this.#folder(true);
    } catch {
      // There is none yet, or none that may be used
      return this.root === "" ? "the state folder" : join(this.root, hash(this.uri));
    }
  }

  /** Makes a new outbox and holds it. */
  create(now: number, id: string): Outbox {
    return made(this.#newFile(now, id), (path) => new Outbox(path, { uri: this.uri, now }));
  }

  /** Makes a new outbox of all that is in one whose file was removed, and empties that. */
  recreate(removed: Outbox, now: number, id: string): Outbox {
    const copy = made(this.#newFile(now, id), (path) => {
      removed.copyTo(path);
      return new Outbox(path);
    });
    if (removed.unsure) copy.markUnsure();
    moveStaged(removed.path, copy.path);
    try {
      removed.clear(); // its file may lie somewhere else now
    } catch {
      // It cannot be written any more, which is why there is a copy.
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
    closeSync(openSync(path, "wx", OWNER_FILE)); // before SQLite opens it: its own files take over the mode
    return path;
  }

  /** The files of this folder, oldest first. */
  files(): string[] {
    return [false, true]
      .flatMap((apart) => {
        try {
          const folder = this.#folder(apart);
          if (isShared(lookAt(folder))) return [];
          return readdirSync(folder).map((name) => join(folder, name));
        } catch {
          return []; // there has been no outbox yet, or none of ours
        }
      })
      .filter((path, i, all) => SUFFIXES.test(path) && all.indexOf(path) === i && !isBeingMade(path))
      .sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
  }

  /** The folder of all tracking URIs; empty where the machine has none. */
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

  /** The folder of this URI; `apart`: where others may write beside it, one that has the user's number in its name. */
  #folder(apart: boolean): string {
    const root = this.#root;
    const folder = join(root, hash(this.uri));
    const above = this.#given === undefined ? [lookAt(dirname(root)), lookAt(root)] : [lookAt(root, true)];
    const others = [...above, lstatSync(folder, { throwIfNoEntry: false })].some(isShared);
    return apart && others ? `${folder}-${process.getuid?.()}` : folder;
  }
}

/** Makes an outbox of a new file, which is removed when that fails. */
function made(path: string, make: (path: string) => Outbox): Outbox {
  try {
    return make(path);
  } catch (error) {
    removeFiles(path);
    throw error;
  }
}

/** Removes an outbox's files, as far as that can be done. */
export function removeFiles(path: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal", UNSURE])
    try {
      rmSync(path + suffix, { force: true });
    } catch {
      // It is for the next one to try.
    }
  removeStaged(path);
}

/**
 * Looks at a folder before it is used; `mayBeLink` for one the user named.
 * @throws what is wrong with it: no folder, a link, another user's, or one that everybody may write.
 */
function lookAt(path: string, mayBeLink = false): Stats {
  const stats = mayBeLink ? statSync(path) : lstatSync(path);
  if (!stats.isDirectory()) throw new Error(`${path} is ${stats.isSymbolicLink() ? "a link" : "no folder"}`);
  const user = process.getuid?.();
  if (user === undefined) return stats; // Windows has no such modes
  if (stats.uid !== user && stats.uid !== 0) throw new Error(`${path} belongs to another user`);
  if ((stats.mode & OTHERS_WRITE) !== 0 && (stats.mode & STICKY) === 0)
    throw new Error(`${path} can be written by everybody`);
  return stats;
}

/** Whether others than its owner can write into a folder, as far as POSIX modes tell. */
function isShared(stats: Stats | undefined): boolean {
  return (
    stats?.isDirectory() === true && process.getuid !== undefined && (stats.mode & (GROUP_WRITE | OTHERS_WRITE)) !== 0
  );
}

/** What in a folder of outboxes this user may not read: itself, folders of URIs in it, or their outboxes. */
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

/** Whether this user may not read a file, or look into a folder. */
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

/** The folders there are, each with its URI. */
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
      return []; // none of ours
    }
  });
  return [...new Set(uris)].map((uri) => new OutboxFolder(root, uri));
}

/**
 * Takes over an outbox whose tracker is dead; `held` when it lives, `foreign` when the file is of another version or
 * none of ours.
 * @throws PulseError `DRIVER_MISSING`: nothing is known of the file then.
 */
export function tryClaim(path: string): Outbox | "held" | "foreign" {
  // Opening one that its owner has just removed would make an empty file.
  if (isOpenHere(path) || isBeingMade(path)) return "held";
  try {
    return new Outbox(path);
  } catch (error) {
    if (error instanceof PulseError) throw error;
    const code = sqliteCode(error);
    return code === SQLITE.BUSY || code === SQLITE.LOCKED ? "held" : "foreign";
  }
}

/** Lets go of an outbox; one that holds nothing any more is removed: only its owner gets here. */
export function closeOutbox(outbox: Outbox): void {
  try {
    const { empty } = outbox;
    outbox.close();
    if (empty) removeFiles(outbox.path);
  } catch {
    // What cannot be closed or removed now is found by the next one.
  }
}

/** Whether a file is still empty because somebody is making it, or is gone. */
function isBeingMade(path: string): boolean {
  const { bytes, changed } = fileFacts(path);
  return bytes === 0 && (changed === 0 || systemClock.now() - changed < MAKING_MS);
}

/** The size of an outbox's files in bytes, and when it was last written. */
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
    return undefined; // it is gone, or may not be looked at
  }
}
