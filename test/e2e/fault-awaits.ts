import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import type { PulseConfig, Run } from "../../src/index.js";
import { startProgram } from "./support.js";
import { Twin } from "./wide-model.js";

const program = fileURLToPath(new URL("../fixtures/awaits.js", import.meta.url));

/** Runs `fixtures/awaits.ts`; gives what a server must show of it, and how it did not end as it should. */
export async function runAwaiting(
  config: PulseConfig,
  experiment: string,
): Promise<{ twin: Twin; problems: string[]; stderr: string }> {
  const since = Date.now();
  const given = JSON.stringify({ config: { ...config, auth: { token: "a token" } }, runName: "awaits" });
  const { code, stdout, stderr } = await startProgram(program, [given], tmpdir()).ended;
  const [id = "", last] = stdout.split("\n");
  const ended = code === 0 && last === "went on";
  const twin = new Twin({ id, ended: true } as Run, {
    experiment,
    name: "awaits",
    parent: undefined,
    status: "FINISHED",
    since,
    until: Infinity,
    params: { before: "the wait" },
    tags: {},
    metrics: { awaited: [1, 2].map((n) => ({ value: n, step: n, timestamp: undefined })) },
  });
  return {
    twin,
    problems: ended ? [] : [`the program that awaits ended with ${code} after "${stdout}": ${stderr}`],
    stderr,
  };
}
