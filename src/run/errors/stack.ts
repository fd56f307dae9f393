import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { home } from "#require";
import { bounded } from "../../base/text/value-text.js";

/** The number of frames captured above those that an error has. */
const MORE_FRAMES = 50;
/** The number of characters of a stack that are processed. */
const MAX_CHARACTERS = 120_000;
/**
 * The folders of this package as they appear in stack frames: its build, and the sources that its source maps point
 * to (`node --enable-source-maps`). Empty in a bundle, where its code shares a file with everything else.
 */
const OURS: readonly string[] = ((): readonly string[] => {
  if (home === undefined) return [];
  if (!/(?:^|[\\/])(?:require\.mjs|cjs[\\/]pulse-mlflow\.js|pulse-mlflow-\w+\.js)$/.test(home)) return [];
  const folder = home.replace(/[^\\/]+$/, "");
  if (!/[\\/]dist[\\/](?:esm|cjs)[\\/]$/.test(folder)) return [folder];
  // Node writes the frames of mapped sources as paths, also where those of modules are URLs.
  try {
    const path = folder.startsWith("file:") ? fileURLToPath(folder) : folder;
    return [folder, join(path, "../../src/")];
  } catch {
    return [folder]; // a bundler wrote the URL of the machine that built it, which may be of another system
  }
})();

// No regular expressions from here on: compiling one when the stack is almost exhausted ends the process.
const isFrame = (line: string): boolean => line.trimStart().startsWith("at ");
const isOurs = (line: string | undefined): boolean =>
  line !== undefined && isFrame(line) && OURS.some((folder) => line.includes(folder));

/** Where a call failed. Cheap, since V8 formats an error's frames only when `stack` is first read. */
export interface FailedAt {
  /** An error created there, with more frames than usual. */
  readonly above: { readonly stack?: unknown } | undefined;
  /** `Error.stackTraceLimit` at that point. */
  readonly limit: number;
}

/** Captures the callers of the call that is failing now. */
export function failedHere(): FailedAt {
  const { stackTraceLimit: limit } = Error;
  try {
    Error.stackTraceLimit = MORE_FRAMES;
    const above = new Error();
    Error.stackTraceLimit = limit;
    return { above, limit };
  } catch {
    return { above: undefined, limit }; // the limit cannot be changed
  }
}

/**
 * Returns the stack of a thrown error as it is stored: without this package's frames, and with the callers that
 * `Error.stackTraceLimit` cut off.
 */
export function storedStack(stack: string, { above, limit }: FailedAt): string {
  const lines = bounded(stack, MAX_CHARACTERS).split("\n");
  const frames = lines.filter(isFrame);
  const all =
    frames.length > 0 && frames.length >= limit ? joined(withoutOurs(lines), framesOf(above)) : withoutOurs(lines);
  return all.join("\n");
}

/** Removes this package's frames, and the Node frame through which one of them calls. */
const withoutOurs = (lines: readonly string[]): string[] =>
  lines.filter((line, i) => !isOurs(line) && !(isOurs(lines[i + 1]) && line.includes(" AsyncLocalStorage.run (node:")));

/** Returns the frames of the callers. */
function framesOf(above: FailedAt["above"]): string[] {
  try {
    const stack = above?.stack;
    return typeof stack === "string"
      ? withoutOurs(stack.split("\n")).filter((line) => isFrame(line) && !line.includes("node:internal/"))
      : [];
  } catch {
    return []; // a custom stack formatter failed
  }
}

/** The function that V8 calls to format an error's frames. */
type Formatter = NonNullable<typeof Error.prepareStackTrace>;

/**
 * Reads an error's `stack`. V8 formats it on the first read and keeps the result, so this must not happen before the
 * program could have changed the error. `head` returns the first line where V8 would otherwise run the program's
 * getters a second time.
 */
export function readStack(read: () => unknown, head: (() => string) | undefined): unknown {
  const found = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace");
  const { name = "" } = (found?.value ?? {}) as { readonly name?: string };
  const isNodes =
    found === undefined ||
    (found.configurable === true && (found.value === undefined || name === "ErrorPrepareStackTrace"));
  if (head === undefined || !isNodes || sourceMaps()) return read();
  const value: Formatter = (_error, sites) => [head(), ...sites.map((site) => `    at ${site}`)].join("\n");
  try {
    Object.defineProperty(Error, "prepareStackTrace", { value, writable: true, configurable: true });
    return read();
  } finally {
    if (found) Object.defineProperty(Error, "prepareStackTrace", found);
    else delete (Error as { prepareStackTrace?: Formatter }).prepareStackTrace;
  }
}

/** Whether Node formats stacks itself, with source maps. */
const sourceMaps = (): boolean => (process as { readonly sourceMapsEnabled?: boolean }).sourceMapsEnabled === true;

/** Appends the callers to a stack without repeating shared frames; a gap is shown as `...`. */
function joined(lines: readonly string[], above: readonly string[]): string[] {
  for (let shared = Math.min(lines.length, above.length); shared > 0; shared--)
    if (lines.slice(-shared).every((line, i) => line === above[i])) return [...lines, ...above.slice(shared)];
  return above.length === 0 ? [...lines] : [...lines, "    ...", ...above];
}
