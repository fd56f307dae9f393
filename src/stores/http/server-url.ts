import { shownUri } from "../../capture/redact.js";
import { PulseError } from "../../errors.js";

/** What a parser takes for a host and a port, though the port is the beginning of a password with a raw `#`, `/` or `?`. */
const CUT_PASSWORD = /^https?:\/\/[^/?#@]*:\d+[/?#].*@/i;

/**
 * Reads a tracking URI as the URL of a server.
 * @throws PulseError `INVALID_TRACKING_URI`
 */
export function serverUrl(uri: string): URL {
  if (/^https?:\/\/[^/]/i.test(uri) && URL.canParse(uri) && !CUT_PASSWORD.test(uri)) return new URL(uri);
  const hint = uri.includes("@") ? "; # / ? and @ in a password, and @ in a path, are written %23 %2F %3F %40" : "";
  throw new PulseError("INVALID_TRACKING_URI", `Tracking URI ${JSON.stringify(shownUri(uri))} is no URL of a server${hint}.`);
}
