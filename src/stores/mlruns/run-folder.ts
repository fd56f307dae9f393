import { readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LocalRepository } from "../../artifacts/local.js";
import { sweepUnfinished, unfinishedIn } from "../../artifacts/temporary-names.js";
import { systemClock } from "../../base/clock.js";
import type { DatasetInput, Metric, Param, Tag } from "../../base/entities.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { wellFormed } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import { noSuchTag, type RunEdit, runIsDeleted } from "../../contracts/store-reader.js";
import type { ArtifactPlace, RefusedItems, RunEnd, RunStart } from "../../contracts/tracking-store.js";
import type { Experiment } from "./experiments.js";
import {
  addFile,
  addFolder,
  apartFrom,
  CLOSED,
  codeOf,
  digest,
  fileOf,
  IN_THE_WAY,
  isAboutItem,
  isKey,
  isLink,
  makeFolders,
  replaceFile,
  statOf,
  textOf,
  Unreadable,
  writeFile,
} from "./files.js";
import { META, mlrunsUri } from "./folder-path.js";
import { Meta, type MetaValue, metaText } from "./meta.js";
import { addPoints, latestTime, NoMetricFile, type Written } from "./metric-file.js";

/** MLflow's numbers for a run's status. */
const STATUS = { RUNNING: 1, FINISHED: 3, FAILED: 4, KILLED: 5 } as const;
/** `SourceType.LOCAL`, which MLflow writes for every run. */
const LOCAL = 4;
/** Prefix of tags that name the original key of a changed file name. */
export const KEY_TAG = "pulse.key." as const;
/** MLflow only recognises a run if these folders exist. */
const FOLDERS = ["metrics", "params", "artifacts", "tags"] as const;

const RUN_NAME = "mlflow.runName";

type Kind = "metrics" | "params" | "tags";
type Fields = Readonly<Record<string, string | number | null>>;

/** `meta.yaml` as last read or written. */
interface MetaFile {
  readonly stamp: string;
  /** The fields, if we wrote it. */
  readonly own?: Readonly<Record<string, MetaValue>>;
  /** The parsed file, if another program wrote it. */
  readonly read?: Meta;
}

/** A run in an `mlruns` folder, stored as MLflow does: a file per metric, param and tag, and `meta.yaml`. */
export class RunFolder {
  readonly experimentId: string;
  readonly #folder: string;
  /**
   * Whether the run is still being created. Nobody sees it before its `meta.yaml` exists, so files may be written in
   * place.
   */
  #unseen: boolean;
  #meta: MetaFile = { stamp: "" };
  /** The state of each metric's file. */
  readonly #written = new Map<string, Written>();

  private constructor(folder: string, unseen: boolean) {
    this.#folder = folder;
    this.experimentId = basename(dirname(folder));
    this.#unseen = unseen;
  }

  /** Whether there is a run in a folder. */
  static isAt(folder: string): boolean {
    return statOf(join(folder, META)) !== undefined;
  }

  /** Opens the run in a folder, if there is one. */
  static at(folder: string): RunFolder | undefined {
    if (!statOf(join(folder, META))) return undefined;
    sweepUnfinished(folder);
    return new RunFolder(folder, false);
  }

  /** Creates the folder of a new run. A killed program may have left parts of it, which do not count as a run. */
  static make(experiment: Experiment, runKey: string): RunFolder {
    const folder = join(experiment.folder, runKey);
    if (!addFolder(folder)) sweepUnfinished(folder);
    for (const name of FOLDERS) addFolder(join(folder, name));
    return new RunFolder(folder, true);
  }

  /** Whether it still exists in the same place. */
  get exists(): boolean {
    return statOf(join(this.#folder, META)) !== undefined;
  }

  /** @throws PulseError if the file cannot be read */
  get deleted(): boolean {
    const { own, read } = this.#current();
    return (own === undefined ? read?.text("lifecycle_stage") : own["lifecycle_stage"]) === "deleted";
  }

  get status(): number {
    const { own, read } = this.#current();
    return Number(own?.["status"] ?? read?.number("status") ?? STATUS.RUNNING);
  }

  /** Where its files are stored: at a separate URI, or in its folder as long as that exists. */
  get artifacts(): ArtifactPlace {
    const { own, read } = this.#current();
    const uri = own === undefined ? read?.text("artifact_uri") : String(own["artifact_uri"]);
    const folder = join(this.#folder, "artifacts");
    return uri === mlrunsUri(folder) ? new LocalRepository(folder, () => this.#needThere()) : uri;
  }

  /**
   * @throws PulseError if the run was moved or removed: a folder recreated there would look like a broken run to MLflow
   */
  #needThere(): void {
    const id = basename(this.#folder);
    if (!this.exists) throw new PulseError("RUN_NOT_FOUND", `Run ${id} is no longer in ${dirname(this.#folder)}.`);
    if (this.deleted) throw runIsDeleted(id);
  }

  tag(key: string): string | undefined {
    if (!isKey(key)) return undefined;
    const [own, apart] = [fileOf(key), apartFrom(key)].map((file) => textOf(join(this.#folder, "tags", file)));
    return own ?? apart;
  }

  /** Completes the creation, with the end if it is already known. Done last: before this, nobody sees the run. */
  create(experiment: Experiment, start: RunStart, end: RunEnd | undefined, name: string): void {
    const own = {
      artifact_uri: `${experiment.artifactLocation.replace(/\/+$/, "")}/${basename(this.#folder)}/artifacts`,
      deleted_time: null,
      end_time: end ? Math.max(end.endTime, end.ifRunning ? this.#latestTime() : 0) : null,
      entry_point_name: "",
      experiment_id: experiment.id,
      lifecycle_stage: "active",
      run_id: basename(this.#folder),
      run_name: name.slice(0, LIMITS.runName),
      run_uuid: basename(this.#folder),
      source_name: "",
      source_type: LOCAL,
      source_version: "",
      start_time: start.startTime,
      status: STATUS[end?.status ?? "RUNNING"],
      tags: [] as const,
      user_id: start.userId,
    };
    this.#writeMeta(own);
    this.#unseen = false;
    if (end) this.#written.clear();
  }

  reopen(): void {
    this.#edit({ status: STATUS.RUNNING, end_time: null });
  }

  end({ status, endTime, ifRunning }: RunEnd): void {
    if (ifRunning && this.status !== STATUS.RUNNING) return;
    this.#edit({ status: STATUS[status], end_time: ifRunning ? Math.max(endTime, this.#latestTime()) : endTime });
    this.#written.clear(); // anything that follows reads the files again
  }

  /** Changes what an administrator changes. @throws PulseError `RUN_DELETED`; `REJECTED` for a tag it does not have */
  edit(edit: Exclude<RunEdit, { kind: "delete" | "restore" }>): void {
    if (this.deleted) throw runIsDeleted(basename(this.#folder));
    if (edit.kind === "deleteTag") {
      this.#deleteTag(edit.key);
      return;
    }
    const name = edit.kind === "update" ? edit.runName : edit.tag.key === RUN_NAME ? edit.tag.value : undefined;
    if (edit.kind === "setTag") this.setTag(edit.tag);
    else if (name !== undefined) this.setTag({ key: RUN_NAME, value: name });
    if (name !== undefined) this.rename(name);
    if (edit.kind !== "update") return;
    const { status, endTime } = edit;
    this.#edit({
      ...(status !== undefined && { status: STATUS[status] }),
      ...(endTime !== undefined && { end_time: endTime }),
    });
  }

  /** Marks the run as deleted, or as in use again. */
  setDeleted(isDeleted: boolean): void {
    const stage = isDeleted ? "deleted" : "active";
    this.#edit({ lifecycle_stage: stage, deleted_time: isDeleted ? systemClock.now() : null });
  }

  #deleteTag(key: string): void {
    const path = [fileOf(key), apartFrom(key)].map((file) => join(this.#folder, "tags", file));
    const there = isKey(key) ? path.find((file) => textOf(file) !== undefined) : undefined;
    if (there === undefined) throw noSuchTag(basename(this.#folder), key);
    rmSync(there);
  }

  rename(name: string): void {
    this.#edit({ run_name: name.slice(0, LIMITS.runName) });
  }

  /** Adds a param; returns false if it has another value. */
  addParam({ key, value }: Param): boolean {
    return this.#place("params", key, (path) => {
      if (this.#unseen) this.#inFolder(path, () => writeFile(path, value));
      else if (textOf(path) === undefined && this.#inFolder(path, () => addFile(path, value, this.#folder)))
        return true;
      return this.#unseen || textOf(path) === wellFormed(value);
    });
  }

  setTag({ key, value }: Tag): void {
    this.#place("tags", key, (path) => {
      if (this.#unseen) this.#inFolder(path, () => writeFile(path, value));
      else if (!isText(path, value)) this.#inFolder(path, () => replaceFile(path, value, this.#folder));
    });
  }

  addPoints(key: string, metrics: readonly Metric[]): void {
    this.#place("metrics", key, (path) => {
      this.#written.set(
        key,
        this.#inFolder(path, () => addPoints(path, metrics, this.#written.get(key))),
      );
    });
  }

  /** Records the use of a dataset. The tags of the first use are kept, as in MLflow. */
  addInput({ name, digest: of, sourceType, source, schema, profile, tags }: DatasetInput): void {
    const datasetId = digest("md5", name + of);
    const dataset = {
      digest: of,
      name,
      profile: profile ?? null,
      schema: schema ?? null,
      source,
      source_type: sourceType,
    };
    this.#addMeta(dirname(this.#folder), join("datasets", datasetId), dataset);
    const input = {
      destination_id: datasetId, // MLflow does the same
      destination_type: "RUN",
      source_id: datasetId,
      source_type: "DATASET",
      tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
    };
    this.#addMeta(this.#folder, join("inputs", digest("md5", datasetId + basename(this.#folder))), input);
  }

  /** Adds a folder with a `meta.yaml` atomically; an existing one is kept. */
  #addMeta(root: string, path: string, fields: Readonly<Record<string, MetaValue>>): void {
    const target = join(root, path);
    if (statOf(join(target, META))) return;
    const temporary = unfinishedIn(this.#folder);
    addFolder(temporary);
    try {
      writeFile(join(temporary, META), metaText(fields));
      makeFolders(root, dirname(target));
      try {
        renameSync(temporary, target);
      } catch (error) {
        if (!statOf(target)) throw error;
        // The folder exists, complete by now or without its file.
        addFile(join(target, META), metaText(fields), this.#folder);
      }
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }

  /** Writes the file of a key under its own name, or under another if that is taken. */
  #place<R>(kind: Kind, key: string, use: (path: string) => R): R {
    if (!isKey(key)) throw refusedKey(kind, key);
    if (key.includes("/")) this.#needOwnFolders(kind, key);
    let name = fileOf(key);
    let done: R;
    try {
      done = use(`${this.#folder}/${kind}/${name}`); // `join` would cost a tenth of the write
    } catch (error) {
      if (!IN_THE_WAY.includes(codeOf(error))) throw error;
      name = apartFrom(key);
      done = use(`${this.#folder}/${kind}/${name}`);
    }
    if (name !== key) this.#tagKey(name, key);
    return done;
  }

  /** Refuses to write through a link in place of a key's folder, which might lead to other users' folders. */
  #needOwnFolders(kind: Kind, key: string): void {
    for (let folder = dirname(key); folder !== "."; folder = dirname(folder))
      if (isLink(join(this.#folder, kind, folder))) {
        const detail = `The ${kind.slice(0, -1)} ${JSON.stringify(key)} is not stored: ${join(kind, folder)} in the run's folder is a link.`;
        throw new Refused(new PulseError("REJECTED", detail));
      }
  }

  /** Stores the original key of a changed file name as a tag. */
  #tagKey(file: string, key: string): void {
    const tag = join(this.#folder, "tags", KEY_TAG + file);
    if (textOf(tag) === undefined) this.#inFolder(tag, () => replaceFile(tag, key, this.#folder));
  }

  /** Writes a file, creating missing parent folders. */
  #inFolder<R>(path: string, write: () => R): R {
    try {
      return write();
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      if (!this.#unseen && !this.exists) throw new Gone();
      makeFolders(this.#folder, dirname(path));
      return write();
    }
  }

  #latestTime(): number {
    const timeIn = (path: string): number => {
      try {
        return latestTime(path);
      } catch (error) {
        if (isOdd(error)) return 0;
        throw error;
      }
    };
    const walk = (folder: string): number => {
      let latest = 0;
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) latest = Math.max(latest, walk(path));
        else if (entry.isFile()) latest = Math.max(latest, timeIn(path));
      }
      return latest;
    };
    const folder = join(this.#folder, "metrics");
    return statOf(folder) ? walk(folder) : 0;
  }

  /** Returns the current content of `meta.yaml`. */
  #current(): MetaFile {
    const path = join(this.#folder, META);
    const stamp = stampOf(path);
    if (stamp === undefined) throw new Gone();
    if (stamp === this.#meta.stamp) return this.#meta;
    const text = textOf(path) ?? "";
    try {
      this.#meta = { stamp, read: new Meta(text) };
    } catch (error) {
      throw new Unreadable(path, messageOf(error), statOf(path)?.mtimeMs ?? 0);
    }
    return this.#meta;
  }

  #edit(fields: Fields): void {
    const { own, read } = this.#current();
    if (own) this.#writeMeta({ ...own, ...fields });
    else if (read) replaceFile(join(this.#folder, META), read.with(fields), this.#folder);
  }

  #writeMeta(own: Readonly<Record<string, MetaValue>>): void {
    const path = join(this.#folder, META);
    replaceFile(path, metaText(own), this.#folder);
    this.#meta = { stamp: stampOf(path) ?? "", own };
  }
}

/** The run is no longer where it was. */
export class Gone extends Error {}

/** An item that cannot be stored as a file. */
export class Refused extends Error {
  readonly error: PulseError;

  constructor(error: PulseError) {
    super(error.message);
    this.error = error;
  }
}

/** Whether an error concerns one item's file only. */
export const isOdd = (error: unknown): boolean => error instanceof NoMetricFile || isAboutItem(error);

function refusedKey(kind: Kind, key: string): Refused {
  const what = kind.slice(0, -1) as RefusedItems["what"];
  return new Refused(
    new PulseError("INVALID_KEY", `The ${what} key ${JSON.stringify(key)} is not a path inside a run's folder.`),
  );
}

/** Whether a file holds a text; a file without read access has to be replaced. */
function isText(path: string, text: string): boolean {
  try {
    return textOf(path) === wellFormed(text);
  } catch (error) {
    if (CLOSED.includes(codeOf(error))) return false;
    throw error;
  }
}

function stampOf(path: string): string | undefined {
  const stats = statOf(path);
  return stats && `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
}
