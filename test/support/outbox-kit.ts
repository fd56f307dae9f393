import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import type { PulseConfig } from "../../src/config/options.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { type Tracker, trackerOn } from "../../src/tracker.js";
import { sleep } from "./memory.js";
import { RemoteStore } from "./remote-store.js";

const root = mkdtempSync(join(tmpdir(), "pulse-outbox-"));
after(() => rmSync(root, { recursive: true }));
let folders = 0;

/** A temp folder that no other test has; it is made by who needs it. */
export const newFolder = (): string => join(root, String(++folders));

/** A tracker on a store like a server, with its outboxes. */
export interface Kit {
  readonly store: RemoteStore;
  readonly tracker: Tracker;
  readonly warnings: string[];
  readonly folder: string;
  files(): string[];
}

export function kit(config: PulseConfig = {}, store = new RemoteStore(), folder = newFolder()): Kit {
  const warnings: string[] = [];
  const tracker = trackerOn(
    store,
    {
      exitTimeoutMs: 200,
      flushIntervalMs: 40,
      durability: "exit",
      outbox: { folder },
      logger: { warn: (message) => warnings.push(message) },
      ...config,
    },
    { ...systemClock, random: () => 0.01 }, // short waits
  );
  const files = (): string[] => new OutboxFolder(folder, store.uri).files();
  return { store, tracker, warnings, folder, files };
}

/** Waits until something holds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !holds(); await sleep(5))
    if (Date.now() > end) assert.fail(`not within a minute: ${what}`);
}
