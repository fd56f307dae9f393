import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTracker } from "../../src/index.js";
import { command, type Ended } from "../support/command.js";
import { tempFolder } from "../support/folders.js";

const root = tempFolder("cli-runs");
/** An embedded store with a sweep: a parent and two trials. */
const uri = `sqlite:///${join(root, "mlflow.db")}`;
const tracker = createTracker({ trackingUri: uri, experiment: "Sweep" });
await tracker.withRun({ runName: "sweep" }, async () => {
  for (const [runName, lr, losses] of [["one", 0.1, [3, 1, 2]], ["two", 0.2, [5, 4, 0.5]]] as const) // biome-ignore format: the runs
    await tracker.withRun({ runName, tags: { evil: "\x1b[2Jred" } }, async (run) => {
      run.logParams({ lr, seed: 7, formula: "=1+1" });
      for (const loss of losses) run.logMetric("loss", loss);
      run.logText("# Report", "report.md");
    });
});
await tracker.shutdown();

const cli = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  command(root, args, { MLFLOW_TRACKING_URI: uri, ...env });
const ok = async (...args: readonly string[]): Promise<string> => {
  const { code, out, err } = await cli(args);
  assert.equal(code, 0, err);
  return out;
};

test("experiments and runs of a database are listed", async () => {
  assert.match(await ok("experiments"), /^id +name +created +updated +tags\n\d+ +Sweep +/);
  const shown = await ok("runs", "Sweep", "--sort", "loss");
  assert.match(
    shown,
    /^id +name +status +started +duration +lr +loss\n[0-9a-f]{8} +sweep .*\n.* ├─ two .*\n.* └─ one /,
  );
  assert.match(shown, /\n3 runs\n2 columns with the same value in all runs: --columns all shows all\n$/);
  assert.match(await ok("runs", "--filter", "metrics.loss < 1", "--columns", "loss"), /^id +name +loss\n\w{8} +two +0\.5\n1 run\n$/); // biome-ignore format: one line
  assert.match(await ok("runs", "Sweep", "--sort", "-loss", "--csv", "--columns", "formula"), /^run_id,run_name,params\.formula\r\n\w{32},one,'=1\+1\r\n/); // biome-ignore format: one line
  const { runs } = JSON.parse(await ok("runs", "Sweep", "--limit", "1", "--json"));
  assert.equal(runs.length, 1);
});

test("a run of a database is shown by name, beginning of its id, and latest", async () => {
  const { run, artifacts, metrics } = JSON.parse(await ok("show", "two", "--json"));
  assert.deepEqual([run.runName, run.params.lr, artifacts, metrics[0].min.value], ["two", "0.2", [{ path: "report.md", isDir: false, size: 8 }], 0.5]); // biome-ignore format: one list
  const shown = await ok("show", run.runId.slice(0, 12));
  assert.match(
    shown,
    /^two {2}FINISHED\n[\s\S]*\n {2}loss +0\.5 +@2 +0\.5 +@2 +5 +@0 +3 +█[▁-█]{2}\n[\s\S]*\n {2}evil +red\n/,
  );
  assert.match(await ok("show", "latest"), /FINISHED\n/);
  assert.match(await ok("history", "two", "loss"), /^loss of two\n +5 ┤▲/);
  assert.match(
    await ok("best", "Sweep", "loss", "--goal", "min"),
    /^two {2}FINISHED\n[\s\S]*\nloss 0\.5\nthe lowest of 2 runs\n/,
  );
  assert.match(await ok("open", "two"), /mlflow ui --backend-store-uri \S*mlflow\.db'?\n {2}http:\/\/127\.0\.0\.1:5000\/#\/experiments\/\d+\/runs\/\w{32}\n$/); // biome-ignore format: one line
  assert.match(await ok("artifacts", "list", "two"), /^path +size\nreport\.md +8 B\n/);
  assert.equal(JSON.parse(await ok("artifacts", "list", "two", "--json")).run, run.runId);
});

test("a wrong run, experiment or metric is one line with what was meant", async () => {
  for (const [args, message] of [
    [["show", "three"], /There is no run "?three"? in .*mlflow\.db.* A run is named by its id, the first digits of it/],
    [["runs", "Swep"], /There is no experiment "Swep"\. Did you mean "Sweep"\?/],
    [["history", "two", "los"], /has no metric "los"\. Did you mean "loss"\? There is loss\./],
    [["best", "Sweep", "loss"], /give --goal min or --goal max/],
    [["runs", "--filter", "metrics.loss <"], /The filter cannot be read at character/],
  ] as const) {
    const { code, out, err } = await cli(args);
    assert.deepEqual([code, out], [1, ""]);
    assert.match(err, message);
    assert.match(err, /^pulse-mlflow: .*\nRun `npx pulse-mlflow --help` for help\.\n$/);
  }
});

test("wrong arguments of the commands that read are one line", async () => {
  for (const [args, message] of [
    [["run"], /no command "run"\. Did you mean runs\?/],
    [["show"], /show needs RUN, a run's id or name: npx pulse-mlflow show RUN\./],
    [["history", "x"], /history needs METRIC, the name of a metric: npx pulse-mlflow history RUN METRIC\./],
    [["best", "Sweep"], /best needs METRIC/],
    [["best"], /best needs EXPERIMENT, an experiment's name or id/],
    [["runs", "a", " "], /runs needs EXPERIMENT, an experiment's name or id/],
    [["show", "a", "b"], /show takes no further argument, got "b"/],
    [["runs", "--md", "--csv"], /--csv and --md exclude each other; give one of them\./],
    [["runs", "--all", "--deleted"], /--deleted and --all exclude each other/],
    [["runs", "--limit", "0"], /--limit: expected an integer, 1 or more, got "0"/],
    [["best", "a", "b", "--by", "lst"], /--by: expected last, min, max, got "lst"\. Did you mean last\?/],
    [["best", "a", "b", "--goal", "minimize"], /--goal: expected min, max, got "minimize"/],
    [["runs", "--colums", "a"], /no option --colums\. Did you mean --columns\?/],
    [["show", "x", "--csv"], /show has no option --csv; experiments and runs and history have it/],
    [["runs", "--watch"], /--watch draws on a terminal, and the output is none/],
  ] as const) {
    const { code, out, err } = await cli(args);
    assert.deepEqual([code, out], [1, ""], err);
    assert.match(err, message);
  }
  assert.match((await cli(["help", "runs"])).out, /runs \[EXPERIMENT…\] \[options\][\s\S]*--sort <column>[\s\S]*Examples\n {2}npx pulse-mlflow runs Sweep --filter/); // biome-ignore format: one line
});

test("a reader that closes the pipe ends the command quietly", async () => {
  const program = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
  const child = spawn(process.execPath, [program, "runs", "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.destroy();
  let err = "";
  child.stderr.on("data", (data) => {
    err += data;
  });
  const [code] = await once(child, "close");
  assert.deepEqual([code, err], [0, ""]);
});
