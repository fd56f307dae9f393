import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { sweepUnfinished } from "../../artifacts/temporary-names.js";
import { type ExperimentRef, experimentLabel, type Tag } from "../../base/entities.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { makeFolder } from "../../base/folders.js";
import { wellFormed } from "../../base/text/keys.js";
import {
  checkExperimentEdit,
  type ExperimentEdit,
  type NewExperiment,
  nameTaken,
} from "../../contracts/store-reader.js";
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

/** MLflow's folder for deleted experiments. */
export const TRASH = ".trash" as const;
/** The ids that MLflow accepts; other folders in its root are not experiments. */
const ID = /^[a-z0-9][\w-]{0,63}$/i;
const DEFAULT = { id: "0", name: "Default" } as const;
const MAX_TAGGED = 1_000;

/** An experiment and its folder. */
export interface Experiment {
  readonly id: string;
  readonly folder: string;
  readonly artifactLocation: string;
}

interface Known extends Experiment {
  /** Identifies the file and version this was read from. */
  readonly stamp: string;
  readonly name: string | undefined;
  readonly deleted: boolean;
}

/** Finds experiments of an `mlruns` folder by name or id, and creates them. */
export class Experiments {
  readonly #root: string;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();
  readonly #names = new Map<string, string>();
  /** Experiments whose tags are already set, with the reference they were set from. */
  readonly #tagged = new Map<string, ExperimentRef>();
  /** An experiment that could not be read during the last scan. */
  #unreadable: Unreadable | undefined;
  /** Experiments found since the last `begin`. */
  readonly #found = new Map<string, Experiment>();

  constructor(root: string, now: () => number) {
    this.#root = root;
    this.#now = now;
  }

  /** Drops what was found before, since others may have changed, moved or removed it. */
  begin(): void {
    this.#found.clear();
  }

  /** Returns the referenced experiment, creating it if there is none of that name; an error if it cannot be used. */
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

  /** @throws PulseError `STORE_NOT_FOUND` if nothing was recorded here */
  needRoot(): void {
    if (!isFolder(this.#root)) throw new PulseError("STORE_NOT_FOUND", `The folder ${this.#root} does not exist.`);
  }

  /** Returns the folders of all experiments, deleted ones last. */
  folders(): string[] {
    return [this.#root, join(this.#root, TRASH)].flatMap((place) => idsIn(place).map((id) => join(place, id)));
  }

  /** Returns the two places where an experiment's folder may be. */
  placesOf(id: string): string[] {
    return ID.test(id) ? [join(this.#root, id), join(this.#root, TRASH, id)] : [];
  }

  /** Creates an experiment and returns its id. @throws PulseError `REJECTED` for a name that is taken */
  create({ name, artifactLocation, tags }: NewExperiment): string {
    this.#makeRoot();
    this.#needFree(name);
    const { id, folder } = this.#remembered(wellFormed(name), this.#made(wellFormed(name), artifactLocation));
    for (const { key, value } of tags) this.#setTag(folder, key, value);
    return id;
  }

  /**
   * Changes an experiment, and moves it into the trash or back. Returns its folder; undefined if there is none.
   * @throws PulseError `REJECTED` for a name that is taken
   */
  edit(id: string, edit: ExperimentEdit): string | undefined {
    this.begin();
    this.#names.clear();
    const place = [this.#root, join(this.#root, TRASH)].find((each) => ID.test(id) && this.#read(each, id));
    if (place === undefined) return undefined;
    const folder = join(place, id);
    checkExperimentEdit(id, place !== this.#root, edit, mlrunsUri(this.#root));
    if (edit.kind === "rename") this.#needFree(edit.name, id);
    if (edit.kind === "setTag") this.#setTag(folder, edit.tag.key, edit.tag.value);
    const to =
      edit.kind === "delete" ? join(this.#root, TRASH, id) : edit.kind === "restore" ? join(this.#root, id) : folder;
    const meta = new Meta(textOf(join(folder, META)) ?? "");
    const stage = edit.kind === "delete" ? "deleted" : edit.kind === "restore" ? "active" : undefined;
    const text = meta.with({
      ...(edit.kind === "rename" && { name: wellFormed(edit.name) }),
      ...(stage !== undefined && { lifecycle_stage: stage }),
      last_update_time: this.#now(),
    });
    replaceFile(join(folder, META), text, folder);
    if (to !== folder) {
      addFolder(join(this.#root, TRASH));
      renameSync(folder, to);
    }
    return to;
  }

  #needFree(name: string, besides?: string): void {
    const wanted = wellFormed(name);
    for (const place of [this.#root, join(this.#root, TRASH)])
      for (const id of idsIn(place))
        if (id !== besides && this.#scanned(place, id)?.name === wanted) throw nameTaken(name);
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
   * Creates an experiment whose id is derived from its name, so that programs that do so at the same time agree.
   * @throws Unreadable while another program may be writing one of that name
   */
  #made(name: string, location?: string): Experiment {
    if (this.#unreadable?.isNew) throw this.#unreadable;
    for (let again = name === DEFAULT.name ? -1 : 0; ; again++) {
      const id = again < 0 ? DEFAULT.id : idOf(name, again);
      const [there, gone] = [this.#read(this.#root, id), this.#read(join(this.#root, TRASH), id)];
      if (there?.name === name && !there.deleted) return there; // created just now by another program
      // A folder without a file was left by a killed program and is not an experiment.
      if (there === undefined && gone === undefined) return this.#make(name, id, location);
    }
  }

  #make(name: string, id: string, location?: string): Experiment {
    const folder = join(this.#root, id);
    if (!addFolder(folder)) sweepUnfinished(folder);
    const now = this.#now();
    const artifactLocation = location ?? mlrunsUri(folder);
    const fields = { artifact_location: artifactLocation, creation_time: now, experiment_id: id };
    replaceFile(
      join(folder, META),
      metaText({ ...fields, last_update_time: now, lifecycle_stage: "active", name }),
      folder,
    );
    return { id, folder, artifactLocation };
  }

  /** Creates the root folder as MLflow does, with the Default experiment in it. */
  #makeRoot(): void {
    const isNew = !isFolder(this.#root);
    if (isNew) makeFolder(this.#root);
    if (!isNew && isFolder(join(this.#root, TRASH))) return;
    // The trash is created last, so if it exists, everything does.
    if (idsIn(this.#root).length === 0) this.#make(DEFAULT.name, DEFAULT.id);
    addFolder(join(this.#root, TRASH));
  }

  /** Reads an experiment while scanning. One without access is skipped. */
  #scanned(place: string, id: string): Known | undefined {
    try {
      return this.#read(place, id);
    } catch (error) {
      if (CLOSED.includes(codeOf(error))) return undefined;
      throw error;
    }
  }

  /**
   * Reads an experiment's file, if it has changed; undefined if there is none. An unreadable file has no name and is
   * never matched.
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
    // MLflow also ignores a folder whose file names another experiment, such as a copy.
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

  /** A user who may log runs may not always edit the experiment. Do not block on that. */
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
      set(apartFrom(key)); // a folder has that name, or a file has the name of a parent folder
    }
  }
}

function deleted(ref: ExperimentRef): PulseError {
  return new PulseError("EXPERIMENT_DELETED", `Experiment ${experimentLabel(ref)} was deleted.`);
}

/** Lists the folders that may be experiments. */
function idsIn(place: string): string[] {
  try {
    return readdirSync(place).filter((name) => ID.test(name) && name !== "models");
  } catch (error) {
    if (["ENOENT", "ENOTDIR", ...CLOSED].includes(codeOf(error)) && place.endsWith(TRASH)) return [];
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** Derives an id from a name: 18 digits, like MLflow's own, and always the same. */
function idOf(name: string, again: number): string {
  const number = BigInt(`0x${digest("sha256", `${again} ${name}`).slice(0, 16)}`);
  return String((number % (9n * 10n ** 17n)) + 10n ** 17n);
}
