import type { MlflowRun } from "../../src/base/entities.js";
import type { Terminal } from "../../src/cli/output.js";

/** What a command has written. */
export interface Heard {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A terminal, and what is written to it. */
export function fakeTerminal({ json = false, columns }: { json?: boolean; columns?: number | undefined } = {}): {
  readonly terminal: Terminal;
  readonly texts: { out: string; err: string };
} {
  const texts = { out: "", err: "" };
  const stream = (name: "out" | "err"): Terminal["out"] => {
    const write = (text: string): boolean => {
      texts[name] += text;
      return true;
    };
    return { write, isTTY: columns !== undefined, columns } as unknown as Terminal["out"];
  };
  return { terminal: { out: stream("out"), err: stream("err"), json }, texts };
}

/** Calls a command with a terminal that takes note of what is written; with `columns` it is a real one. */
export async function heardBy(
  command: (terminal: Terminal) => Promise<number>,
  how: { json?: boolean; columns?: number } = {},
): Promise<Heard> {
  const { terminal, texts } = fakeTerminal(how);
  return { code: await command(terminal), ...texts };
}

/** Removes styles, which take no room. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
export const unstyled = (text: string): string => text.replace(/\x1b\[\d*m/g, "");

/** A run as a client reads it. */
export const someRun = (given: Partial<MlflowRun> = {}): MlflowRun => ({
  runId: "0123456789abcdef0123456789abcdef",
  runName: "train",
  experimentId: "1",
  status: "FINISHED",
  startTime: new Date(1_000_000),
  endTime: new Date(1_012_000),
  userId: "me",
  lifecycleStage: "active",
  artifactUri: "file:///x",
  params: {},
  tags: {},
  metrics: {},
  inputs: [],
  ...given,
});
