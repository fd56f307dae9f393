import { PulseError } from "../errors.js";
import { OFF } from "../run/host.js";
import { type AnyFunction, type ClassPlan, newPlan, type Plan, planOf, plans } from "../run/plan.js";
import { captureAssignment, likeOriginal, wrap } from "../run/tracked.js";

/**
 * The only file that knows the two dialects: legacy (`experimentalDecorators`) and standard. The shapes of a decorator's arguments:
 * standard `(value, context)`; legacy class `(constructor)`, member `(target, key, descriptor)`.
 */

type Kind = "class" | "method" | "setter" | "accessor" | "getter" | "field" | "parameter";

interface StandardContext {
  readonly kind: Kind;
  readonly name: string | symbol | undefined;
}

/** What a decorator may stand on, and what it does there. */
export interface Placement {
  /** The decorator's name, for messages. */
  readonly decorator: string;
  /** Adds to a method's plan. */
  readonly onMethod: (plan: Plan) => void;
  /** Adds to the plan of a setter or accessor; absent: it may not stand there. */
  readonly onAssignment?: (plan: Plan) => void;
  /** Gives a class its plan; absent: it may not stand there. */
  readonly onClass?: () => ClassPlan;
}

/** Whether these are the arguments of a bare decorator (`@LogMetric`), not of a call (`@LogMetric("loss")`). */
export function isBare(args: readonly unknown[]): boolean {
  const [first, second] = args;
  if (isContext(second)) return true;
  if (args.length === 1) return typeof first === "function" && isClass(first);
  return (
    (typeof first === "object" || typeof first === "function") &&
    first !== null &&
    (typeof second === "string" || typeof second === "symbol")
  );
}

/** Applies a decorator to whatever it stands on, in either dialect. */
export function apply(args: readonly unknown[], placement: Placement): unknown {
  const [first, second, third] = args;
  if (isContext(second)) return standard(first, second, placement);
  if (args.length === 1 && typeof first === "function") return decorateClass(first as AnyFunction, placement);
  if (typeof second === "string" || typeof second === "symbol") return legacy(first as object, second, third, placement);
  throw new PulseError(
    "WRONG_TARGET",
    `@${placement.decorator} was called with arguments no decorator gets; write @${placement.decorator} above a member of a class.`,
  );
}

function standard(value: unknown, context: StandardContext, placement: Placement): unknown {
  const { kind, name } = context;
  if (kind === "class") return decorateClass(value as AnyFunction, placement);
  const member = memberName(name);
  if (kind === "method") return decorateMethod(value as AnyFunction, member, placement).fn;
  if (kind === "setter" && placement.onAssignment) return decorateSetter(value as AnyFunction, member, placement.onAssignment);
  if (kind === "accessor" && placement.onAssignment) {
    const { get, set } = value as { get: AnyFunction; set: AnyFunction };
    return { get, set: decorateSetter(set, member, placement.onAssignment) };
  }
  throw wrongTarget(placement, kind, member);
}

function legacy(target: object, key: string | symbol, third: unknown, placement: Placement): unknown {
  const className = typeof target === "function" ? target.name : String(target.constructor?.name);
  const member = memberName(key);
  if (typeof third === "number") throw wrongTarget(placement, "parameter", member, className);
  const descriptor = third as PropertyDescriptor | undefined;
  if (typeof descriptor?.value === "function") {
    const { fn, plan } = decorateMethod(descriptor.value as AnyFunction, member, placement);
    if (plan) plan.owner ??= () => (typeof target === "function" ? target : target.constructor);
    return { ...descriptor, value: fn };
  }
  if (descriptor?.set && placement.onAssignment) {
    return { ...descriptor, set: decorateSetter(descriptor.set as AnyFunction, member, placement.onAssignment) };
  }
  throw wrongTarget(placement, descriptor?.get ? "getter" : "field", member, className);
}

/** Adds to the plan of a method; ours stacked directly share one plan and one wrapper. */
function decorateMethod(fn: AnyFunction, name: string, placement: Placement): { fn: AnyFunction; plan: Plan | undefined } {
  if (OFF) return { fn, plan: undefined };
  const existing = planOf(fn);
  const plan = existing ?? newPlan(fn, name);
  placement.onMethod(plan);
  plans.version++;
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
  const setter = function (this: unknown, assigned: unknown): void {
    Reflect.apply(set, this, [assigned]);
    captureAssignment(plan, assigned);
  };
  likeOriginal(setter, set);
  plans.byFunction.set(setter, plan);
  return setter;
}

/** Notes what the decorator says of a class, and which of its methods it can see; the class itself is left as it is. */
function decorateClass(target: AnyFunction, placement: Placement): undefined {
  if (!placement.onClass) throw wrongTarget(placement, "class", target.name);
  if (OFF) return undefined;
  plans.byClass.set(target, placement.onClass());
  plans.version++;
  for (const home of [target.prototype as object, target]) {
    for (const key of Reflect.ownKeys(home)) {
      const descriptor = Object.getOwnPropertyDescriptor(home, key);
      const plan = planOf(descriptor?.value);
      if (plan) plan.owner = () => target;
    }
  }
  return undefined;
}

function wrongTarget(placement: Placement, kind: Kind, member: string, className?: string): PulseError {
  const { decorator, onClass, onAssignment } = placement;
  const allowed = ["methods", ...(onAssignment ? ["setters", "accessors"] : []), ...(onClass ? ["classes"] : [])].join(", ");
  const where = className === undefined || kind === "class" ? member : `${className}.${member}`;
  const advice = kind === "field" ? " A field that holds a function can be wrapped with tracked(fn, options)." : "";
  return new PulseError("WRONG_TARGET", `@${decorator} stands on the ${kind} ${where}; it goes on ${allowed}.${advice}`);
}

function isContext(value: unknown): value is StandardContext {
  return typeof value === "object" && value !== null && typeof (value as { kind?: unknown }).kind === "string" && "addInitializer" in value;
}

/** A function written as a class: what a legacy class decorator gets. */
function isClass(value: object): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function memberName(name: string | symbol | undefined): string {
  return (typeof name === "symbol" ? (name.description ?? "symbol") : (name ?? "")).replace(/^#/, "");
}
