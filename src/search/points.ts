import type { MetricPoint, MetricSummary } from "../base/entities.js";

/** Orders values as MLflow's histories: by time, step and value. */
export const byTime = (a: MetricPoint, b: MetricPoint): number =>
  a.timestamp - b.timestamp || a.step - b.step || a.value - b.value;

/** Whether a value is later than another one: by step, then time, then value, as MLflow decides. */
export const isLater = (a: MetricPoint, b: MetricPoint): boolean =>
  a.step !== b.step ? a.step > b.step : a.timestamp !== b.timestamp ? a.timestamp > b.timestamp : a.value > b.value;

/**
 * Thins out a history: of each part of the steps the lowest and the highest value stay, and so do the first and the
 * last value. Of values without distinct steps the parts are of time.
 * @param maxPoints at least 4; fewer points are returned if there are fewer
 */
export function thinned<P extends MetricPoint>(points: readonly P[], maxPoints: number): P[] {
  if (points.length <= maxPoints) return [...points].sort(byTime);
  const { axis, from, perUnit, buckets } = partsOf(points, maxPoints);
  const lows = new Array<P | undefined>(buckets);
  const highs = new Array<P | undefined>(buckets);
  let [first, last] = [points[0] as P, points[0] as P];
  for (const point of points) {
    if (axis(point) < axis(first) || (axis(point) === axis(first) && byTime(point, first) < 0)) first = point;
    if (axis(point) > axis(last) || (axis(point) === axis(last) && byTime(point, last) > 0)) last = point;
    if (Number.isNaN(point.value)) continue;
    const part = Math.trunc((axis(point) - from) * perUnit);
    const [low, high] = [lows[part], highs[part]];
    if (low === undefined || point.value < low.value) lows[part] = point;
    if (high === undefined || point.value > high.value) highs[part] = point;
  }
  const kept = new Set<P>([first, last]);
  for (const point of [...lows, ...highs]) if (point) kept.add(point);
  return [...kept].sort(byTime);
}

/** More parts than this are no use to a chart, and more values than SQLite takes. */
const MAX_PARTS = 9_999;

/** Each part keeps two values, and two more are the first and the last. */
export const partCount = (maxPoints: number): number =>
  Math.min(MAX_PARTS, Math.max(1, Math.floor((maxPoints - 2) / 2)));

/** How many parts a step, or a millisecond, has; a trifle less, so that the last value is in the last part. */
export const partsPerUnit = (from: number, to: number, parts: number): number =>
  from === to ? 0 : (parts / (to - from)) * (1 - 2 ** -40);

function partsOf(points: readonly MetricPoint[], maxPoints: number) {
  const range = (axis: (point: MetricPoint) => number): [number, number] => {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const point of points) {
      const at = axis(point);
      if (at < low) low = at;
      if (at > high) high = at;
    }
    return [low, high];
  };
  const byStep = (point: MetricPoint): number => point.step;
  const byTimestamp = (point: MetricPoint): number => point.timestamp;
  const [low, high] = range(byStep);
  const axis = low < high ? byStep : byTimestamp;
  const [from, to] = low < high ? [low, high] : range(byTimestamp);
  const buckets = partCount(maxPoints);
  return { axis, from, perUnit: partsPerUnit(from, to, buckets), buckets };
}

/** Sums up the values of a metric, of which there is at least one. */
export function summaryOf(key: string, points: readonly MetricPoint[]): MetricSummary {
  let last = points[0] as MetricPoint;
  let first: MetricPoint | undefined;
  let min: MetricPoint | undefined;
  let max: MetricPoint | undefined;
  for (const point of points) {
    if (isLater(point, last)) last = point;
    if (Number.isNaN(point.value)) continue;
    if (first === undefined || isEarlier(point, first)) first = point;
    if (min === undefined || point.value < min.value || (point.value === min.value && isEarlier(point, min)))
      min = point;
    if (max === undefined || point.value > max.value || (point.value === max.value && isEarlier(point, max)))
      max = point;
  }
  const plain = (point: MetricPoint | undefined): MetricPoint | undefined =>
    point && { value: point.value, timestamp: point.timestamp, step: point.step };
  return {
    key,
    count: points.length,
    first: plain(first),
    last: plain(last) as MetricPoint,
    min: plain(min),
    max: plain(max),
  };
}

const isEarlier = (a: MetricPoint, b: MetricPoint): boolean =>
  a.step !== b.step ? a.step < b.step : a.timestamp < b.timestamp;
