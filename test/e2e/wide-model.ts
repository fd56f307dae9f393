// What the wide program logs, and the model of what MLflow must show of it, kept apart from the SDK's own code.
import type { MetricOptions, MetricValue, Run, TerminalStatus } from "../../src/index.js";
import type { DumpRun, Num } from "./peer.js";
import { storedValue } from "./support.js";

/** One expected point; without a timestamp it was logged "now", while the run was open. */
export interface ExpectedPoint {
  readonly value: Num;
  readonly step: number;
  readonly timestamp: number | undefined;
}

export interface ExpectedRun {
  readonly experiment: string;
  name: string;
  readonly parent: string | undefined;
  status: TerminalStatus;
  /** The run began and ended within these moments. */
  readonly since: number;
  until: number;
  readonly params: Record<string, string>;
  readonly tags: Record<string, string>;
  readonly metrics: Record<string, ExpectedPoint[]>;
  /** Datasets it uses, as `inputText` gives them. */
  readonly inputs?: Set<string>;
  /** Keys the server refuses: each leaves a tag `pulse.refused.…`. */
  readonly refused?: Set<string>;
  /** What the files hold that were logged last, by path. */
  readonly files?: Record<string, string>;
  /** Files that may not have come to their end. */
  readonly cut?: Set<string>;
  /** Files may be lost, each with a tag that says so. */
  readonly mayFail?: boolean;
}

export type Model = Map<string, ExpectedRun>;

const LONGEST = 6_000;
export const MAX_TAG = 5_000;
export const TOO_LONG = "many too many characters ".repeat(300);

export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  let fnv = 2_166_136_261n; // FNV-1a as its authors write it down
  for (const unit of text.split("")) fnv = BigInt.asUintN(32, (fnv ^ BigInt(unit.charCodeAt(0))) * 16_777_619n);
  const hash = fnv.toString(16).padStart(8, "0");
  return `${text.slice(0, limit - hash.length - 4).replace(/\p{Surrogate}$/u, "")}...#${hash}`;
}

/** Values of every type, and the text MLflow must show. */
export const PARAMS: readonly [value: unknown, text: string][] = [
  ["plain", "plain"],
  ["", ""],
  [" spaces\tand\nlines ", " spaces\tand\nlines "],
  ["λ → 損失 🚀 e\u0301", "λ → 損失 🚀 e\u0301"],
  ['it\'s "quoted"; DROP TABLE runs; --', 'it\'s "quoted"; DROP TABLE runs; --'],
  ["p".repeat(LONGEST), "p".repeat(LONGEST)],
  ["🚀".repeat(LONGEST / 2), "🚀".repeat(LONGEST / 2)],
  [TOO_LONG, cut(TOO_LONG, LONGEST)],
  [42, "42"],
  [-0, "0"],
  [0.1 + 0.2, "0.30000000000000004"],
  [1e300, "1e+300"],
  [Number.NaN, "NaN"],
  [Number.NEGATIVE_INFINITY, "-Infinity"],
  [2n ** 70n, "1180591620717411303424"],
  [true, "true"],
  [null, "null"],
  [[1, "two", null, [3n]], '[1,"two",null,["3"]]'],
  [{ lr: 0.1, layers: { hidden: [64, 32] }, gone: undefined }, '{"lr":0.1,"layers":{"hidden":[64,32]}}'],
  [Symbol("sigma"), "Symbol(sigma)"],
  [function relu() {}, "[function relu]"],
  [new RangeError("too far"), "RangeError: too far"],
];

export const METRIC_KEYS = [
  "loss",
  "train/loss",
  "val/top 5/acc",
  "time: total",
  "损失",
  "потеря.v2",
  "x²_é",
  "k".repeat(250),
  "-dash",
  "a.b-c_d",
];
/** Keys MLflow refuses, and what they become. */
export const MENDED: readonly [key: string, stored: string][] = [
  ["loss (%)", "loss ___"],
  ["/abs//path/", "abs/path"],
  ["up/../and/./down", "up/__/and/down"],
  ["", "_"],
];

export const VALUES: readonly MetricValue[] = [
  Number.NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  Number.MIN_VALUE,
  -Number.MIN_VALUE,
  Number.MAX_VALUE,
  Number.EPSILON,
  1e-300,
  0.1,
  2 ** 53 + 2,
  -(2 ** 63),
  2n ** 64n + 1n,
  10n ** 30n,
  true,
  false,
];

/** A run together with the model of it: what is done to the one is noted in the other. */
export class Twin {
  readonly run: Run;
  readonly expected: ExpectedRun;
  readonly #highest = new Map<string, number>();

  constructor(run: Run, expected: ExpectedRun) {
    this.run = run;
    this.expected = expected;
  }

  /** Notes a point the SDK is to have captured by itself. */
  point(key: string, value: MetricValue, step?: number, timestamp?: number): void {
    const highest = this.#highest.get(key) ?? -1;
    const at = step ?? highest + 1;
    this.#highest.set(key, Math.max(highest, at));
    this.expected.metrics[key] ??= [];
    this.expected.metrics[key].push({ value: storedValue(value), step: at, timestamp });
  }

  metric(key: string, value: MetricValue, { step, timestamp }: MetricOptions = {}, stored = key): void {
    this.run.logMetric(key, value, { step, timestamp });
    if (stored !== key) this.expected.tags[`pulse.key.${stored}`] = key;
    this.point(stored, value, step, timestamp === undefined ? undefined : Number(timestamp));
  }

  param(key: string, [value, text]: readonly [value: unknown, text: string], stored = key): void {
    this.run.logParam(key, value);
    const { params, tags } = this.expected;
    if (stored !== key) tags[`pulse.key.${stored}`] = key;
    params[stored] ??= text;
    if (params[stored] !== text) tags[`pulse.conflict.${stored}`] = cut(text, MAX_TAG);
  }

  tag(key: string, value: string, stored = value): void {
    this.run.setTag(key, value);
    this.expected.tags[key] = stored;
    if (key === "mlflow.runName") this.expected.name = stored;
  }

  input(name: string, digest: string): void {
    const source = `{"uri":"${name}.csv"}`;
    this.run.logInput(
      { name, digest, sourceType: "local", source: { uri: `${name}.csv` } },
      { context: `for ${name}` },
    );
    this.expected.inputs?.add(inputText({ name, digest, source, tags: { "mlflow.data.context": `for ${name}` } }));
  }
}

export const inputText = ({ name, digest, source, tags }: DumpRun["inputs"][number]): string =>
  JSON.stringify([name, digest, source, tags]);

/** A stack's first two lines: below are frames of ours, which are not stored. */
export const headOf = (stack = ""): string => stack.split("\n").slice(0, 2).join("\n");
