import { statSync } from "node:fs";
import { types } from "node:util";
import { artifactPath } from "../../artifacts/paths.js";
import { messageOf, PulseError, type PulseErrorCode } from "../../base/errors.js";
import { shownValue } from "../../base/wrong-input.js";
import { noContent } from "../../capture/artifacts.js";
import { artifactFault } from "../../capture/selector-faults.js";
import { sourceFile } from "../../recorder/staging/upload-source.js";
import { isStream } from "./chunks.js";

/**
 * The verb that logs a content as a file of that name, or that it is a path; undefined where it is no content of one.
 */
export function kindOf(
  content: unknown,
  path: string,
): "logText" | "logBytes" | "logStream" | "logDict" | "path" | undefined {
  if (typeof content === "string") return "logText";
  if (types.isAnyArrayBuffer(content) || ArrayBuffer.isView(content) || isBlob(content)) return "logBytes";
  if (types.isPromise(content)) return undefined;
  if (isStream(content)) return "logStream";
  if (isLocal(content)) return "path";
  return typeof content === "object" && /\.(json|ya?ml)$/i.test(path) ? "logDict" : undefined;
}

/**
 * Checks what is to become a file of that name.
 * @throws PulseError `INVALID_VALUE` for what is no content or no name, `ARTIFACT_UNREADABLE` for a file that cannot be
 * read.
 */
export function checkContent(content: unknown, file: string): void {
  artifactPath(file);
  const kind = kindOf(content, file);
  if (kind === undefined) throw new PulseError("INVALID_VALUE", `${noContent(file, content)}.`);
  if (kind !== "path") return;
  const { path } = content as { readonly path: string };
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) sourceFile(path);
}

/**
 * The path that a verb was given for a file.
 * @throws PulseError `INVALID_VALUE` for what is none.
 */
export function givenPath(artifactFile: unknown): string {
  if (typeof artifactFile !== "string")
    throw new PulseError(
      "INVALID_VALUE",
      `What is logged comes first, then the name of its file; got ${shownValue(artifactFile)} for that.`,
    );
  const path = artifactPath(artifactFile);
  if (!/[\\/]$/.test(artifactFile)) return path;
  throw new PulseError(
    "INVALID_VALUE",
    `Artifact path ${shownValue(artifactFile)} is that of a folder: the file's name is missing.`,
  );
}

/** What is wrong with a selector of files, for messages: with the paths it names, too. */
export function filesFault(selector: unknown): string | undefined {
  const fault = artifactFault(selector);
  if (fault !== undefined) return fault;
  for (const file of typeof selector === "string" ? [selector] : Object.keys(selector as object))
    try {
      artifactPath(file);
      const other = /\{(?!step\})[A-Za-z]\w*\}/.exec(file)?.[0];
      if (other !== undefined)
        return `${JSON.stringify(file)}: of what stands in braces only {step} is filled in, not ${other}`;
    } catch (error) {
      return messageOf(error).replace(/^Artifact path ("(?:[^"\\]|\\.)*") (.*)\.$/, "$1, which $2");
    }
  return undefined;
}

/** @throws PulseError `INVALID_VALUE` for what names no file or folder. */
export function localText(verb: string, what: string, path: unknown): string {
  if (typeof path === "string" && path !== "") return path;
  throw new PulseError("INVALID_VALUE", `${verb} needs the path of ${what}, got ${shownValue(path)}.`);
}

/** A file's path in the run's artifacts. */
export const joined = (folder: string | undefined, file: string): string =>
  artifactPath(folder === undefined || folder === "" ? file : `${artifactPath(folder)}/${file}`);

/** What stands for a file or folder: an object with its path and nothing else. */
const isLocal = (content: unknown): content is { readonly path: string } =>
  typeof content === "object" &&
  content !== null &&
  typeof (content as { path?: unknown }).path === "string" &&
  Object.keys(content).length === 1;

/** Of any realm, and from any package. */
export const isBlob = (value: unknown): value is Blob =>
  typeof (value as Partial<Blob> | null)?.stream === "function" && typeof (value as Blob).size === "number";

/** A time as tables hold it, as pandas reads it. */
export const isoOf = (time: Date): string | null => (Number.isNaN(time.getTime()) ? null : time.toISOString());

/** What is said of a file that a verb leaves out. */
export function refusal(
  verb: string,
  about: unknown,
  error: unknown,
): { readonly code: PulseErrorCode; readonly detail: string } {
  const said = error instanceof PulseError ? error.detail.replace(/\.$/, "") : messageOf(error);
  const where =
    typeof about !== "string" || about === "" || said.includes(about) ? verb : `${verb} ${shownValue(about)}`;
  const detail = `${where}${said.startsWith(verb) ? said.slice(verb.length) : `: ${said}`}`;
  return { code: error instanceof PulseError ? error.code : "CAPTURE_FAILED", detail };
}

/** A longer text is no file's name. */
const MAX_FILE_NAME = 255;

/** Whether a text is the path of a file of this machine; only what looks like one is looked up. */
function isLocalFile(text: string): boolean {
  if (text.length > MAX_FILE_NAME || !/^[\w./\\:@~ -]*[\w-]\.\w{1,8}$/.test(text)) return false;
  try {
    return statSync(text, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false;
  }
}

/** Whether a text is a file's name, and its file's name a text. */
const looksSwapped = (text: string, file: string): boolean =>
  text.length <= MAX_FILE_NAME && /^[\w./-]+\.\w{1,8}$/.test(text) && /\s|^[^.]*$/.test(file);

/** What is odd about a text that is stored as a file; undefined where nothing is. */
export function textDoubt(text: string, path: string): string | undefined {
  if (looksSwapped(text, path))
    return `logText: the text comes first, then the file: ${shownValue(text)} was stored as ${shownValue(path)}`;
  if (!isLocalFile(text)) return undefined;
  return `The text stored as ${JSON.stringify(path)} is the path of a file; to store that file, use run.logArtifact(), or give { path }`;
}
