import { randomFillSync } from "node:crypto";

const POOL_BYTES = 4096;
const ID_BYTES = 16;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/** Makes a run id: 32 hex digits from the system's random source, drawn in blocks because one call a run is slow. */
function randomId(): string {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const id = pool.toString("hex", used, used + ID_BYTES);
  used += ID_BYTES;
  return id;
}

/** Where time, ids and chance come from; tests put their own in place. */
export interface Clock {
  /** Milliseconds since the epoch, an integer. */
  now(): number;
  /** 32 hex digits, never the same twice. */
  id(): string;
  /** A number in [0, 1), for jitter. */
  random(): number;
}

/** The machine's own clock. */
export const systemClock: Clock = { now: Date.now, id: randomId, random: Math.random };
