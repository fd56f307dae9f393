import { PulseError } from "./errors.js";
import { shownUri } from "./text/redact.js";
import { wrongInput } from "./wrong-input.js";

/** Schemes of URIs: parsing them, and which ones a program may register. */

const SCHEME = /^[a-z][a-z0-9+.-]+$/;

/** Returns the scheme of a URI in lower case; undefined for a path. A single letter is a Windows drive. */
export function schemeOf(uri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(uri)?.[1]?.toLowerCase();
}

/** @throws PulseError `INVALID_OPTION` if the scheme is invalid or one of `own`. */
export function needScheme(user: string, scheme: unknown, own: Readonly<Record<string, unknown>>): void {
  if (typeof scheme !== "string" || !SCHEME.test(scheme))
    throw wrongInput(
      user,
      "scheme",
      "a lower-case letter, then one or more of lower-case letters, digits, + . and -, without the colon",
      scheme,
    );
  if (Object.hasOwn(own, scheme))
    throw new PulseError("INVALID_OPTION", `${user}: "${scheme}" is a built-in scheme; choose another name.`);
}

/** Creates the error for an invalid tracking URI; `origin` is the variable or file it comes from. */
export function wrongUri(uri: string, what: string, origin: string | undefined, meant?: string): PulseError {
  const from = origin === undefined ? "" : ` (from ${origin})`;
  // No suggestion if it might contain a password.
  const hint = meant === undefined || /[@?]/.test(meant) ? "" : ` Did you mean ${JSON.stringify(meant)}?`;
  return new PulseError("INVALID_TRACKING_URI", `Tracking URI ${JSON.stringify(shownUri(uri))}${from}${what}.${hint}`);
}
