import { COMMANDS, type CommandName, NAMES, OPTIONS, type OptionName, usageOf } from "./commands.js";

/** Returns the help for some commands or for all. */
export function helpText(topic: readonly CommandName[] | undefined): string {
  return topic === undefined ? HELP : topic.map(helpOf).join("\n");
}

function helpOf(command: CommandName): string {
  const { text, options, codes, examples = [] } = COMMANDS[command];
  const lines = examples.map((each) => `\n  npx pulse-mlflow ${each}`).join("");
  return `pulse-mlflow ${command}: ${COMMANDS[command].line}

Usage
  npx pulse-mlflow ${usageOf(command)} [options]

${text}

Options
${Object.entries(options)
  .map(([name, meaning]) => optionLine(name as OptionName, meaning))
  .join("\n")}
  -h, --help

Exit codes
  ${codes}; 1 an error
${lines === "" ? "" : `\nExamples${lines}\n`}`;
}

function optionLine(name: OptionName, meaning: string): string {
  const option = OPTIONS[name];
  const short = "short" in option ? `-${option.short}, ` : "";
  const value = "value" in option ? ` <${option.value}>` : "";
  return `  ${`${short}--${name}${value}`.padEnd(24)} ${meaning}`;
}

const HELP = `pulse-mlflow: shows, delivers or discards what is recorded but not delivered yet, and reads runs and their files.

Usage
${NAMES.map((name) => `  npx pulse-mlflow ${usageOf(name).padEnd(31)} ${COMMANDS[name].line}`).join("\n")}

Options
  --uri <tracking URI>     instead of the configured one; for status and discard: only what is kept for this URI
  --json                   one JSON document on standard output; for tables also --csv and --md (Markdown)
  -h, --help               also for one command: npx pulse-mlflow sync --help
  -v, --version

A change is a run's start or end, a metric value, a param, a tag or a dataset. Files are counted separately.

The configuration is the one of a program started in this folder: pulse-mlflow.config.json, then MLFLOW_TRACKING_URI and
the other variables of Python's client. Credentials go to that URI and nowhere else; those of the environment to
MLFLOW_TRACKING_URI, and to --uri when it is the same server or MLFLOW_TRACKING_URI is not set; never to a URI of the file.

Exit codes
  0  done: nothing is left, all is well
  2  something is left, or there is something to do
  1  an error: a wrong argument or configuration

Examples
  MLFLOW_TRACKING_URI=http://mlflow:5000 npx pulse-mlflow sync --timeout 60
  npx pulse-mlflow status --json | jq '.uris[].outboxes[].changes'
  npx pulse-mlflow discard --uri http://mlflow:5000 --set-aside
  npx pulse-mlflow runs Sweep --filter "metrics.loss < 0.2" --sort loss
  npx pulse-mlflow show latest
  npx pulse-mlflow artifacts list 5d1c9f0e --recursive
  npx pulse-mlflow artifacts download 5d1c9f0e model --to out
`;
