import assert from "node:assert/strict";
import { test } from "node:test";
import { tempFolder } from "../support/folders.js";
import { BYPASSED, BYPASSED_BESIDES, TARGETS } from "../support/no-proxy.js";
import { launch } from "./peer.js";

test("Python's client reads NO_PROXY as our tests say", async () => {
  const entries = [...BYPASSED, ...BYPASSED_BESIDES].map(([each]) => each);
  const { child, ended, log } = await launch(
    "newest",
    ["no_proxy.py", JSON.stringify(entries), JSON.stringify(TARGETS)],
    {
      cwd: tempFolder("no-proxy"),
    },
  );
  let out = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  await ended;
  const found = JSON.parse(out || "[]") as string[];
  assert.deepEqual(
    found.slice(0, BYPASSED.length),
    BYPASSED.map(([, targets]) => targets),
    log(),
  );
  // What we exempt besides it does not: else it belongs above.
  for (const [i, [entry, targets]] of BYPASSED_BESIDES.entries())
    assert.notEqual(found[BYPASSED.length + i], targets, entry);
});
