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
import { LateRepository } from "./late-repository.js";
import { LocalRepository } from "./local.js";
import type { PartSizes } from "./parts.js";

/**
 * Makes the repository of a root's URI, which is handed on as it stands, a new one for each call. It opens nothing
 * before the first use.
 * @throws an error that says what is wrong with the root.
 * @experimental
 */
export type RepositoryMaker = (root: string, options: { readonly requestTimeoutMs: number }) => ArtifactRepository;

/** @internal What decides how a root is spoken to, and whether it may be. */
export interface RepositoryOptions {
  /** Of the run or experiment the root belongs to; that of a server is who has chosen the root. */
  readonly trackingUri: string;
  /** How that server is spoken to, if it is one; its credentials go to it alone. */
  readonly server: ServerSettings;
  /**
   * What relative roots (`./mlruns/…`) are relative to: the folder in which the database or `mlruns` lies. @default
   * none, and they are refused
   */
  readonly folder?: string | undefined;
  /** Whether a server may name folders of this machine. @default only one on this machine may */
  readonly allowLocal?: boolean | undefined;
  /** The buckets a server may name. @default any, if the environment gives this program access to S3 */
  readonly buckets?: readonly string[] | undefined;
  /** Asked for credentials for S3, instead of the environment. */
  readonly credentials?: CredentialsProvider | undefined;
  /** @internal For tests. */
  readonly sizes?: PartSizes | undefined;
}

/** @internal How the places that a store at a URI names for artifacts are spoken to. */
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

/** Of all loaded copies of the package. */
const registered: Map<string, RepositoryMaker> = shared(
  "artifact repositories",
  () => new Map<string, RepositoryMaker>(),
);

/**
 * Has artifact roots of a scheme (`gs`, `wasbs`, …) go to a repository of your own, in the whole process, from now on.
 * Registering a scheme again replaces what was there. Such a root is used whoever has chosen it, a server too: what is
 * registered decides whom it trusts.
 * @throws PulseError `INVALID_OPTION` for a scheme that is none, or one of this package's own, and for a `make` that is
 * no function.
 * @experimental
 */
export function registerArtifactRepository(scheme: string, make: RepositoryMaker): void {
  const user = "registerArtifactRepository";
  needScheme(user, scheme, OWN);
  needFunction(user, "make", make);
  registered.set(scheme, make);
}

/**
 * @internal Makes the repository of a run's root; nothing is opened before the first use.
 *
 * Behind an `http(s)` tracking URI it is the server that chooses the root, and it is not trusted with more than its own
 * files:
 * - `mlflow-artifacts:` and `http(s)` roots only of that server itself: its credentials go nowhere else;
 * - folders of this machine only if the server is on this machine (a loopback address), or with `allowLocal`;
 * - S3 only to the `buckets` named; without that option, if S3 was opened to this very program: by `credentials`, or by
 * its environment
 *   (`MLFLOW_S3_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, or the credentials of a container). What merely lies
 * in `~/.aws` is not
 *   enough. The endpoint is never the server's word.
 *
 * A root that is one's own (behind a database, or with no server) may be any of them but the first.
 * @throws PulseError `ARTIFACT_ROOT` for a root that cannot, or must not, be used, saying what does; `INVALID_CONFIG`
 * when what is registered for it makes no repository.
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
    `is of a kind that is not supported. There are ${there} and paths; have the server keep the files itself (\`mlflow server\` ` +
      `without --no-serve-artifacts), or bring your own with registerArtifactRepository("${scheme}", ...).`,
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
    `What is registered for ${scheme}: gave something without ${missing.join(", ")}, where an artifact repository is expected.`,
  );
}

function localOf(root: string, options: RepositoryOptions): ArtifactRepository {
  const server = serverOf(options);
  if (server !== undefined && !isLoopback(server) && options.allowLocal !== true)
    throw wrong(
      root,
      `is a folder which the server ${server.origin} has named, and that is another machine. If both see the same disk there, set ` +
        "allowLocal: true; else have the server keep the files itself (`mlflow server` without --no-serve-artifacts).",
    );
  const path = pathOf(root);
  if (isAbsolute(path)) return new LocalRepository(resolve(path));
  if (options.folder === undefined || !isAbsolute(options.folder))
    throw wrong(
      root,
      "is relative, and it is not known to which folder. Give new experiments an absolute artifactUri.",
    );
  return new LocalRepository(resolve(options.folder, path));
}

function pathOf(root: string): string {
  if (root.includes("\0") || root === "") throw wrong(root, "is no path.");
  if (schemeOf(root) !== "file") return root;
  const rest = root.slice("file:".length);
  if (!rest.startsWith("/")) return decoded(root, rest);
  try {
    return fileURLToPath(new URL(root.replaceAll("#", "%23").replaceAll("?", "%3F")));
  } catch (error) {
    throw wrong(root, `is no file of this machine: ${messageOf(error)}.`, error);
  }
}

function proxiedOf(root: string, options: RepositoryOptions): ArtifactRepository {
  const server = serverOf(options);
  if (server === undefined)
    throw wrong(
      root,
      "is kept by the MLflow server that has made the experiment. Give that server's http(s) URI as trackingUri; or use another " +
        "experiment, whose files are then kept at artifactUri, by default beside the database.",
    );
  const path = schemeOf(root) === "mlflow-artifacts" ? servedPath(root, server) : downloadPath(root, server);
  const { sizes } = options;
  return new LateRepository(`mlflow-artifacts:/${path}`, async () => {
    const { ProxiedRepository } = await import("./proxied.js");
    return new ProxiedRepository(path, server, options.server, sizes);
  });
}

/** Of `mlflow-artifacts:/path` and `mlflow-artifacts://host:port/path`. */
function servedPath(root: string, server: URL): string {
  const [, host, path = ""] = /^[^:]*:(?:\/\/([^/?#]*))?(.*)$/s.exec(root) ?? [];
  // Its scheme is that of the tracking URI, and so are the ports that go without saying.
  const usual = server.protocol === "https:" ? /:443$/ : /:80$/;
  if (host !== undefined && host !== "" && host.toLowerCase().replace(usual, "") !== server.host)
    throw anotherServer(root, server);
  return pieces(root, path);
}

/** Of what MLflow's API gives as a file's address. */
function downloadPath(root: string, server: URL): string {
  const url = URL.canParse(root) ? new URL(root) : undefined;
  if (url?.origin !== server.origin) throw anotherServer(root, server);
  const before = `${server.pathname.replace(/\/+$/, "")}/api/2.0/mlflow-artifacts/artifacts/`;
  if (!url.pathname.startsWith(before)) throw wrong(root, "is no place for artifacts at the server.");
  return pieces(root, decoded(root, url.pathname.slice(before.length)));
}

function s3Of(root: string, options: RepositoryOptions): ArtifactRepository {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]*)(.*)$/is.exec(root) ?? [];
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket) || bucket.includes(".."))
    throw wrong(root, "names no bucket: s3://bucket/folder.");
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
      `is a bucket which the server ${server.origin} has named, and this program was not given it. Set buckets: ["${bucket}"]` +
        `${options.buckets === undefined ? ", or AWS_ACCESS_KEY_ID, AWS_PROFILE or MLFLOW_S3_ENDPOINT_URL in its environment" : ""}.`,
    );
  const prefix = pieces(root, path);
  const { credentials, sizes } = options;
  return new LateRepository(root.replace(/\/+$/, ""), async () => {
    const { S3Repository } = await import("./s3.js");
    return new S3Repository(bucket, prefix, { env, requestTimeoutMs, credentials, sizes });
  });
}

/** A root's path without slashes at its ends. */
function pieces(root: string, path: string): string {
  const segments = path.split("/").filter((segment) => segment !== "");
  if (segments.some((segment) => segment === "." || segment === "..") || /[\0?#]/.test(path))
    throw wrong(root, "is no path at its store.");
  return segments.join("/");
}

/** The server whose word the root is; undefined without one. */
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
    `is at another server than ${server.origin}, which is not given the credentials for this one. Have this server keep the files itself.`,
  );
}

function wrong(root: string, what: string, cause?: unknown): PulseError {
  return new PulseError("ARTIFACT_ROOT", `The artifact root ${JSON.stringify(shownUri(root))} ${what}`, cause);
}
