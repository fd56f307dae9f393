import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Where a command runs. */
export interface Place {
  /** Its home and working folder. */
  readonly home: string;
  /** The state folder. @default home */
  readonly state?: string;
  /** What it is run within, such as a shell. */
  readonly within?: readonly string[];
}

/**
 * A command as a program of its own, with nothing of this one's configuration; `heard` is told of what it writes to
 * standard error.
 */
export function command(
  place: string | Place,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  heard: (err: string, signal: (name: NodeJS.Signals) => void) => void = () => undefined,
): Promise<Ended> {
  const { home, state = home, within = [] } = typeof place === "string" ? { home: place } : place;
  const kept = Object.entries(process.env).filter(([name]) => !/^(MLFLOW_|.*_proxy$)/i.test(name));
  const [file = "", ...rest] = [...within, process.execPath, program, ...args];
  const child = spawn(file, rest, {
    cwd: home,
    env: { ...Object.fromEntries(kept), HOME: home, XDG_STATE_HOME: state, ...env },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
    heard(err, (name) => child.kill(name));
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}
