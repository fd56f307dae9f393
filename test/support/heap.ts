import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

export const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes of the heap that something still holds. */
export function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
