import { needAlone } from "../base/wrong-input.js";
import { compileParameter, type ParamSelector } from "../capture/params.js";
import { checkSelector } from "../capture/selector-faults.js";
import { captureParams } from "../run/call/plan.js";
import { apply, isBare } from "./dialect.js";
import type {
  Applied,
  Explained,
  LogParamGoes,
  LogsParams,
  MemberDecorator,
  ParameterDecorator,
  PublicClass,
} from "./types.js";

/**
 * `@LogParam` once its selector is known. `Goes` describes where it is allowed; it comes first so that the compiler
 * shows it.
 */
export type ParamDecorator<Goes extends string, S> = ParameterDecorator<S> & Applied<Goes, LogsParams<S>>;

/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type LogParamFactory = Explained<"LogParam"> &
  ParameterDecorator<never> &
  MemberDecorator<LogParamGoes, LogsParams<never>> & {
    (): ParamDecorator<LogParamGoes, never>;
    <const S extends ParamSelector>(selector: S | PublicClass | undefined): ParamDecorator<LogParamGoes, S>;
  };

/**
 * Logs arguments of the method as params, before its body runs. Bare: scalar arguments under their names, and the
 * scalar fields of a first argument that is an object. With a selector: a name or index path (`"lr"`, `"1.lr"`), a
 * list of them, a record that renames them, or a function of the arguments. Objects are flattened into their fields
 * under dotted keys, at most three levels and 50 fields. In the legacy dialect it is also allowed on a parameter,
 * where a text names the argument and paths lead into its value: `train(@LogParam("lr") lr: number)`.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogParam(["lr", "1.epochs"])
 *   train(lr: number, options: { epochs: number }) {}
 * }
 * ```
 */
export const LogParam: LogParamFactory = ((...args: unknown[]): unknown => {
  if (isBare(args)) return place(args, undefined);
  const [selector] = args;
  needAlone("LogParam", args);
  checkSelector("LogParam", selector);
  return (...target: unknown[]) => place(target, selector as ParamSelector | undefined);
}) as LogParamFactory;

function place(args: readonly unknown[], selector: ParamSelector | undefined): unknown {
  return apply(args, {
    part: { decorator: "LogParam", selector },
    onMethod: (plan) => plan.params.push(captureParams(plan, selector)),
    argumentName: typeof selector === "string" ? selector : undefined,
    onParameter: (plan, index) => plan.params.push(compileParameter(selector, index, plan.signature)),
  });
}
