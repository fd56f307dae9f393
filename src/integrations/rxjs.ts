import type { MonoTypeOperatorFunction } from "rxjs";
import * as rxjs from "rxjs";
import { shared } from "../base/shared-state.js";
import {
  type CallOptions,
  type FollowedCall,
  PulseError,
  registerResultKind,
  type Selector,
  tracked,
} from "../index.js";

type Observable = rxjs.Observable<unknown>;

if (typeof rxjs.tap !== "function")
  throw new PulseError(
    "UNSUPPORTED",
    "pulse-mlflow/rxjs needs RxJS 7.2 or newer. Install it, or leave this import out.",
  );

/** Options of `trackedRun`. */
export interface SubscriptionOptions<T = unknown> extends Omit<CallOptions<T, readonly []>, "metrics"> {
  /**
   * How a run ends whose subscriber leaves before the end, as `take`, `first` and `switchMap` do. It has the tag
   * `pulse.partial`. @default "FINISHED"
   */
  readonly unsubscribed?: "FINISHED" | "KILLED" | undefined;
}

/**
 * Returns an operator that opens a run for each subscription. The run ends FINISHED when the source completes, and
 * FAILED when it fails. What the source does is in the run, and what happens at once because of its values; a Subject
 * works where its program calls it.
 * @param metrics what to log of each value, a step each: a path, a record of paths and functions, or a function.
 * @default none
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * import { of } from "rxjs";
 * import { trackedRun } from "pulse-mlflow/rxjs";
 *
 * of({ loss: 0.5 }, { loss: 0.25 })
 *   .pipe(trackedRun({ experiment: "Sweep", runName: "epochs" }, "loss"))
 *   .subscribe();
 * ```
 */
export function trackedRun<T>(
  options: SubscriptionOptions<T> = {},
  metrics?: Selector<T, readonly []>,
): MonoTypeOperatorFunction<T> {
  if (typeof options !== "object" || options === null) throw wrong("options must be an object", options);
  const { unsubscribed = "FINISHED", ...call } = options;
  if (unsubscribed !== "FINISHED" && unsubscribed !== "KILLED")
    throw wrong('option unsubscribed must be "FINISHED" or "KILLED"', unsubscribed);
  const subscribed = function (this: { readonly source: rxjs.Observable<T> }): rxjs.Observable<T> {
    return this.source;
  };
  const open = tracked(subscribed, { runName: "subscription", ...call, metrics } as CallOptions) as typeof subscribed;
  return (source) =>
    new rxjs.Observable<T>((subscriber) => {
      // Of its own, so that it is followed whatever the source is, also a Subject.
      const followed = new rxjs.Observable<T>((inner) => source.subscribe(inner));
      if (unsubscribed === "KILLED") killing.add(followed);
      return Reflect.apply(open, { source: followed }, []).subscribe(subscriber);
    });
}

const wrong = (what: string, got: unknown): PulseError =>
  new PulseError("INVALID_OPTION", `trackedRun: ${what}, got ${JSON.stringify(got) ?? typeof got}.`);

/** Observables whose calls are KILLED when their subscriber leaves. */
const killing = new WeakSet<object>();

/**
 * Whether a result is an Observable of RxJS's own, as creation functions and `pipe` return it. A Subject is not: its
 * program completes it when it likes, and it is the same object for each caller.
 */
function matches(result: object): boolean {
  if (!("subscribe" in result)) return false;
  const prototype = Object.getPrototypeOf(result) as object | null;
  const above = prototype && (Object.getPrototypeOf(prototype) as object | null);
  if (!prototype || !above) return false;
  if (Object.hasOwn(prototype, "subscribe") && Object.hasOwn(prototype, "forEach")) return true;
  // `subject.pipe(…)` is a Subject, too, but only passes on what its source gives.
  return "source" in result && Object.hasOwn(above, "asObservable");
}

/** Follows the first subscription. Others pass: each call has one run. */
function follow(source: Observable, call: FollowedCall): Observable {
  let isFirst = true;
  const subscribe = (...args: unknown[]): unknown => {
    const each = isFirst ? observed(source, call, copy) : source;
    isFirst = false;
    return Reflect.apply(each.subscribe, each, args);
  };
  // The source itself may be returned to others.
  const copy: Observable = Object.create(Object.getPrototypeOf(source) as object, {
    ...Object.getOwnPropertyDescriptors(source),
    subscribe: { value: subscribe, writable: true, configurable: true },
  }) as Observable;
  return copy;
}

/** `copy` is held by the subscription: were it collected before, the run would end. */
function observed(source: Observable, call: FollowedCall, copy: Observable): Observable {
  const status = killing.has(source) ? "KILLED" : "FINISHED";
  const watch = rxjs.tap<unknown>({
    next: (value) => call.step(value),
    error: (error) => call.fail(error),
    complete: () => call.done(),
  });
  return new rxjs.Observable((subscriber) => {
    subscriber.add(() => left(copy, call, status));
    // The subscriber itself is passed on: a synchronous source stops when it has had enough.
    return call.enter(() => source.pipe(watch).subscribe(subscriber));
  });
}

const left = (_copy: Observable, call: FollowedCall, status: "FINISHED" | "KILLED"): void => call.leave(status);

// Once for the process, however often this is loaded.
shared("rxjs", () => registerResultKind<Observable>({ name: "Observable", matches, follow }));
