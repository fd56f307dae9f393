/**
 * What MLflow accepts, kept on our side because servers truncate or corrupt silently.
 * Lengths are characters. Tags: 8000 in MLflow 3, 5000 before it; the smaller is safe on all.
 */
export const LIMITS: {
  readonly key: number;
  readonly paramValue: number;
  readonly tagValue: number;
  readonly runName: number;
  readonly userId: number;
  readonly experimentName: number;
} = { key: 250, paramValue: 6000, tagValue: 5000, runName: 250, userId: 256, experimentName: 256 };
