import { readdirSync } from "node:fs";
import { join } from "node:path";
import { sweepUnfinished } from "../../artifacts/unfinished.js";
import { type ExperimentRef, experimentLabel, type Tag } from "../../base/entities.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { makeFolder } from "../../base/folders.js";
import { wellFormed } from "../../base/text/keys.js";
import {
  addFolder,
  apartFrom,
  CLOSED,
  codeOf,
  digest,
  fileOf,
  isAboutItem,
  isFolder,
  isKey,
  makeFolders,
  replaceFile,
  statOf,
  textOf,
  Unreadable,
} from "./files.js";
import { META, mlrunsUri } from "./folder-path.js";
import { Meta, metaText } from "./meta.js";

/** Where MLflow puts deleted experiments. */
export const TRASH = ".trash" as const;
/** What MLflow takes for an experiment's id; other folders in its root are none. */
const ID = /^[a-z0-9][\w-]{0,63}$/i;
const DEFAULT = { id: "0", name: "Default" } as const;
const MAX_TAGGED = 1_000;

/** An experiment's folder. */
export interface Experiment {
  readonly id: string;
  readonly folder: string;
  readonly artifactLocation: string;
}

interface Known extends Experiment {
  /** Which file, and of when, this was read from. */
  readonly stamp: string;
  readonly name: string | undefined;
  readonly deleted: boolean;
}

/** The experiments of an `mlruns` folder: by name, by id, or made. */
export class Experiments {
  readonly #root: string;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();
  readonly #names = new Map<string, string>();
  /** Those whose tags are set, with what they were. */
  readonly #tagged = new Map<string, ExperimentRef>();
  /** One that could not be read when all were looked at. */
  #unreadable: Unreadable | undefined;
  /** What was looked at since the last `begin`. */
  readonly #found = new Map<string, Experiment>();

  constructor(root: string, now: () => number) {
    this.#root = root;
    this.#now = now;
  }

  /** Others may have changed, moved or removed what was found before. */
  begin(): void {
    this.#found.clear();
  }

  /** The experiment that is meant, made when there is none of that name; or why there is none. */
  find(ref: ExperimentRef): Experiment | PulseError {
    const key = "id" in ref ? `id ${ref.id}` : `name ${ref.name}`;
    const before = this.#found.get(key);
    if (before !== undefined && !("tags" in ref && ref.tags)) return before;
    const found = "id" in ref ? this.#byId(ref) : this.#byName(ref.name);
    if (found instanceof PulseError) return found;
    if ("tags" in ref && ref.tags) this.#setTags(found, ref, ref.tags);
    this.#found.set(key, found);
    return found;
  }

  /** The folders of all experiments, deleted ones behind the others. */
  folders(): string[] {
    return [this.#root, join(this.#root, TRASH)].flatMap((place) => idsIn(place).map((id) => join(place, id)));
  }

  /** The two places where the folder of an experiment may be. */
  placesOf(id: string): string[] {
    return ID.test(id) ? [join(this.#root, id), join(this.#root, TRASH, id)] : [];
  }

  #byId(ref: Extract<ExperimentRef, { id: string }>): Experiment | PulseError {
    const { id } = ref;
    this.#makeRoot();
    const found = ID.test(id) ? this.#read(this.#root, id) : undefined;
    if (found) return found.deleted ? deleted(ref) : found;
    if (id === DEFAULT.id && !isFolder(join(this.#root, TRASH, id))) return this.#make(DEFAULT.name, id);
    if (ID.test(id) && this.#read(join(this.#root, TRASH), id)) return deleted(ref);
    return new PulseError("EXPERIMENT_NOT_FOUND", `There is no experiment ${experimentLabel(ref)} in ${this.#root}.`);
  }

  #byName(name: string): Experiment | PulseError {
    const wanted = wellFormed(name);
    const id = this.#names.get(wanted);
    const known = id === undefined ? undefined : this.#read(this.#root, id);
    if (known?.name === wanted && !known.deleted) return known;
    this.#makeRoot();
    this.#unreadable = undefined;
    let gone = false;
    for (const place of [this.#root, join(this.#root, TRASH)])
      for (const each of idsIn(place)) {
        const found = this.#scanned(place, each);
        if (found?.name !== wanted) continue;
        gone ||= found.deleted || place !== this.#root;
        if (!found.deleted && place === this.#root) return this.#remembered(wanted, found);
      }
    if (gone) return deleted({ name });
    return this.#remembered(wanted, this.#made(wanted));
  }

  #remembered(name: string, experiment: Experiment): Experiment {
    this.#names.set(name, experiment.id);
    return experiment;
  }

  /**
   * By the name, so that of programs that make it at the same time each makes the same one.
   * @throws Unreadable while somebody may be writing one of that name just now
   */
  #made(name: string): Experiment {
    if (this.#unreadable?.isNew) throw this.#unreadable;
    for (let again = name === DEFAULT.name ? -1 : 0; ; again++) {
      const id = again < 0 ? DEFAULT.id : idOf(name, again);
      const [there, gone] = [this.#read(this.#root, id), this.#read(join(this.#root, TRASH), id)];
      if (there?.name === name && !there.deleted) return there; // somebody has made it just now
      // A folder that a killed program has left without its file is no experiment.
      if (there === undefined && gone === undefined) return this.#make(name, id);
    }
  }

  #make(name: string, id: string): Experiment {
    const folder = join(this.#root, id);
    if (!addFolder(folder)) sweepUnfinished(folder);
    const now = this.#now();
    const artifactLocation = mlrunsUri(folder);
    const fields = { artifact_location: artifactLocation, creation_time: now, experiment_id: id };
    replaceFile(
      join(folder, META),
      metaText({ ...fields, last_update_time: now, lifecycle_stage: "active", name }),
      folder,
    );
    return { id, folder, artifactLocation };
  }

  /** Makes the folder itself as MLflow does, with the experiment Default in it. */
  #makeRoot(): void {
    const isNew = !isFolder(this.#root);
    if (isNew) makeFolder(this.#root);
    if (!isNew && isFolder(join(this.#root, TRASH))) return;
    // The trash is there when all is.
    if (idsIn(this.#root).length === 0) this.#make(DEFAULT.name, DEFAULT.id);
    addFolder(join(this.#root, TRASH));
  }

  /** One of many that are looked at: what is closed to us holds nothing up. */
  #scanned(place: string, id: string): Known | undefined {
    try {
      return this.#read(place, id);
    } catch (error) {
      if (CLOSED.includes(codeOf(error))) return undefined;
      throw error;
    }
  }

  /**
   * An experiment's file, read again when it is another; undefined where there is none. One that cannot be read is
   * nobody's.
   */
  #read(place: string, id: string): Known | undefined {
    const folder = join(place, id);
    const path = join(folder, META);
    const stats = statOf(path);
    if (stats === undefined) return undefined;
    const stamp = `${folder} ${stats.ino} ${stats.size} ${stats.mtimeMs}`;
    const before = this.#known.get(id);
    if (before?.stamp === stamp) return before;
    let meta: Meta;
    try {
      meta = new Meta(textOf(path) ?? "");
    } catch (error) {
      if (codeOf(error) !== "undefined" && !isAboutItem(error)) throw error;
      this.#unreadable = new Unreadable(path, messageOf(error), stats.mtimeMs);
      return { id, folder, artifactLocation: "", stamp: messageOf(error), name: undefined, deleted: false };
    }
    // MLflow, too, takes no folder for an experiment whose file names another one: a copy.
    if (meta.text("experiment_id") !== id) return undefined;
    const known = {
      id,
      folder,
      artifactLocation: meta.text("artifact_location") ?? mlrunsUri(folder),
      stamp,
      name: meta.text("name"),
      deleted: meta.text("lifecycle_stage") === "deleted",
    };
    this.#known.set(id, known);
    return known;
  }

  /** Who may log runs may not always describe the experiment, and nothing is to wait for that. */
  #setTags(experiment: Experiment, ref: ExperimentRef, tags: readonly Tag[]): void {
    const { stamp } = this.#read(join(experiment.folder, ".."), experiment.id) ?? {};
    if (stamp === undefined || this.#tagged.get(stamp) === ref) return;
    for (const { key, value } of tags)
      try {
        this.#setTag(experiment.folder, key, value);
      } catch (error) {
        if (!isAboutItem(error) && !CLOSED.includes(codeOf(error))) throw error;
      }
    if (this.#tagged.size < MAX_TAGGED) this.#tagged.set(stamp, ref);
  }

  #setTag(experiment: string, key: string, value: string): void {
    if (!isKey(key)) return;
    const set = (file: string): void => {
      const path = join(experiment, "tags", file);
      if (textOf(path) === value) return;
      makeFolders(experiment, join(path, ".."));
      replaceFile(path, value, experiment);
    };
    try {
      set(fileOf(key));
    } catch (error) {
      if (!isAboutItem(error)) throw error;
      set(apartFrom(key)); // a folder has that name, or a file that of a folder above it
    }
  }
}

function deleted(ref: ExperimentRef): PulseError {
  return new PulseError("EXPERIMENT_DELETED", `Experiment ${experimentLabel(ref)} was deleted.`);
}

/** The folders that may be experiments. */
function idsIn(place: string): string[] {
  try {
    return readdirSync(place).filter((name) => ID.test(name) && name !== "models");
  } catch (error) {
    if (["ENOENT", "ENOTDIR", ...CLOSED].includes(codeOf(error)) && place.endsWith(TRASH)) return [];
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** 18 digits, as MLflow's ids are, the same for a name each time. */
function idOf(name: string, again: number): string {
  const number = BigInt(`0x${digest("sha256", `${again} ${name}`).slice(0, 16)}`);
  return String((number % (9n * 10n ** 17n)) + 10n ** 17n);
}
