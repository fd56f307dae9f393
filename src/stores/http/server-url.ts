import { wrongUri } from "../../base/uri.js";

/** URLs that a parser misreads: what looks like host and port is the start of a password with a raw `#`, `/` or `?`. */
const CUT_PASSWORD = /^https?:\/\/[^/?#@]*:\d+[/?#].*@/i;

/**
 * Parses a tracking URI as the URL of a server.
 * @throws PulseError `INVALID_TRACKING_URI`
 */
export function serverUrl(uri: string, origin?: string): URL {
  const root = /^(https?:\/\/[^/].*?)\/(?:ajax-)?api\/\d.*$/i.exec(uri)?.[1];
  if (root !== undefined)
    throw wrongUri(uri, " is an address of the server's API; use the root of the server", origin, root);
  if (/^https?:\/\/[^/]/i.test(uri) && URL.canParse(uri) && !CUT_PASSWORD.test(uri)) return new URL(uri);
  const hint = uri.includes("@") ? "; write # / ? and @ in a password, and @ in a path, as %23 %2F %3F %40" : "";
  const port = Number(/^https?:\/\/[^/?#]*:(\d+)(?:[/?#]|$)/i.exec(uri)?.[1]);
  if (port > 65_535) throw wrongUri(uri, ` has port ${port}; ports go from 1 to 65535`, origin);
  const slashed = uri.replace(/^(https?):\/*(?=[^/])/i, "$1://");
  throw wrongUri(
    uri,
    ` is not the URL of a server${hint}`,
    origin,
    slashed !== uri && URL.canParse(slashed) ? slashed : undefined,
  );
}
