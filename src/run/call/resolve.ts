import { ownName } from "../../base/text/value-text.js";
import { isRenamed } from "../../capture/parameter-names.js";
import type { RunOptions } from "../options.js";
import { noteBusy } from "./idle-classes.js";
import {
  type ClassPlan,
  captureParams,
  type Fields,
  NAMELESS,
  type Plan,
  plans,
  type ResolvedPlan,
  remark,
} from "./plan.js";

const DETACHED = {};

/** Resolves a plan for `self`, once per class. */
export function resolvePlan(plan: Plan, self: unknown): ResolvedPlan {
  const key = lookupStart(self) ?? DETACHED;
  plan.resolved ??= { byClass: new WeakMap(), lastKey: undefined, last: undefined };
  const cache = plan.resolved;
  let cached = cache.lastKey === key ? cache.last : cache.byClass.get(key);
  if (cached?.version !== plans.version) {
    cached = { version: plans.version, resolved: resolve(plan, key === DETACHED ? undefined : key) };
    cache.byClass.set(key, cached);
  }
  cache.lastKey = key;
  cache.last = cached;
  return cached.resolved;
}

/** Discards what was resolved for a plan that has been extended. */
export function resolveAnew(plan: Plan): void {
  plan.resolved = undefined;
}

/**
 * Returns where to start looking for the class of a call: the prototype of an instance, or the class itself for a
 * static call.
 */
function lookupStart(self: unknown): object | undefined {
  if (typeof self === "function") return self;
  if (typeof self !== "object" || self === null) return undefined;
  try {
    return (Object.getPrototypeOf(self) as object | null) ?? undefined;
  } catch {
    return undefined; // a proxy's trap threw
  }
}

/** Returns the classes on a prototype chain, most derived first. A prototype stands for its `constructor`. */
export function classesOf(start: object | undefined): object[] {
  const classes: object[] = [];
  try {
    for (
      let at: object | null = start ?? null;
      at !== null && at !== Function.prototype;
      at = Object.getPrototypeOf(at)
    ) {
      const own = typeof at === "function" ? (at.prototype as object | undefined) : at;
      const made: unknown = own && Object.getOwnPropertyDescriptor(own, "constructor")?.value;
      if (typeof at === "function") classes.push(at);
      // If a class is a proxy, its prototype names the class behind it.
      if (typeof made === "function" && made !== at && made.prototype === own && made !== Object) classes.push(made);
    }
  } catch {
    // A proxy on the chain refuses inspection: the classes found so far are used.
  }
  return classes;
}

function resolve(plan: Plan, start: object | undefined): ResolvedPlan {
  let classes = classesOf(start);
  if (!classes.some((each) => plans.byClass.has(each))) {
    // The class of `this` has no experiment: use the class whose decorator saw the method.
    const owner = plan.owner?.();
    const owners = typeof owner === "function" ? classesOf(owner) : [];
    if (classes.length === 0 || owners.some((each) => plans.byClass.has(each))) classes = owners;
  }
  const tracked = classes.flatMap((each): [object, ClassPlan][] => {
    const classPlan = plans.byClass.get(each);
    return classPlan ? [[each, classPlan]] : [];
  });
  noteBusy(tracked.map(([each]) => each));
  const [nearest] = tracked;
  const own: RunOptions[] = plan.opens;
  const opens = own.length > 0;
  const layers = [...tracked.map(([, classPlan]) => classPlan.options).reverse(), ...own];
  const last = <K extends keyof RunOptions>(name: K, among = layers): RunOptions[K] =>
    among.findLast((layer) => layer[name] !== undefined)?.[name];
  const [sample, maxRunsPerSecond] = [last("sample"), last("maxRunsPerSecond")];
  const fixed = (among: readonly RunOptions[]): Pick<ResolvedPlan, "params" | "tags"> => ({
    params: among.flatMap((layer) =>
      layer.params === undefined ? [] : [fields(layer.params, plan, own.includes(layer))],
    ),
    tags: among.flatMap((layer) => (layer.tags === undefined ? [] : [layer.tags])),
  });
  const namesake = classes.find((each) => ownName(each) !== "");
  const className = namesake && ownName(namesake);
  const method = className === undefined ? undefined : `${className}.${plan.name}`;
  if ((opens || nearest !== undefined) && last("runName") === undefined)
    remarkNames(plan, namesake, last("experiment") ?? nearest?.[1].experiment);
  return {
    opens: opens || nearest !== undefined,
    nest: opens ? (last("nest", own) ?? "child") : (last("nest") ?? "join"),
    experiment: last("experiment", own) ?? nearest?.[1].experiment,
    method,
    className: (nearest && ownName(nearest[0])) || undefined,
    runName: last("runName"),
    defaultName: method ?? plan.name,
    when: last("when"),
    library: last("library") ?? false,
    family: plan.family,
    thins: (sample !== undefined && sample !== 1) || maxRunsPerSecond !== undefined,
    sample,
    maxRunsPerSecond,
    foldKey: last("foldKey"),
    failOn: last("failOn"),
    ignore: last("ignore"),
    aborted: last("aborted"),
    ...fixed(layers),
    own: fixed(own),
  };
}

/** Notes that runs, and perhaps their experiment, get names made up by a minifier. */
function remarkNames(plan: Plan, namesake: object | undefined, experiment: string | undefined): void {
  const name = namesake && ownName(namesake);
  if (namesake !== undefined && isRenamed(namesake, String(name))) {
    const its = experiment === undefined ? ", and so is their experiment if none is named" : "";
    remark(
      plan,
      "MINIFIED_NAMES",
      `A minifier seems to have renamed a class: its runs are called ${JSON.stringify(`${name}.…`)}${its}.`,
    );
  } else if (namesake === undefined && isRenamed(plan.original, plan.name === NAMELESS ? "" : plan.name))
    remark(
      plan,
      "MINIFIED_NAMES",
      `A minifier seems to have renamed a function: its runs are called ${JSON.stringify(plan.name)}.`,
    );
}

function fields(params: NonNullable<RunOptions["params"]>, plan: Plan, own: boolean): Fields {
  if (typeof params === "function")
    return (args, told) => {
      const given: unknown = params(args);
      if (given === undefined)
        told?.lost(
          "params",
          () =>
            `the function given as option params returned undefined. Return a record of names and values, or null if there is none.`,
          true,
        );
      return given as Record<string, unknown>;
    };
  if (!Array.isArray(params)) return params as Fields;
  // A class's list names arguments of some of its methods; only the method's own list must match.
  const capture = captureParams(plan, params as readonly string[], own);
  return (args, told) => {
    const record: Record<string, unknown> = {};
    const add = (key: string, value: unknown): void => {
      if (value !== undefined) record[key] = value; // an optional argument
    };
    capture(args, add, own ? told : undefined);
    return record;
  };
}
