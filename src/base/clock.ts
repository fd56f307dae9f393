import { realm } from "./realm.js";

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const BLOCK = 65_536;
const TAIL_BYTES = 14;

let tail = "";
let first = 0;
let used = BLOCK;

/**
 * Makes a run id: 32 hex digits. Four count up from a random start, 28 are random and drawn anew for each 65,536 ids:
 * drawing all of them for each run costs as much as the rest of opening it, and ids that count up keep a database's
 * indexes local.
 */
function nextId(): string {
  if (used === BLOCK) {
    // Not node:crypto, whose loading is dear
    const drawn = globalThis.crypto.getRandomValues(new Uint8Array(TAIL_BYTES + 2));
    tail = Buffer.from(drawn.buffer, 2).toString("hex");
    first = ((drawn[0] as number) << 8) | (drawn[1] as number);
    used = 0;
  }
  const count = (first + used++) % BLOCK;
  return (HEX[count >> 8] as string) + HEX[count & 255] + tail;
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

/** A clock that remembers what it last said: whoever only needs to know roughly does not have to read it again. */
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

/** The machine's own clock. */
export const systemClock: Clock = { now: realm.Date.now, id: nextId, random: Math.random };
