// Decorators
export { LogArtifact } from "./decorators/log-artifact.js";
export { LogMetric } from "./decorators/log-metric.js";
export { LogParam, type ParamDecorator } from "./decorators/log-param.js";
export { LogTag } from "./decorators/log-tag.js";
export { type ExperimentDecorator, TrackedExperiment } from "./decorators/tracked-experiment.js";
export { TrackedRun } from "./decorators/tracked-run.js";

// Their counterparts as functions, and the current run
export { tracked } from "./run/call/tracked.js";
export { bind, withRun } from "./run/call/with-run.js";
export { registerResultKind } from "./run/call/result-kinds.js";
export type { FollowedCall, ResultKind } from "./run/call/result-kind.js";
export { startRun } from "./run/call/start-run.js";
export { withFlush, type WithFlushOptions } from "./run/call/with-flush.js";
export { currentRun, requireRun } from "./run/current.js";

// A run, and the arguments of its methods
export type { Run } from "./run/run.js";
export type { MetricOptions, MetricValue } from "./run/verbs/metric-value.js";
export type { ArtifactBytes, ArtifactOptions } from "./run/data-verbs.js";
export type { ArtifactStream } from "./run/files/chunks.js";
export type { FolderOptions } from "./run/files/files-in.js";
export type { ImageOptions, ImageSource, PixelImage } from "./run/files/image.js";
export type { TableRows } from "./run/files/table.js";
export type { Dataset, InputOptions } from "./run/inputs.js";

// Experiments with a schema
export {
  type BestRunOptions,
  type DefinedExperiment,
  defineExperiment,
  type ExperimentSchema,
  type ParamKind,
  type TypedRun,
} from "./decorators/define-experiment.js";
export type { MetricSchema } from "./run/metrics/schema.js";

// Selectors, and the options of decorators and functions
export type { LogMetricOptions, Selector, SelectorFunction } from "./capture/selector.js";
export type { ArgumentFunction, ParamSelector } from "./capture/params.js";
export type { ArtifactSelector } from "./capture/artifacts.js";
export type { Aggregate } from "./capture/aggregate.js";
export type { ErrorClass } from "./run/errors/error-rules.js";
export type { CallOptions, CheckedOptions, Nest, RunOptions, StartOptions } from "./run/options.js";

// Trackers: the default one, your own, and one whole run at once
export {
  configure,
  createTracker,
  defaultTracker,
  type FlushOptions,
  flush,
  type Installed,
  type PulseConfig,
  logExperiment,
  shutdown,
  stats,
  type Tracker,
  type TrackerSettings,
} from "./tracker.js";
export type { EndedRun, RunHooks } from "./run/hooks.js";
export type { TrackerEvents } from "./base/events.js";
export type { ExperimentLog, LoggedExperiment } from "./run/log-experiment.js";

// Reading what is stored
export { MlflowClient } from "./client/mlflow-client.js";
export type {
  ClientOptions,
  CreateExperimentOptions,
  DownloadArtifactsOptions,
  ExperimentQuery,
  HistoryOptions,
  RunRef,
  RunsQuery,
  RunUpdate,
} from "./client/client-options.js";
export type { Results } from "./client/results.js";
export type {
  Condition,
  KeyedText,
  NumberField,
  Order,
  RunColumn,
  RunFields,
  RunKeys,
  RunSearch,
  TextField,
} from "./client/run-search.js";
export type { MetricPoint, MetricSummary, MlflowExperiment, MlflowRun, RunStatus, ViewType } from "./base/entities.js";

// Configuration
export type {
  ArtifactsOptions,
  Auth,
  Durability,
  OutboxOptions,
  OutsideRun,
  S3Credentials,
  TlsOptions,
} from "./config/options.js";
export type { RunContext } from "./context/scope-storage.js";
export type { Logger, Stats } from "./base/diagnostics.js";
export type { Redactor } from "./base/text/redact.js";

// Errors
export { MlflowError, PulseError, type PulseErrorCode } from "./base/errors.js";

// Your own stores and artifact repositories
export { registerTrackingStore, type StoreMaker, type StoreOptions } from "./stores/registry.js";
export type {
  ArtifactPlace,
  Finding,
  Outcome,
  ProbeOptions,
  RefusedItems,
  RunChange,
  RunEnd,
  RunStart,
  StoredIds,
  TrackingStore,
} from "./contracts/tracking-store.js";
export type { ReadRun, TrackingReader } from "./contracts/tracking-reader.js";
export type { DatasetInput, ExperimentRef, Metric, Param, Tag, TerminalStatus } from "./base/entities.js";
export { type RepositoryMaker, registerArtifactRepository } from "./artifacts/registry.js";
export type {
  ArtifactContent,
  ArtifactInfo,
  ArtifactRepository,
  UploadOptions,
} from "./contracts/artifact-repository.js";

// Types that compiler messages about decorators mention
export type {
  Applied,
  ClassDecoratorToo,
  LogMetricGoes,
  LogParamGoes,
  LogsMetrics,
  LogsParams,
  LogsTags,
  LogTagGoes,
  MemberDecorator,
  NamesExperiment,
  OpensRuns,
  ParameterDecorator,
  TrackedExperimentGoes,
  TrackedRunGoes,
} from "./decorators/types.js";
export type { PlanPart } from "./run/call/plan.js";
