import { gradeOf } from "./secret-keys.js";
import { isInnocent, isNames, isSecretUnder, REDACTED } from "./secret-values.js";

// Not a URL parser: a possible password is hidden even if it contains a raw `#`, `/` or `?`, which would end the host
// for a parser.
const START = /:(?:\/\/|\\\/\\\/)/g;
/** Up to the next white space, quote or URL. */
const REST = /(?:(?!:\\?\/\\?\/)[^\s"'<>`])*/y;
/** A host and optional port before a path, without credentials. */
const HOST = /^(?:\[[^\]@]*\]|[^/?#:@\\]*)(?:(?::\d+)?(?:[/?#\\]|$)|:$)/;
/** The rest of a password that contains white space or a quote, but does not end a JSON string. */
const ODD_PASSWORD = /(?:(?!"\s{0,4}[,:}\]])[^\n@]){0,100}@/y;
/** Schemes whose user part is a name, not a secret: `ssh://git@host`, `abfss://container@account`. */
const NAMED = /(?:ssh|sftp|abfss?|wasbs?)$/i;
const QUERY = /([?&])([\w.~%[\]-]{1,100})=((?:[^&\s"'<>`\\]|\\[^\s"'])+)/g;
const QUERY_SECRET =
  /^(?:key|code|sig|signature|auth|pw|sid|ticket|assertion|x-(?:amz|goog)-(?:signature|credential))$/i;
/** A URL that is percent-encoded as a whole, once or more. */
const ENCODED =
  /(%(?:25){0,3}3A(?:%(?:25){0,3}2F){2})((?:(?!%(?:25){0,3}(?:2F|3F|23))[^\s"'<>`&\\]){1,500})(?=%(?:25){0,3}40)/gi;
/** A login without a scheme: `me:…@tcp(host:3306)/db`, `me:…@host:5432/db`, `//me:…@host/x`. */
const BARE =
  /(?<![\w.@:%+-])([\w.%+-]{0,64}:)([^\s"'`<>\\/]{1,128})@(?:(\w{0,5}\(|(?:[a-z][\w.-]{0,200}|(?:\d{1,3}\.){3}\d{1,3}|\[[\da-f:]{2,40}\]):(?:\d{4,5}|[2468][0-9]|389|443|465|587|993)(?!\w))|(?=[\w.-]{0,200}\/))/gi;
/** Addresses that grant access by themselves: web hooks, recognised by host or path. */
const HOOK =
  /(:(?:\/\/|\\\/\\\/)[^\s"'<>`\\?#]{0,200}?(?:hooks?|webhookb2|integration|\/key)\b[^\s"'<>`\\?#/]{0,60}\\?\/)((?:[^\s"'<>`?#\\]|\\\/){1,500})/gi;
/** A bot's id and its token. */
const BOT = /(?<![\w-])((?:bot)?\d{6,12}:)[\w-]{30,}/gi;
/** A password in quotes. */
const QUOTED_PASSWORD = /(["'])(?![\s,:}\]])[^"'\r\n]{1,200}\1@/y;

/** Redacts credentials and query secrets in URLs, and addresses that are secrets themselves. */
export function redactUrls(text: string): string {
  let out = "";
  let from = 0;
  START.lastIndex = 0;
  for (let match = START.exec(text); match; match = START.exec(text)) {
    const start = START.lastIndex;
    REST.lastIndex = start;
    const rest = REST.exec(text)?.[0] ?? "";
    let end = start + rest.lastIndexOf("@");
    QUOTED_PASSWORD.lastIndex = start + rest.length;
    if (/^[^:@]*:\\{0,8}$/.test(rest) && QUOTED_PASSWORD.test(text)) end = QUOTED_PASSWORD.lastIndex - 1;
    else if (HOST.test(rest)) continue;
    if (rest.includes(":") && text.startsWith("\n@", start + rest.length)) end = start + rest.length + 1;
    if (end < start) {
      ODD_PASSWORD.lastIndex = start + rest.length;
      if (!/^[^:]*:(?!\d{0,5}\W*$)/.test(rest) || !ODD_PASSWORD.test(text)) continue;
      end = ODD_PASSWORD.lastIndex - 1;
    }
    const user = text.slice(start, end);
    if (!user.includes(":") && (user === "git" || NAMED.test(text.slice(Math.max(0, match.index - 8), match.index))))
      continue;
    out += text.slice(from, start) + REDACTED;
    from = end;
    START.lastIndex = end;
  }
  return redactAddresses(out + text.slice(from)).replace(QUERY, (all, before: string, name: string, value: string) =>
    (gradeOf(name) !== undefined && !isNumber(value)) || QUERY_SECRET.test(name) ? `${before}${name}=${REDACTED}` : all,
  );
}

const isNumber = (text: string): boolean => /^\d{1,6}$/.test(text);

/** Redacts secrets in addresses that are not regular URLs, and addresses that are secrets as a whole. */
function redactAddresses(text: string): string {
  return text
    .replace(HOOK, (all, before: string, path: string) =>
      /:\\?\/\\?\/hooks?\./i.test(before) ||
      path.split(/[\\/]+/).some((part) => part.length >= 16 && !isInnocent(part) && !/^[\da-f]{40}$/.test(part))
        ? before + REDACTED
        : all,
    )
    .replace(BOT, (_all, before: string) => before + REDACTED)
    .replace(ENCODED, (all, scheme: string, user: string) => (/3A/i.test(user) ? scheme + REDACTED : all))
    .replace(BARE, (all, user: string, password: string, host: string | undefined) => {
      const secret = host === undefined ? !isNames(password) : !isNumber(password) && isSecretUnder("strong", password);
      return secret ? REDACTED + all.slice(user.length + password.length) : all;
    });
}

/** A path with a custom scheme, in which an `@` does not end credentials. After `//`, or with another `:`, it might. */
const OWN_PATH = /^(?!https?:|[\w+.-]*(?:sql|postgres))[a-z][a-z0-9+.-]+:(?:\/(?!\/)|\.{1,2}\/|~\/|[a-z]:[\\/])[^:]*$/i;

/** Makes a text meant as a tracking URI safe to show: hides everything before the last `@`, and all query values. */
export function withoutCredentials(uri: string): string {
  const isPath = /^sqlite:\/\/\//i.test(uri) || OWN_PATH.test(uri);
  const shown = isPath ? uri : uri.replace(/^([a-z][a-z0-9+.-]{0,30}:[\\/]*)?[\s\S]*@/i, `$1${REDACTED}@`);
  const query = shown.indexOf("?");
  if (query < 0) return shown;
  return (
    shown.slice(0, query) + shown.slice(query).replace(/([?&][^=&]*=)?[^&]+/g, (_all, name = "?") => name + REDACTED)
  );
}
