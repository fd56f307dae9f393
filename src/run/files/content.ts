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
 * Returns the method that logs a content under that name, "path" for a local file, or undefined if the content cannot
 * become such a file.
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
 * Checks content that will be stored under that name.
 * @throws PulseError `INVALID_VALUE` for an invalid content or name, `ARTIFACT_UNREADABLE` for a file that cannot be
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
 * Returns the artifact path given to a method.
 * @throws PulseError `INVALID_VALUE` for an invalid one.
 */
export function givenPath(artifactFile: unknown): string {
  if (typeof artifactFile !== "string")
    throw new PulseError(
      "INVALID_VALUE",
      `The content comes first, then the name of its file; got ${shownValue(artifactFile)} as the name.`,
    );
  const path = artifactPath(artifactFile);
  if (!/[\\/]$/.test(artifactFile)) return path;
  throw new PulseError(
    "INVALID_VALUE",
    `Artifact path ${shownValue(artifactFile)} is that of a folder: the file's name is missing.`,
  );
}

/** Returns what is wrong with an artifacts selector or its paths, for messages. */
export function filesFault(selector: unknown): string | undefined {
  const fault = artifactFault(selector);
  if (fault !== undefined) return fault;
  for (const file of typeof selector === "string" ? [selector] : Object.keys(selector as object))
    try {
      artifactPath(file);
      const other = /\{(?!step\})[A-Za-z]\w*\}/.exec(file)?.[0];
      if (other !== undefined) return `${JSON.stringify(file)}: only {step} is filled in, not ${other}`;
    } catch (error) {
      return messageOf(error).replace(/^Artifact path ("(?:[^"\\]|\\.)*") (.*)\.$/, "$1, which $2");
    }
  return undefined;
}

/** @throws PulseError `INVALID_VALUE` for anything but the path of a file or folder. */
export function localText(verb: string, what: string, path: unknown): string {
  if (typeof path === "string" && path !== "") return path;
  throw new PulseError("INVALID_VALUE", `${verb} needs the path of ${what}, got ${shownValue(path)}.`);
}

/** Joins a folder and a file's path to a path among the run's artifacts. */
export const joined = (folder: string | undefined, file: string): string =>
  artifactPath(folder === undefined || folder === "" ? file : `${artifactPath(folder)}/${file}`);

/** Whether content stands for a local file or folder: an object with a path and nothing else. */
const isLocal = (content: unknown): content is { readonly path: string } =>
  typeof content === "object" &&
  content !== null &&
  typeof (content as { path?: unknown }).path === "string" &&
  Object.keys(content).length === 1;

/** Whether a value is a Blob, of any realm or package. */
export const isBlob = (value: unknown): value is Blob =>
  typeof (value as Partial<Blob> | null)?.stream === "function" && typeof (value as Blob).size === "number";

/** Formats a time for tables, in the form that pandas reads. */
export const isoOf = (time: Date): string | null => (Number.isNaN(time.getTime()) ? null : time.toISOString());

/** Returns the code and text of the warning for a file that a method leaves out. */
export function refusal(
  verb: string,
  about: unknown,
  error: unknown,
): { readonly code: PulseErrorCode; readonly detail: string } {
  const reason = error instanceof PulseError ? error.detail.replace(/\.$/, "") : messageOf(error);
  const where =
    typeof about !== "string" || about === "" || reason.includes(about) ? verb : `${verb} ${shownValue(about)}`;
  const detail = `${where}${reason.startsWith(verb) ? reason.slice(verb.length) : `: ${reason}`}`;
  return { code: error instanceof PulseError ? error.code : "CAPTURE_FAILED", detail };
}

/** The length of the longest file name; longer text is not checked for being one. */
const MAX_FILE_NAME = 255;

/** Whether a text is the path of a local file. Only text that looks like a path is looked up. */
function isLocalFile(text: string): boolean {
  if (text.length > MAX_FILE_NAME || !/^[\w./\\:@~ -]*[\w-]\.\w{1,8}$/.test(text)) return false;
  try {
    return statSync(text, { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    return false;
  }
}

/** Whether the text looks like a file name and the file name like a text. */
const looksSwapped = (text: string, file: string): boolean =>
  text.length <= MAX_FILE_NAME && /^[\w./-]+\.\w{1,8}$/.test(text) && /\s|^[^.]*$/.test(file);

/** Returns what is suspicious about a text stored as a file, or undefined. */
export function textDoubt(text: string, path: string): string | undefined {
  if (looksSwapped(text, path))
    return `logText: the text comes first, then the file: ${shownValue(text)} was stored as ${shownValue(path)}`;
  if (!isLocalFile(text)) return undefined;
  return `The text stored as ${JSON.stringify(path)} is the path of a file; to store that file, use run.logArtifact(), or give { path }`;
}
