export {
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
export {
  createTestTracker,
  type MlflowCalls,
  type RunSnapshot,
  recordMlflowCalls,
  type TestConfig,
  type TestPoint,
  type TestRun,
  type TestTracker,
} from "./test-tracker.js";
