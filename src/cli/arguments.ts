import { parseArgs } from "node:util";
import { nearest, shownValue } from "../base/wrong-input.js";

/** What can be given to commands. */
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

/** One command: what it does, in a line and in full, and its options, each with what it means there. */
interface CommandHelp {
  /** What it takes beside options, by name; what may be left out is in brackets. @default nothing */
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
  "RUN is a run's id, as its page shows it. Its store says where its files are; what a server may name there is limited as for logging.";

const COMMANDS: Record<Name, CommandHelp> = {
  status: {
    line: "what is kept on disk, for every tracking URI",
    text: "Shows the outboxes: what waits in each, files too, how old it is, what is set aside and why, and which ones running programs hold.",
    options: { uri: "only what is kept for it", ...JSON_OPTION },
    codes: "0 shown; 2 what is kept cannot be read, since the SQLite driver is missing",
  },
  sync: {
    line: "delivers it to the configured tracking URI",
    text: "Delivers what earlier programs have left for a tracking URI, files too, and tries once more what was set aside. Runs they left open end FAILED.\nA server that is not reachable is waited for; where waiting helps nobody (credentials, a certificate, an address without MLflow), it ends in a few seconds.",
    options: {
      uri: "delivers what is kept for it, instead of for the configured one",
      timeout:
        "gives up after that long; without it, it goes on until only what is set aside is left, or somebody must mend something first",
      watch: "goes on, for outboxes to come, until it is interrupted",
      ...JSON_OPTION,
    },
    codes:
      "0 nothing is left; 2 something is: the server is away, or refused it (a file that it never takes is left out then), or it is for other URIs and none is configured",
  },
  doctor: {
    line: "looks at the configuration, the store and what waits, and says what to do",
    text: "Shows each setting with its origin, looks whether the store can be used and the SQLite driver is there, and counts what waits and what is set aside.",
    options: {
      uri: "looks at it instead of the configured one",
      write: 'also writes a run into experiment "pulse-mlflow doctor" and deletes it again',
      ...JSON_OPTION,
    },
    codes: "0 nothing is to be done; 2 something is",
  },
  discard: {
    line: "throws away what is kept on disk, after asking",
    text: "Lists what would be thrown away and asks. What running programs hold is never touched, nor what is of another version of this package.",
    options: {
      uri: "only what is kept for it",
      "set-aside": "only what is set aside; what waits stays",
      yes: "does not ask",
      ...JSON_OPTION,
    },
    codes: "0 done, or there is nothing; 2 it was not, since the answer was no or a program has taken it meanwhile",
  },
  "artifacts list": {
    args: OF_A_RUN,
    line: "the files of a run",
    text: `Lists the files that were logged in a run, with their sizes; folders end with /.\n${RUN_TEXT} PATH is a folder or a file among them.`,
    options: {
      uri: "looks there instead of at the configured one",
      recursive: "also what lies in folders",
      ...JSON_OPTION,
    },
    codes: "0 shown, also when there are none",
  },
  "artifacts download": {
    args: OF_A_RUN,
    line: "brings them here, or some of them",
    text: `Downloads a file or folder of a run, or all there are, to the same path in a folder here. A file is there when it is whole;\nwhat was interrupted goes on where it ended when the same is asked for again. Nothing is written outside that folder.\n${RUN_TEXT}`,
    options: {
      uri: "looks there instead of at the configured one",
      to: "the folder to write to, instead of the working folder; it is made",
      ...JSON_OPTION,
    },
    codes:
      "0 all is there; 2 it was interrupted, or the store is away or the disk full: the same again goes on from there; or something was refused",
  },
};

/** A command; those of two words are a group by their first one. */
export type CommandName = Name;

const NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** What was asked for. */
export interface Asked {
  /** Undefined when none was named. */
  readonly command: CommandName | undefined;
  /** What help is about: a command, a group of them, or all. */
  readonly topic: readonly CommandName[] | undefined;
  /** What was given behind the command, in the order of its `args`. */
  readonly args: readonly string[];
  readonly help: boolean;
  readonly version: boolean;
  readonly uri: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly to: string | undefined;
  /** Which of the other options are there. */
  readonly has: (name: "watch" | "write" | "set-aside" | "yes" | "recursive" | "json") => boolean;
}

/**
 * Reads the arguments of a program.
 * @throws Error that says what is wrong, and what was probably meant.
 */
export function readArguments(args: readonly string[]): Asked {
  // Not strict: what is wrong is said here, in our words.
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
  // Behind the options: a value of one that is misspelt is no argument.
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
  /** The commands that begin with the word that was given alone. */
  readonly group: readonly CommandName[] | undefined;
  readonly args: readonly string[];
}

/** The command that words begin with. */
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

/** `artifact list`, `artifacts lsit`, `stauts`, and `download` alone are understood. */
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

/** @throws Error for a command that is given too little or too much. */
function checkArguments(
  command: CommandName | undefined,
  group: readonly CommandName[] | undefined,
  given: readonly string[],
): void {
  if (command === undefined) {
    if (group) throw new Error(`What is to be done? There are ${group.map((name) => usageOf(name)).join(" and ")}.`);
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

/** The value of an option, `true` where it takes none. */
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

/** What is printed for `--help`, of some commands or of all. */
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

const HELP = `pulse-mlflow: what is recorded and not delivered yet, and whether it can be; and the files of runs.

Usage
${NAMES.map((name) => `  npx pulse-mlflow ${usageOf(name).padEnd(31)} ${COMMANDS[name].line}`).join("\n")}

Options
  --uri <tracking URI>     instead of the configured one; for status and discard: only what is kept for it
  --json                   one JSON document on standard output
  -h, --help               also of one command: npx pulse-mlflow sync --help
  -v, --version

What is counted are changes: a run's start or end, a metric value, a param, a tag or a dataset is one. Files are counted apart.

The configuration is that of a program started in this folder: pulse-mlflow.config.json, then MLFLOW_TRACKING_URI and
the other variables of Python's client. Credentials go to that URI and nowhere else; those of the environment to
MLFLOW_TRACKING_URI, and to --uri when it is the same server or MLFLOW_TRACKING_URI is not set; never to a URI of the file.

Exit codes
  0  done, nothing is left, all is well
  2  something is left or to be done
  1  an error: a wrong argument or configuration

Examples
  MLFLOW_TRACKING_URI=http://mlflow:5000 npx pulse-mlflow sync --timeout 60
  npx pulse-mlflow status --json | jq '.uris[].outboxes[].changes'
  npx pulse-mlflow discard --uri http://mlflow:5000 --set-aside
  npx pulse-mlflow artifacts list 5d1c9f0e4b7a4c1f8a2b3c4d5e6f7081 --recursive
  npx pulse-mlflow artifacts download 5d1c9f0e4b7a4c1f8a2b3c4d5e6f7081 model --to out
`;
