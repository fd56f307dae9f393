import { PulseError } from "../base/errors.js";
import { shared } from "../base/shared-state.js";
import { ownName } from "../base/text/text.js";
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
 * The only file that knows the two dialects: legacy (`experimentalDecorators`) and standard. The shapes of a
 * decorator's arguments: standard `(value, context)`; legacy class `(constructor)`, member `(target, key, descriptor)`,
 * parameter `(target, key, index)`.
 */

type Kind = "class" | "method" | "setter" | "accessor" | "getter" | "field" | "parameter";

interface StandardContext {
  readonly kind: Kind;
  readonly name: string | symbol | undefined;
}

/** What a decorator may stand on, and what it does there. */
export interface Placement {
  /** What the decorator asks for; its name also stands in messages. */
  readonly part: PlanPart;
  /** Adds to a method's plan. */
  readonly onMethod: (plan: Plan) => void;
  /** Adds to the plan of a setter or accessor; absent: it may not stand there. */
  readonly onAssignment?: (plan: Plan) => void;
  /** Adds to a method's plan what a decorator on one of its parameters asks for; absent: it may not stand there. */
  readonly onParameter?: (plan: Plan, index: number) => void;
  /** The name a decorator on a parameter gives the argument. */
  readonly argumentName?: string | undefined;
  /** Gives a class its plan; absent: it may not stand there. */
  readonly onClass?: () => ClassPlan;
}

/** Whether these are the arguments of a bare decorator (`@LogMetric`), not of a call (`@LogMetric("loss")`). */
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

/** A member's name as the legacy dialect gives it: TypeScript leaves those that are numbers as numbers. */
function isKey(key: unknown, third: unknown): key is string | symbol | number {
  return typeof key === "string" || typeof key === "symbol" || (typeof key === "number" && typeof third === "object");
}

/** Applies a decorator to whatever it stands on, in either dialect. */
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
    `@${decorator} was called with arguments no decorator gets; write @${decorator} above a member of a class; for a function of its own there is tracked(fn, options).`,
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

/** Fields have been decorated since the last class was: theirs, whose functions are there only with an instance. */
let ofFields = false;

/** A field that holds a function is a method of its instance: each has a plan of its own. */
function fieldInitializer(name: string, placement: Placement): (this: unknown, initial: unknown) => unknown {
  return function (this: unknown, initial: unknown): unknown {
    const self = this as object;
    if (initial === undefined || initial === null) return initial; // an optional one that is not there
    if (typeof initial !== "function") throw wrongTarget(placement, "field", name, classNameOf(self));
    // Another of ours on this field has made it; anything else may be in use elsewhere, and stays as it is.
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

/** What the functions in the same field of all instances have in common. */
function familyOf(home: object, name: string): object {
  const ofClass = families.get(home) ?? new Map<string, object>();
  families.set(home, ofClass);
  const family = ofClass.get(name) ?? {};
  ofClass.set(name, family);
  return family;
}

function legacy(target: object, key: string | symbol | number, third: unknown, placement: Placement): unknown {
  const member = memberName(key);
  // A compiler may put a decorator beside ours that gives back what it stands on (jiti does, in the place of metadata).
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
      `${decorator}: ${first} comes first, and options are an object behind it; got ${shownValue(key)} second.`,
    );
  }
  if (descriptor === undefined && typeof Object.getOwnPropertyDescriptor(target, key)?.value === "function") {
    const { decorator } = placement.part;
    const detail = `@${decorator} was applied to ${classNameOf(target)}.${member} by hand and without its descriptor, so that it cannot replace the method.`;
    throw new PulseError("WRONG_TARGET", `${detail} Write it above the method, or use tracked(fn, options).`);
  }
  const kind =
    descriptor?.get && descriptor.set ? "accessor" : descriptor?.get ? "getter" : descriptor?.set ? "setter" : "field";
  throw wrongTarget(placement, kind, member, classNameOf(target));
}

const classNameOf = (target: object): string =>
  ownName((typeof target === "function" ? target : target.constructor) as AnyFunction);

/** What decorators on a method's parameters ask for: they come first, and cannot replace the method themselves. */
interface ParameterPart {
  readonly index: number;
  readonly placement: Placement;
}

type ParameterParts = Map<string | symbol, { readonly fn: AnyFunction; readonly parts: ParameterPart[] }>;
/**
 * By class or prototype, then by member: a foreign decorator may have replaced the method by the time they are looked
 * at.
 */
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
    // A decorator of ours on the method or the class takes care of it; without one it is done once the class stands.
    queueMicrotask(() => wrapDecoratedParameters(target, key));
  }
}

/** Wraps a method of which only parameters are decorated; gives its plan. */
function wrapDecoratedParameters(home: object, key: string | symbol): Plan | undefined {
  const descriptor = Object.getOwnPropertyDescriptor(home, key);
  if (!onParameters.get(home)?.has(key) || typeof descriptor?.value !== "function" || !descriptor.configurable)
    return undefined;
  const plan = planFor(descriptor.value as AnyFunction, memberName(key), home, key);
  plan.owner ??= () => (typeof home === "function" ? home : home.constructor);
  Object.defineProperty(home, key, { ...descriptor, value: wrap(plan) });
  return plan;
}

/** Makes the plan of a method, with what stands on its parameters. */
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

/** Adds to the plan of a method; ours stacked directly share one plan and one wrapper. */
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

/** Notes what the decorator says of a class, and which of its methods it can see; the class itself is left as it is. */
function decorateClass(target: AnyFunction, placement: Placement): undefined {
  if (!placement.onClass && !isClass(target)) {
    const { decorator } = placement.part;
    throw new PulseError(
      "WRONG_TARGET",
      `@${decorator} was applied to a function; that is what tracked(fn, options) is for.`,
    );
  }
  if (!placement.onClass) throw wrongTarget(placement, "class", ownName(target));
  if (typeof target.prototype !== "object" || target.prototype === null) {
    const { decorator } = placement.part;
    throw new PulseError(
      "WRONG_TARGET",
      `@${decorator} was applied to a function; that is what tracked(fn, options) is for.`,
    );
  }
  if (OFF) return undefined;
  const plan = placement.onClass();
  if (plan.options.library !== true) application.asked = true;
  const twice = plans.byClass.has(target);
  plans.byClass.set(target, plan);
  const { prototype } = target;
  // The class that a proxy stands for: its instances name that one.
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

/** Whether a class has a member of its own that one of ours stands on. */
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
    `@${part.decorator} stands on the ${kind} ${where}; it goes on ${allowed}.${advice}`,
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

/** A function written as a class: what a legacy class decorator gets. */
function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function memberName(name: string | symbol | number | undefined): string {
  return (typeof name === "symbol" ? (name.description ?? "symbol") : String(name ?? "")).replace(/^#/, "");
}
