/** One call to MLflow that was recorded instead of sent, named after MLflow's fluent client. */
export type MlflowCall =
  | readonly [call: "setExperiment", name: string]
  | readonly [call: "startRun", name: string, options?: { readonly parentRunId: string }]
  | readonly [call: "logParam", key: string, value: string]
  | readonly [call: "setTag", key: string, value: string]
  | readonly [call: "logMetric", key: string, value: number, step: number]
  /** A file, however it was logged: its path among the run's artifacts and its size in bytes. */
  | readonly [call: "logArtifact", path: string, bytes: number]
  | readonly [call: "endRun", status: string];
