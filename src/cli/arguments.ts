import { parseArgs } from "node:util";
import { nearest, shownValue } from "../wrong-input.js";

/** What can be given to commands. */
const OPTIONS = {
  uri: { type: "string", value: "tracking URI" },
  timeout: { type: "string", value: "seconds" },
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
  readonly line: string;
  readonly text: string;
  readonly options: Partial<Record<OptionName, string>>;
  readonly codes: string;
}

const JSON_OPTION = { json: "one JSON document on standard output" };

const COMMANDS: Record<"status" | "sync" | "doctor" | "discard", CommandHelp> = {
  status: {
    line: "what is kept on disk, for every tracking URI",
    text: "Shows the outboxes: what waits in each, how old it is, what is set aside and why, and which ones running programs hold.",
    options: { uri: "only what is kept for it", ...JSON_OPTION },
    codes: "0 shown; 2 what is kept cannot be read, since the SQLite driver is missing",
  },
  sync: {
    line: "delivers it to the configured tracking URI",
    text: "Delivers what earlier programs have left for a tracking URI, and tries once more what was set aside. Runs they left open end FAILED.",
    options: {
      uri: "delivers what is kept for it, instead of for the configured one",
      timeout: "gives up after that long; without it, it goes on until only what is set aside is left",
      watch: "goes on, for outboxes to come, until it is interrupted",
      ...JSON_OPTION,
    },
    codes: "0 nothing is left; 2 something is: the server is away, or refused it, or it is for other URIs and none is configured",
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
};

/** A command. */
export type CommandName = keyof typeof COMMANDS;

/** What was asked for. */
export interface Asked {
  /** Undefined when none was named. */
  readonly command: CommandName | undefined;
  readonly help: boolean;
  readonly version: boolean;
  readonly uri: string | undefined;
  readonly timeoutMs: number | undefined;
  /** Which of the other options are there. */
  readonly has: (name: "watch" | "write" | "set-aside" | "yes" | "json") => boolean;
}

/**
 * Reads the arguments of a program.
 * @throws Error that says what is wrong, and what was probably meant.
 */
export function readArguments(args: readonly string[]): Asked {
  // Not strict: what is wrong is said here, in our words.
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, allowPositionals: true, tokens: true });
  const words = tokens.flatMap((token) => (token.kind === "positional" ? [token.value] : []));
  const isHelp = words[0] === "help";
  const [first, extra] = isHelp ? words.slice(1) : words;
  const command = first === undefined ? undefined : commandOf(first);
  const values = new Map<string, string | true>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const value = valueIn(token, command);
    if (value !== true && values.has(token.name)) throw new Error(`${token.rawName} was given twice.`);
    values.set(token.name, value);
  }
  // Behind the options: a value of one that is misspelt is no argument.
  if (extra !== undefined) throw new Error(`${first} takes no further argument, got ${shownValue(extra)}.`);
  const timeout = values.get("timeout");
  const uri = values.get("uri");
  return {
    command,
    help: isHelp || values.has("help"),
    version: values.has("version"),
    uri: uri === undefined ? undefined : String(uri),
    timeoutMs: timeout === undefined ? undefined : seconds(String(timeout)),
    has: (name) => values.has(name),
  };
}

function commandOf(word: string): CommandName {
  const names = Object.keys(COMMANDS);
  if (names.includes(word)) return word as CommandName;
  const meant = nearest(word, names);
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
  throw new Error(`There is no command ${shownValue(word)}.${hint} There are ${names.join(", ")}.`);
}

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
    const others = (Object.keys(COMMANDS) as CommandName[]).filter((each) => Object.hasOwn(COMMANDS[each].options, name));
    if (command === undefined) throw new Error(`${rawName} needs a command before it: ${others.join(", ")}.`);
    throw new Error(`${command} has no option ${rawName}; ${others.join(" and ")} ${others.length === 1 ? "has" : "have"} it.`);
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

/** What is printed for `--help`, of a command or of all. */
export function helpText(command: CommandName | undefined): string {
  return command === undefined ? HELP : helpOf(command);
}

function helpOf(command: CommandName): string {
  const { text, options, codes } = COMMANDS[command];
  return `pulse-mlflow ${command}: ${COMMANDS[command].line}

Usage
  npx pulse-mlflow ${command} [options]

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

const HELP = `pulse-mlflow: what is recorded and not delivered yet, and whether it can be.

Usage
${Object.entries(COMMANDS)
  .map(([name, { line }]) => `  npx pulse-mlflow ${name.padEnd(9)} ${line}`)
  .join("\n")}

Options
  --uri <tracking URI>     instead of the configured one; for status and discard: only what is kept for it
  --json                   one JSON document on standard output
  -h, --help               also of one command: npx pulse-mlflow sync --help
  -v, --version

What is counted are changes: a run's start or end, a metric value, a param, a tag or a dataset is one.

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
`;
