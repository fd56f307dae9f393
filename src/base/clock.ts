import { realm } from "./realm.js";

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const BLOCK = 65_536;
const TAIL_BYTES = 14;

let tail = "";
let first = 0;
let used = BLOCK;

/**
 * Creates a run id of 32 hex digits: a 4-digit counter with a random start, then 28 random digits that are redrawn
 * every 65,536 ids. Drawing all digits for each run would cost as much as the rest of opening it, and counting up keeps
 * database indexes local.
 */
function nextId(): string {
  if (used === BLOCK) {
    // Avoids node:crypto, which is slow to load.
    const drawn = globalThis.crypto.getRandomValues(new Uint8Array(TAIL_BYTES + 2));
    tail = Buffer.from(drawn.buffer, 2).toString("hex");
    first = ((drawn[0] as number) << 8) | (drawn[1] as number);
    used = 0;
  }
  const count = (first + used++) % BLOCK;
  return (HEX[count >> 8] as string) + HEX[count & 255] + tail;
}

/** The source of time, ids and randomness; replaced in tests. */
export interface Clock {
  /** Milliseconds since the epoch, an integer. */
  now(): number;
  /** 32 hex digits, unique. */
  id(): string;
  /** A number in [0, 1), for jitter. */
  random(): number;
}

/** A clock that remembers its last reading in `last`, for callers that only need an approximate time. */
export class ReadClock implements Clock {
  last = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    this.last = this.#clock.now();
    return this.last;
  }

  id(): string {
    return this.#clock.id();
  }

  random(): number {
    return this.#clock.random();
  }
}

/** The system clock. */
export const systemClock: Clock = { now: realm.Date.now, id: nextId, random: Math.random };
