/**
 * The internal API of `pulse-mlflow/testing`: what it uses of the package beyond `base/` and `contracts/`. It is not
 * exported and may change in any release.
 */

// Values
export { isRecord } from "../capture/params.js";

// A tracker and its configuration
export { checkConfig } from "../config/options.js";
export { OFF } from "../run/default-host.js";
// Stores
export { faultOfOutcomes } from "../stores/checked-store.js";
export { MemoryStore } from "../stores/memory-store.js";
export type { StoredRun } from "../stores/stored-run.js";
export { trackerOn } from "../tracker.js";
