import type { Logger } from "../base/diagnostics.js";
import { PulseError } from "../base/errors.js";
import type { Redactor } from "../base/text/redact.js";
import { type Check, checkOptions, oddField, shownValue } from "../base/wrong-input.js";
import type { RunContext } from "../context/scope-storage.js";
import { storeFault, type TrackingStore } from "../contracts/tracking-store.js";

/** What a `@Log…` method does if it finds neither a run nor a class that opens one. */
export type OutsideRun = "warn" | "throw" | "ignore";

/** When recorded data is written to disk: within a flush interval and at exit, at the end of each turn, or never. */
export type Durability = "exit" | "outbox" | "memory";

/** How to log in to a server. */
export type Auth =
  | { readonly username: string; readonly password: string }
  | { readonly token: string | (() => string | Promise<string>) };

/** How to verify a server's certificate, and the client certificate. Values are paths of PEM files. */
export interface TlsOptions {
  /** Certificates to trust instead of Node's. @default MLFLOW_TRACKING_SERVER_CERT_PATH */
  readonly ca?: string | undefined;
  /** The client certificate; it includes the key unless `key` is set. @default MLFLOW_TRACKING_CLIENT_CERT_PATH */
  readonly cert?: string | undefined;
  /** The key of `cert`. */
  readonly key?: string | undefined;
  /**
   * Accepts any certificate: anyone between client and server can read and change all traffic.
   * @default MLFLOW_TRACKING_INSECURE_TLS, else false
   */
  readonly insecure?: boolean | undefined;
}

/** Where outboxes are kept on disk, and their limits. */
export interface OutboxOptions {
  /**
   * @default `pulse-mlflow/outbox` in $XDG_STATE_HOME, else in ~/.local/state (macOS: ~/Library/Application Support,
   * Windows: %LOCALAPPDATA%)
   */
  readonly folder?: string | undefined;
  /**
   * Maximum size of one tracker's outbox in bytes, at least 65536. Beyond it, the oldest metrics are dropped first,
   * then what was set aside, then whole runs that have ended but are not created yet, oldest first. If that is not
   * enough, new changes wait in memory. @default 1073741824 (1 GiB)
   */
  readonly maxBytes?: number | undefined;
  /**
   * Maximum total size of all outboxes in the folder in bytes, at least 65536. Beyond it, outboxes of trackers that are
   * gone are removed, oldest first. @default 4294967296 (4 GiB)
   */
  readonly maxTotalBytes?: number | undefined;
  /**
   * Maximum total size in bytes of the files that wait beside one tracker's outbox for their upload. Files that do not
   * fit are left out, with a warning. @default 10737418240 (10 GiB)
   */
  readonly maxArtifactBytes?: number | undefined;
  /**
   * Age in milliseconds, since the last write, at which outboxes of trackers that are gone are removed.
   * @default 7776000000 (90 days)
   */
  readonly maxAgeMs?: number | undefined;
}

/** Credentials for S3, as AWS issues them. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** When to ask for new ones. @default never */
  readonly expiration?: Date | undefined;
}

/**
 * What is stored as an artifact, and which artifact locations a server may name. The server chooses where each run's
 * files go; these options limit what it may choose.
 */
export interface ArtifactsOptions {
  /**
   * Whether error stacks and params that are too long for MLflow are also stored in full (up to 100,000 characters), as
   * files in the folder `pulse`. @default true
   */
  readonly longTexts?: boolean | undefined;
  /** Whether a server on another machine may name local folders (for a shared disk). @default false */
  readonly allowLocal?: boolean | undefined;
  /**
   * The S3 buckets a server may name.
   * @default any, if the environment or `credentials` give this program access to S3
   */
  readonly buckets?: readonly string[] | undefined;
  /**
   * Returns credentials for S3; can only be set in code. @default AWS's own variables, files and container credentials
   */
  readonly credentials?: (() => S3Credentials | Promise<S3Credentials>) | undefined;
}

/** @internal Functions called at the beginning and end of each run. The configuration does not know what a run is. */
export interface Hooks {
  readonly onRunStart?: ((run: never) => unknown) | undefined;
  readonly onRunEnd?: ((run: never, end: never) => unknown) | undefined;
}

/** @internal Settings of a tracker, whole. */
export interface GivenConfig extends ConfigOptions, Hooks {}

/**
 * Settings of a tracker. The first source that sets a value wins: option at the call, decorator, `configure()`,
 * `pulse-mlflow.config.json`, MLflow's environment variables, default.
 */
export interface ConfigOptions {
  /**
   * Where runs go: `http(s)://host:port`, `sqlite:///relative.db`, `sqlite:////absolute.db`, a folder of MLflow's file
   * store (`./mlruns`, any plain path, `file:…`), `memory:`, `null:`, or a scheme of `registerTrackingStore()`.
   * @default MLFLOW_TRACKING_URI, else "sqlite:///mlflow.db"; "mlruns" where that folder holds experiments, no
   * `mlflow.db` lies beside it and MLFLOW_ALLOW_FILE_STORE is true
   */
  readonly trackingUri?: string | undefined;
  /**
   * A store of your own to use instead of a tracking URI; can only be set in code. A store with a `uri` gets an outbox,
   * like a server; for one without, changes wait in memory (`durability` is then `"memory"`). The tracker owns the
   * store and closes it on shutdown.
   * @experimental
   */
  readonly store?: TrackingStore | undefined;
  /**
   * The experiment of runs that do not name one, at most 256 characters.
   * @default MLFLOW_EXPERIMENT_NAME, else MLFLOW_EXPERIMENT_ID, else a tracked class's name, else MLflow's "Default"
   */
  readonly experiment?: string | undefined;
  /**
   * How long `flush()`, `shutdown()` and process exit keep trying after the store last accepted something, in
   * milliseconds. @default 3000
   */
  readonly exitTimeoutMs?: number | undefined;
  /**
   * How to log in to a server: a user name and password, a token, or a function that returns a token (called again if
   * the server refuses it).
   * @default MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, each falling back to ~/.mlflow/credentials; else
   * MLFLOW_TRACKING_TOKEN
   */
  readonly auth?: Auth | undefined;
  /** Additional headers for every request to a server. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How to verify a server's certificate, and the client certificate. */
  readonly tls?: TlsOptions | undefined;
  /** The workspace, for MLflow servers that have workspaces. @default MLFLOW_WORKSPACE */
  readonly workspace?: string | undefined;
  /** Timeout of one request in milliseconds. @default MLFLOW_HTTP_REQUEST_TIMEOUT (seconds), else 30000 */
  readonly requestTimeoutMs?: number | undefined;
  /**
   * What a crash may lose. `"exit"`: what the store has not accepted within `flushIntervalMs` is written to an outbox
   * on disk, and so is everything pending at exit. `"outbox"`: everything is written at the end of each turn of the
   * event loop. `"memory"`: nothing is ever written, and a change that a server fails on seven times, while it accepts
   * others, is dropped (`rejected` in `stats()`).
   * @default "exit"
   */
  readonly durability?: "exit" | "outbox" | "memory" | undefined;
  /** What is stored as an artifact, and which artifact locations a server may name. */
  readonly artifacts?: ArtifactsOptions | undefined;
  /** Where outboxes are kept, and how large they may grow. */
  readonly outbox?: OutboxOptions | undefined;
  /**
   * How long recorded changes may stay in memory until they are stored or written to the outbox, in milliseconds; see
   * `durability`. @default 1000
   */
  readonly flushIntervalMs?: number | undefined;
  /** Maximum size in bytes of the changes waiting in memory for the store. @default 67108864 (64 MiB) */
  readonly maxPendingBytes?: number | undefined;
  /**
   * How secrets in params, tags and error texts are handled: `true` applies the built-in rules, a function runs after
   * them, `false` stores secrets as they are. @default true
   */
  readonly redact?: boolean | Redactor | undefined;
  /**
   * How the open run follows a call, for the whole process; for example `clsHookedContext()` of
   * `pulse-mlflow/cls-hooked`.
   * @default AsyncLocalStorage
   */
  readonly context?: RunContext | undefined;
  /**
   * The share of top-level runs to record, from 0 to 1. It is multiplied with the `sample` of a decorator or call: with
   * `0.5` here, a method with `sample: 0.5` records a quarter. Failed runs are always recorded. `set()` of a tracker
   * changes it. @default 1
   */
  readonly sample?: number | undefined;
  /** Whether problems throw instead of warning; meant for tests. @default false */
  readonly strict?: boolean | undefined;
  /** Where warnings go. @default console */
  readonly logger?: Logger | undefined;
  /** What a `@Log…` method does outside any run. @default "warn" */
  readonly outsideRun?: "warn" | "throw" | "ignore" | undefined;
}

const TEXT: Check = ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""];
/** The longest delay a Node timer supports. */
const MAX_MS = 2 ** 31 - 1;
/** @internal Checks a share from 0 to 1. */
export const SHARE: Check = ["a number from 0 to 1", (value) => typeof value === "number" && value >= 0 && value <= 1];
const MILLISECONDS: Check = [
  "a number of milliseconds from 0 to 2147483647",
  (value) => typeof value === "number" && value >= 0 && value <= MAX_MS,
];

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isFunction = (value: unknown): boolean => typeof value === "function";
const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

/** The field names of options that are objects. */
const AUTH = ["username", "password", "token"];
const TLS = ["ca", "cert", "key", "insecure"];
const ARTIFACTS = ["longTexts", "allowLocal", "buckets", "credentials"];
const OUTBOX = ["folder", "maxBytes", "maxTotalBytes", "maxArtifactBytes", "maxAgeMs"];
const hasOnly = (value: object, names: readonly string[]): boolean => oddField(value, names) === undefined;

function isAuth(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { username, password, token } = value;
  if (token !== undefined)
    return (
      hasOnly(value, ["token"]) && (typeof token === "function" || (isText(token) && HEADER_VALUE.test(String(token))))
    );
  return hasOnly(value, ["username", "password"]) && isText(username) && typeof password === "string";
}

/** Describes a login that lacks its username or password. */
function halfOf(value: unknown): string | undefined {
  if (!isRecord(value)) return undefined;
  const { username, password } = value;
  if ((username === undefined) === (password === undefined)) return undefined;
  return `one without ${username === undefined ? "username" : "password"}`;
}

/** Describes a token that is not set, such as one read from a missing environment variable. */
const unsetToken = (value: unknown): string | undefined =>
  isRecord(value) && "token" in value && (value["token"] === undefined || value["token"] === "")
    ? `one whose token is ${shownUnset(value["token"])}`
    : undefined;

const shownUnset = (value: unknown): string => (value === undefined ? "undefined" : "empty");

/** Describes what is wrong with headers, without showing their values. */
function oddHeader(value: unknown): string | undefined {
  if (!isRecord(value)) return Array.isArray(value) ? "a list" : undefined;
  const odd = Object.entries(value).find((entry) => !isHeader(entry));
  if (odd === undefined) return undefined;
  return isHeader([odd[0], ""])
    ? `one with a value of ${JSON.stringify(odd[0])} that a header cannot hold`
    : `one with the name ${shownValue(odd[0])}`;
}

/** @internal The characters a header value may have. No line breaks: they would start another header. */
export const HEADER_VALUE: RegExp = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether HTTP allows this header name and value. */
function isHeader([name, value]: [string, unknown]): boolean {
  return /^[!#$%&'*+.^_`|~\w-]+$/.test(name) && typeof value === "string" && HEADER_VALUE.test(value);
}

function isTls(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { ca, cert, key, insecure } = value;
  const paths = [ca, cert, key].every((path) => path === undefined || isText(path));
  return (
    hasOnly(value, TLS) &&
    paths &&
    !(key !== undefined && cert === undefined) &&
    [undefined, false, true].includes(insecure as never) &&
    !(insecure && ca)
  );
}

function isArtifacts(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { longTexts, allowLocal, buckets, credentials } = value;
  const listed = buckets === undefined || (Array.isArray(buckets) && buckets.every(isText));
  return (
    hasOnly(value, ARTIFACTS) &&
    [longTexts, allowLocal].every((each) => each === undefined || typeof each === "boolean") &&
    listed &&
    (credentials === undefined || isFunction(credentials))
  );
}

function isOutbox(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { folder, maxBytes, maxTotalBytes, maxArtifactBytes, maxAgeMs } = value;
  const enough = [maxBytes, maxTotalBytes, maxArtifactBytes].every(
    (bytes) => bytes === undefined || (typeof bytes === "number" && bytes >= 65_536),
  );
  const old = maxAgeMs === undefined || (typeof maxAgeMs === "number" && maxAgeMs >= 0);
  return hasOnly(value, OUTBOX) && (folder === undefined || isText(folder)) && enough && old;
}

/** Describes which outbox option is wrong. */
function oddOutbox(value: unknown): string | undefined {
  const odd = isRecord(value) ? Object.entries(value).find(([name, each]) => !isOutbox({ [name]: each })) : undefined;
  return odd && `${odd[0]}: ${shownValue(odd[1])}`;
}

const CHECKS: Record<keyof GivenConfig, Check> = {
  trackingUri: TEXT,
  experiment: TEXT,
  store: [
    "a tracking store, an object with the methods apply and close (a URI goes into trackingUri)",
    (value) => storeFault(value) === undefined,
    storeFault,
  ],
  auth: [
    "{ username, password } or { token }, texts a header can hold (the token may be a function)",
    isAuth,
    (value) => oddField(value, AUTH) ?? halfOf(value) ?? unsetToken(value),
  ],
  headers: [
    "an object of header names and strings",
    (value) => isRecord(value) && Object.entries(value).every(isHeader),
    oddHeader,
  ],
  tls: [
    "{ ca?, cert?, key?: paths, insecure?: true or false }, ca and insecure not both, key only with cert",
    isTls,
    (value) =>
      oddField(value, TLS) ??
      (isRecord(value) && value["key"] !== undefined && value["cert"] === undefined ? "key without cert" : undefined),
  ],
  workspace: TEXT,
  requestTimeoutMs: [
    "a number of milliseconds from 1 to 2147483647",
    (value) => typeof value === "number" && value >= 1 && value <= MAX_MS,
  ],
  durability: ['"exit", "outbox" or "memory"', (value) => value === "exit" || value === "outbox" || value === "memory"],
  artifacts: [
    "{ longTexts?, allowLocal?: true or false, buckets?: a list of names, credentials?: a function }",
    isArtifacts,
    (value) => oddField(value, ARTIFACTS),
  ],
  outbox: [
    "{ folder?: a path, maxBytes?, maxTotalBytes?, maxArtifactBytes?: 65536 or more, maxAgeMs?: 0 or more }",
    isOutbox,
    (value) => oddField(value, OUTBOX) ?? oddOutbox(value),
  ],
  flushIntervalMs: [
    "a number of milliseconds from 10 to 2147483647",
    (value) => typeof value === "number" && value >= 10 && value <= MAX_MS,
  ],
  exitTimeoutMs: MILLISECONDS,
  maxPendingBytes: ["a number of bytes, 65536 or more", (value) => typeof value === "number" && value >= 65_536],
  redact: ["true, false or a function", (value) => typeof value === "boolean" || typeof value === "function"],
  sample: SHARE,
  strict: ["true or false", (value) => typeof value === "boolean"],
  context: [
    "an object with the methods get and run",
    (value) => isRecord(value) && [value["get"], value["run"]].every(isFunction),
  ],
  onRunStart: ["a function", isFunction],
  onRunEnd: ["a function", isFunction],
  logger: ["an object with a warn method", (value) => typeof (value as { warn?: unknown } | null)?.warn === "function"],
  outsideRun: ['"warn", "throw" or "ignore"', (value) => value === "warn" || value === "throw" || value === "ignore"],
};

/**
 * @internal Checks a configuration. `source` is named in messages; `without` lists options not allowed here, with the
 * reason.
 * @throws PulseError `INVALID_CONFIG` naming the option, what is expected and what was given.
 */
export function checkConfig(
  config: unknown,
  source: string,
  without: Readonly<Record<string, string>> = {},
): asserts config is GivenConfig {
  const odd = isRecord(config) ? Object.entries(without).find(([name]) => config[name] !== undefined) : undefined;
  if (odd !== undefined)
    throw new PulseError("INVALID_CONFIG", `${source}: there is no option ${JSON.stringify(odd[0])} here: ${odd[1]}.`);
  const checks = Object.fromEntries(Object.entries(CHECKS).filter(([name]) => !Object.hasOwn(without, name)));
  checkOptions(source, config, checks, { code: "INVALID_CONFIG" });
  const { store, trackingUri } = config as GivenConfig;
  if (store !== undefined && trackingUri !== undefined)
    throw new PulseError("INVALID_CONFIG", `${source}: store and trackingUri exclude each other; give one of them.`);
}
