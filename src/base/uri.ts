import { PulseError } from "./errors.js";
import { shownUri } from "./text/redact.js";
import { wrongInput } from "./wrong-input.js";

/** Schemes of URIs: which one a URI has, and which ones a program may register. */

const SCHEME = /^[a-z][a-z0-9+.-]+$/;

/** The scheme of a URI in lower case; undefined for a path. One letter is a drive of Windows. */
export function schemeOf(uri: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(uri)?.[1]?.toLowerCase();
}

/** @throws PulseError `INVALID_OPTION` for a scheme that is none, or one of `own`. */
export function needScheme(user: string, scheme: unknown, own: Readonly<Record<string, unknown>>): void {
  if (typeof scheme !== "string" || !SCHEME.test(scheme))
    throw wrongInput(
      user,
      "scheme",
      "a lower-case letter, then one or more of lower-case letters, digits, + . and -, without the colon",
      scheme,
    );
  if (Object.hasOwn(own, scheme))
    throw new PulseError(
      "INVALID_OPTION",
      `${user}: "${scheme}" is a scheme of this package's own; choose another name.`,
    );
}

/** The error for a tracking URI that is none; `origin` says where it comes from: a variable or a file. */
export function wrongUri(uri: string, what: string, origin: string | undefined, meant?: string): PulseError {
  const from = origin === undefined ? "" : ` (from ${origin})`;
  // Not where a password may be in it.
  const hint = meant === undefined || /[@?]/.test(meant) ? "" : ` Did you mean ${JSON.stringify(meant)}?`;
  return new PulseError("INVALID_TRACKING_URI", `Tracking URI ${JSON.stringify(shownUri(uri))}${from}${what}.${hint}`);
}
