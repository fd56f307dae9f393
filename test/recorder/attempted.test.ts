import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import { trackerOn } from "../../src/tracker.js";
import { FakeMlflow } from "../support/fake-mlflow.js";

const root = mkdtempSync(join(tmpdir(), "pulse-attempted-"));
after(() => rmSync(root, { recursive: true, force: true }));

test("a run whose creation was sent and then written down is created once", async () => {
  const server = await FakeMlflow.start();
  const store = new HttpStore(new URL(server.url), resolveConfig({}, {}).server);
  const config = { outbox: { folder: root }, flushIntervalMs: 20, logger: { warn: () => {} } };
  // The longest wait before a second try: it is written down meanwhile.
  const tracker = trackerOn(store, config, { ...systemClock, random: () => 1 });
  await tracker.withRun({ runName: "first" }, async () => {});
  await tracker.flush();

  server.resets = true;
  const run = tracker.startRun({ runName: "created once" });
  run.logMetric("loss", 1);
  run.end();
  while (server.named("created once").length === 0) await sleep(1);
  server.resets = false;
  await sleep(50);
  assert.ok(existsSync(root) && readdirSync(root).length === 1, "nothing is written down");
  await tracker.shutdown();
  server.close();
  assert.deepEqual(
    server.named("created once").map(({ status }) => status),
    ["FINISHED"],
  );
});
