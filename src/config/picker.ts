import { join } from "node:path";
import { holdsExperiments, isThere, workingFolder } from "../base/folders.js";
import type { PulseConfig } from "./options.js";

/** @internal The file of the working folder that is read once. */
export const CONFIG_FILE = "pulse-mlflow.config.json";

/** @internal Where a setting comes from that code gives. */
export const BY_CODE = "configure()" as const;

/** @internal The database of MLflow's default, in the working folder, and the folder it had for that before. */
export const DATABASE = "mlflow.db" as const;
/** @internal */
export const MLRUNS = "mlruns" as const;
/** @internal */
export const DEFAULT_URI = "sqlite:///mlflow.db" as const;

/** Where runs go when nobody says where: the folder only where MLflow itself would still take it. */
function defaultUri(env: NodeJS.ProcessEnv): string {
  if (!/^\s*(true|1)\s*$/i.test(env["MLFLOW_ALLOW_FILE_STORE"] ?? "")) return DEFAULT_URI;
  const folder = workingFolder();
  return folder !== undefined && !isThere(join(folder, DATABASE)) && holdsExperiments(join(folder, MLRUNS))
    ? MLRUNS
    : DEFAULT_URI;
}

/** @internal The server a tracking URI names; undefined for what is none. */
export function originOf(uri: string | undefined): string | undefined {
  return uri !== undefined && /^https?:/i.test(uri) && URL.canParse(uri) ? new URL(uri).origin : undefined;
}

/** @internal Takes each setting from the first that speaks, and remembers who did. */
export class Picker {
  readonly env: NodeJS.ProcessEnv;
  readonly origins: Record<string, string> = {};
  readonly #given: PulseConfig;
  readonly #stored: PulseConfig;

  /** Where runs go. */
  readonly trackingUri: string;
  /** Where they would go without the URI of one call; a store that was given has at most an address of its own. */
  readonly #ownUri: string;

  constructor(given: PulseConfig, stored: PulseConfig, env: NodeJS.ProcessEnv, callUri?: string) {
    this.#given = given;
    this.#stored = stored;
    this.env = env;
    if (given.store === undefined) this.#ownUri = this.maybe("trackingUri", "MLFLOW_TRACKING_URI") ?? defaultUri(env);
    else this.#ownUri = this.#from("trackingUri", given.store.uri ?? "(a store without an address)", BY_CODE);
    this.trackingUri = callUri ?? this.#ownUri;
    if (callUri !== undefined) this.note("trackingUri", BY_CODE);
  }

  /**
   * Whether credentials may go where runs go. They belong to a server: those of options to the tracker's own, those of
   * the file to the one it names, those of the environment to the one it names or that code names, which is trusted; a
   * file that lies in the working folder is not, and the URI of one call is another server's.
   */
  maySend(whose: "options" | "file" | "environment"): boolean {
    const origin = originOf(this.trackingUri);
    if (origin === undefined) return true; // no server
    const homes = {
      options: [this.#ownUri],
      file: [this.#stored.trackingUri ?? this.#ownUri],
      environment: [this.env["MLFLOW_TRACKING_URI"], this.#given.trackingUri],
    };
    return homes[whose].some((uri) => originOf(uri) === origin);
  }

  /** Credentials among the options, else in the file, if they may go where runs go. */
  secret<K extends "auth" | "headers" | "tls">(name: K): PulseConfig[K] {
    if (this.#given[name] !== undefined && this.maySend("options")) return this.#from(name, this.#given[name], BY_CODE);
    if (this.#stored[name] !== undefined && this.maySend("file"))
      return this.#from(name, this.#stored[name], CONFIG_FILE);
    return undefined;
  }

  /** An option, else the file's, else an environment variable's text where the option is a text. */
  maybe<K extends keyof PulseConfig>(
    name: K,
    variable?: PulseConfig[K] extends string | undefined ? string : never,
  ): PulseConfig[K] {
    if (this.#given[name] !== undefined) return this.#from(name, this.#given[name], BY_CODE);
    if (this.#stored[name] !== undefined) return this.#from(name, this.#stored[name], CONFIG_FILE);
    return (variable === undefined ? undefined : this.environment(name, variable)) as PulseConfig[K];
  }

  /** The same with a default. */
  value<K extends keyof PulseConfig>(
    name: K,
    fallback: NonNullable<PulseConfig[K]>,
    variable?: PulseConfig[K] extends string | undefined ? string : never,
  ): NonNullable<PulseConfig[K]> {
    return this.maybe(name, variable) ?? fallback;
  }

  /** The text of an environment variable that is not blank. */
  environment(name: string, variable: string): string | undefined {
    const value = this.env[variable];
    return value?.trim() ? this.#from(name, value, variable) : undefined;
  }

  /** Takes note of where a value comes from. */
  note(name: string, origin: string): void {
    this.origins[name] = origin;
  }

  #from<T>(name: string, value: T, origin: string): T {
    this.origins[name] = origin;
    return value;
  }
}
