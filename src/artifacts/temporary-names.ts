import { readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { os } from "../base/builtins.js";
import { systemClock } from "../base/clock.js";
import { shortHash } from "../base/text/keys.js";

/**
 * Names of unfinished files, which identify their writer: 16 random digits, 8 for the machine, 8 for the process. No
 * other files look like this.
 */
const UNFINISHED = /^\.pulse-[0-9a-f]{16}([0-9a-f]{8})([0-9a-f]{8})\.tmp$/;
/** A file that was not written to for this long is abandoned, wherever it was begun. */
const ABANDONED_MS = 24 * 60 * 60 * 1_000;

let machine: string | undefined;

/** Identifies this machine, by its host name, among those that write into the same folder. */
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

/** Returns the temporary path under which a file is written before it is moved to its destination. */
export const unfinishedBeside = (target: string): string => unfinishedIn(dirname(target));

export function unfinishedIn(folder: string): string {
  const owner = thisMachine() + process.pid.toString(16).padStart(8, "0");
  return join(folder, `.pulse-${systemClock.id().slice(0, 16)}${owner}.tmp`);
}

export const isUnfinished = (name: string): boolean => UNFINISHED.test(name);

/** Removes the unfinished files of killed programs from a folder; those that cannot be removed stay. */
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
    // Without permission to list the folder, we cannot have left anything in it either.
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
