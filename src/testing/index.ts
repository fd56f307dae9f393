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
export { type StoreContractCase, type StoreSubject, trackingStoreContract } from "./store-contract.js";
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
