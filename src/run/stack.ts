import { home } from "#require";
import { bounded } from "../capture/text.js";

/** Most frames that are looked for above those an error has. */
const MORE_FRAMES = 50;
/** Where this package's files lie, as frames name them; undefined in somebody's bundle, where they are in one file with everything else. */
const OURS =
  home !== undefined && /(?:^|[\\/])(?:require\.[cm]js|pulse-mlflow-\w+\.js)$/.test(home) ? home.replace(/[^\\/]+$/, "") : undefined;

// No regular expressions from here on: compiling one where the stack is nearly spent ends the process.
const isFrame = (line: string): boolean => line.trimStart().startsWith("at ");
const isOurs = (line: string | undefined): boolean => OURS !== undefined && line?.includes(OURS) === true && isFrame(line);

/** The stack of what a tracked call threw as it is stored: without this package's frames, and with the callers that the error's limit of frames cut off. */
export function storedStack(stack: string): string {
  const lines = bounded(stack).split("\n");
  const frames = lines.filter(isFrame);
  const all = frames.length > 0 && frames.length >= Error.stackTraceLimit ? joined(withoutOurs(lines), callers()) : withoutOurs(lines);
  return all.join("\n");
}

/** Leaves out this package's frames, and that of Node through which one of them calls. */
const withoutOurs = (lines: readonly string[]): string[] =>
  lines.filter((line, i) => !isOurs(line) && !(isOurs(lines[i + 1]) && line.includes(" AsyncLocalStorage.run (node:")));

/** The frames of whoever made the call that is failing now. */
function callers(): string[] {
  const { stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = MORE_FRAMES;
    const { stack } = new Error();
    Error.stackTraceLimit = stackTraceLimit;
    return typeof stack === "string"
      ? withoutOurs(stack.split("\n")).filter((line) => isFrame(line) && !line.includes("node:internal/"))
      : [];
  } catch {
    return []; // the limit is fixed, or somebody's way to write stacks failed
  }
}

/** Puts the callers below a stack; what both have is there once, and a gap is shown. */
function joined(lines: readonly string[], above: readonly string[]): string[] {
  for (let shared = Math.min(lines.length, above.length); shared > 0; shared--)
    if (lines.slice(-shared).every((line, i) => line === above[i])) return [...lines, ...above.slice(shared)];
  return above.length === 0 ? [...lines] : [...lines, "    ...", ...above];
}
