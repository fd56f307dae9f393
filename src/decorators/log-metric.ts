import { severalTexts } from "../base/wrong-input.js";
import { compileMetrics } from "../capture/metrics.js";
import type { LogMetricOptions, Selector } from "../capture/selector.js";
import { checkMetricOptions, checkSelector } from "../capture/selector-faults.js";
import type { Plan } from "../run/call/plan.js";
import { apply, isBare } from "./dialect.js";
import type {
  Applied,
  Explained,
  LogMetricGoes,
  LogsMetrics,
  MemberDecorator,
  PublicClass,
  StepOption,
} from "./types.js";

/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator. If none fits, its message explains the last one.
 */
type LogMetricFactory = Explained<"LogMetric"> &
  MemberDecorator<LogMetricGoes, LogsMetrics<never, never>> & {
    (): Applied<LogMetricGoes, LogsMetrics<never, never>>;
    <const S extends Selector, const Step extends StepOption>(
      selector?: S | PublicClass,
      options?: LogMetricOptions<Step>,
    ): Applied<LogMetricGoes, LogsMetrics<S, Step>>;
  };

/**
 * Logs numbers that the method returns, yields or is assigned. Bare: a number under the method's name, an object's
 * numeric leaves under dotted paths, and a list or generator as one step per element. With a selector: a path, a list
 * of paths, a record `{ key: path or function }`, or a function.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogMetric(["loss", "accuracy"])
 *   async evaluate() {
 *     return { loss: 0.42, accuracy: 0.9 };
 *   }
 * }
 * ```
 */
export const LogMetric: LogMetricFactory = ((...args: unknown[]): unknown => {
  if (isBare(args)) return place(args, undefined, {});
  if (args.length > 1 && args.every((each) => typeof each === "string")) throw severalTexts("LogMetric", args);
  const [selector, options = {}] = args;
  checkSelector("LogMetric", selector);
  checkMetricOptions(options);
  return (...target: unknown[]) => place(target, selector as Selector | undefined, options as LogMetricOptions);
}) as LogMetricFactory;

function place(args: readonly unknown[], selector: Selector | undefined, options: LogMetricOptions): unknown {
  const add = (plan: Plan): void => {
    plan.metrics.push(compileMetrics(selector, options, plan.name));
  };
  return apply(args, { part: { decorator: "LogMetric", selector, options }, onMethod: add, onAssignment: add });
}
