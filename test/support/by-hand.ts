import assert from "node:assert/strict";

// biome-ignore lint/suspicious/noExplicitAny: decorators in the shapes of both dialects
export type Decorator = (...args: any[]) => any;
export type Dialect = "standard" | "legacy";

/** A class to be made by hand: what stands on it and on its method `m`, the outermost first. */
export interface Decorated {
  readonly decorators: readonly Decorator[];
  readonly onClass: readonly Decorator[];
  readonly makeMethod: () => object;
}

/** Makes the class in the shapes of one dialect, whichever the compiler is set to. */
export function decorated(dialect: Dialect, { decorators, onClass, makeMethod }: Decorated): { m: Decorator } {
  class Subject {}
  const { prototype } = Subject;
  const addInitializer = (): void => undefined;
  const original = Object.getOwnPropertyDescriptor(makeMethod(), "m") as PropertyDescriptor;
  let descriptor: PropertyDescriptor = { ...original, enumerable: false };
  const context = { kind: "method", name: "m", static: false, private: false, addInitializer };
  for (const decorator of [...decorators].reverse()) {
    if (dialect === "legacy") descriptor = decorator(prototype, "m", descriptor) ?? descriptor;
    else descriptor.value = decorator(descriptor.value, context);
  }
  Object.defineProperty(prototype, "m", descriptor);
  for (const decorator of onClass) {
    const given = dialect === "legacy" ? [Subject] : [Subject, { kind: "class", name: "Subject", addInitializer }];
    assert.equal(decorator(...given), undefined);
  }
  return new Subject() as { m: Decorator };
}
