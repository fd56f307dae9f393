import { shownUri } from "../capture/redact.js";
import { PulseError } from "../errors.js";
import { nearest } from "../wrong-input.js";

/** The error for a tracking URI that is none; `origin` says where it comes from: a variable or a file. */
export function wrongUri(uri: string, what: string, origin: string | undefined, meant?: string): PulseError {
  const from = origin === undefined ? "" : ` (from ${origin})`;
  // Not where a password may be in it.
  const hint = meant === undefined || /[@?]/.test(meant) ? "" : ` Did you mean ${JSON.stringify(meant)}?`;
  return new PulseError("INVALID_TRACKING_URI", `Tracking URI ${JSON.stringify(shownUri(uri))}${from}${what}.${hint}`);
}

/** Schemes of MLflow that have no store here yet. */
const NOT_YET = /^(file|postgres|postgresql|mysql|mssql|databricks|databricks-uc|s3|gs|uc)(\+\w+)?$/;
const HOST = /^(?:\/\/)?((?:localhost|\[[\da-f:.]+\]|(?:\d{1,3}\.){3}\d{1,3}|[\w.-]+(?=:))(?::\d{1,5})?(?:\/.*)?)$/i;
const DATABASE = /^[^:]*\.(db|sqlite3?)$|^[a-z]:[\\/].*\.(db|sqlite3?)$/i;

/** Says why no store is there for a tracking URI, whose scheme is none of `schemes`. */
export function noStore(uri: string, scheme: string | undefined, schemes: readonly string[], origin: string | undefined): PulseError {
  const wrong = (what: string, meant?: string): PulseError => wrongUri(uri, what, origin, meant);
  const trimmed = uri.replace(/^[\s"'`]+|[\s"'`]+$/g, "");
  if (trimmed !== uri) return wrong(" begins or ends with a space or a quotation mark", trimmed);
  if (/^(databricks|databricks-uc|uc)$/.test(scheme ?? uri)) return wrong(": Databricks is not supported yet");
  const host = HOST.exec(uri)?.[1];
  if (host !== undefined) return wrong(" has no scheme", `http://${host}`);
  if (DATABASE.test(uri)) return wrong(" has no scheme", `sqlite:///${uri}`);
  const slashes = /^(https?)[:/]{1,3}(?!\/)(.+)$/i.exec(uri);
  if (slashes && !/^https?:\/\//i.test(uri)) return wrong(" is no URL", `${slashes[1]?.toLowerCase()}://${slashes[2]}`);
  if (scheme === undefined) {
    const odd = /^[^:/\\.@]{2,}(?=:)/.exec(uri)?.[0];
    if (odd !== undefined) return wrong(" begins with no scheme: that is a letter, then letters, digits, + . and -, before a colon");
    if (schemes.includes(uri)) return wrong(" has no colon", `${uri}:`);
    return wrong(" is a plain path: folders of the mlruns kind are not written in this version yet");
  }
  if (/^(postgres|postgresql|mysql|mssql)/.test(scheme)) {
    const server = "start `mlflow server --backend-store-uri …` with it, and give the server's http:// address here";
    return wrong(`: databases other than SQLite are reached through a server in this version: ${server}`);
  }
  if (NOT_YET.test(scheme)) return wrong(`: there is no store for ${scheme}: in this version yet; registerTrackingStore() adds one`);
  const near = nearest(scheme, schemes);
  const meant = near === undefined ? undefined : `${near}${uri.slice(scheme.length)}`;
  const known = schemes.filter((each) => !["http", "https", "sqlite", "memory", "null"].includes(each));
  const others = known.length === 0 ? "" : ` (registered: ${known.join(", ")})`;
  return wrong(`: there is no store for ${scheme}:; registerTrackingStore() adds one${others}`, meant);
}
