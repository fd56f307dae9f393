import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { messageOf } from "../../base/errors.js";
import { absolutePath } from "../../base/folders.js";
import { shownUri } from "../../base/text/redact.js";
import { schemeOf, wrongUri } from "../../base/uri.js";

/** The file that marks a folder as an experiment, a run, a dataset or an input. */
export const META = "meta.yaml" as const;

/** Percent escapes, which MLflow's Python client also decodes in plain paths. */
const ESCAPES = /(?:%[0-9a-f]{2})+/gi;

/**
 * Parses a tracking URI as the path of an `mlruns` folder: any form of `file:`, or a plain path.
 * @throws PulseError `INVALID_TRACKING_URI`
 */
export function mlrunsPath(uri: string, origin?: string): string {
  const what = `The path in tracking URI ${JSON.stringify(shownUri(uri))}`;
  const path = schemeOf(uri) === "file" ? pathOfFileUri(uri, origin) : decoded(uri);
  if (path.trim() === "") throw wrongUri(uri, " names no folder", origin, "file:./mlruns");
  if (path.includes("\0")) throw wrongUri(uri, " is not a path", origin);
  return absolutePath(path, "INVALID_TRACKING_URI", what);
}

/** Returns the address of a folder, always the same for the same folder. */
export function mlrunsUri(path: string): string {
  return pathToFileURL(resolve(path)).href;
}

function pathOfFileUri(uri: string, origin: string | undefined): string {
  const rest = uri.slice("file:".length);
  if (/[?#]/.test(rest)) throw wrongUri(uri, " has a ? or #; write them as %3F and %23 in a path", origin);
  if (process.platform !== "win32" && /^\/*[a-z]:|\\/i.test(rest))
    throw wrongUri(uri, " is a Windows path, but this is not Windows", origin);
  if (!rest.startsWith("/")) return decoded(rest);
  const host = /^\/\/([^/]*)/.exec(rest)?.[1];
  if (host === undefined) return decoded(rest);
  if (host !== "" && host.toLowerCase() !== "localhost" && process.platform !== "win32")
    throw wrongUri(
      uri,
      ` names the host ${JSON.stringify(host)}; a local folder has three slashes`,
      origin,
      `file:///${rest.slice(2)}`,
    );
  try {
    return fileURLToPath(new URL(uri));
  } catch (error) {
    throw wrongUri(uri, ` is not a folder on this machine (${messageOf(error)})`, origin);
  }
}

function decoded(path: string): string {
  return path.replace(ESCAPES, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
