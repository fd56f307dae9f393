import type { MetricPoint } from "../../base/entities.js";
import { byTime, partCount, partsPerUnit } from "../../search/points.js";
import { real } from "./driver.js";
import { POINT, pointsIn } from "./read-rows.js";
import type { Columns, Query } from "./read-thread.js";
import type { SqlValue } from "./sql-values.js";

/**
 * A metric's values by the primary key, which holds all columns, ordered by key, timestamp and step. The unary + keeps
 * SQLite from the index of the run, whose values are read one by one.
 */
const VALUES = "FROM metrics m WHERE key = ?1 AND +run_uuid = ?2";

/** A slice of the values: from a time to another one or, of the values of one time, from a step to another one. */
interface Slice {
  readonly at: number | undefined;
  readonly from: number;
  /** Not included. */
  readonly to: number;
}

const BY_TIME = "?5 IS NULL AND m.timestamp >= ?3 AND m.timestamp < ?4";
const BY_STEP = "m.timestamp = ?5 AND m.step >= ?3 AND m.step < ?4";

/** How many slices are surveyed at first. */
const SLICES = 2_000;
/** How many slices are read together: few enough to hold the event loop for a few milliseconds only. */
const AT_ONCE = 250;
/** A slice with more values than this, and than so many times the average, is cut into smaller ones. */
const [MANY, TIMES_AVERAGE] = [4_000, 8] as const;

type Range = readonly [low: number, high: number];
type PartRange = [part: number, values: Range];

/** What is in a slice that is not empty. */
interface Surveyed {
  readonly slice: Slice;
  readonly count: number;
  readonly steps: Range;
  /** The lowest and the highest value; undefined if all are NaN. */
  readonly values: Range | undefined;
}

/** Along what a history is cut into parts, as `partsPerUnit` counts them. */
interface Axis {
  readonly column: "m.step" | "m.timestamp";
  readonly low: number;
  readonly perUnit: number;
}

/** The lowest or the highest value of a part of the history, and the slice it is in. */
interface Extreme {
  readonly slice: Slice;
  readonly part: number;
  readonly value: number;
}

/**
 * A history of very many values. It is thinned out as `thinned` does it, but its values are neither sorted nor all in
 * memory: slices are surveyed, and only those that belong to several parts, or hold the lowest or highest value of one,
 * are read again.
 */
export class LongHistory {
  readonly #read: (queries: readonly Query[]) => Promise<readonly Columns[]>;
  readonly #of: readonly SqlValue[];

  constructor(read: (queries: readonly Query[]) => Promise<readonly Columns[]>, runId: string, key: string) {
    this.#read = read;
    this.#of = [key, runId];
  }

  /** @returns undefined if there are at most `maxPoints` values */
  async thinned(maxPoints: number): Promise<MetricPoint[] | undefined> {
    const [first, last] = await this.#firstAndLast();
    if (first === undefined || last === undefined) return undefined;
    const whole: Slice = { at: undefined, from: first.timestamp, to: after(last.timestamp) };
    const surveyed = await this.#surveyed(whole);
    if (countOf(surveyed) <= maxPoints) return undefined;

    const steps = around(surveyed.map((each) => each.steps));
    const bySteps = steps[0] < steps[1];
    const [low, high] = bySteps ? steps : [first.timestamp, last.timestamp];
    const axis: Axis = {
      column: bySteps ? "m.step" : "m.timestamp",
      low,
      perUnit: partsPerUnit(low, high, partCount(maxPoints)),
    };
    const partsOf = ({ slice, steps }: Surveyed): Range => {
      const [from, to] = bySteps ? steps : slice.at === undefined ? [slice.from, slice.to - 1] : [slice.at, slice.at];
      return [Math.trunc((from - low) * axis.perUnit), Math.trunc((to - low) * axis.perUnit)];
    };

    const shared = surveyed.filter((each) => partsOf(each)[0] !== partsOf(each)[1]);
    const extremes =
      shared.length * 2 > surveyed.length
        ? await this.#extremesOf(whole, axis)
        : extremesIn(surveyed, await this.#byPart(shared, axis), (each) => partsOf(each)[0]);
    const points = [
      ...(bySteps ? await this.#firstAndLastStep(surveyed, steps) : [first, last]),
      ...(await this.#found(extremes, axis)),
    ];
    return [
      ...new Map(points.map((point) => [`${point.timestamp} ${point.step} ${point.value}`, point])).values(),
    ].sort(byTime);
  }

  async #firstAndLast(): Promise<(MetricPoint | undefined)[]> {
    const results = await this.#read(
      ["ASC", "DESC"].map((way) => ({
        sql: `SELECT ${POINT} ${VALUES} ORDER BY m.timestamp ${way}, m.step ${way}, m.value ${way} LIMIT 1`,
        values: this.#of,
      })),
    );
    return results.map((columns) => [...pointsIn(columns)][0]);
  }

  /** Surveys slices of it, in their order, and cuts those that hold most values until they hold few. */
  async #surveyed(whole: Slice): Promise<Surveyed[]> {
    let surveyed = await this.#survey(cut(whole, SLICES));
    const most = Math.max(MANY, (TIMES_AVERAGE * countOf(surveyed)) / SLICES);
    for (;;) {
      const cuts = surveyed.map((each) => (each.count > most ? smaller(each) : undefined));
      if (cuts.every((slices) => slices === undefined)) return surveyed;
      const smallerOnes = await this.#survey(cuts.flatMap((slices) => slices ?? []));
      const bySlice = new Map(smallerOnes.map((each) => [each.slice, each]));
      surveyed = surveyed.flatMap(
        (each, i) => cuts[i]?.map((slice) => bySlice.get(slice)).filter((found) => found !== undefined) ?? [each],
      );
    }
  }

  async #survey(slices: readonly Slice[]): Promise<Surveyed[]> {
    const found: Surveyed[] = [];
    const what = `COUNT(*), MIN(m.step) + 0.0, MAX(m.step) + 0.0,
      MIN(value) FILTER (WHERE is_nan = 0), MAX(value) FILTER (WHERE is_nan = 0)`;
    for (const [slice, count, low, high, least, most] of await this.#inEach(slices, what, ""))
      if (count !== 0)
        found.push({
          slice,
          count: Number(count),
          steps: [Number(low), Number(high)],
          values: least === null ? undefined : [Number(least), Number(most)],
        });
    return found;
  }

  /** Returns the lowest and the highest value of each part that slices have values in. */
  async #byPart<S extends { readonly slice: Slice }>(surveyed: readonly S[], axis: Axis): Promise<Map<S, PartRange[]>> {
    const found = new Map(surveyed.map((each): [S, PartRange[]] => [each, []]));
    const bySlice = new Map(surveyed.map((each) => [each.slice, each]));
    const rows = await this.#inEach(
      surveyed.map(({ slice }) => slice),
      `${partOf(axis)} AS part, MIN(value), MAX(value)`,
      "AND is_nan = 0 GROUP BY part",
      () => [real(axis.low), real(axis.perUnit)],
    );
    for (const [slice, part, least, most] of rows)
      found.get(bySlice.get(slice) as S)?.push([Number(part), [Number(least), Number(most)]]);
    return found;
  }

  /**
   * Returns the lowest and highest value of each part of a history most of whose slices belong to several: its steps do
   * not follow its times. All values are sorted by part, then those with the values found are looked for.
   */
  async #extremesOf(whole: Slice, axis: Axis): Promise<Extreme[]> {
    const [parts = []] = (await this.#byPart([{ slice: whole }], axis)).values();
    const wanted = [...new Set(parts.flatMap(([, values]) => values))];
    const rangeOf = new Map(parts);
    const rows = await this.#inEach(
      [whole],
      `${partOf(axis)} AS part, value, MIN(m.timestamp)`,
      `AND is_nan = 0 AND value IN (${wanted.map((_, i) => `?${i + 9}`).join()}) GROUP BY part, value`,
      () => [real(axis.low), real(axis.perUnit), ...wanted.map(real)],
    );
    return rows
      .map(([, part, value, time]) => ({ part: Number(part), value: Number(value), time: Number(time) }))
      .filter(({ part, value }) => rangeOf.get(part)?.includes(value))
      .map(({ part, value, time }) => ({ slice: { at: undefined, from: time, to: after(time) }, part, value }));
  }

  /** Returns the first point of each of these values. Those that vanished are left out. */
  async #found(extremes: readonly Extreme[], axis: Axis): Promise<MetricPoint[]> {
    const rows = await this.#inEach(
      extremes.map(({ slice }) => slice),
      POINT,
      `AND is_nan = 0 AND value = ?10 AND ${partOf(axis)} = ?9 ORDER BY m.timestamp, m.step LIMIT 1`,
      (i) => [real(axis.low), real(axis.perUnit), extremes[i]?.part ?? 0, real(extremes[i]?.value ?? 0)],
    );
    return rows.map(pointOf);
  }

  async #firstAndLastStep(surveyed: readonly Surveyed[], [low, high]: Range): Promise<MetricPoint[]> {
    const end = (slice: Slice | undefined, step: number, way: "ASC" | "DESC") =>
      this.#inEach(
        slice === undefined ? [] : [slice],
        POINT,
        `AND m.step = ?7 ORDER BY m.timestamp ${way}, m.value ${way} LIMIT 1`,
        () => [step],
      );
    const [first, last] = await Promise.all([
      end(surveyed.find(({ steps }) => steps[0] === low)?.slice, low, "ASC"),
      end(surveyed.findLast(({ steps }) => steps[1] === high)?.slice, high, "DESC"),
    ]);
    return [...first, ...last].map(pointOf);
  }

  /** Selects from each of the slices and returns the rows, each behind its slice. `more` gives the values from ?7 on. */
  async #inEach(
    slices: readonly Slice[],
    what: string,
    rest: string,
    more: (i: number) => readonly SqlValue[] = () => [],
  ): Promise<[Slice, ...unknown[]][]> {
    const rows: [Slice, ...unknown[]][] = [];
    for (let at = 0; at < slices.length; at += AT_ONCE) {
      const some = slices.slice(at, at + AT_ONCE);
      const queries = [BY_TIME, BY_STEP].map((bounds) => ({
        sql: `SELECT ?6 AS slice, ${what} ${VALUES} AND ${bounds} ${rest}`,
        values: this.#of,
        each: some.flatMap((slice, i) =>
          (slice.at === undefined) === (bounds === BY_TIME)
            ? [[slice.from, slice.to, slice.at ?? null, at + i, ...more(at + i)]]
            : [],
        ),
      }));
      for (const [places = [], ...columns] of await this.#read(queries))
        for (let i = 0; i < places.length; i++)
          rows.push([slices[Number(places[i])] as Slice, ...columns.map((column) => column[i])]);
    }
    return rows;
  }
}

/** Returns the lowest and highest value of each part; `byPart` has those of slices that belong to several. */
function extremesIn(
  surveyed: readonly Surveyed[],
  byPart: ReadonlyMap<Surveyed, readonly PartRange[]>,
  partOf: (each: Surveyed) => number,
): Extreme[] {
  const lows = new Map<number, Extreme>();
  const highs = new Map<number, Extreme>();
  for (const each of surveyed)
    for (const [part, values] of byPart.get(each) ?? [[partOf(each), each.values] as const]) {
      if (values === undefined) continue;
      const [least, most] = values;
      const [lowest, highest] = [lows.get(part), highs.get(part)];
      if (lowest === undefined || least < lowest.value) lows.set(part, { slice: each.slice, part, value: least });
      if (highest === undefined || most > highest.value) highs.set(part, { slice: each.slice, part, value: most });
    }
  return [...lows.values(), ...highs.values()];
}

const partOf = ({ column }: Axis): string => `CAST((${column} - ?7) * ?8 AS INTEGER)`;

const pointOf = ([, value, noNumber, timestamp, step]: readonly unknown[]): MetricPoint => ({
  value: noNumber ? Number.NaN : Number(value),
  timestamp: Number(timestamp),
  step: Number(step),
});

const countOf = (surveyed: readonly Surveyed[]): number => surveyed.reduce((sum, { count }) => sum + count, 0);

const around = (ranges: readonly Range[]): Range => [
  ranges.reduce((low, [from]) => Math.min(low, from), Number.POSITIVE_INFINITY),
  ranges.reduce((high, [, to]) => Math.max(high, to), Number.NEGATIVE_INFINITY),
];

/** The next number of the same size: large ones have no neighbours. */
const after = (value: number): number => value + Math.max(1, Math.abs(value) * Number.EPSILON);

/** Cuts a slice into at most so many, none of which is empty. */
function cut({ at, from, to }: Slice, most: number): Slice[] {
  const slices: Slice[] = [];
  for (let i = 1, low = from; i <= most; i++) {
    const high = i === most ? to : from + Math.ceil(((to - from) * i) / most);
    if (high > low) slices.push({ at, from: low, to: high });
    low = high;
  }
  return slices;
}

/** Cuts a slice by time or, if all its values are of one time, by step; returns undefined if it cannot be smaller. */
function smaller({ slice, count, steps }: Surveyed): Slice[] | undefined {
  const ofOneTime = slice.at === undefined && slice.to - slice.from === 1;
  const whole = ofOneTime ? { at: slice.from, from: steps[0], to: after(steps[1]) } : slice;
  const slices = cut(whole, Math.min(SLICES, Math.ceil(count / 500)));
  return slices.length > 1 ? slices : undefined;
}
