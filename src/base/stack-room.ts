const nothing = (): void => undefined;
const roomy = new Map<number, readonly undefined[]>();

/**
 * Makes sure that so much of the stack is left, in words of 8 bytes.
 * @throws RangeError that the caller would meet otherwise in the middle of something.
 */
export function demandStack(words: number): void {
  let list = roomy.get(words);
  if (list === undefined) {
    list = new Array<undefined>(words).fill(undefined);
    roomy.set(words, list);
  }
  Reflect.apply(nothing, undefined, list);
}
