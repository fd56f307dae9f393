// What a library decorates writes nothing unless the program it is used in has asked for tracking.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openDatabase } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

const program = fileURLToPath(new URL("../fixtures/library.js", import.meta.url));

/** How many runs there are after the program: undefined when it has written nothing at all. */
function runsAfter(how: string, env: Record<string, string> = {}, file?: string): number | undefined {
  const cwd = tempFolder("library");
  if (file !== undefined) writeFileSync(join(cwd, "pulse-mlflow.config.json"), file);
  const { status, stderr } = spawnSync(process.execPath, [program, how], {
    cwd,
    encoding: "utf8",
    env: { PATH: process.env["PATH"], HOME: cwd, ...env },
  });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "");
  const path = join(cwd, "mlflow.db");
  if (!existsSync(path)) {
    assert.deepEqual(readdirSync(cwd), file === undefined ? [] : ["pulse-mlflow.config.json"]);
    return undefined;
  }
  const database = openDatabase(path);
  const { n } = database.prepare("SELECT count(*) AS n FROM runs").get() as { n: number };
  database.close();
  return n;
}

test("a program that never asked for tracking gets none from its libraries", () => {
  assert.equal(runsAfter("nothing"), undefined);
  assert.equal(runsAfter("nothing", { MLFLOW_TRACKING_USERNAME: "me" }), undefined);
});

test("configure(), a configuration file and MLflow's variables ask for tracking", () => {
  assert.equal(runsAfter("configure"), 5); // what came before is not recorded
  assert.equal(runsAfter("nothing", {}, "{}"), 10);
  assert.equal(runsAfter("nothing", { MLFLOW_EXPERIMENT_NAME: "X" }), 10);
});

test("decorators and functions in the program's own code ask for tracking", () => {
  assert.equal(runsAfter("decorator"), 5); // fit() joins the program's run
  assert.equal(runsAfter("run"), 5);
});
