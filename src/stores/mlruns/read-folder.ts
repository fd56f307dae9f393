import { closeSync, constants, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DatasetInput, Metric, MetricPoint, MlflowExperiment, MlflowRun, RunStatus } from "../../base/entities.js";
import { part } from "../../base/loading.js";
import { isLater } from "../../search/points.js";
import { codeOf, PLAIN, textOf } from "./files.js";
import { META } from "./folder-path.js";
import { Meta } from "./meta.js";
import { pointIn } from "./metric-file.js";
import { KEY_TAG } from "./run-folder.js";

/** How long reading holds the event loop, in milliseconds. */
const SLICE_MS = 4;
const CHUNK_BYTES = 128 * 1024;
/** MLflow's numbers for a run's status. */
const STATUSES: readonly (RunStatus | undefined)[] = [
  undefined,
  "RUNNING",
  "SCHEDULED",
  "FINISHED",
  "FAILED",
  "KILLED",
];

/** A file that holds a param, a tag or a metric. */
interface KeyedFile {
  readonly key: string;
  readonly path: string;
}

/** Lets the event loop turn when reading has held it for long enough. */
export class Pace {
  #since = performance.now();

  async step(): Promise<void> {
    if (performance.now() - this.#since < SLICE_MS) return;
    await nextTurn();
    this.#since = performance.now();
  }
}

/** Returns the fields of a `meta.yaml`; undefined if there is none, or it cannot be read, as in MLflow. */
function fieldsAt(folder: string): ((key: string) => string | undefined) | undefined {
  try {
    const text = textOf(join(folder, META));
    if (text === undefined) return undefined;
    const own = ownFields(text);
    if (own) return (key) => own.get(key);
    const meta = new Meta(text);
    return (key) => meta.text(key);
  } catch {
    return undefined;
  }
}

/** Reads a file of our own form, a hundred times as fast as YAML; undefined if it has another one. */
function ownFields(text: string): Map<string, string | undefined> | undefined {
  const fields = new Map<string, string | undefined>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, key, value] = /^(\w+): (null|\[\]|-?\d+|"(?:[^"\\]|\\.)*")$/.exec(line) ?? [];
    if (key === undefined || value === undefined) return undefined;
    if (value === "null" || value === "[]") continue;
    fields.set(key, value.startsWith('"') ? (JSON.parse(value) as string) : value);
  }
  return fields;
}

/** Reads an experiment's folder; undefined if it is not one. */
export function experimentAt(folder: string, id: string, isTrash: boolean): MlflowExperiment | undefined {
  const field = fieldsAt(folder);
  if (field?.("experiment_id") !== id) return undefined;
  return {
    experimentId: id,
    name: field("name") ?? "",
    artifactLocation: field("artifact_location") ?? "",
    lifecycleStage: isTrash || field("lifecycle_stage") === "deleted" ? "deleted" : "active",
    creationTime: dateOf(field("creation_time")),
    lastUpdateTime: dateOf(field("last_update_time")),
    tags: Object.fromEntries(keyed(join(folder, "tags")).map(({ key, path }) => [key, read(path) ?? ""])),
  };
}

/** Reads a run's folder; undefined if it is not one, or was removed meanwhile. */
export async function runAt(folder: string, runId: string, pace: Pace): Promise<MlflowRun | undefined> {
  const field = fieldsAt(folder);
  if (field === undefined || (field("run_id") ?? field("run_uuid")) !== runId) return undefined;
  const texts = async (files: readonly KeyedFile[]): Promise<Record<string, string>> => {
    const found: [string, string][] = [];
    for (const { key, path } of files) {
      if (!key.startsWith(KEY_TAG)) found.push([key, read(path) ?? ""]);
      await pace.step();
    }
    return Object.fromEntries(found);
  };
  const tagFiles = keyed(join(folder, "tags"));
  const names = namesIn(tagFiles);
  const tags = await texts(renamed(tagFiles, names));
  const metrics: [string, number][] = [];
  for (const { key, path } of renamed(keyed(join(folder, "metrics")), names)) {
    let last: MetricPoint | undefined;
    for await (const points of pointsAt(path, pace))
      for (const point of points) if (last === undefined || isLater(point, last)) last = point;
    if (last) metrics.push([key, last.value]);
  }
  return {
    runId,
    runName: field("run_name") ?? tags["mlflow.runName"] ?? "",
    experimentId: field("experiment_id") ?? "",
    status: STATUSES[Number(field("status"))] ?? "RUNNING",
    startTime: dateOf(field("start_time")) ?? new Date(0),
    endTime: dateOf(field("end_time")),
    userId: field("user_id") ?? "",
    lifecycleStage: field("lifecycle_stage") === "deleted" ? "deleted" : "active",
    artifactUri: field("artifact_uri") ?? "",
    params: await texts(renamed(keyed(join(folder, "params")), names)),
    tags,
    metrics: Object.fromEntries(metrics),
    inputs: inputsAt(folder),
  };
}

/** The metrics of a run: their keys and files. */
export const metricFiles = (folder: string): readonly KeyedFile[] =>
  renamed(keyed(join(folder, "metrics")), namesIn(keyed(join(folder, "tags"))));

/** Reads the values of a metric's file, part by part. Lines that are no values are left out, as is one without an end. */
async function* pointsAt(path: string, pace: Pace): AsyncGenerator<MetricPoint[], void, void> {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | PLAIN);
  } catch {
    return; // removed, or not readable
  }
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    let rest = "";
    for (let at = 0; ; ) {
      const length = readSync(descriptor, chunk, 0, chunk.length, at);
      if (length === 0) return; // what is left is half a line
      const lines = (rest + chunk.toString("latin1", 0, length)).split("\n");
      rest = lines.pop() as string;
      yield lines.flatMap((line) => pointIn(line) ?? []);
      at += length;
      await pace.step();
    }
  } catch (error) {
    if (codeOf(error) !== "EISDIR") throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a metric's history from its file. */
export async function historyAt(path: string, key: string, pace: Pace): Promise<Metric[]> {
  const points: Metric[] = [];
  for await (const some of pointsAt(path, pace)) for (const point of some) points.push({ key, ...point });
  return points;
}

/** The keys of changed file names: their tags hold them. */
function namesIn(tags: readonly KeyedFile[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { key, path } of tags) if (key.startsWith(KEY_TAG)) names.set(key.slice(KEY_TAG.length), read(path) ?? "");
  return names;
}

const renamed = (files: readonly KeyedFile[], names: ReadonlyMap<string, string>): readonly KeyedFile[] =>
  names.size === 0 ? files : files.map(({ key, path }) => ({ key: names.get(key) ?? key, path }));

/** The files in a folder; their keys are their paths in it. Links are not followed. */
function keyed(folder: string): KeyedFile[] {
  const found: KeyedFile[] = [];
  const walk = (below: string): void => {
    let entries: import("node:fs").Dirent[];
    try {
      entries = readdirSync(join(folder, below), { withFileTypes: true });
    } catch {
      return; // there is none, or it may not be read
    }
    for (const entry of entries) {
      const file = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) walk(file);
      else if (entry.isFile()) found.push({ key: file, path: join(folder, file) });
    }
  };
  walk("");
  return found;
}

function read(path: string): string | undefined {
  try {
    return textOf(path);
  } catch {
    return undefined;
  }
}

function inputsAt(folder: string): DatasetInput[] {
  let ids: string[];
  try {
    ids = readdirSync(join(folder, "inputs"));
  } catch {
    return [];
  }
  const yaml = part("yaml") as { parse(text: string, options: object): unknown };
  const parsed = (path: string): Record<string, unknown> => {
    try {
      return Object(yaml.parse(read(join(path, META)) ?? "", { version: "1.1", logLevel: "silent" }));
    } catch {
      return {};
    }
  };
  return ids.flatMap((id) => {
    const input = parsed(join(folder, "inputs", id));
    const dataset = parsed(join(folder, "..", "datasets", String(input["source_id"])));
    if (dataset["name"] === undefined) return [];
    const optional = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
    return {
      name: String(dataset["name"]),
      digest: String(dataset["digest"]),
      sourceType: String(dataset["source_type"]),
      source: String(dataset["source"]),
      schema: optional(dataset["schema"]),
      profile: optional(dataset["profile"]),
      tags: Object.entries(Object(input["tags"])).map(([key, value]) => ({ key, value: String(value) })),
    };
  });
}

function dateOf(text: string | undefined): Date | undefined {
  const ms = Number(text ?? Number.NaN);
  return Number.isFinite(ms) ? new Date(ms) : undefined;
}
