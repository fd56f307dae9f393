import { existsSync } from "node:fs";
import type { PulseError } from "../base/errors.js";
import { homeFolder } from "../base/folders.js";
import { wrongUri } from "../base/uri.js";
import { nearest } from "../base/wrong-input.js";

/** Databases that MLflow supports, by scheme (without the driver after a plus), and their names. */
const DATABASES: Readonly<Record<string, string>> = {
  postgresql: "PostgreSQL",
  postgres: "PostgreSQL",
  mysql: "MySQL",
  mariadb: "MariaDB",
  mssql: "Microsoft SQL Server",
  oracle: "Oracle",
};
/** Schemes under which MLflow stores files, never runs. */
const FOR_FILES = /^(s3|gs|wasbs?|abfss?|adl|dbfs|hdfs|viewfs|r2|b2|sftp|ftp|mlflow-artifacts)$/;
const HOST = /^(?:\/\/)?((?:localhost|\[[\da-f:.]+\]|(?:\d{1,3}\.){3}\d{1,3}|[\w.-]+(?=:))(?::\d{1,5})?(?:\/.*)?)$/i;
/** A possible host name without a port; a folder of that name needs a leading ./. */
const DOMAIN = /^[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:\/.*)?$/i;
/** A scheme without its colon. */
const COLONLESS = /^([a-z][a-z0-9+.-]+)\/\/(?=[^/])/i;
const DATABASE = /^[^:]*\.(db|sqlite3?)$|^[a-z]:[\\/].*\.(db|sqlite3?)$/i;

/**
 * Explains why a tracking URI with a scheme outside `schemes` names no store; undefined for a plain path, which is an
 * mlruns folder.
 */
export function noStore(
  uri: string,
  scheme: string | undefined,
  schemes: readonly string[],
  origin: string | undefined,
): PulseError | undefined {
  const wrong = (what: string, meant?: string): PulseError => wrongUri(uri, what, origin, meant);
  const trimmed = uri.replace(/^[\s"'`]+|[\s"'`]+$/g, "");
  if (trimmed !== uri) return wrong(" begins or ends with a space or a quotation mark", trimmed);
  if (/^(databricks|databricks-uc|uc)$/.test(scheme ?? uri)) return wrong(databricks(scheme ?? uri));
  const host = HOST.exec(uri)?.[1];
  if (host !== undefined) return wrong(" has no scheme", `http://${host}`);
  if (DATABASE.test(uri)) return wrong(" has no scheme", `sqlite:///${uri}`);
  const slashes = /^(https?)[:/]{1,3}(?!\/)(.+)$/i.exec(uri);
  if (slashes && !/^https?:\/\//i.test(uri))
    return wrong(" is not a URL", `${slashes[1]?.toLowerCase()}://${slashes[2]}`);
  if (scheme === undefined) {
    const odd = /^[^:/\\.@]{2,}(?=:)/.exec(uri)?.[0];
    if (odd !== undefined)
      return wrong(" does not start with a scheme, which is a letter, then letters, digits, + . and -, before a colon");
    if (schemes.includes(uri)) return wrong(" has no colon", `${uri}:`);
    return plainPathFault(uri, wrong);
  }
  const database = DATABASES[scheme.split("+")[0] as string];
  if (database !== undefined) {
    const server = `mlflow server --backend-store-uri "${scheme}://…" --port 5000`;
    return wrong(
      `: ${database} is reached through a server, not directly: start \`${server}\` and use http://localhost:5000 here; sqlite:///mlflow.db is the database that needs no server`,
    );
  }
  if (FOR_FILES.test(scheme)) {
    return wrong(
      `: ${scheme}: stores files, not runs. Use the URI of a server that keeps its artifacts there (\`mlflow server --artifacts-destination ${scheme}://…\`), or of an experiment created with --artifact-location`,
    );
  }
  const near = nearest(scheme, schemes);
  const meant = near === undefined ? undefined : `${near}${uri.slice(scheme.length)}`;
  const known = schemes.filter((each) => !["http", "https", "sqlite", "file", "memory", "null"].includes(each));
  const others = known.length === 0 ? "" : ` (registered: ${known.join(", ")})`;
  return wrong(`: there is no store for ${scheme}:; registerTrackingStore() adds one${others}`, meant);
}

/** Explains why a plain path is probably meant to be something else. */
function plainPathFault(uri: string, wrong: (what: string, meant?: string) => PulseError): PulseError | undefined {
  if (/^~([/\\]|$)/.test(uri))
    return wrong(" begins with ~, which only a shell expands", `${homeFolder() ?? "/home/you"}${uri.slice(1)}`);
  const scheme = COLONLESS.exec(uri)?.[1];
  if (scheme !== undefined) return wrong(" has no colon after its scheme", `${scheme}:${uri.slice(scheme.length)}`);
  if (/:\/\/|:[^/\\]*@/.test(uri)) return wrong(" is neither a URL nor a path");
  if (/^\$\{?\w/.test(uri)) return wrong(" begins with a variable, which only a shell expands");
  if (process.platform !== "win32" && /^[a-z]:|\\/i.test(uri))
    return wrong(" is a Windows path, but this is not Windows");
  if (/^\/\/[^/]/.test(uri)) return wrong(" begins with two slashes", `http:${uri}`);
  if (DOMAIN.test(uri) && !existsSync(uri))
    return wrong(` is not a URL, and there is no such folder (write "./${uri}" for a new one)`, `http://${uri}`);
  return undefined;
}

/** Explains what to use for Databricks instead, whose workspaces offer MLflow's own API. */
function databricks(uri: string): string {
  if (uri !== "databricks")
    return `: Unity Catalog holds models, not runs; use the URL of an MLflow server, or of a Databricks workspace`;
  return (
    ": Databricks profiles are not supported. Use the workspace's own URL, https://<workspace host>, with its token as option auth: { token } " +
    "or in MLFLOW_TRACKING_TOKEN, and name experiments by their paths (/Users/you/name); this is not tested, and files are not stored there"
  );
}
