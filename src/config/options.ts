import type { Redactor } from "../capture/redact.js";
import type { Logger } from "../diagnostics.js";
import { PulseError } from "../errors.js";

/** What happens when a `@Log…` method finds neither a run nor a class that opens one. */
export type OutsideRun = "warn" | "throw" | "ignore";

/** Settings of a tracker. First that speaks wins: option at the call, decorator, `configure()`, `pulse-mlflow.config.json`, MLflow's environment variables, default. */
export interface PulseConfig {
  /**
   * Where runs go: `sqlite:///relative.db`, `sqlite:////absolute.db`, `memory:` or `null:`.
   * @default MLFLOW_TRACKING_URI, else "sqlite:///mlflow.db"
   */
  readonly trackingUri?: string | undefined;
  /**
   * The experiment of runs that name none, at most 256 characters.
   * @default MLFLOW_EXPERIMENT_NAME, else MLFLOW_EXPERIMENT_ID, else a tracked class's name, else MLflow's "Default"
   */
  readonly experiment?: string | undefined;
  /** Milliseconds that `flush()`, `shutdown()` and the end of the process go on after the store last accepted something. @default 3000 */
  readonly exitTimeoutMs?: number | undefined;
  /** Bound in bytes of what waits in memory for the store. @default 67108864 (64 MiB) */
  readonly maxPendingBytes?: number | undefined;
  /** Secrets in params, tags and error texts: `true` for the built-in rules, a function to go on after them, `false` to store them. @default true */
  readonly redact?: boolean | Redactor | undefined;
  /** Problems throw instead of warning: for tests. @default false */
  readonly strict?: boolean | undefined;
  /** Where warnings go. @default console */
  readonly logger?: Logger | undefined;
  /** What a `@Log…` method does outside any run. @default "warn" */
  readonly outsideRun?: OutsideRun | undefined;
}

/** Says what is wrong with an option: its name, what was expected, what was got. */
function invalid(name: string, expected: string, got: unknown): PulseError {
  const shown = typeof got === "string" ? JSON.stringify(got) : typeof got === "object" && got !== null ? "an object" : String(got);
  return new PulseError("INVALID_CONFIG", `${name}: expected ${expected}, got ${shown}.`);
}

type Check = readonly [expected: string, holds: (value: unknown) => boolean];

const TEXT: Check = ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""];
const MILLISECONDS: Check = [
  "a number of milliseconds, 0 or more",
  (value) => typeof value === "number" && value >= 0 && Number.isFinite(value),
];

const CHECKS: Record<keyof PulseConfig, Check> = {
  trackingUri: TEXT,
  experiment: TEXT,
  exitTimeoutMs: MILLISECONDS,
  maxPendingBytes: ["a number of bytes, 65536 or more", (value) => typeof value === "number" && value >= 65_536],
  redact: ["true, false or a function", (value) => typeof value === "boolean" || typeof value === "function"],
  strict: ["true or false", (value) => typeof value === "boolean"],
  logger: ["an object with a warn method", (value) => typeof (value as { warn?: unknown } | null)?.warn === "function"],
  outsideRun: ['"warn", "throw" or "ignore"', (value) => value === "warn" || value === "throw" || value === "ignore"],
};

/**
 * @internal
 * Checks a configuration from `source` (shown in messages).
 * @throws PulseError `INVALID_CONFIG` naming the option, what is expected and what was got.
 */
export function checkConfig(config: unknown, source: string): asserts config is PulseConfig {
  if (typeof config !== "object" || config === null || Array.isArray(config)) throw invalid(source, "an object of options", config);
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as keyof PulseConfig] : undefined;
    if (check === undefined) throw invalid(`${source}.${name}`, `one of the options ${Object.keys(CHECKS).join(", ")}`, "an unknown name");
    if (!check[1](value)) throw invalid(`${source}.${name}`, check[0], value);
  }
}
