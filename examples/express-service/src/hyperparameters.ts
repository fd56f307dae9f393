import type { Hyperparameters } from "../../pulse-meta-learning/reptile.js";
import { HttpError } from "./errors.js";

const DEFAULTS: Hyperparameters = { inner_lr: 0.2, shots: 1, inner_steps: 3, meta_steps: 2, seed: 42 };

const RULES: Record<keyof Hyperparameters, readonly [expected: string, holds: (value: unknown) => boolean]> = {
  inner_lr: ["a number above 0", (value) => typeof value === "number" && value > 0],
  shots: ["a whole number from 1 to 20", wholeUpTo(20)],
  inner_steps: ["a whole number from 1 to 10", wholeUpTo(10)],
  meta_steps: ["a whole number from 1 to 50", wholeUpTo(50)],
  seed: ["a whole number from 1 to 1000000", wholeUpTo(1_000_000)],
};

/**
 * Returns the hyperparameters in the body of a request; what it leaves out has a default.
 * @throws HttpError 400 with everything that is wrong with it
 */
export function hyperparametersOf(body: unknown): Hyperparameters {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new HttpError(400, "The body must be a JSON object, with content-type application/json.");
  const problems = Object.entries(body).flatMap(([name, value]) => {
    if (!Object.hasOwn(RULES, name)) return [`${name} is none of ${Object.keys(RULES).join(", ")}`];
    const [expected, holds] = RULES[name as keyof Hyperparameters];
    return holds(value) ? [] : [`${name} must be ${expected}`];
  });
  if (problems.length > 0) throw new HttpError(400, "These hyperparameters cannot be used.", problems);
  return { ...DEFAULTS, ...body };
}

function wholeUpTo(most: number): (value: unknown) => boolean {
  return (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;
}
