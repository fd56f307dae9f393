import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFolder } from "../../src/base/folders.js";
import { makeInThreads } from "../fixtures/makes-folders.js";
import { tempFolder } from "../support/folders.js";

test("folders that several programs create at once are there for all of them", async () => {
  assert.deepEqual(await makeInThreads(tempFolder("race")), []);
});

test("a folder that cannot be created is an error, not a hang", () => {
  assert.throws(() => makeFolder("/proc/pulse/outbox"), { code: "ENOENT" });
  assert.throws(() => makeFolder(`${process.execPath}/outbox`), { code: "ENOTDIR" });
});
