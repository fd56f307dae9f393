import { ownName } from "../../base/text/text.js";
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

/** Has a plan that was added to resolved once more. */
export function resolveAnew(plan: Plan): void {
  plan.resolved = undefined;
}

/**
 * Where the search for the class of a call begins: the prototype of an instance, the class itself for a static call.
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

/** The classes on a prototype chain, most derived first; where it begins at a prototype, by what that names. */
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
      // Behind a class that is a proxy stands the one that its instances name.
      if (typeof made === "function" && made !== at && made.prototype === own && made !== Object) classes.push(made);
    }
  } catch {
    // A proxy on the chain refuses to be looked at: what was found so far counts.
  }
  return classes;
}

function resolve(plan: Plan, start: object | undefined): ResolvedPlan {
  let classes = classesOf(start);
  if (!classes.some((each) => plans.byClass.has(each))) {
    // `this` says nothing about an experiment: the class whose decorator saw the method does.
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
    ...fixed(layers),
    own: fixed(own),
  };
}

/** Notes that runs, and perhaps their experiment, are called as a minifier has named what they are of. */
function remarkNames(plan: Plan, namesake: object | undefined, experiment: string | undefined): void {
  const name = namesake && ownName(namesake);
  if (namesake !== undefined && isRenamed(namesake, String(name))) {
    const its = experiment === undefined ? ", and their experiment after it where none is named" : "";
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
            `the function of option params gave undefined. Return a record of names and values, or null where there is none.`,
          true,
        );
      return given as Record<string, unknown>;
    };
  if (!Array.isArray(params)) return params as Fields;
  // A class's list names arguments of some of its methods; only the method's own list must fit.
  const capture = captureParams(plan, params as readonly string[], own);
  return (args, told) => {
    const record: Record<string, unknown> = {};
    const add = (key: string, value: unknown): void => {
      if (value !== undefined) record[key] = value; // an argument that may be left out
    };
    capture(args, add, own ? told : undefined);
    return record;
  };
}
