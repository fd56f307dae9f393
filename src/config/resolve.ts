import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExperimentRef } from "../base/entities.js";
import { messageOf, PulseError } from "../base/errors.js";
import { absolutePath, isThere, workingFolder } from "../base/folders.js";
import { type ArtifactsOptions, checkConfig, type Durability, type GivenConfig, type Hooks } from "./options.js";
import { CONFIG_FILE, Picker } from "./picker.js";
import { type ServerSettings, serverSettings } from "./server.js";

/** A configuration with all defaults applied. */
export interface ResolvedConfig {
  readonly trackingUri: string;
  /** The store to use instead of a tracking URI. */
  readonly store: GivenConfig["store"];
  /** Undefined if none was named: tracked classes then use their name, everything else "Default". */
  readonly experiment: ExperimentRef | undefined;
  /** The run that the first top-level run of the process resumes. */
  readonly runId: string | undefined;
  readonly server: ServerSettings;
  readonly durability: Durability;
  readonly flushIntervalMs: number;
  /** Undefined means the user's state folder. */
  readonly outboxFolder: string | undefined;
  readonly maxOutboxBytes: number;
  readonly maxArtifactBytes: number;
  readonly artifacts: ArtifactsOptions;
  /** Limits for all outboxes together: total bytes, and the age in milliseconds of those no tracker holds. */
  readonly outboxLimits: { readonly maxTotalBytes: number; readonly maxAgeMs: number };
  readonly exitTimeoutMs: number;
  readonly maxPendingBytes: number;
  readonly redact: GivenConfig["redact"];
  readonly sample: number;
  readonly strict: boolean;
  readonly logger: GivenConfig["logger"];
  readonly hooks: Hooks;
  readonly outsideRun: NonNullable<GivenConfig["outsideRun"]>;
  /** Where each value comes from, in words; values without an entry are defaults. */
  readonly origins: Readonly<Record<string, string>>;
}

/** The variable that names a run to resume; removed once that has happened. */
export const RUN_ID = "MLFLOW_RUN_ID";

const DEFAULT_EXIT_TIMEOUT_MS = 3_000;
const DEFAULT_FLUSH_INTERVAL_MS = 1_000;
const DEFAULT_OUTBOX_BYTES = 1024 * 1024 * 1024;
const DEFAULT_ARTIFACT_BYTES = 10 * 1024 ** 3;
const DEFAULT_OUTBOXES_BYTES = 4 * DEFAULT_OUTBOX_BYTES;
const DEFAULT_OUTBOX_AGE_MS = 90 * 24 * 60 * 60 * 1_000;
const DEFAULT_PENDING_BYTES = 64 * 1024 * 1024;

/** Options that cannot be set in a file. */
const BY_CODE_ONLY = ["store", "context", "logger", "onRunStart", "onRunEnd"];

/** Used if a configuration is invalid. */
export const NOTHING_CONFIGURED: ResolvedConfig = {
  trackingUri: "(not configured)",
  store: undefined,
  experiment: undefined,
  runId: undefined,
  server: {
    auth: undefined,
    headers: {},
    tls: {},
    workspace: undefined,
    requestTimeoutMs: 0,
    respectRetryAfter: true,
    env: {},
  },
  durability: "memory",
  flushIntervalMs: 1_000,
  outboxFolder: undefined,
  maxOutboxBytes: 0,
  maxArtifactBytes: 0,
  artifacts: {},
  outboxLimits: { maxTotalBytes: 0, maxAgeMs: 0 },
  exitTimeoutMs: 0,
  maxPendingBytes: 65_536,
  redact: true,
  sample: 1,
  strict: false,
  logger: undefined,
  hooks: {},
  outsideRun: "warn",
  origins: {},
};

let file: { readonly path: string; readonly config: GivenConfig } | undefined;

/**
 * Resolves a configuration: the given options, then `pulse-mlflow.config.json` in the working folder (read once), then
 * MLflow's environment variables, then the defaults. `callUri` is the tracking URI of a single call, which does not get
 * the credentials of another server.
 * @throws PulseError `INVALID_CONFIG` if the file or an environment variable is invalid.
 */
export function resolveConfig(
  given: GivenConfig = {},
  env: NodeJS.ProcessEnv = process.env,
  stored?: GivenConfig,
  callUri?: string,
): ResolvedConfig {
  const pick = new Picker(given, stored ?? readConfigFile(workingFolder()), env, callUri);
  const experiment = pick.maybe("experiment", "MLFLOW_EXPERIMENT_NAME");
  const id = experiment === undefined ? pick.environment("experiment", "MLFLOW_EXPERIMENT_ID") : undefined;
  const outbox = pick.maybe("outbox");
  return {
    trackingUri: pick.trackingUri,
    store: callUri === undefined ? given.store : undefined,
    experiment: experiment !== undefined ? { name: experiment } : id !== undefined ? { id } : undefined,
    runId: pick.environment("runId", RUN_ID),
    server: serverSettings(pick),
    durability: pick.value("durability", "exit"),
    flushIntervalMs: pick.value("flushIntervalMs", DEFAULT_FLUSH_INTERVAL_MS),
    outboxFolder:
      outbox?.folder === undefined ? undefined : absolutePath(outbox.folder, "INVALID_CONFIG", "outbox.folder"),
    maxOutboxBytes: outbox?.maxBytes ?? DEFAULT_OUTBOX_BYTES,
    maxArtifactBytes: outbox?.maxArtifactBytes ?? DEFAULT_ARTIFACT_BYTES,
    artifacts: pick.maybe("artifacts") ?? {},
    outboxLimits: {
      maxTotalBytes: outbox?.maxTotalBytes ?? DEFAULT_OUTBOXES_BYTES,
      maxAgeMs: outbox?.maxAgeMs ?? DEFAULT_OUTBOX_AGE_MS,
    },
    exitTimeoutMs: pick.value("exitTimeoutMs", DEFAULT_EXIT_TIMEOUT_MS),
    maxPendingBytes: pick.value("maxPendingBytes", DEFAULT_PENDING_BYTES),
    redact: pick.maybe("redact"),
    sample: pick.value("sample", 1),
    strict: pick.value("strict", false),
    logger: given.logger,
    hooks: { onRunStart: given.onRunStart, onRunEnd: given.onRunEnd },
    outsideRun: pick.value("outsideRun", "warn"),
    origins: pick.origins,
  };
}

/** Describes a JSON error without the excerpt that JSON.parse quotes, which may contain a credential. */
function faultOf(text: string, error: SyntaxError): string {
  if (text.trim() === "") return "it is empty; write {} for no settings";
  const position = /at position (\d+)/.exec(error.message)?.[1];
  if (position === undefined) return "it ends too early";
  const before = text.slice(0, Number(position)).split("\n");
  const comment =
    /^\s*\/[/*]/.test(text.slice(Number(position) - 1)) || /^\s*\/[/*]/.test(text.slice(Number(position)));
  const where = `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
  return comment ? `${where}: JSON has no comments` : where;
}

/** Whether a configuration file exists. */
export function hasConfigFile(): boolean {
  const folder = workingFolder();
  return folder !== undefined && isThere(join(folder, CONFIG_FILE));
}

function readConfigFile(folder: string | undefined): GivenConfig {
  if (folder === undefined) return {};
  const path = join(folder, CONFIG_FILE);
  if (file?.path === path) return file.config;
  let config: unknown = {};
  let text = "";
  try {
    text = readFileSync(path, "utf8").replace(/^\ufeff/, "");
    config = JSON.parse(text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof SyntaxError)
      throw new PulseError("INVALID_CONFIG", `${path} could not be read as JSON: ${faultOf(text, error)}.`);
    // A file hidden by Node's permission model counts as missing.
    if (code !== "ENOENT" && code !== "ERR_ACCESS_DENIED")
      throw new PulseError(
        "INVALID_CONFIG",
        `${path} cannot be read: ${messageOf(error)}. Make it readable, or remove it.`,
      );
  }
  const byCode = BY_CODE_ONLY.find((name) => Object.hasOwn(Object(config), name));
  if (byCode !== undefined)
    throw new PulseError("INVALID_CONFIG", `${CONFIG_FILE}: ${byCode} can only be set in code, with configure().`);
  checkConfig(config, CONFIG_FILE);
  file = { path, config };
  return config;
}
