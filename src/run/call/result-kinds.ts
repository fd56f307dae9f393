import { types } from "node:util";
import { soon } from "../../base/detached.js";
import { shared } from "../../base/shared-state.js";
import { needFunction, wrongInput } from "../../base/wrong-input.js";
import { scopes } from "../scope.js";
import type { CallObserver } from "./call-observer.js";
import type { FollowedCall, ResultKind } from "./result-kind.js";
import { kindsFor } from "./streams.js";

const registered: ResultKind[] = shared("result kinds", () => []);

/**
 * Registers a kind of results that tracked calls follow: the run of such a call ends when its result is complete, not
 * when it is returned. Returns a function that takes it back. The kind registered last is asked first.
 * @throws PulseError `INVALID_OPTION` naming what is wrong.
 * @example
 * ```ts
 * // Query builders that run a query in `then`: the owner's `await` ends the run.
 * interface Query extends PromiseLike<unknown> { toSQL(): unknown }
 * const unregister = registerResultKind<Query>({
 *   name: "knex",
 *   matches: (result) => "toSQL" in result && "then" in result,
 *   follow(query, call) {
 *     const execute = query.then.bind(query);
 *     query.then = (fulfilled, rejected) =>
 *       call.enter(() => new Promise((resolve, reject) => execute(resolve, reject)))
 *         .then((rows) => (call.done(rows), rows), (error) => { call.fail(error); throw error; })
 *         .then(fulfilled, rejected);
 *     return query;
 *   },
 * });
 * unregister();
 * ```
 */
export function registerResultKind<T = unknown>(kind: ResultKind<T>): () => void {
  const { name, matches, follow } = Object(kind) as Partial<ResultKind<T>>;
  if (typeof name !== "string") throw wrongInput("registerResultKind", "kind.name", "a text", name);
  for (const [field, value] of Object.entries({ matches, follow }))
    needFunction("registerResultKind", `kind.${field}`, value);
  registered.unshift(kind);
  return () => {
    const at = registered.indexOf(kind);
    if (at >= 0) registered.splice(at, 1);
  };
}

/** Objects that are followed: one that is returned again belongs to its first call. */
const followed = new WeakSet<object>();

const abandoned = new FinalizationRegistry<Following>((call) => call.leave());

class Following implements FollowedCall {
  readonly #observer: CallObserver;
  over = false;

  constructor(observer: CallObserver) {
    this.#observer = observer;
  }

  enter<R>(fn: () => R): R {
    return scopes.storage.run(this.#observer.scope, fn);
  }

  step(value: unknown): void {
    if (!this.over) this.#observer.step(value);
  }

  done(...given: [value?: unknown]): void {
    if (!this.#ends()) return;
    if (given.length > 0) this.#observer.done(given[0]);
    else this.#observer.exhausted();
  }

  fail(error: unknown): void {
    if (this.#ends()) this.#observer.failed(error);
  }

  leave(): void {
    if (this.#ends()) this.#observer.abandoned();
  }

  #ends(): boolean {
    if (this.over) return false;
    this.over = true;
    abandoned.unregister(this);
    return true;
  }
}

/**
 * @internal Follows a result of a registered or built-in kind. Returns what the caller gets, or undefined if the result is of no
 * such kind.
 */
export function follow(result: object, observer: CallObserver): object | undefined {
  if (types.isProxy(result)) return undefined;
  const kind =
    (registered.length > 0 ? kindOf(result, observer, registered) : undefined) ??
    (observer.keepsStreams ? undefined : kindOf(result, observer, kindsFor(result)));
  if (kind === undefined || followed.has(result)) return undefined;
  observer.isolate();
  const call = new Following(observer);
  try {
    const given = kind.follow(result, call) as object;
    for (const each of [result, given]) followed.add(each);
    // Most are over by the end of this turn, and entries of the registry are expensive.
    const held = new WeakRef(given);
    soon(() => {
      const there = held.deref();
      if (there === undefined) call.leave();
      else if (!call.over) abandoned.register(there, call, call);
    }).unref();
    return given;
  } catch (error) {
    observer.broken(`following a result of kind ${JSON.stringify(kind.name)}`, error);
    call.done();
    return result;
  }
}

function kindOf(result: object, observer: CallObserver, kinds: readonly ResultKind[]): ResultKind | undefined {
  return kinds.find((kind) => {
    try {
      return kind.matches(result) === true;
    } catch (error) {
      observer.broken(`recognizing results of kind ${JSON.stringify(kind.name)}`, error);
      return false;
    }
  });
}
