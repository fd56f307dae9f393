import { join } from "node:path";
import { holdsExperiments, isThere, workingFolder } from "../base/folders.js";
import type { GivenConfig } from "./options.js";

/** @internal The configuration file, read once from the working folder. */
export const CONFIG_FILE = "pulse-mlflow.config.json";

/** @internal The origin of settings made in code. */
export const BY_CODE = "configure()" as const;

/** @internal The database that MLflow uses by default, in the working folder; `MLRUNS` is its former default folder. */
export const DATABASE = "mlflow.db" as const;
/** @internal */
export const MLRUNS = "mlruns" as const;
/** @internal */
export const DEFAULT_URI = "sqlite:///mlflow.db" as const;

/** Returns the default tracking URI: the `mlruns` folder only if MLflow itself would still use it. */
function defaultUri(env: NodeJS.ProcessEnv): string {
  if (!/^\s*(true|1)\s*$/i.test(env["MLFLOW_ALLOW_FILE_STORE"] ?? "")) return DEFAULT_URI;
  const folder = workingFolder();
  return folder !== undefined && !isThere(join(folder, DATABASE)) && holdsExperiments(join(folder, MLRUNS))
    ? MLRUNS
    : DEFAULT_URI;
}

/** @internal Returns the origin of the server that a tracking URI names; undefined if it names none. */
export function originOf(uri: string | undefined): string | undefined {
  return uri !== undefined && /^https?:/i.test(uri) && URL.canParse(uri) ? new URL(uri).origin : undefined;
}

/** @internal Picks each setting from the first source that sets it, and remembers the source. */
export class Picker {
  readonly env: NodeJS.ProcessEnv;
  readonly origins: Record<string, string> = {};
  readonly #given: GivenConfig;
  readonly #stored: GivenConfig;

  /** The tracking URI in use. */
  readonly trackingUri: string;
  /** The tracking URI without that of a single call. For a given store, its address, if it has one. */
  readonly #ownUri: string;

  constructor(given: GivenConfig, stored: GivenConfig, env: NodeJS.ProcessEnv, callUri?: string) {
    this.#given = given;
    this.#stored = stored;
    this.env = env;
    if (given.store === undefined) this.#ownUri = this.maybe("trackingUri", "MLFLOW_TRACKING_URI") ?? defaultUri(env);
    else this.#ownUri = this.#from("trackingUri", given.store.uri ?? "(a store without an address)", BY_CODE);
    this.trackingUri = callUri ?? this.#ownUri;
    if (callUri !== undefined) this.note("trackingUri", BY_CODE);
  }

  /**
   * Whether credentials from a source may be sent to the tracking URI in use. Credentials belong to a server: those in
   * options to the tracker's own; those in the file to the server the file names; those in the environment to the
   * server named there or in code. The file is in the working folder and not trusted to direct the environment's
   * credentials, and neither is the URI of a single call.
   */
  maySend(whose: "options" | "file" | "environment"): boolean {
    const origin = originOf(this.trackingUri);
    if (origin === undefined) return true; // not a server
    const homes = {
      options: [this.#ownUri],
      file: [this.#stored.trackingUri ?? this.#ownUri],
      environment: [this.env["MLFLOW_TRACKING_URI"], this.#given.trackingUri],
    };
    return homes[whose].some((uri) => originOf(uri) === origin);
  }

  /** Returns credentials from the options, else the file, if they may be sent to the tracking URI in use. */
  secret<K extends "auth" | "headers" | "tls">(name: K): GivenConfig[K] {
    if (this.#given[name] !== undefined && this.maySend("options")) return this.#from(name, this.#given[name], BY_CODE);
    if (this.#stored[name] !== undefined && this.maySend("file"))
      return this.#from(name, this.#stored[name], CONFIG_FILE);
    return undefined;
  }

  /** Returns a setting from the options, else the file, else (for strings) the environment. */
  maybe<K extends keyof GivenConfig>(
    name: K,
    variable?: GivenConfig[K] extends string | undefined ? string : never,
  ): GivenConfig[K] {
    if (this.#given[name] !== undefined) return this.#from(name, this.#given[name], BY_CODE);
    if (this.#stored[name] !== undefined) return this.#from(name, this.#stored[name], CONFIG_FILE);
    return (variable === undefined ? undefined : this.environment(name, variable)) as GivenConfig[K];
  }

  /** Like `maybe`, with a default. */
  value<K extends keyof GivenConfig>(
    name: K,
    fallback: NonNullable<GivenConfig[K]>,
    variable?: GivenConfig[K] extends string | undefined ? string : never,
  ): NonNullable<GivenConfig[K]> {
    return this.maybe(name, variable) ?? fallback;
  }

  /** Returns an environment variable that is not blank. */
  environment(name: string, variable: string): string | undefined {
    const value = this.env[variable];
    return value?.trim() ? this.#from(name, value, variable) : undefined;
  }

  /** Remembers where a value comes from. */
  note(name: string, origin: string): void {
    this.origins[name] = origin;
  }

  #from<T>(name: string, value: T, origin: string): T {
    this.origins[name] = origin;
    return value;
  }
}
