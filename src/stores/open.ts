import { resolve } from "node:path";
import { shownUri } from "../capture/redact.js";
import type { Clock } from "../clock.js";
import type { ServerSettings } from "../config/server.js";
import { PulseError } from "../errors.js";
import { HttpStore } from "./http/http-store.js";
import { MemoryStore } from "./memory-store.js";
import { NullStore } from "./null-store.js";
import { SqliteStore } from "./sql/sqlite-store.js";
import type { TrackingStore } from "./tracking-store.js";

/** What stores are given beside their URI. */
export interface StoreOptions {
  readonly clock: Clock;
  readonly server: ServerSettings;
}

/** Schemes of MLflow that have no store here yet. */
const NOT_YET = /^(file|postgresql|mysql|mssql|databricks|databricks-uc|s3|uc)(\+\w+)?:/i;

/**
 * Makes the store a tracking URI names; nothing is opened before the first change.
 * @throws PulseError `INVALID_TRACKING_URI` for what is not one, or not one of those that are there.
 */
export function openStore(uri: string, options: StoreOptions): TrackingStore {
  const shown = JSON.stringify(shownUri(uri));
  if (uri === "memory:") return new MemoryStore();
  if (uri === "null:") return new NullStore();
  if (/^https?:/i.test(uri)) return openHttp(uri, shown, options);
  const file = /^sqlite:\/\/\/(.+)$/.exec(uri)?.[1];
  if (file !== undefined && !file.startsWith(":memory:") && !file.includes("?")) return new SqliteStore(resolve(file), options);
  if (file?.includes("?")) throw new PulseError("INVALID_TRACKING_URI", `Tracking URI ${shown}: options behind a ? are not known here.`);
  const scheme = NOT_YET.exec(uri)?.[1];
  if (scheme !== undefined)
    throw new PulseError("INVALID_TRACKING_URI", `Tracking URI ${shown}: there is no store for ${scheme}: in this version yet.`);
  if (!uri.includes(":"))
    throw new PulseError(
      "INVALID_TRACKING_URI",
      `Tracking URI ${shown} is a plain path: folders of the mlruns kind are not written in this version yet.`,
    );
  throw new PulseError("INVALID_TRACKING_URI", `Tracking URI ${shown} is not one this package knows.`);
}

/** What a parser takes for a host and a port, though the port is the beginning of a password with a raw `#`, `/` or `?`. */
const CUT_PASSWORD = /^https?:\/\/[^/?#@]*:\d+[/?#].*@/i;

function openHttp(uri: string, shown: string, { server }: StoreOptions): TrackingStore {
  if (!/^https?:\/\/[^/]/i.test(uri) || !URL.canParse(uri) || CUT_PASSWORD.test(uri)) {
    const hint = uri.includes("@") ? "; # / ? and @ in a password, and @ in a path, are written %23 %2F %3F %40" : "";
    throw new PulseError("INVALID_TRACKING_URI", `Tracking URI ${shown} is no URL of a server${hint}.`);
  }
  return new HttpStore(new URL(uri), server);
}
