import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import { trackerOn } from "../../src/tracker.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { until } from "../support/wait.js";

const root = tempFolder("attempted");

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
  await until("the run is there", () => server.named("created once").length > 0, { everyMs: 1 });
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
