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

/** @internal What the stores of this package are given beside their URI. */
export interface OwnStoreOptions {
  readonly clock: Clock;
  readonly server: ServerSettings;
  /** Where the URI comes from, for messages: a variable or a file. */
  readonly origin?: string | undefined;
}

/** The stores of this package: a line for each scheme. */
const OWN: Readonly<Record<string, (uri: string, options: OwnStoreOptions) => ReadyStore>> = {
  http: (uri, { server, origin }) => new HttpStore(serverUrl(uri, origin), server),
  https: (uri, { server, origin }) => new HttpStore(serverUrl(uri, origin), server),
  sqlite: (uri, options) => new SqliteStore(databasePath(uri, options.origin), options),
  file: (uri, options) => new MlrunsStore(mlrunsPath(uri, options.origin), options),
  memory: (uri, { origin }) => only("memory:", uri, new MemoryStore(), origin),
  null: (uri, { origin }) => only("null:", uri, new NullStore(), origin),
};

/**
 * What a store is given beside its URI.
 * @experimental
 */
export interface StoreOptions {
  /** How long one attempt to store something may take, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/**
 * Makes the store that a tracking URI names, a new one for each call: each tracker closes its own. It opens nothing
 * before the first change. It is given the URI as it stands, with what credentials are in it, and no others.
 * @throws an error that says what is wrong with the URI.
 * @experimental
 */
export type StoreMaker = (uri: string, options: StoreOptions) => TrackingStore;

/** Of all loaded copies of the package. */
const registered: Map<string, StoreMaker> = shared("tracking stores", () => new Map<string, StoreMaker>());

/**
 * Has tracking URIs of a scheme go to a store of your own, in the whole process, from now on: `jsonl:./runs.jsonl` for
 * scheme `"jsonl"`. Call it before the first run; what is recorded earlier for such a URI is refused. Registering a
 * scheme again replaces what was there; trackers that exist keep their store. Schemes of MLflow that are not there yet
 * (`postgresql`, `databricks`, …) may be registered until a later release brings its own store for them.
 * @throws PulseError `INVALID_OPTION` for a scheme that is none, or one of this package's own, and for a `make` that is
 * no function.
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
 * @internal Makes the store a tracking URI names; nothing is opened before the first change.
 * @throws PulseError `INVALID_TRACKING_URI` for what is not one, or not one of those that are there; `INVALID_CONFIG`
 * when what is registered for it makes none.
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

/** @internal Makes the store of a configuration; in messages, the variable or the file that names its URI is said. */
export function openConfigured({
  trackingUri,
  server,
  origins,
}: Pick<ResolvedConfig, "trackingUri" | "server" | "origins">): ReadyStore {
  const { trackingUri: origin } = origins;
  return openStore(trackingUri, { clock: systemClock, server, origin: origin === BY_CODE ? undefined : origin });
}

/** @internal What is registered for the scheme of a tracking URI. */
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
  const gave = `What is registered for ${scheme}: gave`;
  if (fault !== undefined)
    throw new PulseError(
      "INVALID_CONFIG",
      `${gave} ${fault}, where a tracking store with apply and close is expected.`,
    );
  const taken = takeStore(store);
  if (taken) return taken;
  throw new PulseError(
    "INVALID_CONFIG",
    `${gave} a store that belongs to another tracker, which closes it; it must make one for each call.`,
  );
}

function only<S extends ReadyStore>(expected: string, uri: string, store: S, origin: string | undefined): S {
  if (uri !== expected) throw wrongUri(uri, ` is not ${expected}`, origin);
  return store;
}
