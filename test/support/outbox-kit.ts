import { join } from "node:path";
import { systemClock } from "../../src/base/clock.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import type { PulseConfig } from "../../src/tracker.js";
import { trackerOn } from "../../src/tracker.js";
import { tempFolder } from "./folders.js";
import { RemoteStore } from "./remote-store.js";
import { collectWarnings } from "./warnings.js";

const root = tempFolder("outbox");
let folders = 0;

/** A temp folder that no other test has; it is made by who needs it. */
export const newFolder = (): string => join(root, String(++folders));

/** A tracker on a store like a server, with its outboxes. */
export interface Kit {
  readonly store: RemoteStore;
  readonly tracker: ReturnType<typeof trackerOn>;
  readonly warnings: string[];
  readonly folder: string;
  files(): string[];
}

export function kit(config: PulseConfig = {}, store = new RemoteStore(), folder = newFolder()): Kit {
  const { logger, warnings } = collectWarnings();
  const tracker = trackerOn(
    store,
    {
      exitTimeoutMs: 200,
      flushIntervalMs: 40,
      durability: "exit",
      outbox: { folder },
      logger,
      ...config,
    },
    { ...systemClock, random: () => 0.01 }, // short waits
  );
  const files = (): string[] => new OutboxFolder(folder, store.uri).files();
  return { store, tracker, warnings, folder, files };
}
