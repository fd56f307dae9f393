export type { ArtifactExpectation } from "./artifact-faults.js";
export {
  assertLoggedArtifact,
  assertLoggedMetric,
  assertRun,
  type MatcherResult,
  type MetricExpectation,
  type PulseAssertions,
  pulseMatchers,
  type Recorded,
  type RunExpectation,
} from "./matchers.js";
export type { MlflowCall } from "./mlflow-call.js";
export { trackingStoreContract } from "./store-contract.js";
export type { StoreContractCase, StoreSubject } from "./store-subject.js";
export type { RunSnapshot, TestPoint, TestRun } from "./test-run.js";
export {
  createTestTracker,
  type MlflowCalls,
  recordMlflowCalls,
  type TestConfig,
  type TestTracker,
} from "./test-tracker.js";
