import { gradeOf, REDACTED } from "./secret-keys.js";

// No parser: what may be a password is hidden, also where a raw `#`, `/` or `?` in it ends the host for a parser.
const START = /:(?:\/\/|\\\/\\\/)/g;
/** Up to the next white space, quote or URL. */
const REST = /(?:(?!:\\?\/\\?\/)[^\s"'<>`])*/y;
/** A host and perhaps a port, that end before a path: nothing stands before them. */
const HOST = /^(?:\[[^\]@]*\]|[^/?#:@\\]*)(?:(?::\d+)?(?:[/?#\\]|$)|:$)/;
/** The rest of a password with white space or a quote in it, one that ends no text of a JSON document. */
const ODD_PASSWORD = /(?:(?!"\s{0,4}[,:}\]])[^\n@]){0,100}@/y;
/** Schemes before a name that is no secret: `ssh://git@host`, `abfss://container@account`. */
const NAMED = /(?:ssh|sftp|abfss?|wasbs?)$/i;
const QUERY = /([?&])([\w.~%[\]-]{1,100})=(?:[^&\s"'<>`\\]|\\[^\s"'])+/g;
const QUERY_SECRET = /^(?:key|code|sig|signature|auth|pw|sid|ticket|assertion|x-(?:amz|goog)-(?:signature|credential))$/i;

/** Replaces the credentials before the hosts of URLs, and the secrets in their queries. */
export function redactUrls(text: string): string {
  let out = "";
  let from = 0;
  START.lastIndex = 0;
  for (let match = START.exec(text); match; match = START.exec(text)) {
    const start = START.lastIndex;
    REST.lastIndex = start;
    const rest = REST.exec(text)?.[0] ?? "";
    if (HOST.test(rest)) continue;
    let end = start + rest.lastIndexOf("@");
    if (end < start) {
      ODD_PASSWORD.lastIndex = start + rest.length;
      if (!/^[^:]*:(?!\d{0,5}\W*$)/.test(rest) || !ODD_PASSWORD.test(text)) continue;
      end = ODD_PASSWORD.lastIndex - 1;
    }
    const user = text.slice(start, end);
    if (!user.includes(":") && (user === "git" || NAMED.test(text.slice(Math.max(0, match.index - 8), match.index)))) continue;
    out += text.slice(from, start) + REDACTED;
    from = end;
    START.lastIndex = end;
  }
  return (out + text.slice(from)).replace(QUERY, (all, before: string, name: string) =>
    gradeOf(name) !== undefined || QUERY_SECRET.test(name) ? `${before}${name}=${REDACTED}` : all,
  );
}

/** What may be shown of a text that is meant as a tracking URI, whatever it is: nothing before its last `@`, and no value of its query. */
export function withoutCredentials(uri: string): string {
  const shown = /^sqlite:\/\/\//i.test(uri) ? uri : uri.replace(/^([a-z][a-z0-9+.-]{0,30}:[\\/]*)?[\s\S]*@/i, `$1${REDACTED}@`);
  const query = shown.indexOf("?");
  if (query < 0) return shown;
  return shown.slice(0, query) + shown.slice(query).replace(/([?&][^=&]*=)?[^&]+/g, (_all, name = "?") => name + REDACTED);
}
