import { MemoryStore } from "../../src/stores/memory-store.js";
import type { StoredRun } from "../../src/stores/stored-run.js";
import type { PulseConfig } from "../../src/tracker.js";
import { trackerOn } from "../../src/tracker.js";
import { collectWarnings } from "./warnings.js";

/**
 * A tracker on a store in memory that delivers as to any other, unlike a test tracker, with the files of its newest run.
 * Another one on the same store is what another program has.
 */
export function memory(config: PulseConfig = {}, store = new MemoryStore()) {
  const { logger, warnings } = collectWarnings();
  const tracker = trackerOn(store, { logger, ...config });
  const run = (): StoredRun => [...store.runs.values()].at(-1) as StoredRun;
  const bytes = (path: string): Uint8Array | undefined => run().artifacts.files.get(path);
  const text = (path: string): string | undefined => bytes(path) && Buffer.from(bytes(path) as Uint8Array).toString();
  const names = (): string[] => [...run().artifacts.files.keys()].sort();
  const files = (): Record<string, string> => Object.fromEntries(names().map((name) => [name, String(text(name))]));
  return { tracker, store, warnings, run, bytes, text, names, files };
}
