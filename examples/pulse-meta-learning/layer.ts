import type { Random } from "./random.js";

/** An affine map: one row of weights per output; the last weight of a row is the bias. */
export class Layer {
  readonly #rows: readonly Float64Array[];

  private constructor(rows: readonly Float64Array[]) {
    this.#rows = rows;
  }

  static random(inputs: number, outputs: number, random: Random): Layer {
    const scale = 1 / Math.sqrt(inputs);
    return new Layer(
      Array.from({ length: outputs }, () => new Float64Array(inputs + 1).map(() => scale * random.normal())),
    );
  }

  /** The layer whose `weights()` these are. */
  static of(inputs: number, weights: Float64Array): Layer {
    const width = inputs + 1;
    const rows = Array.from({ length: weights.length / width }, (_, row) =>
      weights.slice(row * width, (row + 1) * width),
    );
    return new Layer(rows);
  }

  copy(): Layer {
    return new Layer(this.#rows.map((row) => row.slice()));
  }

  weights(): number[] {
    return this.#rows.flatMap((row) => [...row]);
  }

  apply(inputs: Float64Array): Float64Array {
    return Float64Array.from(this.#rows, (row) => {
      let sum = row.at(-1) ?? 0;
      for (let i = 0; i < inputs.length; i++) sum += (row[i] ?? 0) * (inputs[i] ?? 0);
      return sum;
    });
  }

  /** One step down the gradient of the outputs' `errors`; returns the errors of the inputs. */
  descend(inputs: Float64Array, errors: Float64Array, learningRate: number): Float64Array {
    const inputErrors = new Float64Array(inputs.length);
    for (const [output, row] of this.#rows.entries()) {
      const error = errors[output] ?? 0;
      const bias = row.length - 1;
      for (let i = 0; i < bias; i++) {
        const weight = row[i] ?? 0;
        inputErrors[i] = (inputErrors[i] ?? 0) + error * weight;
        row[i] = weight - learningRate * error * (inputs[i] ?? 0);
      }
      row[bias] = (row[bias] ?? 0) - learningRate * error;
    }
    return inputErrors;
  }

  moveTowards(target: Layer, fraction: number): void {
    for (const [output, row] of this.#rows.entries()) {
      const targetRow = target.#rows[output] ?? row;
      for (const [i, weight] of row.entries()) row[i] = weight + fraction * ((targetRow[i] ?? 0) - weight);
    }
  }
}
