import { type Clock, systemClock } from "../base/clock.js";
import { messageOf, PulseError } from "../base/errors.js";
import { shared } from "../base/shared-state.js";
import { shownUri } from "../base/text/redact.js";
import { needScheme, schemeOf, wrongUri } from "../base/uri.js";
import { needFunction } from "../base/wrong-input.js";
import { BY_CODE } from "../config/picker.js";
import type { ResolvedConfig } from "../config/resolve.js";
import type { ServerSettings } from "../config/server.js";
import { type ReadyStore, storeFault, type TrackingStore } from "../contracts/tracking-store.js";
import { takeStore } from "./checked-store.js";
import { HttpStore } from "./http/http-store.js";
import { serverUrl } from "./http/server-url.js";
import { MemoryStore } from "./memory-store.js";
import { mlrunsPath } from "./mlruns/folder-path.js";
import { MlrunsStore } from "./mlruns/mlruns-store.js";
import { NullStore } from "./null-store.js";
import { databasePath } from "./sql/database-file.js";
import { SqliteStore } from "./sql/sqlite-store.js";
import { noStore } from "./wrong-uri.js";

/** @internal Options of the built-in stores. */
export interface OwnStoreOptions {
  readonly clock: Clock;
  readonly server: ServerSettings;
  /** The variable or file the URI comes from, for messages. */
  readonly origin?: string | undefined;
}

/** The built-in stores by scheme. */
const OWN: Readonly<Record<string, (uri: string, options: OwnStoreOptions) => ReadyStore>> = {
  http: (uri, { server, origin }) => new HttpStore(serverUrl(uri, origin), server),
  https: (uri, { server, origin }) => new HttpStore(serverUrl(uri, origin), server),
  sqlite: (uri, options) => new SqliteStore(databasePath(uri, options.origin), options),
  file: (uri, options) => new MlrunsStore(mlrunsPath(uri, options.origin), options),
  memory: (uri, { origin }) => only("memory:", uri, new MemoryStore(), origin),
  null: (uri, { origin }) => only("null:", uri, new NullStore(), origin),
};

/**
 * Options passed to a store maker.
 * @experimental
 */
export interface StoreOptions {
  /** Timeout of one attempt to store something, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/**
 * Creates the store for a tracking URI; a new one for each call, because each tracker closes its own. The store must
 * open nothing before the first change. The URI is passed as configured, including any credentials in it, and no other
 * credentials are passed.
 * @throws an error that says what is wrong with the URI.
 * @experimental
 */
export type StoreMaker = (uri: string, options: StoreOptions) => TrackingStore;

/** Shared by all loaded copies of the package. */
const registered: Map<string, StoreMaker> = shared("tracking stores", () => new Map<string, StoreMaker>());

/**
 * Uses a store of your own for tracking URIs of a scheme, in the whole process: `jsonl:./runs.jsonl` for the scheme
 * `"jsonl"`. Call it before the first run; anything recorded for such a URI before is refused. Registering a scheme
 * again replaces the maker, but existing trackers keep their store. Schemes of MLflow that are not supported yet
 * (`postgresql`, `databricks`, …) may be registered until a later release supports them.
 * @throws PulseError `INVALID_OPTION` if the scheme is invalid or built in, or if `make` is not a function.
 * @experimental
 * @example
 * ```ts
 * registerTrackingStore("void", (uri) => ({
 *   uri,
 *   apply: async (changes) => changes.map(({ runKey }) => ({ kind: "done", ids: { runId: runKey, experimentId: "0" } })),
 *   close: async () => {},
 * }));
 * const tracker = createTracker({ trackingUri: "void:anywhere" });
 * await tracker.shutdown();
 * ```
 */
export function registerTrackingStore(scheme: string, make: StoreMaker): void {
  const user = "registerTrackingStore";
  needScheme(user, scheme, OWN);
  needFunction(user, "make", make);
  registered.set(scheme, make);
}

/**
 * @internal Creates the store for a tracking URI; nothing is opened before the first change.
 * @throws PulseError `INVALID_TRACKING_URI` if the URI is invalid or its scheme unknown; `INVALID_CONFIG` if the
 * registered maker returns no store.
 */
export function openStore(uri: string, options: OwnStoreOptions): ReadyStore {
  const scheme = schemeOf(uri);
  const own = scheme !== undefined && Object.hasOwn(OWN, scheme) ? OWN[scheme] : undefined;
  if (own) return own(uri, options);
  const make = registered.get(scheme ?? "");
  if (make) return made(uri, scheme as string, make, options);
  const none = noStore(uri, scheme, [...Object.keys(OWN), ...registered.keys()], options.origin);
  if (none !== undefined) throw none;
  return new MlrunsStore(mlrunsPath(uri, options.origin), options);
}

/** @internal Creates the store of a configuration; messages name the variable or file that sets its URI. */
export function openConfigured({
  trackingUri,
  server,
  origins,
}: Pick<ResolvedConfig, "trackingUri" | "server" | "origins">): ReadyStore {
  const { trackingUri: origin } = origins;
  return openStore(trackingUri, { clock: systemClock, server, origin: origin === BY_CODE ? undefined : origin });
}

/** @internal Returns the maker registered for the scheme of a tracking URI. */
export function registeredFor(uri: string): StoreMaker | undefined {
  return registered.get(schemeOf(uri) ?? "");
}

function made(uri: string, scheme: string, make: StoreMaker, { server }: OwnStoreOptions): ReadyStore {
  let store: TrackingStore;
  try {
    store = make(uri, { requestTimeoutMs: server.requestTimeoutMs });
  } catch (error) {
    if (error instanceof PulseError) throw error;
    throw new PulseError(
      "INVALID_CONFIG",
      `Tracking URI ${JSON.stringify(shownUri(uri))} cannot be used: ${messageOf(error)}.`,
      error,
    );
  }
  const fault = storeFault(store);
  const gave = `The maker registered for ${scheme}: returned`;
  if (fault !== undefined)
    throw new PulseError(
      "INVALID_CONFIG",
      `${gave} ${fault}, where a tracking store with apply and close is expected.`,
    );
  const taken = takeStore(store);
  if (taken) return taken;
  throw new PulseError(
    "INVALID_CONFIG",
    `${gave} a store that belongs to another tracker, which closes it; it must create a new one for each call.`,
  );
}

function only<S extends ReadyStore>(expected: string, uri: string, store: S, origin: string | undefined): S {
  if (uri !== expected) throw wrongUri(uri, ` is not ${expected}`, origin);
  return store;
}
