// What `defineExperiment` says of an experiment itself.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { createTracker, defineExperiment } from "../../../src/index.js";
import { change, start } from "../../contract/store-contract.js";
import { openDatabase } from "../../support/database.js";
import { tempFolder } from "../../support/folders.js";
import { served } from "../../support/http-stores.js";

const Sweep = defineExperiment({
  name: "Described",
  description: "Seven rates, *one* seed",
  tags: { team: "pulse", token: "sk-proj-aaaabbbbccccddddeeeeffffgggghhhh1234567890abcd" },
  metrics: { loss: { goal: "minimize" } },
});

test("an experiment's description and tags are stored, redacted and set again", async () => {
  const folder = tempFolder("described");
  const path = join(folder, "d.db");
  for (let time = 0; time < 2; time++) {
    const tracker = createTracker({ trackingUri: `sqlite:///${path}`, experiment: "Described" });
    tracker.run(() => Sweep.withRun({}, (run) => run.logMetric("loss", 1)));
    tracker.withRun({}, () => undefined); // configured by name
    await tracker.shutdown();
    const database = openDatabase(path);
    assert.deepEqual(
      database
        .prepare(
          "SELECT t.key, t.value FROM experiment_tags t JOIN experiments e USING (experiment_id) WHERE e.name = 'Described' ORDER BY t.key",
        )
        .all()
        .map((row) => Object.values(row as object)),
      [
        ["mlflow.note.content", "Seven rates, *one* seed"],
        ["team", "pulse"],
        ["token", "[redacted]"],
      ],
    );
    assert.equal(
      (database.prepare("SELECT count(*) AS n FROM experiments WHERE name = 'Described'").get() as { n: number }).n,
      1,
    );
    database.exec("UPDATE experiment_tags SET value = 'other' WHERE key = 'team'");
    database.close();
  }
});

test("a server gets experiment tags once, and one that refuses them gets the runs", async () => {
  const { store, server } = await served();
  const experiment = { name: "X", tags: [{ key: "team", value: "pulse" }] };
  const of = (key: string) => change(key.repeat(32), { experiment, create: start() });
  assert.equal((await store.apply([of("a"), of("b")]))[0]?.kind, "done");
  assert.equal((await store.apply([of("c")]))[0]?.kind, "done");
  assert.equal(server.calls.filter((call) => call.includes("set-experiment-tag")).length, 1);
  assert.equal(server.runs.size, 3);
});
