import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("before-exit");
const entry = new URL("../../src/index.js", import.meta.url).href;

/** What a program prints whose `beforeExit` listener records something each time. */
function play(body: string, uri: string): string[] {
  const program = `
    import { configure, startRun, withRun } from ${JSON.stringify(entry)};
    configure({ trackingUri: ${JSON.stringify(uri)}, outbox: { folder: ${JSON.stringify(join(folder, "outbox"))} } });
    const open = startRun();
    let n = 0;
    process.on("beforeExit", () => { if (++n > 5) process.exit(9); console.log("report"); ${body} });`;
  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return [...stdout.trim().split("\n"), `code ${status}`];
}

const WAYS = {
  "a run": 'withRun({ runName: "late" }, (run) => run.logMetric("n", 1));',
  "an open run": 'startRun({ runName: "late" }).end();',
  "a metric of a run that is open": 'open.logMetric("n", 1);',
  "a run behind microtasks":
    'Promise.resolve().then(() => Promise.resolve()).then(() => withRun({ runName: "late" }, () => 1));',
};

for (const [what, body] of Object.entries(WAYS))
  test(`a beforeExit listener that records ${what} is called once by an embedded store`, () => {
    const database = join(folder, `${Object.keys(WAYS).indexOf(what)}.db`);
    for (const uri of ["memory:", "null:", `sqlite:///${database}`])
      assert.deepEqual(play(body, uri), ["report", "code 0"], uri);
    if (what === "a run")
      assert.deepEqual(query(database, "SELECT name, status FROM runs WHERE name = 'late'"), [
        { name: "late", status: "FINISHED" },
      ]);
  });

test("with an absent server such a listener does not keep the process either", () => {
  const lines = play(WAYS["a run"], "http://127.0.0.1:9");
  assert.ok(lines.length <= 3, lines.join());
  assert.equal(lines.at(-1), "code 0");
});
