import { LogArtifact, type MlflowClient, type MlflowRun, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import { curve } from "./pictures.js";
import { CONFUSION_FILE, EXPERIMENT } from "./places.js";

/** Writes a page about the steps before it. It knows nothing of them but what is stored. */
@TrackedExperiment(EXPERIMENT)
export class Report {
  readonly #client: MlflowClient;

  constructor(client: MlflowClient) {
    this.#client = client;
  }

  /** @param workflow the id of the workflow's run */
  @TrackedRun({ runName: "report" })
  @LogArtifact("report.html")
  async run(workflow: string): Promise<string> {
    const steps = await this.#client
      .runs(EXPERIMENT)
      .where((r) => r.tag("mlflow.parentRunId").eq(workflow))
      .where((r) => r.status.eq("FINISHED")) // all but this one
      .orderBy((r) => r.startTime.asc())
      .toArray();
    const trained = stepNamed(steps, "meta-train");
    const loss = await this.#client.getMetricHistory(trained, "loss");
    const confusion = await this.#client.loadText(stepNamed(steps, "evaluate"), CONFUSION_FILE);
    return page(steps, trained.params, [
      ["Loss on the known digits, after each meta step", curve(loss)],
      ["What the unseen digits (rows) were taken for (columns)", confusion],
    ]);
  }
}

function stepNamed(steps: readonly MlflowRun[], name: string): MlflowRun {
  const step = steps.find(({ runName }) => runName === name);
  if (step === undefined) throw new Error(`The workflow has no step ${name} that has finished.`);
  return step;
}

function page(
  steps: readonly MlflowRun[],
  params: MlflowRun["params"],
  figures: readonly (readonly [title: string, svg: string])[],
): string {
  const rows = steps.flatMap(({ runName, metrics }) =>
    Object.entries(metrics).map(([key, value]) => `<tr><td>${runName}<td>${key}<td align="right">${value}`),
  );
  const settings = Object.entries(params).map(([key, value]) => `${key} ${value}`);
  return `<!doctype html>
<meta charset="utf-8">
<title>Pulse workflow</title>
<body style="font-family: sans-serif">
<h1>Pulse workflow</h1>
<p>Meta-trained with ${settings.join(", ")}.
<table>
<tr><th>step<th>metric<th>value
${rows.join("\n")}
</table>
${figures.map(([title, svg]) => `<h2>${title}</h2>\n${svg}`).join("\n")}
`;
}
