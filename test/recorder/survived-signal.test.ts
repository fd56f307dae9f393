// A signal that a program handles itself: it counts for the runs that were open when it came, and for all while the
// program does nothing new.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTracker } from "../../src/index.js";
import { query } from "../support/database.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { until } from "../support/wait.js";

const folder = tempFolder("survives");
const servers: FakeMlflow[] = [];
after(() => {
  for (const server of servers) server.down();
});
const program = fileURLToPath(new URL("../fixtures/survives.js", import.meta.url));

async function ended(how: string, trackingUri: string): Promise<void> {
  const child = spawn(process.execPath, [program, how, trackingUri, join(folder, "outboxes")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [code] = (await once(child, "close")) as [number | null];
  assert.equal(code, how === "dies" ? null : how === "fails" ? 3 : 0);
}

for (const [how, before, later] of [
  ["goes on", "KILLED", "FINISHED partial"],
  ["fails", "KILLED", "FAILED"],
  ["exits", "KILLED", undefined],
  ["exits later", "KILLED", undefined],
] as const)
  test(`after a signal a program ${how}: open runs ${before}, later ${later ?? "none"}`, async () => {
    const path = join(folder, `${how}.db`);
    await ended(how, `sqlite:///${path}`);
    const rows = query(
      path,
      "SELECT name, status, (SELECT ' partial' FROM tags t WHERE t.run_uuid = r.run_uuid AND t.key = 'pulse.partial') AS partial FROM runs r",
    );
    const found = Object.fromEntries(rows.map(({ name, status, partial }) => [name, `${status}${partial ?? ""}`]));
    const expected = {
      sampled: before,
      "open before": before,
      "opened in the listener": how.startsWith("exits") ? before : later,
    };
    assert.deepEqual(found, later === undefined ? expected : { ...expected, "opened later": later });
  });

test("runs opened after a survived signal end FAILED when something else kills", async () => {
  const server = await FakeMlflow.start();
  servers.push(server);
  await ended("dies", server.url);
  const tracker = createTracker({
    trackingUri: server.url,
    outbox: { folder: join(folder, "outboxes") },
    logger: { warn() {} },
  });
  tracker.startRun({ runName: "next" }).end();
  await until("the later run has ended", () => server.named("opened later")[0]?.status === "FAILED");
  await tracker.shutdown();
  assert.equal(server.named("opened later")[0]?.status, "FAILED");
});
