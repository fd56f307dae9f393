/**
 * The inner API: what the command line and `pulse-mlflow/testing` use of the package beyond its entry, `base/` and
 * `contracts/`. Nothing of it is exported, and it may change with any release. Whoever changes one of these looks at
 * both.
 */

// Artifacts
export { download } from "./artifacts/download.js";
export { artifactPath, parted } from "./artifacts/paths.js";
export { openArtifactRepository, repositoryOptions } from "./artifacts/registry.js";
export { walk } from "./artifacts/walk.js";
// Runs
export { isRecord } from "./capture/params.js";
// A tracker and its configuration
export { isOff, oddSwitch } from "./config/off.js";
export { checkConfig, type PulseConfig } from "./config/options.js";
export { CONFIG_FILE, originOf } from "./config/picker.js";
export { hasConfigFile, type ResolvedConfig, resolveConfig } from "./config/resolve.js";
export { misspelt, strayFiles, strayRuns } from "./config/strays.js";
// The recorder and its outboxes
export { Dispatcher } from "./recorder/dispatch/dispatcher.js";
export {
  adopt,
  closeOutbox,
  fileFacts,
  OutboxFolder,
  outboxFolders,
  removeFiles,
  stateFolder,
  unreadable,
} from "./recorder/outbox/outbox-folder.js";
export type { FileCount, OutboxSummary } from "./recorder/outbox/rows.js";
export { OutboxRecovery, type OutboxRecoveryOptions } from "./recorder/outbox-recovery.js";
export { stagedBytes, sweepStaged } from "./recorder/staging/staging.js";
export { UploadTarget } from "./recorder/uploads/upload-target.js";
export { OFF } from "./run/default-host.js";
// Stores
export { faultOfOutcomes } from "./stores/checked-store.js";
export { MemoryStore } from "./stores/memory-store.js";
export { isNoFolder } from "./stores/mlruns/files.js";
export { mlrunsPath } from "./stores/mlruns/folder-path.js";
export { openConfigured } from "./stores/registry.js";
export { isOtherFile, likelyAbsolute } from "./stores/sql/database-file.js";
export { needSqlite, trySqlite } from "./stores/sql/driver.js";
export type { StoredRun } from "./stores/stored-run.js";
export { type Tracker, trackerOn } from "./tracker.js";
