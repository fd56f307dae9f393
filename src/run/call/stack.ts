import { home } from "#require";
import { bounded } from "../../base/text/text.js";

/** Most frames that are looked for above those an error has. */
const MORE_FRAMES = 50;
/** Most of a stack that is looked at. */
const MAX_CHARACTERS = 120_000;
/**
 * Where this package's files lie, as frames name them: what is built, and the sources that its maps lead to
 * (`node --enable-source-maps`). None in somebody's bundle, where they are in one file with everything else.
 */
const OURS: readonly string[] = ((): readonly string[] => {
  if (home === undefined || !/(?:^|[\\/])(?:require\.mjs|cjs[\\/]pulse-mlflow\.js|pulse-mlflow-\w+\.js)$/.test(home))
    return [];
  const folder = home.replace(/[^\\/]+$/, "");
  const root = /^(?:file:\/\/)?(.*[\\/])dist[\\/](?:esm|cjs)[\\/]$/.exec(folder)?.[1];
  return root === undefined ? [folder] : [folder, `${root}src${root.slice(-1)}`];
})();

// No regular expressions from here on: compiling one where the stack is nearly spent ends the process.
const isFrame = (line: string): boolean => line.trimStart().startsWith("at ");
const isOurs = (line: string | undefined): boolean =>
  line !== undefined && isFrame(line) && OURS.some((folder) => line.includes(folder));

/** Where a call has failed: V8 makes a text of an error's frames when that is first read, so that this costs little. */
export interface FailedAt {
  /** An error made there, with more frames than errors have. */
  readonly above: { readonly stack?: unknown } | undefined;
  /** The limit of frames of errors there. */
  readonly limit: number;
}

/** Takes note of who made the call that is failing now. */
export function failedHere(): FailedAt {
  const { stackTraceLimit: limit } = Error;
  try {
    Error.stackTraceLimit = MORE_FRAMES;
    const above = new Error();
    Error.stackTraceLimit = limit;
    return { above, limit };
  } catch {
    return { above: undefined, limit }; // the limit is fixed
  }
}

/**
 * The stack of what a tracked call threw as it is stored: without this package's frames, and with the callers that the
 * error's limit of frames cut off.
 */
export function storedStack(stack: string, { above, limit }: FailedAt): string {
  const lines = bounded(stack, MAX_CHARACTERS).split("\n");
  const frames = lines.filter(isFrame);
  const all =
    frames.length > 0 && frames.length >= limit ? joined(withoutOurs(lines), framesOf(above)) : withoutOurs(lines);
  return all.join("\n");
}

/** Leaves out this package's frames, and that of Node through which one of them calls. */
const withoutOurs = (lines: readonly string[]): string[] =>
  lines.filter((line, i) => !isOurs(line) && !(isOurs(lines[i + 1]) && line.includes(" AsyncLocalStorage.run (node:")));

/** The frames of whoever made a call. */
function framesOf(above: FailedAt["above"]): string[] {
  try {
    const stack = above?.stack;
    return typeof stack === "string"
      ? withoutOurs(stack.split("\n")).filter((line) => isFrame(line) && !line.includes("node:internal/"))
      : [];
  } catch {
    return []; // somebody's way to write stacks failed
  }
}

/** What V8 asks for the text of an error's frames. */
type Formatter = NonNullable<typeof Error.prepareStackTrace>;

/**
 * Reads an error's stack, which V8 makes a text of when it is first read, and then stays as it is: never before the
 * program could have changed the error. `head` gives its first line where V8 would run getters of the program's for it,
 * which have run once already.
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

/** Whether Node itself writes stacks in its own way. */
const sourceMaps = (): boolean => (process as { readonly sourceMapsEnabled?: boolean }).sourceMapsEnabled === true;

/** Puts the callers below a stack; what both have is there once, and a gap is shown. */
function joined(lines: readonly string[], above: readonly string[]): string[] {
  for (let shared = Math.min(lines.length, above.length); shared > 0; shared--)
    if (lines.slice(-shared).every((line, i) => line === above[i])) return [...lines, ...above.slice(shared)];
  return above.length === 0 ? [...lines] : [...lines, "    ...", ...above];
}
