import type { ResolvedConfig } from "../config/resolve.js";
import type { ReadyStore } from "../contracts/tracking-store.js";
import type { Tracker } from "../tracker.js";
import { MlflowClient } from "./mlflow-client.js";

/**
 * Creates a client on an open store, as the command line configures it. Nothing is recorded, so no tracker is opened
 * for it; closing the client leaves the store open.
 */
export function configuredClient(config: ResolvedConfig, store: ReadyStore): MlflowClient {
  const recorder = { store, flush: () => Promise.resolve() };
  return new MlflowClient({ tracker: { recorder, config } as unknown as Tracker });
}
