import { existsSync } from "node:fs";
import type { PulseError } from "../base/errors.js";
import { homeFolder } from "../base/folders.js";
import { wrongUri } from "../base/uri.js";
import { nearest } from "../base/wrong-input.js";

/** MLflow's databases, by their schemes (with a driver behind a plus), and what they are called. */
const DATABASES: Readonly<Record<string, string>> = {
  postgresql: "PostgreSQL",
  postgres: "PostgreSQL",
  mysql: "MySQL",
  mariadb: "MariaDB",
  mssql: "Microsoft SQL Server",
  oracle: "Oracle",
};
/** Where MLflow keeps files, never runs. */
const FOR_FILES = /^(s3|gs|wasbs?|abfss?|adl|dbfs|hdfs|viewfs|r2|b2|sftp|ftp|mlflow-artifacts)$/;
const HOST = /^(?:\/\/)?((?:localhost|\[[\da-f:.]+\]|(?:\d{1,3}\.){3}\d{1,3}|[\w.-]+(?=:))(?::\d{1,5})?(?:\/.*)?)$/i;
/** What may be the name of a machine, without a port; a folder of that name is written with ./ before it. */
const DOMAIN = /^[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:\/.*)?$/i;
/** A scheme whose colon was forgotten. */
const COLONLESS = /^([a-z][a-z0-9+.-]+)\/\/(?=[^/])/i;
const DATABASE = /^[^:]*\.(db|sqlite3?)$|^[a-z]:[\\/].*\.(db|sqlite3?)$/i;

/**
 * Says why a tracking URI names no store, whose scheme is none of `schemes`; undefined for a plain path: a folder of
 * the mlruns kind.
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
  if (slashes && !/^https?:\/\//i.test(uri)) return wrong(" is no URL", `${slashes[1]?.toLowerCase()}://${slashes[2]}`);
  if (scheme === undefined) {
    const odd = /^[^:/\\.@]{2,}(?=:)/.exec(uri)?.[0];
    if (odd !== undefined)
      return wrong(" begins with no scheme: that is a letter, then letters, digits, + . and -, before a colon");
    if (schemes.includes(uri)) return wrong(" has no colon", `${uri}:`);
    return plainPathFault(uri, wrong);
  }
  const database = DATABASES[scheme.split("+")[0] as string];
  if (database !== undefined) {
    const server = `mlflow server --backend-store-uri "${scheme}://…" --port 5000`;
    return wrong(
      `: ${database} is reached through a server, not directly: start \`${server}\` and give http://localhost:5000 here; sqlite:///mlflow.db is the database that needs no server`,
    );
  }
  if (FOR_FILES.test(scheme)) {
    return wrong(
      `: ${scheme}: keeps files, not runs. Give the URI of a server whose artifacts lie there (\`mlflow server --artifacts-destination ${scheme}://…\`), or of an experiment made with --artifact-location`,
    );
  }
  const near = nearest(scheme, schemes);
  const meant = near === undefined ? undefined : `${near}${uri.slice(scheme.length)}`;
  const known = schemes.filter((each) => !["http", "https", "sqlite", "file", "memory", "null"].includes(each));
  const others = known.length === 0 ? "" : ` (registered: ${known.join(", ")})`;
  return wrong(`: there is no store for ${scheme}:; registerTrackingStore() adds one${others}`, meant);
}

/** What is wrong with a plain path that is probably meant to be something else. */
function plainPathFault(uri: string, wrong: (what: string, meant?: string) => PulseError): PulseError | undefined {
  if (/^~([/\\]|$)/.test(uri))
    return wrong(" begins with ~, which only a shell replaces", `${homeFolder() ?? "/home/you"}${uri.slice(1)}`);
  const scheme = COLONLESS.exec(uri)?.[1];
  if (scheme !== undefined) return wrong(" has no colon behind its scheme", `${scheme}:${uri.slice(scheme.length)}`);
  if (/:\/\/|:[^/\\]*@/.test(uri)) return wrong(" is neither a URL nor a path");
  if (/^\$\{?\w/.test(uri)) return wrong(" begins with a variable, which only a shell replaces");
  if (process.platform !== "win32" && /^[a-z]:|\\/i.test(uri))
    return wrong(" is a path of Windows, and this is another system");
  if (/^\/\/[^/]/.test(uri)) return wrong(" begins with two slashes", `http:${uri}`);
  if (DOMAIN.test(uri) && !existsSync(uri))
    return wrong(` is no URL, and there is no such folder (a new one is written "./${uri}")`, `http://${uri}`);
  return undefined;
}

/** Says what Databricks needs instead: its workspaces answer MLflow's own API. */
function databricks(uri: string): string {
  if (uri !== "databricks")
    return `: Unity Catalog holds models, not runs; give the URL of an MLflow server, or of a Databricks workspace`;
  return (
    ": profiles of Databricks are not read. Give the workspace's own URL, https://<workspace host>, with its token as option auth: { token } " +
    "or in MLFLOW_TRACKING_TOKEN, and name experiments by their paths (/Users/you/name); this is not tested, and files are not kept there"
  );
}
