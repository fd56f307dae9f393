/** Keys kept in a plain list; more go into a map. Most runs log a handful of metrics, and a map for each run is dear. */
const FEW = 8;

/** The highest step so far of each key of one run. */
export class Steps {
  readonly #keys: string[] = [];
  readonly #highest: number[] = [];
  #many: Map<string, number> | undefined;

  /** Gives the step of the next value: the highest so far plus one, from 0. */
  next(key: string): number {
    return this.#get(key) + 1;
  }

  /** Notes that a step was taken. */
  took(key: string, step: number): void {
    if (this.#many) {
      if (step > this.#get(key)) this.#many.set(key, step);
      return;
    }
    const at = this.#keys.indexOf(key);
    if (at >= 0) {
      if (step > (this.#highest[at] as number)) this.#highest[at] = step;
    } else if (this.#keys.length < FEW) {
      this.#keys.push(key);
      this.#highest.push(Math.max(step, -1));
    } else {
      this.#many = new Map(this.#keys.map((known, i) => [known, this.#highest[i] as number]));
      this.took(key, step);
    }
  }

  #get(key: string): number {
    if (this.#many) return this.#many.get(key) ?? -1;
    const at = this.#keys.indexOf(key);
    return at < 0 ? -1 : (this.#highest[at] as number);
  }
}
