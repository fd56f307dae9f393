import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ExperimentRef } from "../entities.js";
import { messageOf, PulseError } from "../errors.js";
import { type ServerSettings, serverSettings } from "./server.js";
import { checkConfig, type Durability, type PulseConfig } from "./options.js";

/** A configuration with every question answered. */
export interface ResolvedConfig {
  readonly trackingUri: string;
  /** Undefined when nobody named one: a class then gives its name, anything else goes to Default. */
  readonly experiment: ExperimentRef | undefined;
  /** MLFLOW_RUN_ID: the run that the first top-level run resumes. */
  readonly runId: string | undefined;
  readonly server: ServerSettings;
  readonly durability: Durability;
  readonly flushIntervalMs: number;
  /** Undefined is the user's state folder. */
  readonly outboxFolder: string | undefined;
  readonly maxOutboxBytes: number;
  readonly exitTimeoutMs: number;
  readonly maxPendingBytes: number;
  readonly redact: PulseConfig["redact"];
  readonly strict: boolean;
  readonly logger: PulseConfig["logger"];
  readonly outsideRun: NonNullable<PulseConfig["outsideRun"]>;
}

const FILE = "pulse-mlflow.config.json";
const DEFAULT_URI = "sqlite:///mlflow.db";
const DEFAULT_EXIT_TIMEOUT_MS = 3_000;
const DEFAULT_FLUSH_INTERVAL_MS = 1_000;
const DEFAULT_OUTBOX_BYTES = 1024 * 1024 * 1024;
const DEFAULT_PENDING_BYTES = 64 * 1024 * 1024;

let file: { readonly path: string; readonly config: PulseConfig } | undefined;

/**
 * Resolves a configuration: the options given, then `pulse-mlflow.config.json` of the working folder (read once),
 * then MLflow's environment variables, then the defaults.
 * @throws PulseError `INVALID_CONFIG` for a wrong option or an unreadable file.
 */
export function resolveConfig(given: PulseConfig = {}, env: NodeJS.ProcessEnv = process.env): ResolvedConfig {
  checkConfig(given, "configure");
  const stored = readConfigFile(process.cwd());
  const set = (name: string): string | undefined => (env[name]?.trim() ? env[name] : undefined);
  const name = given.experiment ?? stored.experiment ?? set("MLFLOW_EXPERIMENT_NAME");
  const id = set("MLFLOW_EXPERIMENT_ID");
  const folder = given.outbox?.folder ?? stored.outbox?.folder;
  return {
    trackingUri: given.trackingUri ?? stored.trackingUri ?? set("MLFLOW_TRACKING_URI") ?? DEFAULT_URI,
    experiment: name !== undefined ? { name } : id !== undefined ? { id } : undefined,
    runId: set("MLFLOW_RUN_ID"),
    server: serverSettings(given, stored, env),
    durability: given.durability ?? stored.durability ?? "exit",
    flushIntervalMs: given.flushIntervalMs ?? stored.flushIntervalMs ?? DEFAULT_FLUSH_INTERVAL_MS,
    outboxFolder: folder && resolve(folder),
    maxOutboxBytes: given.outbox?.maxBytes ?? stored.outbox?.maxBytes ?? DEFAULT_OUTBOX_BYTES,
    exitTimeoutMs: given.exitTimeoutMs ?? stored.exitTimeoutMs ?? DEFAULT_EXIT_TIMEOUT_MS,
    maxPendingBytes: given.maxPendingBytes ?? stored.maxPendingBytes ?? DEFAULT_PENDING_BYTES,
    redact: given.redact ?? stored.redact,
    strict: given.strict ?? stored.strict ?? false,
    logger: given.logger,
    outsideRun: given.outsideRun ?? stored.outsideRun ?? "warn",
  };
}

function readConfigFile(folder: string): PulseConfig {
  const path = join(folder, FILE);
  if (file?.path === path) return file.config;
  let config: unknown = {};
  try {
    config = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      throw new PulseError("INVALID_CONFIG", `${path} could not be read as JSON: ${messageOf(error)}.`, error);
  }
  checkConfig(config, FILE);
  file = { path, config };
  return config;
}
