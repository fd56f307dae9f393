import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { TwoCopies } from "../fixtures/two-copies.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { inherit } from "../support/inherit.js";
import { installCopy, unpackFirstVersion } from "../support/package-copies.js";

const RUNS = 15;
const root = tempFolder("copies");
const program = fileURLToPath(new URL("../fixtures/two-copies.js", import.meta.url));
const copies = { one: "", other: "", old: "" };

before(() => {
  copies.one = installCopy(join(root, "one"));
  copies.other = installCopy(join(root, "other"));
  copies.old = installCopy(join(root, "old"), unpackFirstVersion(join(root, "0.1.0")));
});

let folders = 0;
const newFolder = (): string => join(root, `outboxes-${++folders}`);

/** Has copies record while the server is away, and deliver when it is back; gives how often each run is there. */
async function record(entries: readonly string[], worker: boolean): Promise<{ times: number[]; left: string[] }> {
  const server = await FakeMlflow.start();
  server.down();
  const folder = newFolder();
  const given: TwoCopies = { entries, worker, trackingUri: server.url, folder, runs: RUNS };
  const child = spawn(process.execPath, [program, JSON.stringify(given)], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  await Promise.race([once(child.stdout, "data"), ended]);
  await server.up();
  child.stdin.write("go\n");
  assert.deepEqual(await ended, [0, null]);
  const times = entries.flatMap((_, n) => Array.from({ length: RUNS }, (__, i) => server.named(`${n} ${i}`).length));
  const left = readdirSync(folder, { recursive: true }).map(String);
  server.close();
  return { times, left: left.filter((name) => /\.(db|outbox)$/.test(name)) };
}

const ONCE = { times: Array.from({ length: 2 * RUNS }, () => 1), left: [] };

test("two copies with a driver each deliver every run once", async () => {
  assert.deepEqual(await record([join(copies.one, "esm/index.js"), join(copies.other, "cjs/index.js")], false), ONCE);
});

test("two copies deliver every run once when one is in a worker thread", async () => {
  assert.deepEqual(await record([join(copies.one, "esm/index.js"), join(copies.other, "esm/index.js")], true), ONCE);
});

test("this version and 0.1.0 do so together, in either order and in a worker", async () => {
  const entries = [join(copies.one, "esm/index.js"), join(copies.old, "esm/index.js")];
  assert.deepEqual(await record(entries, false), ONCE);
  assert.deepEqual(await record(entries.toReversed(), false), ONCE);
  assert.deepEqual(await record(entries, true), ONCE);
});

test("this version and 0.1.0 keep all when the program exits or ends", async () => {
  const entries = [join(copies.one, "esm/index.js"), join(copies.old, "esm/index.js")];
  for (const order of [entries, entries.toReversed()])
    for (const leaves of ["exit", "end"] as const) {
      const server = await FakeMlflow.start();
      server.down();
      const folder = newFolder();
      const given: TwoCopies = { entries: order, worker: false, trackingUri: server.url, folder, runs: RUNS, leaves };
      const { status, stderr } = spawnSync(process.execPath, [program, JSON.stringify(given)], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      await server.up();
      await inherit(folder, server.url);
      const times = order.flatMap((_, n) => Array.from({ length: RUNS }, (__, i) => server.named(`${n} ${i}`).length));
      assert.deepEqual(times, ONCE.times, `${leaves}, ${order.indexOf(entries[0] as string)}`);
      server.close();
    }
});

test("an outbox that a dead 0.1.0 left is delivered", async () => {
  const server = await FakeMlflow.start();
  server.down();
  const folder = newFolder();
  const code = `import { createTracker } from ${JSON.stringify(join(copies.old, "esm/index.js"))};
    createTracker({ trackingUri: "${server.url}", exitTimeoutMs: 50, outbox: { folder: "${folder}" } }).startRun({ runName: "left" }).end();`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  assert.match(stderr, /KEPT_FOR_LATER/);
  await server.up();
  const { left, warnings } = await inherit(folder, server.url);
  assert.deepEqual({ left, warnings }, { left: [], warnings: [] });
  assert.deepEqual(
    server.named("left").map(({ status }) => status),
    ["FINISHED"],
  );
  server.close();
});
