import { needAlone } from "../base/wrong-input.js";
import { compileTags } from "../capture/params.js";
import type { Selector } from "../capture/selector.js";
import { checkSelector } from "../capture/selector-faults.js";
import type { Plan } from "../run/call/plan.js";
import { apply, isBare } from "./dialect.js";
import type { Applied, Explained, LogsTags, LogTagGoes, MemberDecorator, PublicClass } from "./types.js";

/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type LogTagFactory = Explained<"LogTag"> &
  MemberDecorator<LogTagGoes, LogsTags<never>> & {
    (): Applied<LogTagGoes, LogsTags<never>>;
    <const S extends Selector>(selector: S | PublicClass | undefined): Applied<LogTagGoes, LogsTags<S>>;
  };

/**
 * Sets tags from what the method returns, yields or is assigned. Bare: a scalar under the method's name. With a
 * selector: a path, a list of paths, a record `{ tag: path or function }`, or a function that returns a value or a
 * record.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogTag({ stage: "info.stage" })
 *   evaluate() {
 *     return { info: { stage: "test" } };
 *   }
 * }
 * ```
 */
export const LogTag: LogTagFactory = ((...args: unknown[]): unknown => {
  if (isBare(args)) return place(args, undefined);
  const [selector] = args;
  needAlone("LogTag", args);
  checkSelector("LogTag", selector);
  return (...target: unknown[]) => place(target, selector as Selector | undefined);
}) as LogTagFactory;

function place(args: readonly unknown[], selector: Selector | undefined): unknown {
  const add = (plan: Plan): void => {
    plan.tags.push(compileTags(selector, plan.name));
  };
  return apply(args, { part: { decorator: "LogTag", selector }, onMethod: add, onAssignment: add });
}
