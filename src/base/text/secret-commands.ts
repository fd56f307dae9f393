import { isInnocent, isSecretUnder, REDACTED } from "./secret-values.js";

// Secrets in commands that are marked by an option or a position instead of a name. Every part of a pattern is bounded.
const START = "(?<![\\w./-])";
/** What may stand between a command and its option, on the same line. */
const REST = "[^\\r\\n;|&]{0,200}?";
/** Matches an option and the separator before its value, also as list elements. */
const option = (name: string): string => `(?:\\s${name}[ =]|["']${name}\\\\{0,4}["'],\\s?(?=\\\\{0,4}["']))`;
/** A value, optionally in quotes; the quote that ends a JSON string does not open one. */
const VALUE =
  "(?:\\\\{0,4}[\"'](?![\\s,:}\\]]))?((?:(?<=[\"'])[^\"'\\\\\\r\\n]{1,200}(?=\\\\{0,4}[\"'](?!\\s{0,4}:))|(?!-)(?:[^\\s\"'`;|&\\\\]|\\\\[^\\s\"'nrt\\\\]){1,200}))";

/**
 * Commands, and the options that precede a secret. Where the pattern ends without a gap, the value follows directly.
 */
const OPTIONS: readonly (readonly [command: string, before: string])[] = [
  ["(?:mysql|mariadb|7z)[\\w-]{0,20}", "[\"'\\s]-p(?=\\S)"],
  ["(?:sshpass|mongo\\w{0,10}|[\\w.-]{1,20}(?:[\"',\\s\\\\]{1,6}registry)?[\"',\\s\\\\]{1,6}login)", option("-p")],
  ["redis-cli", option("-a")],
  ["ldap\\w{1,10}", option("-w")],
  ["(?:sqlcmd|bcp|unzip|zip)", option("-P")],
  ["htpasswd", "\\s-\\w{0,3}b\\w{0,3} \\S{1,100} \\S{1,100} "],
  ["(?:smbclient|rpcclient|net)", "\\s(?:-U|--user)[ =][^\\s%]{1,100}%"],
  ["[xw]freerdp", "\\s/p:"],
  ["https?", "\\s-a[ =][^\\s:]{1,100}:"],
];
const PLACES: readonly string[] = [
  "login\\s{1,20}\\S{1,100}\\s{1,20}(?:account\\s{1,20}\\S{1,100}\\s{1,20})?password\\s{1,20}", // in a netrc file
  "(?:identified|IDENTIFIED)\\s(?:(?:with|WITH) \\S{1,60} )?(?:by|BY) (?:(?:password|PASSWORD) )?",
  "Credential=\\S{1,200}, ?SignedHeaders=\\S{1,200}, ?Signature=",
];
const COMMANDS = [...OPTIONS.map(([command, before]) => `${command}\\b${REST}${before}`), ...PLACES].map(
  (before) => new RegExp(`(${START}${before})${VALUE}`, "g"),
);
/** Oracle logins: the password is between a slash and the last `@`. */
const ORACLE =
  /((?<![\w./-])(?:jdbc:oracle:\w{2,10}:|sqlplus (?:-\w{1,3} ){0,3}|(?:exp|imp)dp |sqlldr )[^\s/@:"']{1,100}\/)([^\s"'\\]{1,128}?)(?=@[\w/.:-]{0,200}(?:[\s"'\\?;,)]|$)|[\s"'\\]|$)/g;
/** Places whose value is a secret unless it looks harmless. */
const JUDGED = [
  '(?:set|config|modify)\\s[^\\r\\n;|&"]{0,60}?[\\w-]{0,60}(?:[Kk]ey|[Tt]oken|[Ss]ecret|[Pp]assword|_KEY|TOKEN|SECRET|PASSWORD)\\s{1,4}',
  "(?:wandb|vault|ngrok|comet|neptune)\\s(?:login|authtoken|config add-authtoken)\\s(?:--?\\w[\\w=-]{0,30}\\s){0,3}",
  "echo\\s(?:-n\\s)?(?=\\S{1,200}\\s{0,4}\\|[^|\\r\\n]{1,60}(?:-S|--password-stdin)\\b)",
].map((before) => new RegExp(`(${START}${before})${VALUE}`, "g"));
/** `curl -u me:…`; digits after the colon are a group id. */
const LOGIN =
  /((?<![^\s"'`])(?:-u|--(?:proxy-)?user)(?:\\?["'`]?\s{0,4},\s{0,4}|[ =])\\?)(?:(["'`][^:"'`]{1,100}:)(?:[^"'`\\]|\\[^"'])*|([^\s:"'`/@]{1,100}:)(?!\/\/|\d+(?!\S))(?:[^\s"'`\\]|\\[^\s"'])+)/g;
/** Words that may follow an option in a sentence about it. */
const ABOUT =
  /^(?:to|is|was|and|or|if|in|the|an?|as|at|by|for|from|of|on|with|when|must|may|can|should|will|flag|option|argument|value|instead|needs|requires)$/i;

/** Whether a word continues a sentence about an option, instead of being its value. */
export const isAbout = (word: string): boolean => ABOUT.test(word);

/** A cheap first test. */
export const COMMANDED: RegExp =
  /-[uapwPU]\b|-p|--(?:proxy-)?user|-\w{0,3}b|\/p:|login|[Ii]dentified|IDENTIFIED|Signature=|oracle:|sqlplus|pdp |sqlldr|set |config|modify |authtoken|echo /;

/** Redacts secrets in command lines and in other known places. */
export function redactCommands(text: string): string {
  const by = (out: string, patterns: readonly RegExp[], isSecret: (value: string) => boolean): string =>
    patterns.reduce(
      (each, pattern) =>
        each.replace(pattern, (all, before: string, value: string) => {
          const from = all.length - value.length;
          return from >= before.length && isSecret(value) ? all.slice(0, from) + REDACTED : all;
        }),
      out,
    );
  const out = by(text, [...COMMANDS, ORACLE], (value) => isSecretUnder("strong", value) && !isAbout(value));
  return by(out, JUDGED, (value) => !isInnocent(value)).replace(
    LOGIN,
    (_all, option: string, quoted = "", bare = "") => option + quoted + bare + REDACTED,
  );
}
