// Logs one experiment whose values come from the command line, for instance:
//   node build/examples/log-experiment.js --experiment PulseMetaLearning --run-name trial-1 \
//     --param lr=0.1 --param run_type=meta-learning --metric avg_confidence=0.85 --metric avg_fragility=0.12
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { logExperiment } from "pulse-mlflow";

const usage = `Usage: log-experiment --experiment NAME [options]
  --experiment NAME     where the run goes; made when it is not there
  --run-name NAME
  --param KEY=VALUE     repeatable
  --metric KEY=NUMBER   repeatable
  --tag KEY=VALUE       repeatable
  --artifact FILE       a file or folder, repeatable; NAME=FILE gives it another name
  --tracking-uri URI    for instance sqlite:///mlflow.db (the default)`;

function pairs(option: string, given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new Error(`--${option} needs KEY=VALUE, got ${JSON.stringify(pair)}.`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function numbers(given: Record<string, string>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(given).map(([key, text]) => {
      const value = Number(text);
      if (text.trim() === "" || (Number.isNaN(value) && text !== "NaN"))
        throw new Error(`--metric ${key} needs a number, got ${JSON.stringify(text)}.`);
      return [key, value];
    }),
  );
}

function files(given: readonly string[]): Record<string, { path: string }> {
  return Object.fromEntries(
    given.map((file) => {
      const [, name = basename(file), path = file] = /^([^=]+)=(.+)$/.exec(file) ?? [];
      return [name, { path }];
    }),
  );
}

try {
  const text = { type: "string" } as const;
  const list = { type: "string", multiple: true, default: [] as string[] } as const;
  const { values } = parseArgs({
    options: {
      experiment: text,
      "run-name": text,
      "tracking-uri": text,
      param: list,
      metric: list,
      tag: list,
      artifact: list,
      help: { type: "boolean" },
    },
  });
  if (values.help || values.experiment === undefined) {
    console.log(usage);
    process.exitCode = values.help ? 0 : 1;
  } else {
    const trackingUri = values["tracking-uri"] ?? process.env["MLFLOW_TRACKING_URI"] ?? "sqlite:///mlflow.db";
    const { runId, experimentId, url } = await logExperiment({
      experiment: values.experiment,
      runName: values["run-name"],
      params: pairs("param", values.param),
      metrics: numbers(pairs("metric", values.metric)),
      tags: pairs("tag", values.tag),
      artifacts: files(values.artifact),
      trackingUri,
    });
    console.log("Logged experiment to MLflow.");
    console.log(`  run         ${runId}`);
    console.log(`  experiment  ${values.experiment} (id ${experimentId})`);
    if (url === undefined) console.log(`See it with:  mlflow ui --backend-store-uri ${trackingUri}`);
    console.log(`         at:  ${url ?? `http://127.0.0.1:5000/#/experiments/${experimentId}/runs/${runId}`}`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
