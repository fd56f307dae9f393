import { isDeepStrictEqual, types } from "node:util";
import { sanitizeKey } from "../base/text/keys.js";
import { type Check, nearest } from "../base/wrong-input.js";
import { sizeAndHash, textOf } from "./artifact-text.js";
import type { TestRun } from "./test-run.js";

/** What a file is expected to contain. */
export interface ArtifactExpectation {
  /** The whole text, or a pattern that matches part of it. */
  readonly text?: string | RegExp | undefined;
  /** The value as JSON. Compared in its JSON form: a Date is text, and undefined fields are left out. */
  readonly json?: unknown;
  /** All of the bytes. */
  readonly bytes?: Uint8Array | ArrayBufferView | ArrayBuffer | undefined;
}

/** @internal */
export const OF_ARTIFACT: Record<keyof ArtifactExpectation, Check> = {
  text: ["a string or a regular expression", (value) => typeof value === "string" || types.isRegExp(value)],
  json: ["a value that JSON can hold", (value) => jsonOf(value) !== undefined],
  bytes: ["bytes", (value) => ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)],
};

/** The number of characters of a text in messages. */
const MAX_SHOWN = 300;
/** The number of names listed in a message. */
const MAX_NAMED = 12;

/**
 * @internal Returns what is wrong with a run's file; an empty list if nothing is. `show` formats values for messages.
 */
export function artifactFaults(
  run: TestRun,
  path: string,
  expected: ArtifactExpectation,
  show: (value: unknown) => string,
): string[] {
  const held = Object.hasOwn(run.artifacts, path) ? run.artifacts[path] : undefined;
  if (held === undefined) return [whyMissing(run, path)];
  const { text, json, bytes } = expected;
  const faults: string[] = [];
  const holds = textOf(held);
  const shown = holds === undefined ? `it is not text: ${sizeAndHash(held)}` : `the text is ${show(shortened(holds))}`;
  if (text !== undefined && !(holds !== undefined && (typeof text === "string" ? holds === text : fits(text, holds))))
    faults.push(shown);
  if (json !== undefined) {
    const value = holds === undefined ? undefined : parsed(holds);
    if (value === undefined) faults.push(holds === undefined ? shown : `it is not JSON: ${shown}`);
    else if (!isDeepStrictEqual(value, jsonOf(json))) faults.push(`the JSON is ${shortened(show(value))}`);
  }
  const wanted = bytes === undefined ? undefined : bytesOf(bytes);
  if (wanted !== undefined && !(wanted.length === held.length && Buffer.compare(wanted, held) === 0)) {
    const at = wanted.findIndex((byte, i) => byte !== held[i]);
    const where = at < 0 || at >= held.length ? "" : `; byte ${at} is ${held[at]}`;
    faults.push(`there are ${held.length} bytes${where}`);
  }
  return faults;
}

function whyMissing({ artifacts, tags }: TestRun, path: string): string {
  const failed = tags[sanitizeKey(`pulse.artifact_failed.${path}`)];
  if (failed !== undefined) return `it could not be stored: ${failed}`;
  const paths = Object.keys(artifacts);
  const inside = paths.filter((each) => each.startsWith(`${path.replace(/\/+$/, "")}/`));
  if (inside.length > 0) return `that is a folder, with ${named(inside)}`;
  const meant = nearest(path, paths) ?? paths.find((each) => each.endsWith(`/${path}`));
  return `no such artifact, only ${named(paths)}${meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`}`;
}

function named(paths: readonly string[]): string {
  const more = paths.length > MAX_NAMED ? ` and ${paths.length - MAX_NAMED} more` : "";
  return `${paths.slice(0, MAX_NAMED).join(", ") || "none"}${more}`;
}

/** Whether a pattern matches, independent of the state of `/g` and `/y` patterns. */
const fits = (pattern: RegExp, text: string): boolean =>
  new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, "")).test(text);

const shortened = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);

function bytesOf(bytes: ArrayBufferView | ArrayBuffer): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}

/** Returns a value as parsed back from JSON; undefined if JSON cannot represent it. */
function jsonOf(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch {
    return undefined;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
