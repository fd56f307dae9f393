/** Options of the commands. */
export const OPTIONS = {
  uri: { type: "string", value: "tracking URI" },
  timeout: { type: "string", value: "seconds" },
  to: { type: "string", value: "folder" },
  filter: { type: "string", value: "text" },
  sort: { type: "string", value: "column", several: true },
  columns: { type: "string", value: "a,b", several: true },
  limit: { type: "string", value: "number" },
  by: { type: "string", value: "last|min|max" },
  goal: { type: "string", value: "min|max" },
  deleted: { type: "boolean" },
  all: { type: "boolean" },
  print: { type: "boolean" },
  recursive: { type: "boolean", short: "r" },
  watch: { type: "boolean" },
  write: { type: "boolean" },
  "set-aside": { type: "boolean" },
  yes: { type: "boolean", short: "y" },
  json: { type: "boolean" },
  csv: { type: "boolean" },
  md: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

/** The name of an option. */
export type OptionName = keyof typeof OPTIONS;

/** A command: its help in one line and in full, and what each option means for it. */
export interface CommandHelp {
  /** Arguments besides options. Optional ones are in brackets; one that ends with … may be several. @default none */
  readonly args?: readonly string[];
  readonly line: string;
  readonly text: string;
  readonly options: Partial<Record<OptionName, string>>;
  readonly codes: string;
  /** Command lines after `npx pulse-mlflow`. @default none */
  readonly examples?: readonly string[];
}

const JSON_OPTION = { json: "one JSON document on standard output" };

/** A command. Commands of two words form a group, named by the first word. */
export type CommandName =
  | "status"
  | "sync"
  | "doctor"
  | "discard"
  | "experiments"
  | "runs"
  | "show"
  | "history"
  | "best"
  | "open"
  | "artifacts list"
  | "artifacts download";

const THERE = { uri: "looks there instead of at the configured URI" };
const VIEWS = { deleted: "only deleted ones", all: "deleted ones, too" };
const TABLES = { ...JSON_OPTION, csv: "comma-separated values, all of them in full", md: "a table in Markdown" };
const SHOWN = "0 shown, even if there are none";

const OF_A_RUN = ["RUN", "[PATH]"];
const RUN_MEANING =
  "RUN is the run's id, the first digits of it (4 or more), its name if no other active run has it, or latest.";
const RUN_TEXT = `${RUN_MEANING}\nIts store says where its files are; the same limits apply to what a server may name there as for logging.`;

/** All commands, in the order that help lists them. */
export const COMMANDS: Record<CommandName, CommandHelp> = {
  status: {
    line: "what is kept on disk, for every tracking URI",
    text: "Shows the outboxes: the changes and files that wait in each, how old they are, what is set aside and why, and which outboxes running programs hold.",
    options: { uri: "only what is kept for this URI", ...JSON_OPTION },
    codes: "0 shown; 2 it cannot be read because the SQLite driver is missing",
  },
  sync: {
    line: "delivers what is kept to the configured tracking URI",
    text: "Delivers the changes and files that earlier programs left for a tracking URI, and tries once more what was set aside. Runs they left open end FAILED.\nIf the server is unreachable, waits for it; if waiting cannot help (credentials, a certificate, an address without MLflow), gives up after a few seconds.",
    options: {
      uri: "delivers what is kept for this URI instead of the configured one",
      timeout:
        "gives up after this time; without it, goes on until only what is set aside is left, or something must be fixed first",
      watch: "keeps delivering, new outboxes too, until it is interrupted",
      ...JSON_OPTION,
    },
    codes:
      "0 nothing is left; 2 something is left: the server is unavailable or has refused it (files it never accepts are left out), or it is for other URIs and none is configured",
  },
  doctor: {
    line: "checks the configuration, the store and what waits, and says what to do",
    text: "Shows each setting with its origin, checks the store and the SQLite driver, and counts what waits and what is set aside.",
    options: {
      uri: "checks this URI instead of the configured one",
      write: 'also writes a run into experiment "pulse-mlflow doctor" and deletes it again',
      ...JSON_OPTION,
    },
    codes: "0 there is nothing to do; 2 there is",
  },
  discard: {
    line: "throws away what is kept on disk, after asking",
    text: "Lists what would be thrown away and asks. Never touches what running programs hold, or files of another version of this package.",
    options: {
      uri: "only what is kept for this URI",
      "set-aside": "only what is set aside; what waits stays",
      yes: "does not ask",
      ...JSON_OPTION,
    },
    codes: "0 done, or there was nothing; 2 not done: the answer was no, or a program has taken it meanwhile",
  },
  experiments: {
    line: "the experiments",
    text: "Lists the experiments, the latest first.",
    options: {
      ...THERE,
      filter: "only those that match, in MLflow's search language",
      ...VIEWS,
      ...TABLES,
    },
    codes: SHOWN,
    examples: [`experiments --filter "name LIKE 'Pulse%' AND tags.team = 'ml'"`],
  },
  runs: {
    args: ["[EXPERIMENT…]"],
    line: "the runs of some experiments, or of all",
    text: `Lists runs, the latest first, children below their parents. EXPERIMENT is a name or an id.
Of params and metrics it shows those that are not the same in all listed runs. Metrics are the latest values.`,
    options: {
      ...THERE,
      filter: "only those that match, in MLflow's search language",
      sort: "by metrics.loss, params.lr, start_time, duration …; with DESC behind it or - before it the largest first; repeatable",
      columns: "these params, metrics, tags and attributes instead; all shows all of them",
      limit: "at most so many (50)",
      ...VIEWS,
      watch: "goes on showing them until it is interrupted",
      ...TABLES,
    },
    codes: SHOWN,
    examples: [
      `runs Sweep --filter "metrics.loss < 0.2 AND params.lr = '0.1'" --sort -loss`,
      "runs Sweep --columns lr,loss,tags.stage --limit 10",
      "runs Sweep --csv > sweep.csv",
    ],
  },
  show: {
    args: ["RUN"],
    line: "a run with its params, metrics, tags and files",
    text: `Shows a run.\n${RUN_MEANING}`,
    options: { ...THERE, ...JSON_OPTION },
    codes: "0 shown",
    examples: ["show 5d1c9f0e", "show latest --json | jq .run.params"],
  },
  history: {
    args: ["RUN", "METRIC"],
    line: "a chart of a metric's values",
    text: `Draws the values of a metric over its steps. --json, --csv and --md give each value.\n${RUN_MEANING}`,
    options: { ...THERE, ...TABLES },
    codes: "0 shown",
    examples: ["history latest loss", "history 5d1c9f0e loss --csv > loss.csv"],
  },
  best: {
    args: ["EXPERIMENT", "METRIC"],
    line: "the run with the best value of a metric",
    text: "Shows the active run of an experiment with the best value of a metric. EXPERIMENT is a name or an id.",
    options: {
      ...THERE,
      by: "compares the last (default), the lowest or the highest value of each run",
      goal: "whether lower or higher is better; not needed where defineExperiment has said it",
      ...JSON_OPTION,
    },
    codes: "0 shown",
    examples: ["best Sweep loss --by min", "best Sweep accuracy --goal max --json | jq -r .run.runId"],
  },
  open: {
    args: ["RUN"],
    line: "opens the page of a run in MLflow's user interface",
    text: `Prints the address of a run's page and, on a terminal, opens it in the browser.
For a database or folder it says how to start the user interface.\n${RUN_MEANING}`,
    options: { ...THERE, print: "opens no browser", ...JSON_OPTION },
    codes: "0 printed",
    examples: ["open latest"],
  },
  "artifacts list": {
    args: OF_A_RUN,
    line: "the files of a run",
    text: `Lists the files logged in a run, with their sizes; folders end with /.\n${RUN_TEXT} PATH is a folder or file of the run.`,
    options: {
      uri: "looks there instead of at the configured URI",
      recursive: "also the files in folders",
      ...JSON_OPTION,
    },
    codes: "0 shown, even if there are none",
  },
  "artifacts download": {
    args: OF_A_RUN,
    line: "downloads files of a run",
    text: `Downloads a file or folder of a run, or all its files, to the same path in a local folder. A file appears once it is complete;\nafter an interruption the same command continues where it ended. Nothing is written outside that folder.\n${RUN_TEXT}`,
    options: {
      uri: "looks there instead of at the configured URI",
      to: "the folder to write to instead of the working folder; created if it is missing",
      ...JSON_OPTION,
    },
    codes:
      "0 complete; 2 interrupted, the store is unavailable or the disk full (the same command continues from there), or something was refused",
  },
};

/** The names of all commands. */
export const NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** Returns how a command is called. */
export const usageOf = (command: CommandName): string => [command, ...(COMMANDS[command].args ?? [])].join(" ");
