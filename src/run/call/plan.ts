import { types } from "node:util";
import { shared } from "../../base/shared-state.js";
import { nearest } from "../../base/wrong-input.js";
import type { ArtifactCapture } from "../../capture/artifacts.js";
import { isLoweredGenerator } from "../../capture/lowered.js";
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

/** Any function; arguments and `this` go through untouched. */
// biome-ignore lint/suspicious/noExplicitAny: a wrapper is transparent for whatever it wraps
export type AnyFunction = (this: any, ...args: any[]) => any;

/**
 * @internal What the decorators on one method (or `tracked` on one function) ask for. Every decorator only adds to it.
 */
export interface Plan {
  readonly original: AnyFunction;
  /** What stands in for it. */
  wrapper: AnyFunction | undefined;
  /** Async functions give a new promise with each call; the bodies of generator functions begin at the first `next`. */
  readonly nature: "async" | "generator" | "plain";
  /** The member's name, as keys and run names show it. */
  readonly name: string;
  /**
   * What makes the method open a run at every call: `@TrackedRun`, its own `@TrackedExperiment`, `tracked`, `withRun`;
   * the inner one first.
   */
  readonly opens: CallOptions[];
  readonly metrics: MetricCapture[];
  readonly artifacts: ArtifactCapture[];
  readonly params: ParamCapture[];
  readonly tags: TagCapture[];
  /** The class whose decorator saw the method (legacy: whose body holds it), for calls whose `this` says nothing. */
  owner: (() => unknown) | undefined;
  /** What it has in common with the functions in the same field of other instances. */
  family: object | undefined;
  /** Decorators leave it as it is, and wrap its function once more: it may be in use elsewhere. */
  closed: boolean;
  /** What is known of its arguments, read at the first need. */
  signature: Signature | undefined;
  /** What was found wrong at decoration; said at the first call, when there is a tracker to say it. */
  readonly remarks: Remark[];
  /** What was asked for, for people and tools to read. */
  readonly parts: PlanPart[];
  /** What it comes to for each class of callers, as far as that is known. */
  resolved: ResolvedPlans | undefined;
}

/** @internal A plan as it applies to one class of callers: everything that does not depend on the single call. */
export interface ResolvedPlan {
  /** Whether the method opens runs at all (rules a and b), or only logs into one that is open (rule c). */
  readonly opens: boolean;
  readonly nest: Nest;
  /** Experiment named by decorators, by the method first. */
  readonly experiment: string | undefined;
  /** Taken when nobody names or configures one: a tracked class's name. */
  readonly className: string | undefined;
  readonly runName: RunOptions["runName"];
  readonly defaultName: string;
  /** Class and method, where there is a class. */
  readonly method: string | undefined;
  readonly when: RunOptions["when"];
  readonly library: boolean;
  /** What stands for the method, where calls are counted. */
  readonly family: object | undefined;
  /** Whether some calls are not recorded, or not as runs of their own. */
  readonly thins: boolean;
  readonly sample: RunOptions["sample"];
  readonly maxRunsPerSecond: RunOptions["maxRunsPerSecond"];
  readonly foldKey: RunOptions["foldKey"];
  readonly failOn: RunOptions["failOn"];
  readonly ignore: RunOptions["ignore"];
  /** Base class first, then derived, then the method's own. */
  readonly params: readonly Fields[];
  readonly tags: readonly Fields[];
  /** Those of the call itself, without its class's: a call that joins a run adds them to that. */
  readonly own: { readonly params: readonly Fields[]; readonly tags: readonly Fields[] };
}

/** @internal Fixed values, or those of one call. */
export type Fields =
  | Readonly<Record<string, unknown>>
  | ((args: readonly unknown[], told?: CaptureReport) => Readonly<Record<string, unknown>>);

interface Cached {
  readonly version: number;
  readonly resolved: ResolvedPlan;
}

/** A plan as it applies to each class of callers, resolved at the first call of each. */
interface ResolvedPlans {
  readonly byClass: WeakMap<object, Cached>;
  /** The class that called last: mostly the only one. */
  lastKey: object | undefined;
  last: Cached | undefined;
}

interface Remark {
  readonly code: "UNKNOWN_ARGUMENT" | "MINIFIED_NAMES" | "INVALID_OPTION";
  readonly detail: string;
}

/** What one decorator, or `tracked`, asks for. */
export interface PlanPart {
  /** Its name, or that of the function. */
  readonly decorator: string;
  readonly selector?: unknown;
  readonly options?: unknown;
  /** The position of the parameter it stands on. */
  readonly parameter?: number;
}

/** @internal What `@TrackedExperiment` on a class says. */
export interface ClassPlan {
  /** Undefined when bare: the configured experiment, else the class's name. */
  readonly experiment: string | undefined;
  readonly options: RunOptions;
}

interface Plans {
  readonly byFunction: WeakMap<object, Plan>;
  readonly byClass: WeakMap<object, ClassPlan>;
  /** Raised by each decoration of a class, so that what was resolved before it is resolved again. */
  version: number;
}

/** @internal All plans of the process. */
export const plans: Plans = shared("plans", () => ({ byFunction: new WeakMap(), byClass: new WeakMap(), version: 0 }));

/** @internal What a function without a name is called. */
export const NAMELESS = "anonymous";

/** @internal Makes an empty plan for a function. `once`: for one call, which begins the run itself. */
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
 * @internal Reads what is known of a function's arguments, once: names given by parameter decorators before those of
 * its text.
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
  return !once && isLoweredGenerator(fn) ? "generator" : "plain"; // to read a function's text at each call would be dear
}

/** @internal The plan of a tracked function, or undefined when it is not one. */
export function planOf(fn: unknown): Plan | undefined {
  return typeof fn === "function" ? plans.byFunction.get(fn) : undefined;
}

/** @internal Compiles a params selector for a plan's arguments; `checked` notes names that none of them has. */
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
  const lost = `The compiler has put others in place of the names of ${name}'s arguments`;
  if (selector === undefined && signature.lost) remark(plan, "MINIFIED_NAMES", `${lost}.`);
  return compileParams(selector, signature, (unknown) => {
    if (signature.lost)
      remark(plan, "MINIFIED_NAMES", `${lost}; ${JSON.stringify(unknown)} is looked for in the first one.`);
    else if (checked) remark(plan, "UNKNOWN_ARGUMENT", unknownArgument(unknown, signature));
  });
}

/** What is said of a name that no argument has; which method it is, is said before it. */
function unknownArgument(name: string, { names }: Signature): string {
  const known = (names ?? []).filter((each) => each !== null);
  const there = known.length === 0 ? "it takes none" : `it has ${known.join(", ")}`;
  const meant = nearest(name, known);
  const hint = meant === undefined ? "" : ` Did you mean ${JSON.stringify(meant)}?`;
  // One letter each, and somebody asks for a word: those are not the names that were written.
  const [first] = known;
  const minified = known.length > 0 && name.length > 2 && known.every((each) => each.length === 1);
  const renamed = minified
    ? ` If a minifier has renamed them, give positions: { ${JSON.stringify(name)}: "0" } is ${first}.`
    : "";
  return `there is no argument named ${JSON.stringify(name)}; ${there}.${hint}${renamed}`;
}

/** @internal Notes what is to be said at the plan's next call. */
export function remark(plan: Plan, code: Remark["code"], detail: string): void {
  if (!plan.remarks.some((each) => each.detail === detail)) plan.remarks.push({ code, detail });
}
