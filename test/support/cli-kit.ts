import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.js";
import { itemsOf, type RunChange } from "../../src/contracts/tracking-store.js";
import type { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { change, start } from "../contract/store-contract.js";
import { command, type Ended } from "./command.js";
import { tempFolder } from "./folders.js";
import { type ScriptedServer, type Seen, scripted } from "./scripted-server.js";

export const root = tempFolder("cli");

/** A command as a program of its own, at home in a folder that all of a file's commands have. */
export const cli = (
  state: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  within: readonly string[] = [],
): Promise<Ended> => command({ home: root, state, within }, args, env);

let states = 0;

/** Where a command finds what trackers have left. */
export const newState = (): string => join(root, `state-${++states}`);

/** What a tracker that died has left for a server: one ended run and one open one. */
export function leaveBehind(state: string, uri: string, more: (outbox: Outbox) => void = () => undefined): string {
  const outbox = new OutboxFolder(join(state, "pulse-mlflow/outbox"), uri).create(Date.now(), systemClock.id());
  const put = (given: RunChange, ended: boolean): void => {
    outbox.putRun(
      {
        key: given.runKey,
        experiment: given.experiment,
        parent: undefined,
        parentId: undefined,
        ids: undefined,
        ended,
      },
      1_000,
    );
    outbox.append(given, itemsOf(given), false);
  };
  put(
    change("a".repeat(32), {
      create: start(),
      metrics: [{ key: "m", value: 1, timestamp: 2, step: 0 }],
      end: { status: "FINISHED", endTime: 3 },
    }),
    true,
  );
  put(change("b".repeat(32), { create: start({ name: "left open" }) }), false);
  more(outbox);
  outbox.close();
  return outbox.path;
}

/** A server whose runs are running, and that answers all else as told. */
export async function server(
  answer: (seen: Seen) => ReturnType<Parameters<typeof scripted>[0]>,
  body: (server: ScriptedServer) => Promise<void>,
): Promise<void> {
  const made = await scripted((seen) =>
    seen.url === "/version" ? { body: "3.17.2" } : seen.url.includes("runs/get?") ? RUNNING : answer(seen),
  );
  try {
    await body(made);
  } finally {
    made.close();
  }
}

const RUNNING = { body: { run: { info: { status: "RUNNING" }, data: { metrics: [{ key: "m", timestamp: 9_000 }] } } } };

/** As on a machine where the optional dependency could not be installed. */
export const withoutDriver = (): NodeJS.ProcessEnv => {
  const hook = join(root, "no-driver.cjs");
  writeFileSync(
    hook,
    `const { _load } = require("node:module");
    require("node:module")._load = function (name, ...more) {
      if (name === "@photostructure/sqlite" || name === "node:sqlite") throw new Error("Cannot find module");
      return _load.call(this, name, ...more);
    };
    const { getBuiltinModule } = process;
    process.getBuiltinModule = (name) => (name === "node:sqlite" ? undefined : getBuiltinModule(name));`,
  );
  return { NODE_OPTIONS: `--require ${hook}` };
};

/** Sets aside what is kept of the ended run. */
export const setSomeAside = (outbox: Outbox): void =>
  outbox.setAside("a".repeat(32), Number.MAX_SAFE_INTEGER, "The experiment is gone.", true);
