import { readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { os } from "../base/builtins.js";
import { systemClock } from "../base/clock.js";
import { shortHash } from "../base/text/keys.js";

/**
 * Files that are not whole yet, which say who writes them: 16 digits at random, 8 of the machine, 8 of the process.
 * Nobody else's files look so.
 */
const UNFINISHED = /^\.pulse-[0-9a-f]{16}([0-9a-f]{8})([0-9a-f]{8})\.tmp$/;
/** One that nobody has written to for so long is nobody's, wherever it was begun. */
const ABANDONED_MS = 24 * 60 * 60 * 1_000;

let machine: string | undefined;

/** This machine, as far as its name tells it from others that write into the same folder. */
function thisMachine(): string {
  if (machine === undefined) {
    try {
      machine = shortHash(os().hostname());
    } catch {
      machine = "0".repeat(8);
    }
  }
  return machine;
}

/** The path under which a file is written before it is moved to its place. */
export const unfinishedBeside = (target: string): string => unfinishedIn(dirname(target));

export function unfinishedIn(folder: string): string {
  const owner = thisMachine() + process.pid.toString(16).padStart(8, "0");
  return join(folder, `.pulse-${systemClock.id().slice(0, 16)}${owner}.tmp`);
}

export const isUnfinished = (name: string): boolean => UNFINISHED.test(name);

/** Removes from a folder what programs that were killed have left unfinished; what cannot be removed stays. */
export function sweepUnfinished(folder: string, now: number = systemClock.now()): void {
  try {
    for (const name of readdirSync(folder)) {
      const [, host, pid] = UNFINISHED.exec(name) ?? [];
      if (host === undefined) continue;
      const path = join(folder, name);
      const isDead = host === thisMachine() && !isRunning(Number.parseInt(String(pid), 16));
      if (isDead || now - statSync(path).mtimeMs > ABANDONED_MS) rmSync(path, { recursive: true, force: true });
    }
  } catch {
    // Whoever may not look there cannot have left anything either.
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
