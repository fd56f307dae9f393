import { setTimeout as sleep } from "node:timers/promises";
import { LogMetric, LogParam, TrackedExperiment, TrackedRun } from "pulse-mlflow";

export interface ScoreRequest {
  readonly user: number;
  /** The value of the basket, in euros. */
  readonly basket: number;
}

export interface Score {
  /** The probability that the user buys, from 0 to 1. */
  readonly score: number;
  readonly by: "model" | "fallback";
  readonly ms: number;
}

export class UnknownUser extends Error {
  override readonly name = "UnknownUser";
}

const USERS = 9_900;
const SHARDS = 100;
const BROKEN_SHARD = 7;
const SLOW_FROM = 0.98;
const SLOW_MS = 20;
const MEAN_BASKET = 60;

/** A thousand calls a second become five runs, one folded run, and one run for the first call that fails. */
@TrackedExperiment("ScoringService", { params: { model: "toy-1" } })
export class Scorer {
  @TrackedRun({
    maxRunsPerSecond: 5,
    failOn: ({ by }: Score) => by === "fallback" && "the model took too long",
    ignore: [UnknownUser], // the caller's mistake, not ours
  })
  @LogParam
  @LogMetric(["score", "ms"])
  async score({ user, basket }: ScoreRequest): Promise<Score> {
    const start = performance.now();
    if (user >= USERS) throw new UnknownUser(`There is no user ${user}.`);
    if (user % SHARDS === BROKEN_SHARD) throw new Error(`Shard ${BROKEN_SHARD} of the feature store does not answer.`);
    const taste = spread(user);
    const slow = taste >= SLOW_FROM;
    await sleep(slow ? SLOW_MS : 1 + 4 * taste);
    const score = slow ? 0.5 : 1 / (1 + Math.exp(2 - 4 * taste * (basket / MEAN_BASKET)));
    return { score, by: slow ? "fallback" : "model", ms: performance.now() - start };
  }
}

/** A number in [0, 1), always the same for the same user. */
function spread(user: number): number {
  return (Math.imul(user, 2_654_435_769) >>> 0) / 2 ** 32;
}
