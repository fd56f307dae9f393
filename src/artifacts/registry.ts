import { dirname, isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf, PulseError } from "../base/errors.js";
import { shared } from "../base/shared-state.js";
import { shownUri } from "../base/text/redact.js";
import { needScheme, schemeOf } from "../base/uri.js";
import { needFunction } from "../base/wrong-input.js";
import type { ArtifactsOptions } from "../config/options.js";
import type { ServerSettings } from "../config/server.js";
import type { ArtifactRepository } from "../contracts/artifact-repository.js";
import { type CredentialsProvider, givesS3 } from "./aws-settings.js";
import { LazyRepository } from "./lazy-repository.js";
import { LocalRepository } from "./local.js";
import type { PartSizes } from "./upload-parts.js";

/**
 * Creates the repository for the URI of a root, which is passed unchanged; a new one for each call. It must open
 * nothing before the first use.
 * @throws an error that says what is wrong with the root.
 * @experimental
 */
export type RepositoryMaker = (root: string, options: { readonly requestTimeoutMs: number }) => ArtifactRepository;

/** @internal How to access a root, and whether that is allowed. */
export interface RepositoryOptions {
  /**
   * The tracking URI of the run or experiment that the root belongs to. If it is a server, the server chose the root.
   */
  readonly trackingUri: string;
  /** Connection settings of that server, if it is one. Its credentials are sent to it only. */
  readonly server: ServerSettings;
  /**
   * The folder that relative roots (`./mlruns/…`) are relative to: that of the database or of `mlruns`.
   * @default none, and relative roots are refused
   */
  readonly folder?: string | undefined;
  /** Whether a server may name local folders. @default only a server on this machine may */
  readonly allowLocal?: boolean | undefined;
  /** The buckets a server may name. @default any, if the environment gives this program access to S3 */
  readonly buckets?: readonly string[] | undefined;
  /** Returns credentials for S3, instead of the environment. */
  readonly credentials?: CredentialsProvider | undefined;
  /** @internal For tests. */
  readonly sizes?: PartSizes | undefined;
}

/** @internal Returns how to access the artifact roots that a store names. */
export function repositoryOptions(
  { server, artifacts }: { readonly server: ServerSettings; readonly artifacts: ArtifactsOptions },
  uri: string,
): RepositoryOptions {
  const path = uri.startsWith("file:") ? pathOf(uri) : /^sqlite:\/\/\/(.+)$/.exec(uri)?.[1];
  return { trackingUri: uri, server, folder: path === undefined ? undefined : dirname(path), ...artifacts };
}

const OWN: Readonly<Record<string, (root: string, options: RepositoryOptions) => ArtifactRepository>> = {
  file: localOf,
  "mlflow-artifacts": proxiedOf,
  http: proxiedOf,
  https: proxiedOf,
  s3: s3Of,
};

/** Shared by all loaded copies of the package. */
const registered: Map<string, RepositoryMaker> = shared(
  "artifact repositories",
  () => new Map<string, RepositoryMaker>(),
);

/**
 * Uses a repository of your own for artifact roots of a scheme (`gs`, `wasbs`, …), in the whole process. Registering a
 * scheme again replaces the maker. Such a root is used whoever chose it, even a server: your repository decides whom to
 * trust.
 * @throws PulseError `INVALID_OPTION` if the scheme is invalid or built in, or if `make` is not a function.
 * @experimental
 */
export function registerArtifactRepository(scheme: string, make: RepositoryMaker): void {
  const user = "registerArtifactRepository";
  needScheme(user, scheme, OWN);
  needFunction(user, "make", make);
  registered.set(scheme, make);
}

/**
 * @internal Creates the repository for a run's root; nothing is opened before the first use.
 *
 * Behind an `http(s)` tracking URI, the server chooses the root, and is only trusted with its own files:
 * - `mlflow-artifacts:` and `http(s)` roots must be on that server: its credentials go nowhere else;
 * - local folders only if the server is on this machine (a loopback address), or with `allowLocal`;
 * - S3 only for the listed `buckets`; without that option, only if S3 access was given to this program specifically: by
 * `credentials`, or by its environment (`MLFLOW_S3_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, or the
 * credentials of a container). Files in `~/.aws` alone are not enough. The server never sets the endpoint.
 *
 * A root chosen by the user (behind a database, or without a server) may be of any kind but the first.
 * @throws PulseError `ARTIFACT_ROOT` if the root cannot or must not be used, saying what to do; `INVALID_CONFIG` if the
 * registered maker returns no repository.
 */
export function openArtifactRepository(root: string, options: RepositoryOptions): ArtifactRepository {
  const scheme = schemeOf(root);
  if (scheme === undefined) return localOf(root, options);
  const own = Object.hasOwn(OWN, scheme) ? OWN[scheme] : undefined;
  if (own) return own(root, options);
  const make = registered.get(scheme);
  if (make) return made(root, scheme, make, options);
  const there = [...Object.keys(OWN), ...registered.keys()].map((name) => `${name}:`).join(", ");
  throw wrong(
    root,
    `is of a kind that is not supported. Supported are ${there} and paths; let the server store the files itself (\`mlflow server\` ` +
      `without --no-serve-artifacts), or add your own with registerArtifactRepository("${scheme}", ...).`,
  );
}

function made(root: string, scheme: string, make: RepositoryMaker, { server }: RepositoryOptions): ArtifactRepository {
  let repository: ArtifactRepository;
  try {
    repository = make(root, { requestTimeoutMs: server.requestTimeoutMs });
  } catch (error) {
    if (error instanceof PulseError) throw error;
    throw wrong(root, `cannot be used: ${messageOf(error)}.`, error);
  }
  const missing = (["upload", "list", "read", "close"] as const).filter(
    (name) => typeof (repository as never)?.[name] !== "function",
  );
  if (missing.length === 0) return repository;
  throw new PulseError(
    "INVALID_CONFIG",
    `The maker registered for ${scheme}: returned something without ${missing.join(", ")}, where an artifact repository is expected.`,
  );
}

function localOf(root: string, options: RepositoryOptions): ArtifactRepository {
  const server = serverOf(options);
  if (server !== undefined && !isLoopback(server) && options.allowLocal !== true)
    throw wrong(
      root,
      `is a folder named by the server ${server.origin}, which is another machine. If both share that disk, set ` +
        "allowLocal: true; otherwise let the server store the files itself (`mlflow server` without --no-serve-artifacts).",
    );
  const path = pathOf(root);
  if (isAbsolute(path)) return new LocalRepository(resolve(path));
  if (options.folder === undefined || !isAbsolute(options.folder))
    throw wrong(root, "is relative to an unknown folder. Give new experiments an absolute artifactUri.");
  return new LocalRepository(resolve(options.folder, path));
}

function pathOf(root: string): string {
  if (root.includes("\0") || root === "") throw wrong(root, "is not a path.");
  if (schemeOf(root) !== "file") return root;
  const rest = root.slice("file:".length);
  if (!rest.startsWith("/")) return decoded(root, rest);
  try {
    return fileURLToPath(new URL(root.replaceAll("#", "%23").replaceAll("?", "%3F")));
  } catch (error) {
    throw wrong(root, `is not a file on this machine: ${messageOf(error)}.`, error);
  }
}

function proxiedOf(root: string, options: RepositoryOptions): ArtifactRepository {
  const server = serverOf(options);
  if (server === undefined)
    throw wrong(
      root,
      "is on the MLflow server that created the experiment. Use that server's http(s) URI as trackingUri; or use another " +
        "experiment, whose files are then stored at artifactUri, by default next to the database.",
    );
  const path = schemeOf(root) === "mlflow-artifacts" ? servedPath(root, server) : downloadPath(root, server);
  const { sizes } = options;
  return new LazyRepository(`mlflow-artifacts:/${path}`, async () => {
    const { ProxiedRepository } = await import("./proxied.js");
    return new ProxiedRepository(path, server, options.server, sizes);
  });
}

/** Parses `mlflow-artifacts:/path` and `mlflow-artifacts://host:port/path`. */
function servedPath(root: string, server: URL): string {
  const [, host, path = ""] = /^[^:]*:(?:\/\/([^/?#]*))?(.*)$/s.exec(root) ?? [];
  // Scheme and default port are those of the tracking URI.
  const usual = server.protocol === "https:" ? /:443$/ : /:80$/;
  if (host !== undefined && host !== "" && host.toLowerCase().replace(usual, "") !== server.host)
    throw anotherServer(root, server);
  return pieces(root, path);
}

/** Parses a file's address as returned by MLflow's API. */
function downloadPath(root: string, server: URL): string {
  const url = URL.canParse(root) ? new URL(root) : undefined;
  if (url?.origin !== server.origin) throw anotherServer(root, server);
  const before = `${server.pathname.replace(/\/+$/, "")}/api/2.0/mlflow-artifacts/artifacts/`;
  if (!url.pathname.startsWith(before)) throw wrong(root, "is not a place for artifacts on the server.");
  return pieces(root, decoded(root, url.pathname.slice(before.length)));
}

function s3Of(root: string, options: RepositoryOptions): ArtifactRepository {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]*)(.*)$/is.exec(root) ?? [];
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket) || bucket.includes(".."))
    throw wrong(root, "names no bucket; it must be like s3://bucket/folder.");
  const { env, requestTimeoutMs } = options.server;
  const server = serverOf(options);
  const mayBe =
    server === undefined ||
    (options.buckets === undefined
      ? options.credentials !== undefined || givesS3({ env })
      : options.buckets.includes(bucket));
  if (!mayBe)
    throw wrong(
      root,
      `is a bucket named by the server ${server.origin}, and this program was not given access to it. Set buckets: ["${bucket}"]` +
        `${options.buckets === undefined ? ", or AWS_ACCESS_KEY_ID, AWS_PROFILE or MLFLOW_S3_ENDPOINT_URL in its environment" : ""}.`,
    );
  const prefix = pieces(root, path);
  const { credentials, sizes } = options;
  return new LazyRepository(root.replace(/\/+$/, ""), async () => {
    const { S3Repository } = await import("./s3.js");
    return new S3Repository(bucket, prefix, { env, requestTimeoutMs, credentials, sizes });
  });
}

/** Returns the path of a root without leading and trailing slashes. */
function pieces(root: string, path: string): string {
  const segments = path.split("/").filter((segment) => segment !== "");
  if (segments.some((segment) => segment === "." || segment === "..") || /[\0?#]/.test(path))
    throw wrong(root, "is not a valid path.");
  return segments.join("/");
}

/** The server that chose the root; undefined if there is none. */
function serverOf({ trackingUri }: RepositoryOptions): URL | undefined {
  return /^https?:/i.test(trackingUri) && URL.canParse(trackingUri) ? new URL(trackingUri) : undefined;
}

function isLoopback({ hostname }: URL): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i.test(hostname);
}

function decoded(root: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw wrong(root, "is not encoded as a URL.", error);
  }
}

function anotherServer(root: string, server: URL): PulseError {
  return wrong(
    root,
    `is on another server than ${server.origin}, and the credentials are not sent there. Let ${server.origin} store the files itself.`,
  );
}

function wrong(root: string, what: string, cause?: unknown): PulseError {
  return new PulseError("ARTIFACT_ROOT", `The artifact root ${JSON.stringify(shownUri(root))} ${what}`, cause);
}
