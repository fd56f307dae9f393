import { printable } from "./printable.js";
import { isLate, LATE } from "./returned-promise.js";
import { COMMANDED, redactCommands } from "./secret-commands.js";
import { FOREIGN, SECRETISH } from "./secret-keys.js";
import { redactPairs } from "./secret-pairs.js";
import { redactUrls, withoutCredentials } from "./secret-urls.js";
import { isInnocent, isNames, REDACTED } from "./secret-values.js";

/** @internal */
export { BesideSecret, gradeOf, isSecretKey, nameOf } from "./secret-keys.js";
/** @internal */
export { REDACTED } from "./secret-values.js";

/** Where a secret may start: not inside a word, but after an underscore or an escape such as `%3D`. */
const START = "(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))";
/**
 * Secrets recognised by their shape, anywhere in a text. Each pattern matches as much as it can, so that a long text is
 * not scanned again from each of its parts.
 */
const SHAPES: readonly RegExp[] = [
  // AWS access key id, optionally with the secret
  "(?:AKIA|ASIA)[0-9A-Z]{16}\\b(?:\\\\?[\"']?[:,;|]\\s?\\\\?[\"']?[\\w/+]{8,}={0,2})?",
  "gh[pousr]_\\w{30,}", // GitHub
  "github_pat_\\w{30,}",
  "glpat-[\\w-]{20,}", // GitLab
  "xox[abeoprs]-[\\w-]{10,}", // Slack
  "xapp-[\\w-]{10,}",
  "hf_[A-Za-z0-9]{30,}", // Hugging Face
  "npm_[A-Za-z0-9]{30,}",
  "AIza[\\w-]{35}", // Google
  "ya29\\.[\\w-]{20,}",
  "[srp]k_(?:live|test)_\\w{16,}", // Stripe
  "SG\\.[\\w-]{16,}\\.[\\w-]{16,}", // SendGrid
  "dapi[0-9a-f]{32}\\b", // Databricks
  "AT[AC]TT3[\\w-]{30,}", // Atlassian
]
  .map((shape) => new RegExp(START + shape, "g"))
  .concat(
    /-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)/g,
  );
/** Prefixes of service keys. What follows must look random, to tell keys from names. */
const PREFIXES =
  "sk-|AGE-SECRET-KEY-|gl(?:dt|rt|ptt|soat|sa)[-_]|whsec_|shp(?:at|ss|ca|pa)_|do[opr]_v1_|hv[sbr]\\.|gsk_|r8_|nvapi-|pplx-|xai-|tgp_v1_|pypi-|rubygems_|lin_api_|lsv2_[ps][tk]_|GOCSPX-|tskey-|ntn_|secret_|figd_|sbp_|sntry[su]_|phx_|xkeysib-|sq0[a-z]{3}-|PMAK-|key-|pk_|jina_|fo1_|sl\\.|vercel_|dckr_pat_|nfp_|pat-|rnd_|ops_";
/** Patterns that need a second check to tell secrets from names, each with a cheap first test. */
const JUDGED: readonly (readonly [first: RegExp, shape: RegExp, judge: (text: string) => boolean])[] = [
  [/eyJ/, new RegExp(`${START}eyJ[\\w.-]{18,}`, "g"), isJwt],
  [/[-_.][\w-]{16}/, new RegExp(`${START}(?:${PREFIXES})[\\w-]{16,}`, "g"), isServiceKey],
  [/basic /i, /\bbasic [\w+/-]{8,}={0,2}/gi, isLogin],
  [
    /[a-z] [\w+/.=~-]{16}/i,
    /\b(?:bearer|api-?key|token|bot|ssws|geniekey|splunk|negotiate) [\w+/.=~-]{16,}/gi,
    (text) => !isInnocent(text.slice(text.indexOf(" ") + 1)),
  ],
];

function isJwt(text: string): boolean {
  const parts = text.split(".");
  return parts.some((part, i) => i + 2 < parts.length && /eyJ[\w-]{8}/.test(part) && (parts[i + 1] ?? "").length >= 8);
}

/** Whether a key has a long random part, unlike `sk-ResNet50_imagenet1k_v2`. */
function isServiceKey(text: string): boolean {
  return text
    .split("-")
    .some((part) => part.length >= 16 && /\d|[a-z][A-Z]/.test(part) && /[A-Za-z]/.test(part) && !isNames(part));
}

/** Whether this is a user name and password in base64, unlike "Basic ResNet50-finetune". */
function isLogin(text: string): boolean {
  return /^[\x20-\x7e]*:[\x20-\x7e]*$/.test(Buffer.from(text.slice(6), "base64").toString("latin1"));
}

/** Cheap first tests for known shapes, for URLs and addresses, and for names of secrets. */
const SHAPED =
  /-----BEGIN|AKIA|ASIA|gh[pousr]_|github_pat|glpat-|xox|xapp-|hf_|npm_|AIza|ya29|[srp]k_|SG\.|dapi|AT[AC]TT3/;
const ADDRESSED = /:\\?\/\\?\/|[?&][^=]{1,100}=|@|3A%|\d:[\w-]{30}/i;
const PAIRED = new RegExp(`${SECRETISH.source}|--`, "i");

/** @internal Redacts secrets of a known shape, secrets in URLs, and values with a secret's name. */
export function redactText(text: string): string {
  if (text.length < 5) return text;
  let out = ADDRESSED.test(text) ? redactUrls(text) : text;
  if (PAIRED.test(out) || FOREIGN.test(out)) out = redactPairs(out);
  if (COMMANDED.test(out)) out = redactCommands(out);
  if (SHAPED.test(out)) for (const shape of SHAPES) out = out.replace(shape, REDACTED);
  for (const [first, shape, judge] of JUDGED)
    if (first.test(out)) out = out.replace(shape, (found) => (judge(found) ? REDACTED : found));
  return out;
}

/** @internal Makes a tracking URI, or anything meant as one, safe to show. */
export const shownUri = (uri: string): string => redactText(withoutCredentials(uri));

/** @internal Makes a text from elsewhere safe to log or print: one line, without secrets. */
export const shownText = (text: string): string => redactText(printable(text));

/** Replaces secrets in one named value. A custom function runs after the built-in rules. */
export type Redactor = (key: string, value: string) => string;

/**
 * @internal Creates the redactor for a `redact` option: the built-in rules, then the user's function, if any. `false`
 * turns the built-in rules off.
 */
export function makeRedactor(option: boolean | Redactor | undefined): Redactor {
  if (option === false) return (_key, value) => value;
  if (typeof option === "function")
    return (key, value) => {
      const clean = option(key, redactText(value));
      if (isLate(clean)) throw new Error(`redact ${LATE}`);
      return clean;
    };
  return (_key, value) => redactText(value);
}
