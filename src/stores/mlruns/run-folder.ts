import { readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LocalRepository } from "../../artifacts/local.js";
import { sweepUnfinished, unfinishedIn } from "../../artifacts/unfinished.js";
import type { DatasetInput, Metric, Param, Tag } from "../../base/entities.js";
import { messageOf, PulseError } from "../../base/errors.js";
import { wellFormed } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
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

/** MLflow's numbers for how a run stands. */
const STATUS = { RUNNING: 1, FINISHED: 3, FAILED: 4, KILLED: 5 } as const;
/** `SourceType.LOCAL`, which MLflow writes for every run. */
const LOCAL = 4;
/** What tags about mended keys begin with, as those of keys that were mended before. */
const KEY_TAG = "pulse.key.";
/** Without these MLflow takes no folder for a run. */
const FOLDERS = ["metrics", "params", "artifacts", "tags"] as const;

type Kind = "metrics" | "params" | "tags";
type Fields = Readonly<Record<string, string | number | null>>;

/** `meta.yaml` as it was last read or written. */
interface MetaFile {
  readonly stamp: string;
  /** What we have written, field by field. */
  readonly own?: Readonly<Record<string, MetaValue>>;
  /** What somebody else has. */
  readonly read?: Meta;
}

/** One run of an `mlruns` folder, as MLflow keeps it: a file for each metric, param and tag, and `meta.yaml`. */
export class RunFolder {
  readonly experimentId: string;
  readonly #folder: string;
  /**
   * The run is being made: nobody sees it before its `meta.yaml` is there, and files may be written in their places.
   */
  #unseen: boolean;
  #meta: MetaFile = { stamp: "" };
  /** How each metric's file was left. */
  readonly #written = new Map<string, Written>();

  private constructor(folder: string, unseen: boolean) {
    this.#folder = folder;
    this.experimentId = basename(dirname(folder));
    this.#unseen = unseen;
  }

  /** The run in a folder, if one is there. */
  static at(folder: string): RunFolder | undefined {
    if (!statOf(join(folder, META))) return undefined;
    sweepUnfinished(folder);
    return new RunFolder(folder, false);
  }

  /**
   * A folder for a run that is not there; a killed program may have left a part of it, which nobody takes for a run.
   */
  static make(experiment: Experiment, runKey: string): RunFolder {
    const folder = join(experiment.folder, runKey);
    if (!addFolder(folder)) sweepUnfinished(folder);
    for (const name of FOLDERS) addFolder(join(folder, name));
    return new RunFolder(folder, true);
  }

  /** Whether it is there still, and where it was. */
  get exists(): boolean {
    return statOf(join(this.#folder, META)) !== undefined;
  }

  /** @throws PulseError when nobody can read the file */
  get deleted(): boolean {
    const { own, read } = this.#current();
    return own === undefined && read?.text("lifecycle_stage") === "deleted";
  }

  get status(): number {
    const { own, read } = this.#current();
    return Number(own?.["status"] ?? read?.number("status") ?? STATUS.RUNNING);
  }

  /** Where its files are kept: a place of their own, or in its folder, as long as that is there. */
  get artifacts(): ArtifactPlace {
    const { own, read } = this.#current();
    const uri = own === undefined ? read?.text("artifact_uri") : String(own["artifact_uri"]);
    const folder = join(this.#folder, "artifacts");
    return uri === mlrunsUri(folder) ? new LocalRepository(folder, () => this.#needThere()) : uri;
  }

  /** @throws PulseError where it was moved or removed: MLflow takes what would be made anew there for a broken run */
  #needThere(): void {
    const id = basename(this.#folder);
    if (!this.exists) throw new PulseError("RUN_NOT_FOUND", `Run ${id} is no longer in ${dirname(this.#folder)}.`);
    if (this.deleted) throw new PulseError("RUN_DELETED", `Run ${id} was deleted.`);
  }

  tag(key: string): string | undefined {
    if (!isKey(key)) return undefined;
    const [own, apart] = [fileOf(key), apartFrom(key)].map((file) => textOf(join(this.#folder, "tags", file)));
    return own ?? apart;
  }

  /** Makes it a run, with its end when that is known already. Behind all else: nothing of it is seen before. */
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
    this.#written.clear(); // for what comes behind it the files are read
  }

  rename(name: string): void {
    this.#edit({ run_name: name.slice(0, LIMITS.runName) });
  }

  /** Adds a param; false when it has another value. */
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

  /** Has the run use a dataset. The tags of the first use stay, as in MLflow. */
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
      destination_id: datasetId, // as MLflow has it
      destination_type: "RUN",
      source_id: datasetId,
      source_type: "DATASET",
      tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
    };
    this.#addMeta(this.#folder, join("inputs", digest("md5", datasetId + basename(this.#folder))), input);
  }

  /** Adds a folder with a `meta.yaml` to another one, whole or not at all; one that is there stays. */
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
        // It is there, whole by now or without its file.
        addFile(join(target, META), metaText(fields), this.#folder);
      }
    } finally {
      rmSync(temporary, { recursive: true, force: true });
    }
  }

  /** Does something with the file of a key: its own, or another one where that cannot be. */
  #place<R>(kind: Kind, key: string, use: (path: string) => R): R {
    if (!isKey(key)) throw refusedKey(kind, key);
    if (key.includes("/")) this.#needOwnFolders(kind, key);
    let name = fileOf(key);
    let done: R;
    try {
      done = use(`${this.#folder}/${kind}/${name}`); // `join` costs a tenth of writing it
    } catch (error) {
      if (!IN_THE_WAY.includes(codeOf(error))) throw error;
      name = apartFrom(key);
      done = use(`${this.#folder}/${kind}/${name}`);
    }
    if (name !== key) this.#sayKey(name, key);
    return done;
  }

  /** Folders of others' are not written into through a link that somebody has put in the place of a key's. */
  #needOwnFolders(kind: Kind, key: string): void {
    for (let folder = dirname(key); folder !== "."; folder = dirname(folder))
      if (isLink(join(this.#folder, kind, folder))) {
        const detail = `The ${kind.slice(0, -1)} ${JSON.stringify(key)} is not stored: ${join(kind, folder)} in the run's folder is a link.`;
        throw new Refused(new PulseError("REJECTED", detail));
      }
  }

  /** Says what a file's name stands for, as of keys that were mended before. */
  #sayKey(file: string, key: string): void {
    const tag = join(this.#folder, "tags", KEY_TAG + file);
    if (textOf(tag) === undefined) this.#inFolder(tag, () => replaceFile(tag, key, this.#folder));
  }

  /** Writes a file, and makes the folders above it when they are missing. */
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

  /** The file as it is now. */
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

/** The run is not where it was. */
export class Gone extends Error {}

/** An item that no file can be made for. */
export class Refused extends Error {
  readonly error: PulseError;

  constructor(error: PulseError) {
    super(error.message);
    this.error = error;
  }
}

/** Whether an error is about one item's own file. */
export const isOdd = (error: unknown): boolean => error instanceof NoMetricFile || isAboutItem(error);

function refusedKey(kind: Kind, key: string): Refused {
  const what = kind.slice(0, -1) as RefusedItems["what"];
  return new Refused(
    new PulseError("INVALID_KEY", `The ${what} key ${JSON.stringify(key)} is no path below a run's folder.`),
  );
}

/** Whether a file holds a text; one that may not be read has to be replaced. */
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
