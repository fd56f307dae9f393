import { PulseError } from "../base/errors.js";
import { wrongInput } from "../base/wrong-input.js";
import type { Selector } from "../capture/selector.js";
import { addOpening } from "../run/call/tracked.js";
import { checkOptions } from "../run/option-checks.js";
import type { CallOptions, PathOptions, RunOptions } from "../run/options.js";
import { apply, isBare } from "./dialect.js";
import type { ClassDecoratorToo, NamesExperiment, TrackedExperimentGoes } from "./types.js";

/** `@TrackedExperiment` once its options are known. */
export type ExperimentDecorator<Metrics, Params> = ClassDecoratorToo<
  TrackedExperimentGoes,
  NamesExperiment<Metrics, Params>
>;

/**
 * The decorator's own signatures come first, since the compiler also tries calls with fewer arguments when it applies
 * a decorator.
 */
type TrackedExperimentFactory = ExperimentDecorator<never, never> & {
  <const S extends Selector, A extends string>(
    experimentOrOptions?: string | PathOptions<S, A>,
  ): ExperimentDecorator<S, A>;
  <const S extends Selector, A extends string>(
    experiment: string | undefined,
    options: PathOptions<S, A> | undefined,
  ): ExperimentDecorator<S, A>;
};

/**
 * On a class: calls of its methods with `@Log…` decorators open a run in this experiment, or log into the run that is
 * already open. On a method: each call opens a run in this experiment, as a child of the open one. Bare, it uses the
 * configured experiment, else the class's name.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * ;@TrackedExperiment("PulseMetaLearning", { params: { run_type: "meta-learning" } })
 * class MetaLearner {@LogMetric
 *   evaluate() {
 *     return { loss: 0.42 };
 *   }
 * }
 * ```
 */
export const TrackedExperiment: TrackedExperimentFactory = ((...args: unknown[]): unknown => {
  // A single function is a class, even if it does not look like one (a proxy).
  if (isBare(args) || (args.length === 1 && typeof args[0] === "function")) return place(args, undefined, {});
  const [first, second] = args;
  const named = typeof first === "string";
  if (first === null || (first !== undefined && !named && typeof first !== "object")) throw badName(first);
  if (named && first.trim() === "") throw badName(first);
  const options = ((named || first === undefined ? second : first) ?? {}) as CallOptions;
  if (typeof options !== "object")
    throw wrongInput(
      "TrackedExperiment",
      "options",
      'an object, as in @TrackedExperiment("Sweep", { params: { seed: 1 } })',
      options,
    );
  if (Object.hasOwn(options, "name")) throw new PulseError("INVALID_OPTION", NAMES);
  checkOptions("TrackedExperiment", options);
  return (...target: unknown[]) => place(target, named ? first : undefined, options);
}) as TrackedExperimentFactory;

const NAMES =
  'TrackedExperiment: there is no option "name". The experiment\'s name is the first argument, or option "experiment"; the name of a run is option "runName".';

function place(args: readonly unknown[], name: string | undefined, options: CallOptions): unknown {
  const experiment = name ?? options.experiment;
  return apply(args, {
    part: { decorator: "TrackedExperiment", options: { ...options, experiment } },
    onMethod: (plan) => addOpening(plan, { ...options, experiment }),
    onClass: () => {
      if (options.artifacts !== undefined)
        throw new PulseError(
          "INVALID_OPTION",
          "TrackedExperiment: artifacts is an option for methods; on a class put @LogArtifact on the methods.",
        );
      if (options.metrics !== undefined)
        throw new PulseError(
          "INVALID_OPTION",
          "TrackedExperiment: metrics is an option for methods; on a class put @LogMetric on the methods.",
        );
      return { experiment, options: withoutExperiment(options) };
    },
  });
}

function withoutExperiment({ experiment: _, ...rest }: CallOptions): RunOptions {
  return rest;
}

function badName(got: unknown): PulseError {
  return wrongInput("TrackedExperiment", "the experiment's name", "a non-empty string", got);
}
