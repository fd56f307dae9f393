import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join, resolve } from "node:path";
import { after } from "node:test";
import { pathToFileURL } from "node:url";
import { tempFolder } from "../support/folders.js";
import { until } from "../support/wait.js";
import { type Ended, startProgram } from "./support.js";

interface Manifest {
  readonly version?: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const manifestOf = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/**
 * An example that is a project of its own, as whoever copies it has it: beside the example whose learning it uses, with
 * the packages that its package.json names, and with ours as it is published.
 */
export class ExampleService {
  readonly folder: string;
  readonly #manifest: Manifest;
  /** Where the commands of its packages are. */
  readonly #commands: string[] = [];

  private constructor(folder: string) {
    this.folder = folder;
    this.#manifest = manifestOf(folder);
  }

  static async install(name: string): Promise<ExampleService> {
    const root = tempFolder(name);
    writeFileSync(join(root, "package.json"), '{ "type": "module" }'); // as in the repository
    for (const each of [name, "pulse-meta-learning"])
      cpSync(join("examples", each), join(root, "examples", each), {
        recursive: true,
        filter: (path) => !/[\\/](node_modules|build)$/.test(path),
      });
    const example = new ExampleService(join(root, "examples", name));
    await example.#install(name);
    return example;
  }

  /** Runs a script of its package.json; gives what it prints. */
  npm(script: string): string {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env; // its tests are not part of this one
    const { status, stdout, stderr } = spawnSync("npm", ["run", script], {
      cwd: this.folder,
      encoding: "utf8",
      env: { ...env, PATH: [...this.#commands, env["PATH"]].join(delimiter) },
    });
    assert.equal(status, 0, `npm run ${script}\n${stdout}\n${stderr}`);
    return stdout;
  }

  /** Starts it on a free port, as `npm start` does; its state and its working folder are `place`. */
  async start(place: string, trackingUri: string): Promise<RunningService> {
    const [node, program = "", ...args] = String(this.#manifest.scripts["start"]).split(" ");
    assert.equal(node, "node");
    const env = { PORT: "0", MLFLOW_TRACKING_URI: trackingUri, XDG_STATE_HOME: place };
    const { child, ended } = startProgram(join(this.folder, program), args, place, env);
    after(() => child.kill("SIGKILL")); // where a test has failed
    let said = "";
    child.stdout.on("data", (text: string) => {
      said += text;
    });
    await until("it listens", () => child.exitCode !== null || said.includes("\n"));
    const [, url] = /^Listening at (http:\S+)\n/.exec(said) ?? [];
    if (url === undefined) assert.fail(`${said}\n${(await ended).stderr}`);
    return { url, ended, terminate: () => child.kill("SIGTERM") };
  }

  async #install(name: string): Promise<void> {
    const root = manifestOf(".");
    const { dependencies, devDependencies } = this.#manifest;
    const { typescript, "pulse-mlflow": own, ...others } = { ...devDependencies, ...dependencies };
    assert.deepEqual([typescript, own], [root.devDependencies["typescript"], root.version]);
    for (const version of Object.values(others)) assert.match(version, /^\d+\.\d+\.\d+$/);
    const { toolset } = await import(pathToFileURL(resolve("test/toolchains/install.mjs")).href);
    const installed: string = await toolset(name, others);
    const modules = join(this.folder, "node_modules");
    mkdirSync(join(modules, ".bin"), { recursive: true });
    for (const each of readdirSync(installed))
      if (!each.startsWith(".")) symlinkSync(join(installed, each), join(modules, each));
    for (const each of ["typescript", "@photostructure"])
      symlinkSync(resolve("node_modules", each), join(modules, each));
    symlinkSync("../typescript/bin/tsc", join(modules, ".bin/tsc"));
    this.#commands.push(join(modules, ".bin"), join(installed, ".bin"));
    const must = (command: string, args: readonly string[], cwd: string): void => {
      const { status, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
      assert.equal(status, 0, stderr);
    };
    must("npm", ["pack", "--ignore-scripts", "--pack-destination", this.folder, "--loglevel=error"], ".");
    mkdirSync(join(modules, "pulse-mlflow"));
    const tarball = readdirSync(this.folder).find((file) => file.endsWith(".tgz")) ?? "";
    must("tar", ["-xzf", tarball, "-C", "node_modules/pulse-mlflow", "--strip-components=1"], this.folder);
  }
}

export interface RunningService {
  readonly url: string;
  readonly ended: Promise<Ended>;
  terminate(): void;
}

/** The status and the body of an answer. */
export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what is in it
  readonly body: any;
}

/** Asks for a path; with a body, posts it as JSON. */
export async function ask(url: string, body?: unknown): Promise<Answer> {
  const posted = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(url, body === undefined ? {} : posted);
  return { status: response.status, body: await response.json() };
}

/**
 * Sends a request of which the body is missing; resolves when the service has taken it. It is under way until `finish`
 * sends the body; that resolves with all that was answered when the service has closed the connection.
 */
export async function beginRequest(url: string, path: string, body: unknown): Promise<{ finish(): Promise<string> }> {
  const { hostname, port } = new URL(url);
  const text = JSON.stringify(body);
  const socket = connect(Number(port), hostname).setEncoding("utf8");
  let answer = "";
  socket.on("data", (chunk: string) => {
    answer += chunk;
  });
  const closed = new Promise<void>((resolve, reject) => socket.on("error", reject).on("close", () => resolve()));
  const headers = ["content-type: application/json", `content-length: ${Buffer.byteLength(text)}`];
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\n${headers.join("\r\n")}\r\nexpect: 100-continue\r\n\r\n`);
  await until("the request is taken", () => answer.startsWith("HTTP/1.1 100 Continue\r\n\r\n"));
  return {
    async finish() {
      socket.write(text);
      await closed;
      return answer;
    },
  };
}

/** Waits until a service accepts no connection any more. */
export async function refusing(url: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const accepts = async (): Promise<boolean> => {
    const socket = connect(Number(port), hostname);
    try {
      await once(socket, "connect");
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  };
  while (await accepts());
}
