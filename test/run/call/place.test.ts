// Which run `withRun` and `startRun` open, when that is said.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createTracker, currentRun, startRun, withRun } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { openDatabase } from "../../support/database.js";
import { tempFolder } from "../../support/folders.js";
import { values } from "../../support/runs.js";
import { sleep } from "../../support/wait.js";

test("parent makes a child of that run, wherever it is called and even after its end", async () => {
  const tracker = createTestTracker();
  const parent = tracker.startRun({ runName: "parent", experiment: "Above" });
  const other = tracker.startRun({ runName: "other" });
  withRun({ parent, runName: "block" }, (run) => assert.equal(currentRun(), run));
  parent.end();
  await sleep(1);
  tracker.withRun({ runName: "outer" }, () => startRun({ parent, runName: "late" }).end());
  other.end();
  const all = tracker.runs;
  assert.deepEqual(
    all.map((run) => [run.name, run.experiment === all[0]?.experiment, run.parentId, run.tags["pulse.started_in"]]),
    [
      ["parent", true, undefined, undefined],
      ["other", false, undefined, undefined],
      ["block", true, parent.id, undefined],
      ["outer", false, undefined, undefined],
      ["late", true, parent.id, undefined],
    ],
  );
});

test("parentRunId makes a child of a run from elsewhere, description is its note", async () => {
  const tracker = createTestTracker();
  const id = "e".repeat(32);
  tracker.withRun({ parentRunId: id, description: "# A *trial*", tags: { a: 1 } }, () =>
    startRun({ runName: "below" }).end(),
  );
  tracker.startRun({ parentRunId: id, runName: "by hand", description: "by hand" }).end();
  const all = tracker.runs;
  const [block, below, hand] = ["run", "below", "by hand"].map((name) => all.find((run) => run.name === name));
  assert.deepEqual(
    [block, below, hand].map((run) => [run?.parentId, run?.description, run?.tags["a"]]),
    [
      [id, "# A *trial*", "1"],
      [block?.id, undefined, undefined],
      [id, "by hand", undefined],
    ],
  );
});

test("runId resumes a stored run, even inside another run", async () => {
  const folder = tempFolder("place");
  const trackingUri = `sqlite:///${join(folder, "r.db")}`;
  const tracker = createTracker({ trackingUri });
  const first = tracker.startRun({ runName: "first" });
  first.end();
  await tracker.shutdown();
  const again = createTracker({ trackingUri });
  again.withRun({ runName: "outer" }, () =>
    withRun({ runId: first.id }, (run) => {
      assert.equal(run.id, first.id);
      run.logMetric("more", 1);
    }),
  );
  again.startRun({ runId: first.id }).end("FAILED");
  await again.shutdown();
  const database = openDatabase(join(folder, "r.db"));
  assert.deepEqual(
    database
      .prepare("SELECT name, status FROM runs ORDER BY start_time, name")
      .all()
      .map((row) => ({ ...(row as object) })),
    [
      { name: "first", status: "FAILED" },
      { name: "outer", status: "FINISHED" },
    ],
  );
  assert.equal(
    (database.prepare("SELECT count(*) AS n FROM metrics WHERE run_uuid = ?").get(first.id) as { n: number }).n,
    1,
  );
  database.close();
});

test("only one of parent, parentRunId and runId may be given, and it must be valid", () => {
  const tracker = createTestTracker();
  const parent = tracker.startRun();
  assert.throws(() => tracker.startRun({ parent, runId: "a" }), {
    code: "INVALID_OPTION",
    message: "startRun: runId and parent exclude each other; give one of them.",
  });
  assert.throws(() => withRun({ parentRunId: "a", runId: "b" }, () => 1), {
    message: /runId and parentRunId exclude each other/,
  });
  assert.throws(() => withRun({ parent: "abc" as never }, () => 1), {
    message: /parent must be a run, as startRun\(\) and currentRun\(\) give it/,
  });
  assert.throws(() => startRun({ runId: "" }), { message: /runId must be the id of a run/ });
  parent.end();
});

test("a child of another tracker's run belongs to that tracker", async () => {
  const [here, there] = [createTestTracker(), createTestTracker()];
  const parent = there.startRun({ runName: "there" });
  here.withRun({ parent }, (run) => run.logMetric("loss", 1));
  parent.end();
  assert.deepEqual(here.runs.length, 0);
  assert.deepEqual(
    there.runs.map((run) => values(run)),
    [{}, { loss: [1] }],
  );
});

test("a child stays in its parent's experiment unless something names another", async () => {
  const tracker = createTestTracker({ experiment: "Configured" });
  tracker.withRun({ experiment: "Parent" }, () => {
    assert.equal(currentRun()?.experiment, "Parent");
    startRun({ runName: "child" }).end();
    startRun({ runName: "other", experiment: "Other" }).end();
  });
  const all = tracker.runs;
  assert.deepEqual(
    all.map(({ experiment }) => experiment),
    ["Parent", "Parent", "Other"],
  );
  assert.deepEqual(all.map(values), [{}, {}, {}]);
});
