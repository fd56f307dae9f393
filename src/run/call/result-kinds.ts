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

/** What is followed, by what the caller got of it; and what was known of it at once, which may be itself. */
const followings = new WeakMap<object, { readonly following: Following; readonly head: readonly unknown[] }>();

const abandoned = new FinalizationRegistry<Following>((following) => following.leave());

/** The calls that last as long as one result: a call may return what an inner one returned to it. */
class Following implements FollowedCall {
  readonly #calls: CallObserver[];
  /** What is told of the result before it is returned. Not held longer: the result would never be collected. */
  #head: unknown[] | undefined = [];
  over = false;

  constructor(call: CallObserver) {
    this.#calls = [call];
  }

  returned(): readonly unknown[] {
    const head = this.#head ?? [];
    this.#head = undefined;
    return head;
  }

  /** Adds a call that returns the same result, of which `head` is known. */
  add(call: CallObserver, head: readonly unknown[]): void {
    for (const value of head) call.step(value);
    this.#calls.push(call);
  }

  enter<R>(fn: () => R): R {
    return scopes.storage.run(this.#calls[0]?.scope, fn);
  }

  follow<T extends object>(part: T): T {
    const kind = kindOf(part, this.#calls[0] as CallObserver, kindsFor(part));
    if (kind !== undefined) return kind.follow(part, this) as T;
    this.done();
    return part;
  }

  step(value: unknown): void {
    if (this.over) return;
    this.#head?.push(value);
    this.#each((call) => call.step(value));
  }

  done(...given: [value?: unknown]): void {
    this.#end((call) => (given.length > 0 ? call.done(given[0]) : call.exhausted()));
  }

  fail(error: unknown): void {
    this.#end((call) => call.failed(error));
  }

  leave(status?: "FINISHED" | "KILLED"): void {
    this.#end((call) => call.abandoned(status));
  }

  #end(end: (call: CallObserver) => void): void {
    if (this.over) return;
    this.over = true;
    abandoned.unregister(this);
    this.#each(end);
  }

  /** Tells all calls, also if a strict tracker throws for one of them. */
  #each(tell: (call: CallObserver) => void): void {
    const thrown: unknown[] = [];
    for (const call of this.#calls)
      try {
        tell(call);
      } catch (error) {
        thrown.push(error);
      }
    if (thrown.length > 0) throw thrown[0];
  }
}

/**
 * @internal Follows a result of a registered or built-in kind. Returns what the caller gets, or undefined if the result is of no
 * such kind, or was complete when it was returned before.
 */
export function follow(result: object, observer: CallObserver): object | undefined {
  if (types.isProxy(result)) return undefined;
  const kind =
    (registered.length > 0 ? kindOf(result, observer, registered) : undefined) ??
    (observer.keepsStreams ? undefined : kindOf(result, observer, kindsFor(result)));
  if (kind === undefined) return undefined;
  const known = followings.get(result);
  if (known?.following.over) return undefined;
  if (known !== undefined) {
    known.following.add(observer, known.head);
    return result;
  }
  observer.isolate();
  const following = new Following(observer);
  try {
    const given = kind.follow(result, following) as object;
    followings.set(given, { following, head: following.returned() });
    // Most are over by the end of this turn, and entries of the registry are expensive.
    const held = new WeakRef(given);
    soon(() => {
      const there = held.deref();
      if (there === undefined) following.leave();
      else if (!following.over) abandoned.register(there, following, following);
    }).unref();
    return given;
  } catch (error) {
    observer.broken(`following a result of kind ${JSON.stringify(kind.name)}`, error);
    following.done();
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
