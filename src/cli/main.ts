#!/usr/bin/env node
import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { shownText } from "../capture/redact.js";
import { messageOf } from "../errors.js";
import { doctor } from "./doctor.js";
import { printJson, type Terminal } from "./output.js";
import { status } from "./status.js";
import { sync } from "./sync.js";

const HELP = `pulse-mlflow: what is recorded and not delivered yet, and whether it can be.

Usage
  npx pulse-mlflow status               what is kept on disk, for every tracking URI
  npx pulse-mlflow sync                 delivers it to the configured tracking URI
  npx pulse-mlflow doctor               looks at the configuration and the server, and says what to do

Options
  --json                 one JSON document on standard output
  --timeout <seconds>    sync: gives up after that long; without it, it goes on until only what is set aside is left
  --watch                sync: goes on, for outboxes to come, until it is interrupted
  --write                doctor: also writes a run into experiment "pulse-mlflow doctor" and deletes it again
  --help, --version

The configuration is that of a program started in this folder: pulse-mlflow.config.json, then MLFLOW_TRACKING_URI and
the other variables of Python's client. Credentials go to that URI and nowhere else; those of the environment only to
MLFLOW_TRACKING_URI, not to a URI of the file.

Exit codes
  0  done, nothing is left, all is well
  2  sync: something is left (the server is away, or refused it). doctor: something is to be done
  1  an error: a wrong argument or configuration

Examples
  MLFLOW_TRACKING_URI=http://mlflow:5000 npx pulse-mlflow sync --timeout 60
  npx pulse-mlflow status --json | jq '.uris[].outboxes[].items'
`;

const OPTIONS = {
  json: { type: "boolean", default: false },
  timeout: { type: "string" },
  watch: { type: "boolean", default: false },
  write: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
  version: { type: "boolean", default: false },
} as const;

/** Which options belong to which command. */
const COMMANDS: Record<string, readonly string[]> = { status: ["json"], sync: ["json", "timeout", "watch"], doctor: ["json", "write"] };

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  const [command, ...more] = positionals;
  if (values.version) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (values.help || command === undefined || command === "help") {
    process.stdout.write(HELP);
    return command === undefined && !values.help ? 1 : 0;
  }
  const allowed = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (allowed === undefined)
    throw new Error(`There is no command ${JSON.stringify(command)}; there are ${Object.keys(COMMANDS).join(", ")}.`);
  if (more.length > 0) throw new Error(`${command} takes no further argument, got ${JSON.stringify(more[0])}.`);
  const strange = Object.entries(values).find(([name, value]) => value !== false && value !== undefined && !allowed.includes(name));
  if (strange) throw new Error(`${command} has no option --${strange[0]}.`);
  const terminal: Terminal = { out: process.stdout, err: process.stderr, json: values.json };
  if (command === "status") return status(terminal);
  if (command === "doctor") return doctor(terminal, { write: values.write });
  return sync(terminal, { watch: values.watch, timeoutMs: seconds(values.timeout) });
}

function version(): string {
  // Beside the package's file, wherever npm has linked this one from.
  const file = join(dirname(realpathSync(process.argv[1] ?? "")), "../../../package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0) || !Number.isFinite(value))
    throw new Error(`--timeout: expected a number of seconds, got ${JSON.stringify(text)}.`);
  return value * 1_000;
}

// `pulse-mlflow status | head`: who reads no further wants nothing more.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

// The tracker's own sockets and timers keep no process alive; here they are what the process is for.
const alive = setInterval(() => undefined, 60_000);
main(process.argv.slice(2))
  .then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      const message = shownText(messageOf(error));
      if (process.argv.includes("--json")) printJson({ out: process.stdout, err: process.stderr, json: true }, { error: message });
      else process.stderr.write(`pulse-mlflow: ${message}\nRun \`npx pulse-mlflow --help\` for what there is.\n`);
      process.exitCode = 1;
    },
  )
  .finally(() => clearInterval(alive));
