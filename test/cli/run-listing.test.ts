import assert from "node:assert/strict";
import { test } from "node:test";
import type { MlflowRun } from "../../src/base/entities.js";
import { showBest } from "../../src/cli/best.js";
import { experimentColumns, listExperiments } from "../../src/cli/experiments.js";
import { findExperiment, findRun } from "../../src/cli/find-run.js";
import { showHistory } from "../../src/cli/history.js";
import { openRun, pageOf } from "../../src/cli/open.js";
import { runColumns } from "../../src/cli/run-columns.js";
import { treeOf } from "../../src/cli/run-tree.js";
import { listRuns, type RunsOptions } from "../../src/cli/runs.js";
import { showRun } from "../../src/cli/show.js";
import { idLength } from "../../src/cli/shown.js";
import { textTable } from "../../src/cli/table.js";
import { MlflowClient } from "../../src/client/mlflow-client.js";
import { createTracker } from "../../src/index.js";
import { RUNS } from "../../src/search/identifiers.js";
import { createTestTracker } from "../../src/testing/test-tracker.js";
import { fakeTerminal, type Heard, heardBy, someRun, unstyled } from "../support/terminal.js";

const child = (runName: string, parent: string, more: Partial<MlflowRun> = {}): MlflowRun =>
  someRun({ runId: runName, runName, tags: { "mlflow.parentRunId": parent }, ...more });

test("children are below their parents in any order", () => {
  const root = someRun({ runId: "root", runName: "root" });
  const runs = [child("b", "root"), child("b2", "b"), root, child("a", "root"), child("b1", "b"), child("x", "gone")];
  assert.deepEqual(
    treeOf(runs).map(({ run, branch }) => branch + run.runName),
    ["root", "├─ b", "│  ├─ b2", "│  └─ b1", "└─ a", "x"],
  );
  const circle = [child("c", "d"), child("d", "c"), child("self", "self")];
  assert.deepEqual(treeOf(circle).map(({ run, branch }) => branch + run.runName), ["c", "└─ d", "self"]); // biome-ignore format: one list
  const deep = Array.from({ length: 20_000 }, (_, i) => child(`${i}`, `${i - 1}`));
  assert.equal(treeOf(deep).length, 20_000);
});

const listed = (runs: readonly MlflowRun[], columns?: readonly string[], forPeople = true) =>
  runColumns({ runs, experiments: new Map([["1", "Sweep"]]), now: 1_060_000 }, { columns, forPeople });
const titles = (...given: Parameters<typeof listed>): string[] => listed(...given).columns.map(({ title }) => title);

test("only params and metrics that differ are shown, and what is hidden is said", () => {
  const runs = [
    someRun({ params: { lr: "0.1", same: "1", some: "x" }, metrics: { loss: 0.25, epochs: 3 } }),
    someRun({ params: { lr: "0.2", same: "1" }, metrics: { loss: 0.125, epochs: 3, "system/cpu": 1 } }),
    someRun({ runName: "parent" }),
    someRun({ status: "RUNNING", params: { lr: "0.2" }, metrics: { loss: 1 } }),
  ].map((run, i) => ({ ...run, runId: `${i}`.repeat(32) }));
  const base = ["id", "name", "status", "started", "duration"];
  assert.deepEqual(titles(runs), [...base, "lr", "some", "loss", "system/cpu"]);
  assert.deepEqual(listed(runs).notes, ["2 columns with the same value in all runs: --columns all shows all"]);
  assert.deepEqual(titles(runs, ["all"]), [...base, "lr", "same", "some", "epochs", "loss", "system/cpu"]);
  assert.deepEqual(titles(runs.slice(0, 1)), [...base, "lr", "same", "some", "epochs", "loss"]);
  assert.deepEqual(titles([someRun(), someRun({ runId: "2", experimentId: "2", lifecycleStage: "deleted" })]), [
    ...base,
    "experiment",
    "stage",
  ]);
  assert.deepEqual(titles(runs, ["loss", "params.lr", "user", "tags.later", "name"]), [
    "id",
    "name",
    "loss",
    "lr",
    "user",
    "tags.later",
  ]);
  assert.deepEqual(textTable(undefined, listed(runs, ["lr", "loss"]).columns), [
    "id        name     lr   loss",
    "00000000  train   0.1   0.25",
    "11111111  train   0.2  0.125",
    "22222222  parent",
    "33333333  train   0.2      1",
  ]);
  assert.throws(() => listed(runs, ["los"]), { message: /^No listed run has a param, metric or tag "los"\. Did you mean "loss"\?$/ }); // biome-ignore format: one line
  const clash = [someRun({ params: { x: "1" }, metrics: { x: 2 } })];
  assert.throws(() => listed(clash, ["x"]), { message: /may be params\.x or metrics\.x/ });
  assert.deepEqual(titles(clash).slice(5), ["params.x", "metrics.x"]);
});

/** A tracker with a sweep: a parent with three trials, and a run of another experiment. */
function sweep() {
  const tracker = createTestTracker({ experiment: "Sweep" });
  const client = new MlflowClient({ tracker });
  tracker.withRun({ runName: "sweep" }, () => {
    for (const [
      runName,
      lr,
      losses,
    ] of [["one", 0.1, [3, 1, 2]], ["two", 0.2, [5, 4, 0.5, 6]], ["three", 0.3, [9, Number.NaN]]] as const) // biome-ignore format: the runs
      tracker.withRun({ runName, tags: { stage: "dev\x1b[2J" } }, (run) => {
        run.logParams({ lr, seed: 7, formula: "=1+1" });
        for (const loss of losses) run.logMetric("loss", loss);
        run.logText("hello", "notes/hello.txt");
        run.logText("# hi", "report.md");
        tracker.now += 12_000;
      });
  });
  tracker.withRun({ experiment: "Other", runName: "elsewhere" }, (run) => run.logMetric("accuracy", 0.5));
  const reading = { client, uri: "memory:" };
  const options: RunsOptions = {
    experiments: ["Sweep"],
    filter: undefined,
    sort: [],
    columns: undefined,
    limit: undefined,
    viewType: "active",
    watch: false,
    format: "text",
  };
  const runs = (given: Partial<RunsOptions> = {}, how = {}): Promise<Heard> =>
    heardBy((terminal) => listRuns(terminal, reading, { ...options, ...given }), {
      json: given.format === "json",
      ...how,
    });
  return { tracker, client, reading, runs };
}

const names = ({ out }: Heard): string[] =>
  [...out.matchAll(/^[0-9a-f]{8,} +([├└─ ]*\w+)/gm)].map(([, name = ""]) => name);

test("runs lists, sorts, filters and limits", async () => {
  const { runs } = sweep();
  const all = await runs();
  assert.deepEqual(names(all), ["sweep", "├─ three", "├─ two", "└─ one"]);
  assert.match(all.out, /^id +name +status +started +duration +lr +loss\n/);
  assert.match(all.out, /├─ two +FINISHED +\d+ days ago +12 s +0\.2 +6\n/);
  assert.match(all.out, /\n4 runs\n2 columns with the same value in all runs: --columns all shows all\n$/);
  assert.deepEqual(names(await runs({ sort: ["metrics.loss DESC"] })), ["sweep", "├─ two", "├─ one", "└─ three"]); // biome-ignore format: one line
  assert.deepEqual(names(await runs({ sort: ["-lr"] })), ["sweep", "├─ three", "├─ two", "└─ one"]);
  assert.deepEqual(names(await runs({ sort: ["loss"] })), ["sweep", "├─ one", "├─ two", "└─ three"]);
  assert.deepEqual(names(await runs({ sort: ["name desc"], filter: "params.seed = '7'" })), ["two", "three", "one"]);
  const some = await runs({ limit: 2, experiments: [] });
  assert.match(some.out, /the first 2 runs: --limit shows more\n/);
  assert.match(some.out, /experiment/);
  assert.match((await runs({ filter: "params.seed = '8'" })).out, /^There are no such runs in memory:\.\n$/);
  await assert.rejects(runs({ sort: ["los"] }), {
    message: /--sort "los" is no metric or param .* Did you mean "loss"\?/,
  });
  await assert.rejects(runs({ experiments: ["Swep"] }), { message: /no experiment "Swep"\. Did you mean "Sweep"\?/ });
  await assert.rejects(runs({ watch: true }), { message: /--watch draws on a terminal/ });
  await assert.rejects(runs({ watch: true, format: "csv" }), { message: /--csv excludes it/ });
});

test("runs sorts by every name of an attribute in MLflow's search language", async () => {
  const { runs } = sweep();
  for (const name of [...RUNS.texts, ...RUNS.numbers, ...Object.keys(RUNS.aliases)])
    assert.equal(names(await runs({ sort: [`-${name}`] })).length, 4, name);
  assert.match((await runs({ columns: ["Created"] })).out, /^id +name +started\n/);
});

test("runs of deleted experiments are listed with --deleted", async () => {
  const { runs, client } = sweep();
  const elsewhere = await findRun(client, "elsewhere");
  await client.deleteExperiment(elsewhere.experimentId);
  await client.deleteRun(await findRun(client, "one"));
  assert.equal((await client.getRun(elsewhere.runId)).lifecycleStage, "deleted");
  assert.deepEqual(names(await runs({ viewType: "deleted", experiments: [], sort: ["name"] })), ["elsewhere", "one"]);
  assert.match((await runs({ viewType: "all" })).out, / stage .*\n[\s\S]* deleted /);
});

test("very many runs are no problem", () => {
  const runs = Array.from({ length: 130_000 }, (_, i) => someRun({ runId: String(i).padStart(8, "0") }));
  assert.equal(treeOf(runs).length, runs.length);
  const cells = runs.map(({ runId }) => ({ text: runId.slice(0, idLength(["a", "b"])) }));
  assert.equal(textTable(undefined, [{ title: "id", cells }]).length, runs.length + 1);
});

test("runs gives JSON, CSV and Markdown", async () => {
  const { runs } = sweep();
  const { uri, runs: entities, more } = JSON.parse((await runs({ format: "json", sort: ["name"] })).out);
  assert.deepEqual([uri, more, entities.length], ["memory:", false, 4]);
  assert.deepEqual([entities[0].params, entities[0].metrics, entities[2].metrics], [{ lr: "0.1", seed: "7", formula: "=1+1" }, { loss: 2 }, { loss: "NaN" }]); // biome-ignore format: one line
  assert.match(entities[0].startTime, /^2023-11-14T22:13:20\.000Z$/);
  const csv = await runs({
    format: "csv",
    sort: ["name"],
    columns: ["status", "formula", "loss", "stage", "tags.stage"],
  });
  assert.equal(
    csv.out.replace(/^\d{32}/gm, "ID"),
    "run_id,run_name,status,params.formula,metrics.loss,stage,tags.stage\r\nID,one,FINISHED,'=1+1,2,active,dev\r\nID,sweep,FINISHED,,,active,\r\nID,three,FINISHED,'=1+1,NaN,active,dev\r\nID,two,FINISHED,'=1+1,6,active,dev\r\n",
  );
  assert.equal(csv.err, "");
  assert.match((await runs({ format: "csv" })).out, /^run_id,run_name,status,start_time,end_time,duration,experiment,experiment_id,user_id,parent_run_id,stage,params\.formula,params\.lr,params\.seed,metrics\.loss\r\n/); // biome-ignore format: one line
  const md = await runs({ format: "md", limit: 1, sort: ["run_id"] });
  assert.match(md.out, /^\| id \| name \| status \|.*\n\| --- \|.*\n\| \d+ \| sweep \|/);
  assert.match(md.err, /^the first 1 run/);
});

test("runs fits the terminal and moves no cursor", async () => {
  const { runs } = sweep();
  for (const columns of [40, 80, 140]) {
    const { out } = await runs({ columns: ["all"] }, { columns });
    for (const line of unstyled(out).split("\n")) assert.ok(line.length <= columns, line);
    assert.ok(!unstyled(out).includes("\x1b"));
  }
});

test("show tells everything about a run", async () => {
  const { reading, client, tracker } = sweep();
  const two = await findRun(client, "two");
  await client.setTag(two, "mlflow.note.content", "First line\nSecond line");
  await client.setTag(two, "error.message", "boom\x1b[2J");
  const { out } = await heardBy((terminal) => showRun(terminal, reading, "two"));
  assert.match(out, /^two {2}FINISHED\nid +\d{32}\nexperiment +Sweep \(1\)\nstarted +2023-\S+ \S+ \(\d+ days ago\)\nended .*\nduration +12 s\nuser .*\nparent +sweep \(\d{32}\)\n/); // biome-ignore format: one line
  assert.match(out, /\nNote\n {2}First line\n {2}Second line\n/);
  assert.match(out, /\nProblems\n {2}error\.message {2}boom\n/);
  assert.match(out, /\nParams\n {2}formula {2}=1\+1\n {2}lr {7}0\.2\n {2}seed {5}7\n/);
  assert.match(out, /\n {2}metric {2}last {6}min {6}max {6}count {2}history\n {2}loss {7}6 {2}@3 {2}0\.5 {2}@2 {4}6 {2}@3 {6}4 {2}[▁-█]{4}\n/); // biome-ignore format: one line
  assert.match(out, /\nArtifacts\n {2}notes\/\n {2}report\.md {3}4 B\n/);
  assert.match(out, /\nTags\n {2}stage {5,}dev\n {2}mlflow\./);
  assert.match((await heardBy((terminal) => showRun(terminal, reading, "sweep"))).out, /\nChildren\n {2}id +name +status\n {2}\d+ +three +FINISHED\n/); // biome-ignore format: one line
  const told = JSON.parse((await heardBy((terminal) => showRun(terminal, reading, "three"), { json: true })).out);
  assert.deepEqual([told.run.runName, told.experimentName, told.metrics[0].last.value], ["three", "Sweep", "NaN"]);
  assert.equal(told.parent, (await findRun(client, "sweep")).runId);
  tracker.startRun({ runName: "open" });
  await tracker.flush();
  assert.match((await heardBy((terminal) => showRun(terminal, reading, "open"))).out, /\nduration +\d+ days so far\n/);
});

test("show lists the first children and says that there are more; JSON has all", async () => {
  const { tracker, reading } = sweep();
  const children = Array.from({ length: 1_002 }, (_, i) => `child-${i}`);
  tracker.withRun({ runName: "many" }, () => {
    for (const runName of children) tracker.withRun({ runName }, () => undefined);
  });
  const { out } = await heardBy((terminal) => showRun(terminal, reading, "many"));
  assert.match(out, /\nChildren\n {2}id .*\n(?: {2}\d+ +child-\d+ +FINISHED\n){20} {2}and more: --json lists all\n/);
  const told = JSON.parse((await heardBy((terminal) => showRun(terminal, reading, "many"), { json: true })).out);
  assert.equal(told.children.length, children.length);
});

test("history draws, or gives all points", async () => {
  const { reading } = sweep();
  const heard = (format: "text" | "csv" | "json" | "md", metric = "loss", run = "two"): Promise<Heard> =>
    heardBy((terminal) => showHistory(terminal, reading, { run, metric, format }));
  const { out } = await heard("text");
  assert.match(out, /^loss of two\n {5}6 ┤/);
  assert.match(out, /\n4 values · ▼ lowest 0\.5 at step 2 · ▲ highest 6 at step 3\n$/);
  assert.match((await heard("text", "loss", "three")).out, /2 values · 1 not finite, not drawn\n$/);
  assert.match((await heard("csv")).out, /^step,value,timestamp\r\n0,5,2023-\S+Z\r\n1,4,/);
  assert.match((await heard("md")).out, /^\| step \| value \| time \|\n\| ---: \| ---: \| --- \|\n\| 0 \| 5 \|/);
  const json = JSON.parse((await heard("json", "loss", "three")).out);
  assert.deepEqual(json.points.map(({ value }: { value: unknown }) => value), [9, "NaN"]); // biome-ignore format: one line
  await assert.rejects(heard("text", "los"), {
    message: /^Run \d{32} has no metric "los"\. Did you mean "loss"\? There is loss\.$/,
  });
  await assert.rejects(heard("text", "los", "sweep"), { message: /has no metric "los", nor any other\.$/ });
});

test("best compares by last, lowest or highest value and needs a goal", async () => {
  const { reading, client } = sweep();
  type Request = Partial<Parameters<typeof showBest>[2]>;
  const best = async (given: Request = {}): Promise<string> => {
    const request = { experiment: "Sweep", metric: "loss", by: undefined, goal: undefined, ...given };
    const { out } = await heardBy((terminal) => showBest(terminal, reading, request), { json: true });
    const { run, value } = JSON.parse(out);
    return `${run.runName} ${value}`;
  };
  await assert.rejects(best(), { message: /lower or higher values of "loss" .*--goal min or --goal max\.$/ });
  assert.equal(await best({ goal: "min" }), "one 2");
  assert.equal(await best({ goal: "max" }), "two 6");
  assert.equal(await best({ goal: "min", by: "min" }), "two 0.5");
  assert.equal(await best({ goal: "max", by: "max" }), "three 9");
  await client.setTag(await findRun(client, "one"), "pulse.goal.loss", "minimize");
  assert.equal(await best(), "one 2");
  await client.setTag(await findRun(client, "two"), "pulse.goal.loss", "maximize");
  await assert.rejects(best(), { message: /--goal/ });
  await assert.rejects(best({ metric: "los" }), {
    message: /^No active run of "Sweep" has a metric "los"\. Did you mean "loss"\?/,
  });
  const { out } = await heardBy((terminal) => showBest(terminal, reading, { experiment: "1", metric: "loss", by: "min", goal: "min" })); // biome-ignore format: one line
  assert.match(out, /^two {2}FINISHED\n[\s\S]*\nlowest loss 0\.5 at step 2\nthe lowest of 3 runs\n\nlr {7}0\.2\n/);
});

test("a run is found by its id, the beginning of it, its name, or as the latest", async () => {
  const { client, tracker } = sweep();
  const two = await findRun(client, "two");
  assert.equal((await findRun(client, two.runId)).runName, "two");
  const stored = createTracker({ trackingUri: "memory:" }); // with ids that differ in their first digits
  const [other] = ["other", "another"].map((runName) => stored.withRun({ runName }, (run) => run.id));
  const begun = new MlflowClient({ tracker: stored });
  assert.equal((await findRun(begun, String(other).slice(0, 31).toUpperCase())).runName, "other");
  assert.equal((await findRun(client, "latest")).runName, "elsewhere");
  tracker.withRun({ runName: "two" }, () => undefined);
  await assert.rejects(findRun(client, "two"), {
    message:
      /^"two" may be any of these runs: \d{32} \(two, started 2023-\S+ \S+\), \d{32} \(two, started .*\)\. Name one by its id\.$/,
  });
  tracker.withRun({ runName: "more" }, () => undefined);
  await client.deleteRun(two);
  assert.notEqual((await findRun(client, "two")).runId, two.runId);
  await assert.rejects(findRun(client, "0000"), { message: /, and more\. Name one by its id\.$/ });
  await assert.rejects(findRun(client, "none"), { code: "RUN_NOT_FOUND" });
  await assert.rejects(findRun(client, "f".repeat(32)), { code: "RUN_NOT_FOUND" });
  const empty = new MlflowClient({ tracker: createTestTracker() });
  await assert.rejects(findRun(empty, "latest"), { message: /no run yet/ });
  assert.equal((await findExperiment(client, "1")).name, "Sweep");
  await assert.rejects(findExperiment(client, "99"), { code: "EXPERIMENT_NOT_FOUND" });
});

test("experiments are listed with their tags and times", async () => {
  const { reading, client } = sweep();
  const { experimentId } = await findExperiment(client, "Other");
  await client.setExperimentTag(experimentId, "team", "a|b");
  const heard = (format: "text" | "csv" | "json" | "md", more = {}): Promise<Heard> =>
    heardBy((terminal) =>
      listExperiments(terminal, reading, { filter: undefined, viewType: "active", format, ...more }),
    );
  const { out } = await heard("text"); // in any order: they may be of the same millisecond
  assert.match(out, /^id +name +created +updated +tags\n/);
  assert.match(out, /\n2 +Other .* team=a\|b\n/);
  assert.match(out, /\n1 +Sweep .*\n/);
  assert.match((await heard("csv")).out, /\r\n2,Other,\S+Z,\S+Z,"{""team"":""a\|b""}"\r\n/);
  assert.match((await heard("md")).out, /\| team=a\\\|b \|\n/);
  assert.equal(JSON.parse((await heard("json", { filter: "name = 'Other'" })).out).experiments[0].tags.team, "a|b");
  assert.match((await heard("text", { filter: "name = 'x'" })).out, /^There are no such experiments in memory:\.\n$/);
  await client.deleteExperiment(experimentId);
  assert.match((await heard("text", { viewType: "deleted" })).out, /^id +name +stage .*\n2 +Other +deleted /);
  const old = { experimentId: "7", name: "old", artifactLocation: "", lifecycleStage: "active", tags: {} } as const;
  const columns = experimentColumns([{ ...old, creationTime: undefined, lastUpdateTime: undefined }], 0);
  assert.deepEqual(textTable(undefined, columns)[1], "7   old");
});

test("open gives a server's page, or how to start one", async () => {
  const { reading, client } = sweep();
  const { runId, experimentId } = await findRun(client, "two");
  const served = {
    ...reading,
    runUrl: (run: string, of: string) => `http://mlflow:5000/#/experiments/${of}/runs/${run}`,
  };
  const url = `http://mlflow:5000/#/experiments/${experimentId}/runs/${runId}`;
  const request = { run: "two", print: true };
  assert.equal((await heardBy((terminal) => openRun(terminal, served, request), { columns: 80 })).out, `${url}\n`);
  const { out } = await heardBy((terminal) =>
    openRun(terminal, { ...reading, uri: "sqlite:////a b/mlflow.db" }, request),
  );
  assert.match(out, /\n {2}mlflow ui --backend-store-uri ['"]sqlite:\/\/\/\/a b\/mlflow\.db['"]\n {2}http:\/\/127\.0\.0\.1:5000\/#\/experiments\/1\/runs\/\d{32}\n$/); // biome-ignore format: one line
  assert.equal(pageOf({ ...reading, uri: "file:///mlruns" }, "r", "e/x")?.url, "http://127.0.0.1:5000/#/experiments/e%2Fx/runs/r"); // biome-ignore format: one line
  const { terminal, texts } = fakeTerminal();
  await assert.rejects(openRun(terminal, reading, request), { message: /does not show memory:/ });
  assert.deepEqual(texts, { out: "", err: "" });
});
