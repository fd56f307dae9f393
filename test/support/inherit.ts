import { systemClock } from "../../src/base/clock.js";
import { Diagnostics } from "../../src/base/diagnostics.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { Dispatcher } from "../../src/recorder/dispatch/dispatcher.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { OutboxRecovery } from "../../src/recorder/outbox-recovery.js";
import { openStore } from "../../src/stores/registry.js";
import { collectWarnings } from "./warnings.js";

/** What an heir has found and done. */
export interface Inheritance {
  /** Items the store took. */
  readonly delivered: number;
  /** Outboxes whose tracker lives. */
  readonly held: readonly string[];
  /** Outboxes that are still there. */
  readonly left: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Delivers what dead trackers have left in `root` for `trackingUri`, as their next one would; gives up after `withinMs`
 * without progress.
 */
export async function inherit(
  root: string,
  trackingUri: string,
  withinMs = 20_000,
  options: { retrySetAside?: boolean } = {},
): Promise<Inheritance> {
  const { logger, warnings } = collectWarnings();
  const diagnostics = new Diagnostics({ strict: false, logger });
  const store = openStore(trackingUri, { clock: systemClock, server: resolveConfig({}, {}).server });
  const dispatcher = new Dispatcher({ store, diagnostics, clock: systemClock });
  const folder = new OutboxFolder(root, store.uri);
  let delivered = 0;
  const heir = new OutboxRecovery(folder, dispatcher, diagnostics, {
    ...options,
    onDelivered: (items) => {
      delivered += items;
    },
  });
  heir.start();
  let seen = 0;
  for (let deadline = Date.now() + withinMs; !heir.done && Date.now() < deadline; ) {
    await dispatcher.nextSettled(20);
    if (delivered === seen) continue;
    seen = delivered;
    deadline = Date.now() + withinMs;
  }
  heir.stop();
  await dispatcher.stop();
  await store.close();
  return { delivered, held: heir.held, left: folder.files(), warnings };
}
