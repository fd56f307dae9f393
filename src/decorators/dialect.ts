import { PulseError } from "../base/errors.js";
import { shared } from "../base/shared-state.js";
import { ownName } from "../base/text/value-text.js";
import { shownValue } from "../base/wrong-input.js";
import { noteBusy, noteIdle } from "../run/call/idle-classes.js";
import {
  type AnyFunction,
  type ClassPlan,
  newPlan,
  type Plan,
  type PlanPart,
  planOf,
  plans,
  signatureOf,
} from "../run/call/plan.js";
import { classesOf, resolveAnew } from "../run/call/resolve.js";
import { captureAssignment, standIn, wrap } from "../run/call/tracked.js";
import { application, OFF } from "../run/default-host.js";

/**
 * The only file that knows both decorator dialects: legacy (`experimentalDecorators`) and standard. The arguments of
 * a decorator are `(value, context)` in the standard one; in the legacy one `(constructor)` for a class, `(target,
 * key, descriptor)` for a member and `(target, key, index)` for a parameter.
 */

type Kind = "class" | "method" | "setter" | "accessor" | "getter" | "field" | "parameter";

interface StandardContext {
  readonly kind: Kind;
  readonly name: string | symbol | undefined;
}

/** Where a decorator may be used, and what it does there. */
export interface Placement {
  /** What the decorator asks for. Its name also appears in messages. */
  readonly part: PlanPart;
  /** Extends the plan of a method. */
  readonly onMethod: (plan: Plan) => void;
  /** Extends the plan of a setter or accessor; not allowed there if absent. */
  readonly onAssignment?: (plan: Plan) => void;
  /** Extends a method's plan for a decorator on one of its parameters; not allowed there if absent. */
  readonly onParameter?: (plan: Plan, index: number) => void;
  /** The name that a decorator on a parameter gives to the argument. */
  readonly argumentName?: string | undefined;
  /** Returns the plan of a class; not allowed there if absent. */
  readonly onClass?: () => ClassPlan;
}

/** Whether a decorator was used bare (`@LogMetric`) rather than called (`@LogMetric("loss")`). */
export function isBare(args: readonly unknown[]): boolean {
  const [first, second, third] = args;
  if (isContext(second)) return true;
  if (args.length === 1) return typeof first === "function" && isClass(first);
  return (
    (typeof first === "object" || typeof first === "function") &&
    first !== null &&
    (isKey(second, third) || typeof third === "number")
  );
}

/** Whether a value is a member name in the legacy dialect. TypeScript passes numeric names as numbers. */
function isKey(key: unknown, third: unknown): key is string | symbol | number {
  return typeof key === "string" || typeof key === "symbol" || (typeof key === "number" && typeof third === "object");
}

/** Applies a decorator to its target, in either dialect. */
export function apply(args: readonly unknown[], placement: Placement): unknown {
  const [first, second, third] = args;
  if (isContext(second)) return standard(first, second, placement);
  if (args.length === 1 && typeof first === "function") return decorateClass(first as AnyFunction, placement);
  if (typeof third === "number")
    return decorateParameter(first as object, second as string | symbol | undefined, third, placement);
  if (isKey(second, third) && Object(first) === first) return legacy(first as object, second, third, placement);
  const { decorator } = placement.part;
  throw new PulseError(
    "WRONG_TARGET",
    `@${decorator} was called with arguments that no decorator gets: write @${decorator} above a member of a class, or use tracked(fn, options) for a plain function.`,
  );
}

function standard(value: unknown, context: StandardContext, placement: Placement): unknown {
  const { kind, name } = context;
  if (kind === "class") return decorateClass(value as AnyFunction, placement);
  const member = memberName(name);
  if (kind === "method") return decorateMethod(value as AnyFunction, member, placement).fn;
  if (kind === "field") {
    ofFields = true;
    return OFF ? undefined : fieldInitializer(member, placement);
  }
  if (kind === "setter" && placement.onAssignment)
    return decorateSetter(value as AnyFunction, member, placement.onAssignment);
  if (kind === "accessor" && placement.onAssignment) {
    const { get, set } = value as { get: AnyFunction; set: AnyFunction };
    return { get, set: decorateSetter(set, member, placement.onAssignment) };
  }
  throw wrongTarget(placement, kind, member);
}

/** Whether fields were decorated since the last class. Their functions only exist once there is an instance. */
let ofFields = false;

/** Treats a field that holds a function as a method of its instance, with a plan of its own. */
function fieldInitializer(name: string, placement: Placement): (this: unknown, initial: unknown) => unknown {
  return function (this: unknown, initial: unknown): unknown {
    const self = this as object;
    if (initial === undefined || initial === null) return initial; // an optional field without a value
    if (typeof initial !== "function") throw wrongTarget(placement, "field", name, classNameOf(self));
    // Decorators of this package on the same field share a plan. Any other function may be in use elsewhere and is
    // wrapped.
    const made = madeForFields.get(initial);
    const { fn, plan } = decorateMethod(
      initial as AnyFunction,
      name,
      placement,
      made?.self !== self || made.name !== name,
    );
    const home = typeof self === "function" ? self : self.constructor;
    if (plan) {
      plan.owner ??= () => home;
      plan.family ??= familyOf(home, name);
    }
    madeForFields.set(fn, { self, name });
    return fn;
  };
}

const madeForFields = new WeakMap<object, { readonly self: object; readonly name: string }>();
const families = new WeakMap<object, Map<string, object>>();

/** Returns an object shared by the functions in the same field of all instances. */
function familyOf(home: object, name: string): object {
  const ofClass = families.get(home) ?? new Map<string, object>();
  families.set(home, ofClass);
  const family = ofClass.get(name) ?? {};
  ofClass.set(name, family);
  return family;
}

function legacy(target: object, key: string | symbol | number, third: unknown, placement: Placement): unknown {
  const member = memberName(key);
  // Compilers may add decorators that return their target (jiti does for metadata), which then arrives here.
  const descriptor =
    third === target ? Object.getOwnPropertyDescriptor(target, key) : (third as PropertyDescriptor | undefined);
  if (typeof descriptor?.value === "function") {
    const home = typeof key === "number" ? String(key) : key;
    const { fn, plan } = decorateMethod(descriptor.value as AnyFunction, member, placement, false, target, home);
    if (plan) plan.owner ??= () => (typeof target === "function" ? target : target.constructor);
    noteBusy(classesOf(target));
    return { ...descriptor, value: fn };
  }
  if (descriptor?.set && placement.onAssignment) {
    return { ...descriptor, set: decorateSetter(descriptor.set as AnyFunction, member, placement.onAssignment) };
  }
  if (descriptor === undefined && !Object.hasOwn(target, "constructor") && typeof target !== "function") {
    const { decorator } = placement.part;
    const first = decorator === "TrackedExperiment" ? "the experiment's name" : "the selector";
    throw new PulseError(
      "INVALID_OPTION",
      `${decorator}: ${first} comes first, and options are an object after it; got ${shownValue(key)} second.`,
    );
  }
  if (descriptor === undefined && typeof Object.getOwnPropertyDescriptor(target, key)?.value === "function") {
    const { decorator } = placement.part;
    const detail = `@${decorator} was applied to ${classNameOf(target)}.${member} by hand and without its descriptor, so it cannot replace the method.`;
    throw new PulseError("WRONG_TARGET", `${detail} Write it above the method, or use tracked(fn, options).`);
  }
  const kind =
    descriptor?.get && descriptor.set ? "accessor" : descriptor?.get ? "getter" : descriptor?.set ? "setter" : "field";
  throw wrongTarget(placement, kind, member, classNameOf(target));
}

const classNameOf = (target: object): string =>
  ownName((typeof target === "function" ? target : target.constructor) as AnyFunction);

/** A decorator on a parameter. It is applied before the method's decorators and cannot replace the method. */
interface ParameterPart {
  readonly index: number;
  readonly placement: Placement;
}

type ParameterParts = Map<string | symbol, { readonly fn: AnyFunction; readonly parts: ParameterPart[] }>;
/** By class or prototype, then by member: another decorator may replace the method before the plan is made. */
const onParameters = shared("parameters", () => new WeakMap<object, ParameterParts>());

function decorateParameter(
  target: object,
  given: string | symbol | number | undefined,
  index: number,
  placement: Placement,
): undefined {
  const key = typeof given === "number" ? String(given) : given;
  const fn: unknown = key === undefined ? undefined : Object.getOwnPropertyDescriptor(target, key)?.value;
  if (!placement.onParameter || key === undefined || typeof fn !== "function")
    throw wrongTarget(placement, "parameter", key === undefined ? "constructor" : memberName(key), classNameOf(target));
  if (OFF) return;
  const members: ParameterParts = onParameters.get(target) ?? new Map();
  onParameters.set(target, members);
  const known = members.get(key);
  if (known) known.parts.unshift({ index, placement });
  else {
    members.set(key, { fn: fn as AnyFunction, parts: [{ index, placement }] });
    // The method's or class's decorators of this package handle it; without any, it is handled once the class is
    // defined.
    queueMicrotask(() => wrapDecoratedParameters(target, key));
  }
}

/** Wraps a method that only has decorators on its parameters, and returns its plan. */
function wrapDecoratedParameters(home: object, key: string | symbol): Plan | undefined {
  const descriptor = Object.getOwnPropertyDescriptor(home, key);
  if (!onParameters.get(home)?.has(key) || typeof descriptor?.value !== "function" || !descriptor.configurable)
    return undefined;
  const plan = planFor(descriptor.value as AnyFunction, memberName(key), home, key);
  plan.owner ??= () => (typeof home === "function" ? home : home.constructor);
  Object.defineProperty(home, key, { ...descriptor, value: wrap(plan) });
  return plan;
}

/** Creates the plan of a method, including the decorators on its parameters. */
function planFor(fn: AnyFunction, name: string, target?: object, key?: string | symbol): Plan {
  const plan = newPlan(fn, name);
  if (target === undefined || key === undefined) return plan;
  const { parts = [], fn: written = fn } = onParameters.get(target)?.get(key) ?? {};
  onParameters.get(target)?.delete(key);
  if (parts.length === 0) return plan;
  const names: (string | undefined)[] = [];
  for (const { index, placement } of parts) names[index] ??= placement.argumentName;
  plan.signature = signatureOf(written, names);
  for (const { index, placement } of parts) {
    placement.onParameter?.(plan, index);
    plan.parts.push({ ...placement.part, parameter: index });
  }
  return plan;
}

/** Extends the plan of a method. Directly stacked decorators of this package share one plan and one wrapper. */
function decorateMethod(
  fn: AnyFunction,
  name: string,
  placement: Placement,
  anew = false,
  target?: object,
  key?: string | symbol,
): { fn: AnyFunction; plan: Plan | undefined } {
  if (OFF) return { fn, plan: undefined };
  const known = planOf(fn);
  const existing = known?.closed || anew ? undefined : known;
  const plan = existing ?? planFor(fn, name, target, key);
  placement.onMethod(plan);
  plan.parts.push(placement.part);
  resolveAnew(plan);
  return { fn: existing ? fn : wrap(plan), plan };
}

function decorateSetter(set: AnyFunction, name: string, add: (plan: Plan) => void): AnyFunction {
  if (OFF) return set;
  const existing = planOf(set);
  if (existing) {
    add(existing);
    return set;
  }
  const plan = newPlan(set, name);
  add(plan);
  const assign = (self: unknown, assigned: unknown): void => {
    Reflect.apply(set, self, [assigned]);
    captureAssignment(plan, self, assigned);
  };
  const form = {
    method(this: unknown, assigned: unknown): void {
      assign(this, assigned);
    },
  }.method;
  const setter = standIn(set, {
    method: form,
    constructor: form,
    trap: (_, self, [assigned]) => assign(self, assigned),
  });
  plans.byFunction.set(setter, plan);
  return setter;
}

/** Stores a class's plan and links the methods it can see. The class itself is not changed. */
function decorateClass(target: AnyFunction, placement: Placement): undefined {
  if (!placement.onClass && !isClass(target)) {
    const { decorator } = placement.part;
    throw new PulseError(
      "WRONG_TARGET",
      `@${decorator} was applied to a function; use tracked(fn, options) for functions.`,
    );
  }
  if (!placement.onClass) throw wrongTarget(placement, "class", ownName(target));
  if (typeof target.prototype !== "object" || target.prototype === null) {
    const { decorator } = placement.part;
    throw new PulseError(
      "WRONG_TARGET",
      `@${decorator} was applied to a function; use tracked(fn, options) for functions.`,
    );
  }
  if (OFF) return undefined;
  const plan = placement.onClass();
  if (plan.options.library !== true) application.asked = true;
  const twice = plans.byClass.has(target);
  plans.byClass.set(target, plan);
  const { prototype } = target;
  // A class wrapped by a proxy is known by the class its prototype names.
  if (prototype?.constructor !== target && prototype?.constructor?.prototype === prototype)
    plans.byClass.set(prototype.constructor, plan);
  plans.version++;
  for (const home of [target.prototype as object, target]) {
    for (const key of Reflect.ownKeys(home)) {
      const plan = wrapDecoratedParameters(home, key) ?? planOf(Object.getOwnPropertyDescriptor(home, key)?.value);
      if (plan === undefined) continue;
      plan.owner = () => target;
      if (twice) plan.remarks.push({ code: "INVALID_OPTION", detail: `Class ${ownName(target)} ${TWICE}` });
    }
  }
  const classes = classesOf(target);
  if (classes.some(hasDecorated)) noteBusy(classes);
  else if (!ofFields && plan.options.library !== true) noteIdle(target);
  ofFields = false;
  return undefined;
}

/** Whether a class has a decorated member of its own. */
function hasDecorated(of: object): boolean {
  const homes = [of, (of as AnyFunction).prototype as object | undefined].filter((home) => home !== undefined);
  const members = homes.flatMap((home) => Object.values(Object.getOwnPropertyDescriptors(home)));
  return members.some(({ value, set }) => planOf(value) ?? planOf(set));
}

const TWICE = "has two @TrackedExperiment: the upper one counts. Put all options into one.";

const ADVICE: Partial<Record<Kind, string>> = {
  field:
    " Wrap a function in a field with tracked(fn, options); the standard dialect takes decorators on fields that hold functions.",
  getter: " Put it below a decorator that turns the method into a getter (autobind), or log from a method.",
};

function wrongTarget(placement: Placement, kind: Kind, member: string, className?: string): PulseError {
  const { part, onClass, onAssignment, onParameter } = placement;
  const allowed = [
    "methods",
    ...(onAssignment ? ["setters", "accessors"] : []),
    ...(onParameter ? ["parameters of methods"] : []),
    ...(onClass ? ["classes"] : []),
  ].join(", ");
  const where = className === undefined || kind === "class" ? member : `${className}.${member}`;
  const advice = ADVICE[kind] ?? "";
  return new PulseError(
    "WRONG_TARGET",
    `@${part.decorator} is on the ${kind} ${where}; it goes on ${allowed}.${advice}`,
  );
}

function isContext(value: unknown): value is StandardContext {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { kind?: unknown }).kind === "string" &&
    "addInitializer" in value
  );
}

/** Whether a function is a class, as passed to legacy class decorators. */
function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function memberName(name: string | symbol | number | undefined): string {
  return (typeof name === "symbol" ? (name.description ?? "symbol") : String(name ?? "")).replace(/^#/, "");
}
