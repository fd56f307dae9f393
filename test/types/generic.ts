// Results and arguments that depend on type parameters, on `this` and on overloads: what cannot be told compiles. Also
// without `strictNullChecks`.
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun, tracked, withRun } from "../../src/index.js";

interface Loss {
  loss: number;
}

@TrackedExperiment
class Generic<T, L extends Loss> {
  declare readonly loss: number;
  declare readonly value: T;
  declare readonly known: L;

  @LogMetric
  @LogMetric()
  @LogMetric((value) => value)
  @LogMetric({ made: (value) => value }, { step: (value) => value.step })
  @LogMetric(undefined, { everyN: 2 })
  @LogMetric("loss", { step: "loss" })
  @LogTag
  @LogTag("loss")
  @LogTag((value) => value)
  @TrackedRun
  @TrackedRun({ metrics: "loss", params: ["0"] })
  @TrackedExperiment("Own", { metrics: ["loss"] })
  ofClass(_value: T): T {
    return this.value;
  }

  @LogMetric
  @LogMetric("loss")
  promised(): Promise<L> {
    return Promise.resolve(this.known);
  }

  @LogMetric
  @LogMetric(["loss", "deep.loss"])
  nested(): { loss: number; deep: L; other: T } {
    return { loss: 1, deep: this.known, other: this.value };
  }

  @LogMetric
  @LogMetric("loss")
  @LogTag("loss")
  itself(): this {
    return this;
  }

  @LogMetric
  @LogMetric("loss")
  *yields(): Generator<T> {
    yield this.value;
  }

  @LogMetric
  @LogMetric("loss")
  list(): L[] {
    return [this.known];
  }

  @LogMetric
  set assigned(_value: T) {}

  @LogParam
  @LogParam()
  @LogParam(["value", "0", "1.loss"])
  @LogParam((args) => ({ first: args[0] }))
  params(_value: T, _known: L): void {}

  @LogMetric("loss")
  @LogMetric((value) => value)
  @LogParam("0.loss")
  @TrackedRun({ metrics: ["loss"], params: ["0.loss"] })
  ofMethod<X extends Loss>(value: X): X {
    return value;
  }

  @LogMetric("loss")
  async laterOfMethod<X extends Loss>(value: X): Promise<X> {
    return value;
  }

  @LogMetric("any.path")
  unbound<X>(value: X): X {
    return value;
  }

  @LogMetric("loss")
  eachOfMethod<X extends Loss>(value: X): X[] {
    return [value];
  }

  // @ts-expect-error: whatever it is, it has no such path for certain
  @LogMetric("los")
  known1(): { loss: number; other: { of: L } } {
    return { loss: 1, other: { of: this.known } };
  }

  // @ts-expect-error: what the method's type parameter is bound to has no such path
  @LogMetric("los")
  known2<X extends Loss>(value: X): Pick<X & Loss, "loss"> {
    return value;
  }
}

class Overloaded {
  first(value: string): Loss;
  first(value: number, options: { lr: number }): { accuracy: number };
  first(): { seconds: number };
  @LogMetric(["loss", "accuracy", "seconds"])
  @LogTag(["loss", "accuracy"])
  @LogParam(["0", "1.lr"])
  @TrackedRun({ metrics: ["loss", "accuracy"], params: ["1.lr"] })
  first(_value?: string | number, _options?: { lr: number }): Loss | { accuracy: number } | { seconds: number } {
    return { loss: 1 };
  }

  second(value: string): Loss;
  second(value: number): { accuracy: number };
  // @ts-expect-error: none of them has it
  @LogMetric("los")
  second(_value: string | number): Loss | { accuracy: number } {
    return { loss: 1 };
  }

  third(value: string): Loss;
  third(value: number): Loss;
  // @ts-expect-error: none of them takes it
  @LogParam("1")
  third(_value: string | number): Loss {
    return { loss: 1 };
  }
}

declare function many(value: string): Loss;
declare function many(value: number, options: { lr: number }): { accuracy: number };
declare function many(): { seconds: number };
tracked(many, { metrics: ["loss", "accuracy", "seconds"], params: ["1.lr"] });
// @ts-expect-error: none of them has it
tracked(many, { metrics: "los" });
// @ts-expect-error: none of them takes it
tracked(many, { params: ["2"] });

function ofFunction<X extends Loss>(value: X): X {
  return value;
}
tracked(ofFunction, { metrics: ["loss"], params: ["0.loss"] })({ loss: 1, more: "x" }).more.at(0);
// @ts-expect-error: what it is bound to has no such path
tracked(ofFunction, { metrics: "los" });

export function around<T>(fn: (value: T) => T, value: T): T {
  const through = tracked(fn, { metrics: "loss", params: ["0"] });
  tracked(fn, { metrics: (result) => result, failOn: (result) => result === undefined });
  withRun({ metrics: ["loss"] }, () => fn(value));
  return withRun({ metrics: (result) => result }, () => through(value));
}

/** A decorator of one's own around ours. */
// biome-ignore lint/suspicious/noExplicitAny: as ClassMethodDecoratorContext has it
export function both<This, M extends (this: This, ...args: any) => any>(
  value: M,
  context: ClassMethodDecoratorContext<This, M>,
): M {
  return TrackedRun({ runName: "both" })(LogMetric(value, context), context);
}

// biome-ignore lint/suspicious/noExplicitAny: likewise
export function bothLegacy<M extends (...args: any) => any>(
  target: object,
  key: string,
  descriptor: TypedPropertyDescriptor<M>,
): TypedPropertyDescriptor<M> {
  return LogMetric("loss")(target, key, TrackedRun(target, key, descriptor));
}

export { Generic, Overloaded };
