/**
 * The internal API of the command line: what it uses of the package beyond `base/` and `contracts/`. It is not
 * exported and may change in any release.
 */

// Artifacts
export { download } from "../artifacts/download.js";
export { artifactPath, parted } from "../artifacts/paths.js";
export { openArtifactRepository, repositoryOptions } from "../artifacts/registry.js";
export { walk } from "../artifacts/walk.js";

// Configuration
export { isOff, oddSwitch } from "../config/off-switch.js";
export { CONFIG_FILE, originOf } from "../config/picker.js";
export { hasConfigFile, type ResolvedConfig, resolveConfig } from "../config/resolve.js";
export { misspelt, strayFiles, strayRuns } from "../config/unread-settings.js";

// Outboxes, and the delivery of their changes
export { Dispatcher } from "../recorder/dispatch/dispatcher.js";
export {
  tryClaim,
  closeOutbox,
  fileFacts,
  OutboxFolder,
  outboxFolders,
  removeFiles,
  stateFolder,
  unreadable,
} from "../recorder/outbox/outbox-folder.js";
export type { FileCount, OutboxSummary } from "../recorder/outbox/rows.js";
export { OutboxRecovery, type OutboxRecoveryOptions } from "../recorder/outbox-recovery.js";
export { stagedBytes, sweepStaged } from "../recorder/staging/staging.js";
export { UploadTarget } from "../recorder/uploads/upload-target.js";

// Stores
export { isNoFolder } from "../stores/mlruns/files.js";
export { mlrunsPath } from "../stores/mlruns/folder-path.js";
export { openConfigured } from "../stores/registry.js";
export { isOtherFile, likelyAbsolute } from "../stores/sql/database-file.js";
export { needSqlite, trySqlite } from "../stores/sql/driver.js";

// Reading runs back
export { MlflowClient } from "../client/mlflow-client.js";
export type { Order, RunFields, RunSearch } from "../client/run-search.js";
export { ENTITIES, RUNS } from "../search/identifiers.js";
