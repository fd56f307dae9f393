/** A value that MLflow can store as a metric; booleans become 1 and 0. */
export type MetricValue = number | bigint | boolean;

/** The position of a metric value. */
export interface MetricOptions {
  /** Integer. @default the highest step of this run and key so far, plus one; the first is 0 */
  readonly step?: number | undefined;
  /** Milliseconds since the epoch, or a Date. @default now */
  readonly timestamp?: number | Date | undefined;
}
