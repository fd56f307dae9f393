import { parseArgs } from "node:util";
import { nearest, shownValue } from "../base/wrong-input.js";

/** Options of the commands. */
const OPTIONS = {
  uri: { type: "string", value: "tracking URI" },
  timeout: { type: "string", value: "seconds" },
  to: { type: "string", value: "folder" },
  recursive: { type: "boolean", short: "r" },
  watch: { type: "boolean" },
  write: { type: "boolean" },
  "set-aside": { type: "boolean" },
  yes: { type: "boolean", short: "y" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

type OptionName = keyof typeof OPTIONS;

/** A command: its help in one line and in full, and what each option means for it. */
interface CommandHelp {
  /** Arguments besides options. Optional ones are in brackets. @default none */
  readonly args?: readonly string[];
  readonly line: string;
  readonly text: string;
  readonly options: Partial<Record<OptionName, string>>;
  readonly codes: string;
}

const JSON_OPTION = { json: "one JSON document on standard output" };

type Name = "status" | "sync" | "doctor" | "discard" | "artifacts list" | "artifacts download";

const OF_A_RUN = ["RUN", "[PATH]"];
const RUN_TEXT =
  "RUN is the run's id, as shown on its page. Its store says where its files are; the same limits apply to what a server may name there as for logging.";

const COMMANDS: Record<Name, CommandHelp> = {
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

/** A command. Commands of two words form a group, named by the first word. */
export type CommandName = Name;

const NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** The parsed command line. */
export interface Asked {
  /** Undefined if no command was given. */
  readonly command: CommandName | undefined;
  /** What help is about: a command, a group of them, or all. */
  readonly topic: readonly CommandName[] | undefined;
  /** The arguments after the command, in the order of its `args`. */
  readonly args: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly uri: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly to: string | undefined;
  /** Whether one of the other options was given. */
  readonly has: (name: "watch" | "write" | "set-aside" | "yes" | "recursive" | "json") => boolean;
}

/**
 * Parses the arguments of the program.
 * @throws Error that says what is wrong, with a suggestion.
 */
export function readArguments(args: readonly string[]): Asked {
  // Not strict, so that the messages are ours.
  const { tokens } = parseArgs({
    args: [...args],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const words = tokens.flatMap((token) => (token.kind === "positional" ? [token.value] : []));
  const isHelp = words[0] === "help";
  const { command, group, args: given } = commandOf(isHelp ? words.slice(1) : words);
  const values = new Map<string, string | true>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const value = valueIn(token, command);
    if (value !== true && values.has(token.name)) throw new Error(`${token.rawName} was given twice.`);
    values.set(token.name, value);
  }
  const help = isHelp || values.has("help");
  // Checked after the options: the value of a misspelt option must not be reported as an argument.
  if (!help && !values.has("version")) checkArguments(command, group, given);
  const timeout = values.get("timeout");
  const text = (name: OptionName): string | undefined => (values.has(name) ? String(values.get(name)) : undefined);
  return {
    command,
    topic: command === undefined ? group : [command],
    args: given,
    help,
    version: values.has("version"),
    uri: text("uri"),
    timeoutMs: timeout === undefined ? undefined : seconds(String(timeout)),
    to: text("to"),
    has: (name) => values.has(name),
  };
}

interface FoundCommand {
  readonly command: CommandName | undefined;
  /** The commands of a group whose name was given alone. */
  readonly group: readonly CommandName[] | undefined;
  readonly args: readonly string[];
}

/** Finds the command at the beginning of the words. */
function commandOf(words: readonly string[]): FoundCommand {
  const [first, second, ...more] = words;
  if (first === undefined) return { command: undefined, group: undefined, args: [] };
  const group = NAMES.filter((name) => name.startsWith(`${first} `));
  if (group.length === 0) {
    const command = NAMES.find((name) => name === first);
    if (command === undefined) throw unknownCommand(first, words, NAMES);
    return { command, group: undefined, args: words.slice(1) };
  }
  if (second === undefined) return { command: undefined, group, args: [] };
  const command = group.find((name) => name === `${first} ${second}`);
  if (command === undefined) throw unknownCommand(`${first} ${second}`, words, group);
  return { command, group: undefined, args: more };
}

/** Suggests a command for `artifact list`, `artifacts lsit`, `stauts`, or `download` alone. */
function unknownCommand(
  shown: string,
  [first = "", second = ""]: readonly string[],
  names: readonly CommandName[],
): Error {
  const lastWord = (name: string): string => name.split(" ").at(-1) as string;
  const pair = second === "" ? undefined : nearest(`${first} ${second}`, names.filter((name) => name.includes(" "))); // biome-ignore format: one line
  const last = nearest(lastWord(shown), names.map(lastWord)); // biome-ignore format: one line
  const meant = pair ?? nearest(shown, names) ?? names.find((name) => lastWord(name) === last);
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
  return new Error(`There is no command ${shownValue(shown)}.${hint} There are ${names.join(", ")}.`);
}

/** @throws Error for missing or extra arguments. */
function checkArguments(
  command: CommandName | undefined,
  group: readonly CommandName[] | undefined,
  given: readonly string[],
): void {
  if (command === undefined) {
    if (group) throw new Error(`A command is missing. There are ${group.map((name) => usageOf(name)).join(" and ")}.`);
    return;
  }
  const { args = [] } = COMMANDS[command];
  const missing = args.slice(given.length).find((name) => !name.startsWith("["));
  const blank = args.find((_, i) => given[i]?.trim() === "");
  if (missing !== undefined || blank !== undefined)
    throw new Error(`${command} needs ${missing ?? blank}, a run's id: npx pulse-mlflow ${usageOf(command)}.`);
  const extra = given[args.length];
  if (extra !== undefined) throw new Error(`${command} takes no further argument, got ${shownValue(extra)}.`);
}

const usageOf = (command: CommandName): string => [command, ...(COMMANDS[command].args ?? [])].join(" ");

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

/** Returns the value of an option; `true` if it takes none. */
function valueIn({ name, rawName, value, inlineValue }: OptionToken, command: CommandName | undefined): string | true {
  const own = [...(command ? (Object.keys(COMMANDS[command].options) as OptionName[]) : []), "help", "version"];
  const option = Object.hasOwn(OPTIONS, name) ? OPTIONS[name as OptionName] : undefined;
  if (option === undefined) {
    const meant = nearest(rawName.replace(/^-+/, ""), command ? own : Object.keys(OPTIONS));
    const there = own.map((each) => `--${each}`).join(", ");
    const hint = `${meant === undefined ? "" : ` Did you mean --${meant}?`} ${command ? `${command} has` : "There are"} ${there}.`;
    throw new Error(`There is no option ${rawName}.${hint}`);
  }
  if (!own.includes(name)) {
    const others = NAMES.filter((each) => Object.hasOwn(COMMANDS[each].options, name));
    if (command === undefined) throw new Error(`${rawName} needs a command before it: ${others.join(", ")}.`);
    throw new Error(
      `${command} has no option ${rawName}; ${others.join(" and ")} ${others.length === 1 ? "has" : "have"} it.`,
    );
  }
  if (option.type === "boolean") {
    if (inlineValue) throw new Error(`${rawName} takes no value, got ${shownValue(value)}.`);
    return true;
  }
  if (value === undefined || value.trim() === "" || (!inlineValue && /^-\D/.test(value)))
    throw new Error(`${rawName} needs a value: ${rawName} <${option.value}>.`);
  return value;
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0) || !Number.isFinite(value))
    throw new Error(`--timeout: expected a number of seconds, got ${shownValue(text)}.`);
  return value * 1_000;
}

/** Returns the help for some commands or for all. */
export function helpText(topic: readonly CommandName[] | undefined): string {
  return topic === undefined ? HELP : topic.map(helpOf).join("\n");
}

function helpOf(command: CommandName): string {
  const { text, options, codes } = COMMANDS[command];
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
`;
}

function optionLine(name: OptionName, meaning: string): string {
  const option = OPTIONS[name];
  const short = "short" in option ? `-${option.short}, ` : "";
  const value = "value" in option ? ` <${option.value}>` : "";
  return `  ${`${short}--${name}${value}`.padEnd(24)} ${meaning}`;
}

const HELP = `pulse-mlflow: shows, delivers or discards what is recorded but not delivered yet, and reads the files of runs.

Usage
${NAMES.map((name) => `  npx pulse-mlflow ${usageOf(name).padEnd(31)} ${COMMANDS[name].line}`).join("\n")}

Options
  --uri <tracking URI>     instead of the configured one; for status and discard: only what is kept for this URI
  --json                   one JSON document on standard output
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
  npx pulse-mlflow artifacts list 5d1c9f0e4b7a4c1f8a2b3c4d5e6f7081 --recursive
  npx pulse-mlflow artifacts download 5d1c9f0e4b7a4c1f8a2b3c4d5e6f7081 model --to out
`;
