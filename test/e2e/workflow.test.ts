import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { tempFolder } from "../support/folders.js";
import { type DumpRun, startServer } from "./peer.js";
import { startPeers, startProgram, uriOf } from "./support.js";

const program = resolve("build/examples/pulse-workflow/main.js");
const folder = tempFolder("workflow");
const [{ newest }, server] = await Promise.all([
  startPeers(),
  startServer("newest", uriOf(join(folder, "server.db")), folder),
]);
after(() => server.stop());

test("the workflow passes its files from step to step through a server", async () => {
  const args = ["--tracking-uri", server.url, "--meta-steps", "2"];
  const { code, stdout, stderr } = await startProgram(program, args, folder, { XDG_STATE_HOME: folder }).ended;
  assert.deepEqual([code, stderr], [0, ""]);
  const dump = await newest.dump(server.url);
  const isStep = ({ tags }: DumpRun): boolean => tags["mlflow.parentRunId"] !== undefined;
  const runs = dump.runs.toSorted((a, b) => Number(isStep(a)) - Number(isStep(b))); // the oldest first of each kind
  const [workflow] = runs;
  assert.deepEqual(
    runs.map(({ run_name, status, tags }) => [run_name, status, tags["mlflow.parentRunId"]]),
    [
      ["workflow", "FINISHED", undefined],
      ["ingest", "FINISHED", workflow?.run_id],
      ["meta-train", "FINISHED", workflow?.run_id],
      ["evaluate", "FINISHED", workflow?.run_id],
      ["report", "FINISHED", workflow?.run_id],
    ],
  );
  const files = await Promise.all(runs.map(({ run_id }) => newest.artifacts(server.url, run_id)));
  assert.deepEqual(
    files.map((each) => Object.keys(each).sort()),
    [
      [],
      ["data/known.csv", "data/unseen.csv"],
      ["weights/after.f32", "weights/before.f32"],
      ["confusion.json", "confusion.svg", "predictions.csv"],
      ["report.html"],
    ],
  );
  const page = `${server.url}/#/experiments/${workflow?.experiment_id}/runs?workflowType=machine_learning`;
  assert.ok(stdout.endsWith(`The runs are at ${page}\n`), stdout);
});
