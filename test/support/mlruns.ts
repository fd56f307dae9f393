import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";
import type { DatasetInput } from "../../src/base/entities.js";
import type { ReadRun } from "../../src/contracts/tracking-reader.js";

const STATUS = ["", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

type Meta = Readonly<Record<string, unknown>>;

/** A `meta.yaml`, as YAML of version 1.1. */
export function metaIn(folder: string): Meta {
  return parse(readFileSync(join(folder, "meta.yaml"), "utf8"), { version: "1.1" }) as Meta;
}

/** Each file below a folder, by its path there. */
export function filesIn(folder: string): Record<string, string> {
  if (!existsSync(folder)) return {};
  const paths = readdirSync(folder, { recursive: true }).map(String);
  return Object.fromEntries(
    paths
      .filter((path) => statSync(join(folder, path)).isFile())
      .map((path) => [path, readFileSync(join(folder, path), "utf8")]),
  );
}

/** The folders of the runs of an `mlruns` folder, deleted experiments' too. */
export function runFolders(root: string): string[] {
  const experiments = [root, join(root, ".trash")].flatMap((place) =>
    existsSync(place)
      ? readdirSync(place)
          .filter((name) => /^\w/.test(name))
          .map((name) => join(place, name))
      : [],
  );
  return experiments.flatMap((folder) =>
    readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((run) => /^[0-9a-f]{32}$/.test(basename(run)) && existsSync(join(run, "meta.yaml"))),
  );
}

function numberOf(text: string): number {
  const word = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY }[text];
  return word ?? Number(text);
}

/** The lines of a metric's file; one that is no point, or has no end, fails. */
function pointsOf(text: string): [step: number, timestamp: number, value: number][] {
  if (!text.endsWith("\n")) throw new Error(`A line has no end: ${text.slice(-100)}`);
  const lines = text.slice(0, -1).split("\n");
  return lines.map((line) => {
    if (!/^\d+ (nan|-?inf|-?\d\S*) -?\d+$/.test(line)) throw new Error(`No point: ${JSON.stringify(line)}`);
    const [timestamp = "", value = "", step = ""] = line.split(" ");
    return [Number(step), Number(timestamp), numberOf(value)];
  });
}

/** Reads a run with plain file functions, as the store contract compares it. */
export function readRunAt(folder: string): ReadRun {
  const meta = metaIn(folder);
  const experiment = metaIn(join(folder, ".."));
  const metrics = Object.entries(filesIn(join(folder, "metrics"))).map(([key, text]) => [key, pointsOf(text)] as const);
  return {
    experiment: String(experiment["name"]),
    name: String(meta["run_name"]),
    status: String(STATUS[Number(meta["status"])]),
    startTime: Number(meta["start_time"]),
    endTime: meta["end_time"] === null ? null : Number(meta["end_time"]),
    params: filesIn(join(folder, "params")),
    tags: filesIn(join(folder, "tags")),
    metrics: Object.fromEntries(metrics),
    inputs: inputsOf(folder),
  };
}

export function readRun(root: string, runId: string): ReadRun | undefined {
  const folder = runFolders(root).find((each) => basename(each) === runId);
  return folder === undefined ? undefined : readRunAt(folder);
}

function inputsOf(folder: string): DatasetInput[] {
  const inputs = join(folder, "inputs");
  if (!existsSync(inputs)) return [];
  return readdirSync(inputs).map((name) => {
    const input = metaIn(join(inputs, name));
    const dataset = metaIn(join(folder, "..", "datasets", String(input["source_id"])));
    const optional = (value: unknown): string | undefined => (value === null ? undefined : String(value));
    return {
      name: String(dataset["name"]),
      digest: String(dataset["digest"]),
      sourceType: String(dataset["source_type"]),
      source: String(dataset["source"]),
      schema: optional(dataset["schema"]),
      profile: optional(dataset["profile"]),
      tags: Object.entries(input["tags"] as Record<string, string>).map(([key, value]) => ({ key, value })),
    };
  });
}
