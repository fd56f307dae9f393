/** One call that would have been made to MLflow, in the words of its fluent client. */
export type MlflowCall =
  | readonly [call: "setExperiment", name: string]
  | readonly [call: "startRun", name: string, options?: { readonly parentRunId: string }]
  | readonly [call: "logParam", key: string, value: string]
  | readonly [call: "setTag", key: string, value: string]
  | readonly [call: "logMetric", key: string, value: number, step: number]
  | readonly [call: "endRun", status: string];
