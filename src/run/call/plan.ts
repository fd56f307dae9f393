import { types } from "node:util";
import { shared } from "../../base/shared-state.js";
import { nearest } from "../../base/wrong-input.js";
import type { ArtifactCapture } from "../../capture/artifacts.js";
import { isLoweredGenerator } from "../../capture/lowered-functions.js";
import type { MetricCapture } from "../../capture/metrics.js";
import type { CaptureReport } from "../../capture/nowhere.js";
import { readParameters } from "../../capture/parameter-names.js";
import {
  compileParams,
  type ParamCapture,
  type ParamSelector,
  type Signature,
  type TagCapture,
} from "../../capture/params.js";
import type { CallOptions, Nest, RunOptions } from "../options.js";

/** Any function; arguments and `this` are passed through untouched. */
// biome-ignore lint/suspicious/noExplicitAny: a wrapper is transparent for whatever it wraps
export type AnyFunction = (this: any, ...args: any[]) => any;

/**
 * @internal What the decorators of one method (or `tracked` for one function) ask for. Decorators only ever add to
 * it.
 */
export interface Plan {
  readonly original: AnyFunction;
  /** The function that replaces the original. */
  wrapper: AnyFunction | undefined;
  /**
   * How the original returns: async functions return a new promise for each call; the body of a generator function
   * begins at the first `next`.
   */
  readonly nature: "async" | "generator" | "plain";
  /** The member's name, as used in keys and run names. */
  readonly name: string;
  /**
   * What makes the method open a run for each call: `@TrackedRun`, its own `@TrackedExperiment`, `tracked` or
   * `withRun`, innermost first.
   */
  readonly opens: CallOptions[];
  readonly metrics: MetricCapture[];
  readonly artifacts: ArtifactCapture[];
  readonly params: ParamCapture[];
  readonly tags: TagCapture[];
  /** The class whose decorator saw the method (legacy: whose body holds it), for calls whose `this` has no class. */
  owner: (() => unknown) | undefined;
  /** An object shared with the functions in the same field of other instances. */
  family: object | undefined;
  /** Whether the plan is final, since its function may be in use elsewhere. Decorators wrap the function again. */
  closed: boolean;
  /** What is known of its arguments. Read when first needed. */
  signature: Signature | undefined;
  /** Mistakes found at decoration, reported at the first call, when there is a tracker to report them. */
  readonly remarks: Remark[];
  /** What was asked for, as metadata for people and tools. */
  readonly parts: PlanPart[];
  /** The plan resolved for each class of callers seen so far. */
  resolved: ResolvedPlans | undefined;
}

/** @internal A plan resolved for one class of callers: everything that does not depend on a single call. */
export interface ResolvedPlan {
  /** Whether the method opens runs (rules a and b), or only logs into an open one (rule c). */
  readonly opens: boolean;
  readonly nest: Nest;
  /** The experiment named by a decorator; the method's takes precedence. */
  readonly experiment: string | undefined;
  /** The name of a tracked class, used when no experiment is named or configured. */
  readonly className: string | undefined;
  readonly runName: RunOptions["runName"];
  readonly defaultName: string;
  /** Class and method, if there is a class. */
  readonly method: string | undefined;
  readonly when: RunOptions["when"];
  readonly library: boolean;
  /** Identifies the method when calls are counted. */
  readonly family: object | undefined;
  /** Whether sampling or folding applies. */
  readonly thins: boolean;
  readonly sample: RunOptions["sample"];
  readonly maxRunsPerSecond: RunOptions["maxRunsPerSecond"];
  readonly foldKey: RunOptions["foldKey"];
  readonly failOn: RunOptions["failOn"];
  readonly ignore: RunOptions["ignore"];
  readonly aborted: RunOptions["aborted"];
  /** Those of the base class first, then of the derived class, then of the method. */
  readonly params: readonly Fields[];
  readonly tags: readonly Fields[];
  /** The method's own, without its class's: a call that joins a run adds only these. */
  readonly own: { readonly params: readonly Fields[]; readonly tags: readonly Fields[] };
}

/** @internal Fixed values, or a function of the call's arguments. */
export type Fields =
  | Readonly<Record<string, unknown>>
  | ((args: readonly unknown[], told?: CaptureReport) => Readonly<Record<string, unknown>>);

interface Cached {
  readonly version: number;
  readonly resolved: ResolvedPlan;
}

/** A plan resolved for each class of callers, at the first call of each. */
interface ResolvedPlans {
  readonly byClass: WeakMap<object, Cached>;
  /** The class of the last call; for most plans the only one. */
  lastKey: object | undefined;
  last: Cached | undefined;
}

interface Remark {
  readonly code: "UNKNOWN_ARGUMENT" | "MINIFIED_NAMES" | "INVALID_OPTION";
  readonly detail: string;
}

/** What one decorator, or `tracked`, asks for. */
export interface PlanPart {
  /** The name of the decorator or function. */
  readonly decorator: string;
  readonly selector?: unknown;
  readonly options?: unknown;
  /** The index of the parameter that the decorator is on. */
  readonly parameter?: number;
}

/** @internal The options of `@TrackedExperiment` on a class. */
export interface ClassPlan {
  /** Undefined for a bare decorator, which uses the configured experiment, else the class's name. */
  readonly experiment: string | undefined;
  readonly options: RunOptions;
}

interface Plans {
  readonly byFunction: WeakMap<object, Plan>;
  readonly byClass: WeakMap<object, ClassPlan>;
  /** Incremented when a class is decorated, which invalidates resolved plans. */
  version: number;
}

/** @internal All plans of the process. */
export const plans: Plans = shared("plans", () => ({ byFunction: new WeakMap(), byClass: new WeakMap(), version: 0 }));

/** @internal The name for a function without one. */
export const NAMELESS = "anonymous";

/** @internal Creates an empty plan for a function. `once`: it is used for a single call (`withRun`). */
export function newPlan(original: AnyFunction, name: string, once = false): Plan {
  return {
    original,
    wrapper: undefined,
    name,
    nature: natureOf(original, once),
    opens: [],
    metrics: [],
    artifacts: [],
    params: [],
    tags: [],
    owner: undefined,
    family: undefined,
    closed: false,
    signature: undefined,
    remarks: [],
    parts: [],
    resolved: undefined,
  };
}

/**
 * @internal Reads what is known of a function's arguments. Names given by parameter decorators take precedence over
 * those in its source text.
 */
export function signatureOf(fn: AnyFunction, given: readonly (string | undefined)[] = []): Signature {
  let inner = fn;
  for (let plan = planOf(inner); plan !== undefined; plan = planOf(inner)) inner = plan.original;
  const { names: parsed, rest, minified, lost } = readParameters(inner);
  const length = Math.max(parsed?.length ?? 0, given.length);
  const names =
    parsed === null && given.length === 0 ? null : Array.from({ length }, (_, i) => given[i] ?? parsed?.[i] ?? null);
  return { names, rest, minified, lost: lost && !given.some((name) => name !== undefined) };
}

function natureOf(fn: AnyFunction, once: boolean): Plan["nature"] {
  if (types.isGeneratorFunction(fn)) return "generator"; // async generators, too
  if (types.isAsyncFunction(fn)) return "async";
  return !once && isLoweredGenerator(fn) ? "generator" : "plain"; // reading the source text for each call would be expensive
}

/** @internal Returns the plan of a tracked function, or undefined if it is not tracked. */
export function planOf(fn: unknown): Plan | undefined {
  return typeof fn === "function" ? plans.byFunction.get(fn) : undefined;
}

/** @internal Compiles a params selector for a plan's arguments. `checked`: report names that no argument has. */
export function captureParams(plan: Plan, selector: ParamSelector | undefined, checked = true): ParamCapture {
  const { name, original } = plan;
  plan.signature ??= signatureOf(original);
  const { signature } = plan;
  if (selector === undefined && signature.minified)
    remark(
      plan,
      "MINIFIED_NAMES",
      `The arguments of ${name} are called ${signature.names?.map((each) => each ?? "{…}").join(", ")}.`,
    );
  const lost = `The compiler has replaced the names of ${name}'s arguments`;
  if (selector === undefined && signature.lost) remark(plan, "MINIFIED_NAMES", `${lost}.`);
  return compileParams(selector, signature, (unknown) => {
    if (signature.lost)
      remark(plan, "MINIFIED_NAMES", `${lost}; ${JSON.stringify(unknown)} is read from the first one.`);
    else if (checked) remark(plan, "UNKNOWN_ARGUMENT", unknownArgument(unknown, signature));
  });
}

/** Describes a name that no argument has. The caller's message names the method. */
function unknownArgument(name: string, { names }: Signature): string {
  const known = (names ?? []).filter((each) => each !== null);
  const there = known.length === 0 ? "it takes none" : `it has ${known.join(", ")}`;
  const meant = nearest(name, known);
  const hint = meant === undefined ? "" : ` Did you mean ${JSON.stringify(meant)}?`;
  // All names are single letters but the selector uses a word: a minifier has probably renamed them.
  const [first] = known;
  const minified = known.length > 0 && name.length > 2 && known.every((each) => each.length === 1);
  const renamed = minified
    ? ` If a minifier has renamed them, give positions: { ${JSON.stringify(name)}: "0" } is ${first}.`
    : "";
  return `there is no argument named ${JSON.stringify(name)}; ${there}.${hint}${renamed}`;
}

/** @internal Notes a mistake to be reported at the plan's next call. */
export function remark(plan: Plan, code: Remark["code"], detail: string): void {
  if (!plan.remarks.some((each) => each.detail === detail)) plan.remarks.push({ code, detail });
}
