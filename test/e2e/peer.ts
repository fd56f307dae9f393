import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

export type Which = "newest" | "old";

/** JSON has no non-finite numbers; the peer writes them as these words. */
export type Num = number | "NaN" | "Infinity" | "-Infinity";

interface DumpExperiment {
  experiment_id: string;
  name: string;
  lifecycle_stage: "active" | "deleted";
  artifact_location: string;
  tags: Record<string, string>;
}

export interface DumpRun {
  run_id: string;
  experiment_id: string;
  run_name: string | null;
  status: "RUNNING" | "SCHEDULED" | "FINISHED" | "FAILED" | "KILLED";
  start_time: number | null;
  end_time: number | null;
  lifecycle_stage: "active" | "deleted";
  artifact_uri: string;
  user_id: string | null;
  params: Record<string, string>;
  tags: Record<string, string>;
  metrics: Record<string, Num>;
  /** By key, ordered as MLflow answers: [value, timestamp, step]. Absent with `history: false`. */
  history?: Record<string, [value: Num, timestamp: number, step: number][]>;
  /** The datasets it uses, in no order. */
  inputs: { name: string; digest: string; source: string; tags: Record<string, string> }[];
  /** What its files hold, by path, where that was looked at. */
  files?: Record<string, string>;
}

export interface Dump {
  experiments: DumpExperiment[];
  /** Oldest start first. */
  runs: DumpRun[];
}

export interface Integrity {
  /** "ok", or what SQLite found. */
  integrity: string;
  foreign_keys: unknown[][];
  revision: string | null;
  journal_mode: string;
}

export type Cell = Num | string | null | { hex: string };
export type Sql = string | [sql: string, parameters: (string | number | null)[]];

const alive = new Map<ChildProcessWithoutNullStreams, () => void>();
process.on("exit", () => {
  for (const kill of alive.values()) kill();
});

interface Environment {
  version: string;
  python: string;
}

interface Environments {
  environments(): Promise<Record<Which, Environment> | undefined>;
  stackEnvironment(): Promise<Environment | undefined>;
}

/**
 * A script of this folder in one of the Python environments. When this process exits it gets `atExit`: its group, if
 * `detached`.
 */
export async function launch(
  which: Which | "stack",
  [script, ...args]: [script: string, ...args: string[]],
  {
    cwd,
    detached = false,
    atExit = "SIGKILL",
    settings = {},
  }: { cwd: string; detached?: boolean; atExit?: NodeJS.Signals; settings?: Record<string, string> },
) {
  const made: Environments = await import(pathToFileURL(join(process.cwd(), "scripts", "python.mjs")).href);
  const environment = which === "stack" ? await made.stackEnvironment() : (await made.environments())?.[which];
  if (environment === undefined) throw new Error("There is no python3 3.10 or newer on the PATH.");
  // Settings of the developer's own MLflow or Python must not reach the tests.
  const kept = Object.entries(process.env).filter(([name]) => !/^_?(MLFLOW_|PYTHON)/.test(name));
  const env = {
    ...Object.fromEntries(kept),
    PATH: dirname(environment.python) + delimiter + (process.env["PATH"] ?? ""),
    DO_NOT_TRACK: "true",
    GIT_PYTHON_REFRESH: "quiet",
    MLFLOW_DISABLE_TELEMETRY: "true",
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false",
    MLFLOW_ALLOW_FILE_STORE: "true",
    ...settings,
  };
  const path = join(process.cwd(), "test", "e2e", script);
  const child = spawn(environment.python, [path, ...args], { cwd, env, detached });
  let log = "";
  const remember = (text: string): void => {
    log = (log + text).slice(-20_000);
  };
  child.stderr.setEncoding("utf8").on("data", remember);
  // Writing to a child that has just ended is reported by its "close" event already.
  child.stdin.on("error", () => {});
  const kill = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined || !alive.has(child)) return;
    try {
      process.kill(detached ? -child.pid : child.pid, signal);
    } catch {
      // It has ended by itself.
    }
  };
  alive.set(child, () => kill(atExit));
  // "close" waits for every holder of the pipes, so also for what a server has started.
  const ended = once(child, "close")
    .catch((error: unknown) => remember(String(error)))
    .then(() => alive.delete(child));
  return { child, kill, ended, remember, version: environment.version, log: () => log };
}

type Launched = Awaited<ReturnType<typeof launch>>;

/**
 * A running `peer.py`: answers one request at a time, in order. A `uri` is a database's or a server's, for basic auth
 * with the credentials in it (`http://user:password@host`), which MLflow's client hands on.
 */
export class Peer {
  readonly #process: Launched;
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #last = 0;
  #ended = false;
  version: string;

  private constructor(launched: Launched) {
    this.#process = launched;
    this.version = launched.version;
    createInterface({ input: launched.child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line) as { id: number; ok: never; error?: string };
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.error === undefined) waiting?.resolve(answer.ok);
      else waiting?.reject(new Error(`MLflow ${this.version} failed:\n${answer.error}`));
    });
    void launched.ended.then(() => {
      this.#ended = true;
      for (const { reject } of this.#waiting.values()) reject(this.#gone());
    });
  }

  static async start(which: Which): Promise<Peer> {
    const peer = new Peer(await launch(which, ["peer.py"], { cwd: tmpdir() }));
    try {
      peer.version = await peer.#ask<string>("version");
      return peer;
    } catch (error) {
      await peer.close();
      throw error;
    }
  }

  #gone(): Error {
    return new Error(`The process of MLflow ${this.version} has ended.\n${this.#process.log()}`);
  }

  #ask<T>(op: string, args: object = {}): Promise<T> {
    if (this.#ended) return Promise.reject(this.#gone());
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.child.stdin.write(`${JSON.stringify({ id, op, args })}\n`);
    });
  }

  /** Every experiment and run, deleted ones too, or those of some experiments. */
  dump(uri: string, options: { experiment?: string | readonly string[]; history?: boolean } = {}): Promise<Dump> {
    return this.#ask("dump", { uri, ...options });
  }

  /** Makes the database the way this MLflow does, and logs a run with a nested child. */
  create(uri: string, experiment: string): Promise<{ experiment_id: string; run_id: string; child_id: string }> {
    return this.#ask("create", { uri, experiment });
  }

  /** Logs a metric (default appended = 1.5) and the tag appended.by into a run, and finishes it. */
  append(uri: string, run_id: string, options: { key?: string; value?: Num; step?: number } = {}): Promise<void> {
    return this.#ask("append", { uri, run_id, ...options });
  }

  /** The datasets a run has used. */
  inputs(uri: string, run_id: string): Promise<{ name: string; digest: string; tags: Record<string, string> }[]> {
    return this.#ask("inputs", { uri, run_id });
  }

  /** Each file of a run as it is downloaded, by path, and the size that the listing says. */
  artifacts(
    uri: string,
    run_id: string,
  ): Promise<Record<string, [size: number, sha256: string, listed: number | null]>> {
    return this.#ask("artifacts", { uri, run_id });
  }

  /** Tables as `mlflow.load_table` gives them, each as its columns and rows, and `config.yaml` as PyYAML reads it. */
  tables(
    uri: string,
    run_id: string,
    names: readonly string[],
  ): Promise<{ tables: Record<string, unknown>; yaml: unknown }> {
    return this.#ask("tables", { uri, run_id, names });
  }

  /** The ids of the active runs that match, oldest start first. */
  search(uri: string, experiment: string, filter = ""): Promise<string[]> {
    return this.#ask("search", { uri, experiment, filter });
  }

  change(method: `${"delete" | "restore"}_${"experiment" | "run"}`, uri: string, id: string): Promise<void> {
    return this.#ask(method, { uri, id });
  }

  /** Times runs of the canonical script, after one to warm up. */
  canonical(uri: string, experiment: string, runs: number): Promise<{ seconds: number; runs: number }> {
    return this.#ask("canonical", { uri, experiment, runs });
  }

  /** Makes a database of an `mlruns` folder, as `mlflow migrate-filestore` does; gives what it says. */
  migrate(folder: string, path: string): Promise<string> {
    return this.#ask("migrate", { folder, path });
  }

  integrity(path: string): Promise<Integrity> {
    return this.#ask("integrity", { path });
  }

  /** Runs statements on a file, made when missing; the rows of each. */
  sqlite(path: string, sql: Sql[]): Promise<Cell[][][]> {
    return this.#ask("sqlite", { path, sql });
  }

  /** Holds an exclusive transaction on the file until `unlock`, or for so many seconds. */
  lock(path: string, seconds?: number): Promise<void> {
    return this.#ask("lock", { path, seconds });
  }

  /** Releases every lock. */
  unlock(): Promise<void> {
    return this.#ask("unlock");
  }

  async close(): Promise<void> {
    const { child, kill, ended } = this.#process;
    child.stdin.end();
    const timer = setTimeout(kill, 10_000, "SIGKILL");
    await ended;
    clearTimeout(timer);
  }
}

export type Server = { url: string; log(): string; stop(): Promise<void> };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No free port.");
  return address.port;
}

/**
 * A real `mlflow server` (POSIX only, it lives in a process group of its own), working in `dir`; `more` are further
 * options of it, `settings` environment variables.
 */
export async function startServer(
  which: Which,
  sqliteUri: string,
  dir: string,
  more: string[] = [],
  settings: Record<string, string> = {},
  tries = 3,
): Promise<Server> {
  const port = String(await freePort());
  const args = ["--host", "127.0.0.1", "--port", port, "--workers", "1", "--backend-store-uri", sqliteUri, ...more];
  const { child, kill, ended, remember, log } = await launch(which, ["peer.py", "server", ...args], {
    cwd: dir,
    detached: true,
    settings,
  });
  child.stdout.setEncoding("utf8").on("data", remember);
  const stop = async (): Promise<void> => {
    kill("SIGTERM");
    const timer = setTimeout(kill, 5_000, "SIGKILL");
    await ended;
    clearTimeout(timer);
  };
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await sleep(100)) {
    if (child.exitCode !== null) break;
    const healthy = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) }).then(
      async (response) => response.ok && (await response.text()) === "OK",
      () => false,
    );
    if (healthy) return { url, log, stop };
  }
  const hasEnded = child.exitCode !== null; // somebody else may have taken the port meanwhile
  await stop();
  if (hasEnded && tries > 1) return startServer(which, sqliteUri, dir, more, settings, tries - 1);
  throw new Error(`mlflow server did not start:\n${log()}`);
}
