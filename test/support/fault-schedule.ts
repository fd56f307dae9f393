import { Random } from "./random.js";

/**
 * What can go wrong between a client and a server. "After" means that the server has acted although the client cannot
 * know.
 */
export const FAULTS = [
  "refuse",
  "reset-before",
  "reset-after",
  "black-hole",
  "black-hole-after",
  "slow-drip",
  "429",
  "429-date",
  "500",
  "500-json",
  "502",
  "503",
  "503-after-commit",
  "504",
  "truncated",
  "wrong-type",
  "missing-fields",
  "401",
  "late-504",
  "late-reset",
  "maintenance",
  "maintenance-page",
  "101",
] as const;

export type FaultKind = (typeof FAULTS)[number];

export interface Draw {
  /** Nothing happens where it is undefined. */
  readonly kind: FaultKind | undefined;
  /** From 0 to 1: how bad it is, where that can vary. */
  readonly degree: number;
}

/**
 * What happens to request number `ordinal`. Every request draws from numbers of its own, so that it meets the same
 * fault whatever the ones before it did, and a higher rate only adds faults.
 */
export function drawFault(seed: number, ordinal: number, rate: number, kinds: readonly FaultKind[]): Draw {
  const random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(ordinal + 1, 0x85ebca6b));
  const [hit, which, degree] = [random.next(), random.next(), random.next()];
  return { kind: hit < rate ? kinds[Math.floor(which * kinds.length)] : undefined, degree };
}
