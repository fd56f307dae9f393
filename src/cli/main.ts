#!/usr/bin/env node
import { once } from "node:events";
import { readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline/promises";
import { messageOf } from "../base/errors.js";
import { shownText } from "../base/text/redact.js";
import { readArguments } from "./arguments.js";
import { discard } from "./discard.js";
import { doctor } from "./doctor.js";
import { helpText } from "./help.js";
import { printJson, type Terminal } from "./output.js";
import { status } from "./status.js";
import { sync } from "./sync.js";

async function main(args: string[]): Promise<number> {
  const asked = readArguments(args);
  const { command, topic, args: given, uri, has } = asked;
  if (asked.version) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  if (asked.help || command === undefined) {
    process.stdout.write(helpText(topic));
    return asked.help ? 0 : 1;
  }
  const terminal: Terminal = {
    out: process.stdout,
    err: process.stderr,
    json: asked.format === "json",
    ask: process.stdin.isTTY && process.stderr.isTTY ? ask : undefined,
  };
  if (command === "status") return status(terminal, uri);
  if (command === "doctor") return doctor(terminal, { write: has("write"), uri });
  if (command === "discard") return discard(terminal, { uri, setAside: has("set-aside"), yes: has("yes") });
  if (command === "sync") return sync(terminal, { uri, watch: has("watch"), timeoutMs: asked.timeoutMs });
  // What follows is loaded on demand: the other commands do not need it.
  if (!command.startsWith("artifacts ")) return (await import("./read-commands.js")).readCommand(terminal, asked);
  const { downloadArtifacts, listArtifacts } = await import("./artifacts.js");
  const [run = "", path] = given;
  if (command === "artifacts list") return listArtifacts(terminal, { uri, run, path, recursive: has("recursive") });
  return downloadArtifacts(terminal, { uri, run, path, to: asked.to });
}

async function ask(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const closed = once(lines, "close").then(() => ""); // at the end of input, or on Ctrl+C
    return /^y(es)?$/i.test((await Promise.race([lines.question(question).catch(() => ""), closed])).trim());
  } finally {
    lines.close();
  }
}

function version(): string {
  // Relative to the package's real file, since npm may have linked it from elsewhere.
  const file = join(dirname(realpathSync(process.argv[1] ?? "")), "../../../package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

// `pulse-mlflow status | head`: the reader has closed the pipe.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") return;
  process.stderr.write(`pulse-mlflow: the output cannot be written: ${error.message}\n`);
  process.exit(1); // whatever else there is to say cannot be said
});

// Sockets and timers of the tracker do not keep a process alive; this timer does while a command runs.
const alive = setInterval(() => undefined, 60_000);
main(process.argv.slice(2))
  .then(
    (code) => {
      process.exitCode = code;
    },
    (error: unknown) => {
      const message = shownText(messageOf(error));
      if (process.argv.includes("--json"))
        printJson({ out: process.stdout, err: process.stderr, json: true }, { error: message });
      else process.stderr.write(`pulse-mlflow: ${message}\nRun \`npx pulse-mlflow --help\` for help.\n`);
      process.exitCode = 1;
    },
  )
  .finally(() => clearInterval(alive));
