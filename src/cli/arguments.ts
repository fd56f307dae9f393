import { parseArgs } from "node:util";
import type { ViewType } from "../base/entities.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import { COMMANDS, type CommandName, NAMES, OPTIONS, type OptionName, usageOf } from "./commands.js";
import type { Format } from "./table.js";

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
  readonly filter: string | undefined;
  /** The columns to sort by, in the order they were given. */
  readonly sort: readonly string[];
  /** The columns to show; undefined if the command decides. */
  readonly columns: readonly string[] | undefined;
  readonly limit: number | undefined;
  readonly by: "last" | "min" | "max" | undefined;
  readonly goal: "min" | "max" | undefined;
  readonly viewType: ViewType;
  readonly format: Format;
  /** Whether one of the other options was given. */
  readonly has: (name: "watch" | "write" | "set-aside" | "yes" | "recursive" | "print") => boolean;
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
  const values = new Map<string, readonly (string | true)[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const value = valueIn(token, command);
    const before = values.get(token.name) ?? [];
    if (value !== true && before.length > 0 && !("several" in OPTIONS[token.name as OptionName]))
      throw new Error(`${token.rawName} was given twice.`);
    values.set(token.name, [...before, value]);
  }
  const help = isHelp || values.has("help");
  // Checked after the options: the value of a misspelt option must not be reported as an argument.
  if (!help && !values.has("version")) checkArguments(command, group, given);
  const texts = (name: OptionName): string[] => (values.get(name) ?? []).map(String);
  const text = (name: OptionName): string | undefined => texts(name)[0];
  const timeout = text("timeout");
  const limit = text("limit");
  const only = <T extends OptionName>(...names: readonly T[]): T | undefined =>
    oneOf(names.filter((name) => values.has(name)));
  return {
    command,
    topic: command === undefined ? group : [command],
    args: given,
    help,
    version: values.has("version"),
    uri: text("uri"),
    timeoutMs: timeout === undefined ? undefined : seconds(timeout),
    to: text("to"),
    filter: text("filter"),
    sort: texts("sort"),
    columns: values.has("columns") ? texts("columns").flatMap(listed) : undefined,
    limit: limit === undefined ? undefined : count("--limit", limit),
    by: choice("--by", text("by"), ["last", "min", "max"]),
    goal: choice("--goal", text("goal"), ["min", "max"]),
    viewType: only("deleted", "all") ?? "active",
    format: only("json", "csv", "md") ?? "text",
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
  const at = given.findIndex((each) => each.trim() === "");
  const needed = missing ?? (at < 0 ? undefined : args[Math.min(at, args.length - 1)]);
  const name = needed?.replace(/[[\]…]/g, "");
  if (name !== undefined)
    throw new Error(
      `${command} needs ${name}, ${MEANINGS[name] ?? "a path in the run"}: npx pulse-mlflow ${usageOf(command)}.`,
    );
  const extra = args.at(-1)?.endsWith("…]") ? undefined : given[args.length];
  if (extra !== undefined) throw new Error(`${command} takes no further argument, got ${shownValue(extra)}.`);
}

/** What the arguments are. */
const MEANINGS: Readonly<Record<string, string>> = {
  RUN: "a run's id or name",
  METRIC: "the name of a metric",
  EXPERIMENT: "an experiment's name or id",
};

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
  if (value === undefined || value.trim() === "" || (!inlineValue && name !== "sort" && /^-\D/.test(value)))
    throw new Error(`${rawName} needs a value: ${rawName} <${option.value}>.`);
  return value;
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0) || !Number.isFinite(value))
    throw new Error(`--timeout: expected a number of seconds, got ${shownValue(text)}.`);
  return value * 1_000;
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`${option}: expected an integer, 1 or more, got ${shownValue(text)}.`);
}

function choice<T extends string>(option: string, text: string | undefined, choices: readonly T[]): T | undefined {
  if (text === undefined) return undefined;
  const found = choices.find((each) => each === text);
  if (found !== undefined) return found;
  const meant = nearest(text, choices);
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
  throw new Error(`${option}: expected ${choices.join(", ")}, got ${shownValue(text)}.${hint}`);
}

/** Returns the one of some options that exclude each other. */
function oneOf<T extends string>(given: readonly T[]): T | undefined {
  if (given.length <= 1) return given[0];
  throw new Error(`${given.map((name) => `--${name}`).join(" and ")} exclude each other; give one of them.`);
}

/** Splits a list with commas. */
const listed = (text: string): string[] =>
  text
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
