/** A value MLflow can take as a metric; booleans are 1 and 0. */
export type MetricValue = number | bigint | boolean;

/** When a metric value belongs. */
export interface MetricOptions {
  /** Integer. @default the highest step so far of this run and key, plus one; the first is 0 */
  readonly step?: number | undefined;
  /** Milliseconds since the epoch, or a Date. @default now */
  readonly timestamp?: number | Date | undefined;
}
