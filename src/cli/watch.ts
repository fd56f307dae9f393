import { messageOf, PulseError } from "../base/errors.js";
import { shownText } from "../base/text/redact.js";
import { styled, type Terminal } from "./output.js";

/** The time between two drawings. */
const PAUSE_MS = 2_000;

/**
 * Draws lines again and again until the program is interrupted, and leaves the last ones behind. A problem is shown
 * above what was read before, and the next round tries again; one that waiting cannot help is thrown if nothing has
 * been drawn yet.
 */
export async function watch(
  terminal: Terminal,
  read: () => Promise<readonly string[]>,
  pauseMs: number = PAUSE_MS,
): Promise<number> {
  const { out } = terminal;
  if (!out.isTTY) throw new Error("--watch draws on a terminal, and the output is none.");
  let stop: () => void = () => undefined;
  const stopped = new Promise<"stopped">((resolve) => {
    stop = () => resolve("stopped");
  });
  process.on("SIGINT", stop).on("SIGTERM", stop);
  let lines: readonly string[] | undefined;
  let timer: NodeJS.Timeout | undefined;
  out.write("\x1b[?1049h\x1b[?25l"); // another screen, without a cursor
  try {
    for (;;) {
      let trouble: string[] = [];
      try {
        const got = await Promise.race([read(), stopped]);
        if (got === "stopped") break;
        lines = got;
      } catch (error) {
        if (lines === undefined && !(error instanceof PulseError && error.retryable)) throw error;
        trouble = [styled(terminal, "red", `${shownText(messageOf(error))} Trying again ...`)];
      }
      const room = Math.max(1, (out.rows || 24) - 1);
      const drawn = [...trouble, ...(lines ?? [])].slice(0, room);
      out.write(`\x1b[H${drawn.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
      const paused = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, pauseMs);
      });
      if ((await Promise.race([paused, stopped])) === "stopped") break;
    }
  } finally {
    clearTimeout(timer); // it would hold the process
    process.off("SIGINT", stop).off("SIGTERM", stop);
    out.write("\x1b[?25h\x1b[?1049l");
  }
  for (const line of lines ?? []) out.write(`${line}\n`);
  return 0;
}
