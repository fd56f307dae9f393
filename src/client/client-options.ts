import type { MlflowRun, TerminalStatus, ViewType } from "../base/entities.js";
import type { Check } from "../base/wrong-input.js";
import type { ConfigOptions } from "../config/options.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";
import type { Run } from "../run/run.js";
import type { Tracker } from "../tracker.js";

/** A run: its id in the store, a run of this process, or one that was found. */
export type RunRef = string | Run | Pick<MlflowRun, "runId">;

/** Where a client reads from. */
export interface ClientOptions extends Pick<ConfigOptions, "auth" | "headers" | "tls" | "workspace"> {
  /** As in `configure`. @default the default tracker's store; its configured URI if other options are given */
  readonly trackingUri?: string | undefined;
  /** Reads what this tracker stores, and flushes it before each read: one reads what one wrote. */
  readonly tracker?: Tracker | undefined;
}

/** A search for experiments. */
export interface ExperimentQuery {
  /** In MLflow's search language: `name LIKE 'Pulse%' AND tags.team = 'ml'`. @default all */
  readonly filter?: string | undefined;
  /** Columns such as `"name DESC"`. @default the latest creation first */
  readonly orderBy?: readonly string[] | undefined;
  /** @default "active" */
  readonly viewType?: ViewType | undefined;
  /** At most this many results; also the size of a page. @default all, 1,000 a page */
  readonly maxResults?: number | undefined;
}

/** A search for runs. */
export interface RunsQuery extends ExperimentQuery {
  /** @default all active experiments, if no names are given either */
  readonly experimentIds?: readonly string[] | undefined;
  readonly experimentNames?: readonly string[] | undefined;
  /** In MLflow's search language: `metrics.loss < 0.2 AND params.lr = '0.1'`. @default all */
  readonly filter?: string | undefined;
  /** Columns such as `"metrics.loss DESC"`. @default the latest start first */
  readonly orderBy?: readonly string[] | undefined;
}

/** Options of `createExperiment`. */
export interface CreateExperimentOptions {
  /** Where the files of its runs go, a URI. @default the store decides */
  readonly artifactLocation?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** Options of `getMetricHistory`. */
export interface HistoryOptions {
  /**
   * At most this many points, at least 4; above 20,000 it is taken for that. The highest and lowest of each part of the history stay, at their own steps.
   * @default all
   */
  readonly maxPoints?: number | undefined;
}

/** Options of `updateRun`. */
export interface RunUpdate {
  /** An end status also sets the end time. */
  readonly status?: "RUNNING" | TerminalStatus | undefined;
  readonly runName?: string | undefined;
}

/** Options of `downloadArtifacts`. */
export interface DownloadArtifactsOptions {
  /** A file or folder of the run. @default everything */
  readonly path?: string | undefined;
  /** The local folder to write into. */
  readonly to: string;
  /** Called on progress with a file and how many bytes of it are there. */
  readonly onProgress?: ((file: ArtifactInfo, bytes: number) => void) | undefined;
  /** Stops the download; the next one goes on where it ended. */
  readonly signal?: AbortSignal | undefined;
}

/** @internal */
export const TEXT: Check = ["a non-empty text", (value) => typeof value === "string" && value !== ""];
const TEXTS: Check = [
  "a list of texts",
  (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
];
const ANY_TEXT: Check = ["a text", (value) => typeof value === "string"];
const VIEW: Check = ['"active", "deleted" or "all"', (value) => ["active", "deleted", "all"].includes(value as string)];
const COUNT: Check = ["an integer, 1 or more", (value) => Number.isSafeInteger(value) && (value as number) >= 1];
/** @internal */
export const TAGS: Check = [
  "an object of texts",
  (value) =>
    typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string"),
];
/** @internal */
export const STATUS: Check = [
  '"RUNNING", "FINISHED", "FAILED" or "KILLED"',
  (value) => ["RUNNING", "FINISHED", "FAILED", "KILLED"].includes(value as string),
];
/** @internal */
export const EXPERIMENT_QUERY = { filter: ANY_TEXT, orderBy: TEXTS, viewType: VIEW, maxResults: COUNT };
/** @internal */
export const RUNS_QUERY = { ...EXPERIMENT_QUERY, experimentIds: TEXTS, experimentNames: TEXTS };
/** @internal */
export const DOWNLOAD: Readonly<Record<keyof DownloadArtifactsOptions, Check>> = {
  path: ANY_TEXT,
  to: TEXT,
  onProgress: ["a function", (value) => typeof value === "function"],
  signal: ["an AbortSignal", (value) => typeof (value as Partial<AbortSignal> | null)?.throwIfAborted === "function"],
};
/** @internal */
export const TRACKER: Check = [
  "a tracker of createTracker() or defaultTracker()",
  (value) => typeof value === "object" && value !== null && "recorder" in value,
];
