/**
 * MLflow's limits in characters. Enforced here because servers truncate or corrupt silently. Tags may have 8000
 * characters in MLflow 3 and 5000 before; the smaller limit is safe everywhere.
 */
export const LIMITS: {
  readonly key: number;
  readonly paramValue: number;
  readonly tagValue: number;
  readonly runName: number;
  readonly userId: number;
  readonly experimentName: number;
} = { key: 250, paramValue: 6000, tagValue: 5000, runName: 250, userId: 256, experimentName: 256 };
