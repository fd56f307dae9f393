const nothing = (): void => undefined;
const roomy = new Map<number, readonly undefined[]>();

/**
 * Checks that at least this much stack is left, in words of 8 bytes.
 * @throws RangeError now, instead of later in the middle of an operation.
 */
export function demandStack(words: number): void {
  let list = roomy.get(words);
  if (list === undefined) {
    list = new Array<undefined>(words).fill(undefined);
    roomy.set(words, list);
  }
  Reflect.apply(nothing, undefined, list);
}
