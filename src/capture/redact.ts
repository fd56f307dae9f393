import { printable } from "./printable.js";
import { REDACTED } from "./secret-keys.js";
import { redactPairs } from "./secret-pairs.js";
import { redactUrls, withoutCredentials } from "./secret-urls.js";

/** @internal */
export { BesideSecret, gradeOf, isSecretKey, nameOf, REDACTED } from "./secret-keys.js";

/** Where a secret may begin: not within a word, but behind an underscore or an escape such as `%3D`. */
const START = "(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))";
/** Secrets known by their shape, wherever they stand in a text. Each takes all it can, so that no long text is scanned anew from each of its parts. */
const SHAPES: readonly RegExp[] = [
  "(?:AKIA|ASIA)[0-9A-Z]{16}\\b", // AWS access key id
  "gh[pousr]_\\w{30,}", // GitHub
  "github_pat_\\w{30,}",
  "glpat-[\\w-]{20,}", // GitLab
  "xox[abeoprs]-[\\w-]{10,}", // Slack
  "xapp-[\\w-]{10,}",
  "AIza[\\w-]{35}", // Google
  "ya29\\.[\\w-]{20,}",
  "[sr]k_(?:live|test)_\\w{16,}", // Stripe
  "SG\\.[\\w-]{16,}\\.[\\w-]{16,}", // SendGrid
  "hf_[A-Za-z0-9]{30,}", // Hugging Face
  "npm_[A-Za-z0-9]{30,}",
  "dapi[0-9a-f]{32}\\b", // Databricks
]
  .map((shape) => new RegExp(START + shape, "g"))
  .concat(
    /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g,
    /\b[Bb]earer (?=[\w+/.=~-]{0,200}[0-9A-Z])[\w+/.=~-]{16,}/g, // not "bearer of something"
  );
/** Those that only a second look tells from names. */
const JUDGED: readonly (readonly [RegExp, (text: string) => boolean])[] = [
  [new RegExp(`${START}eyJ[\\w.-]{18,}`, "g"), isJwt],
  [new RegExp(`${START}sk-[\\w-]{20,}`, "g"), isServiceKey],
  [/\b[Bb]asic [\w+/-]{8,}={0,2}/g, isLogin],
];

function isJwt(text: string): boolean {
  const parts = text.split(".");
  return parts.some((part, i) => i + 2 < parts.length && /eyJ[\w-]{8}/.test(part) && (parts[i + 1] ?? "").length >= 8);
}

/** OpenAI's and Anthropic's have one long random part, which names such as `sk-learn-RandomForestClassifier` have not. */
function isServiceKey(text: string): boolean {
  return !/^sk-learn\b/.test(text) && text.split("-").some((part) => part.length >= 16 && /\d/.test(part) && /[A-Za-z]/.test(part));
}

/** A name and a password in base64, which "Basic ResNet50-finetune" is not. */
function isLogin(text: string): boolean {
  return /^[\x20-\x7e]*:[\x20-\x7e]*$/.test(Buffer.from(text.slice(6), "base64").toString("latin1"));
}

/** Cheap first looks: only texts with one of these can hold a shape, a URL with secrets, a secret name. */
const SHAPED = /-----BEGIN|eyJ|AKIA|ASIA|gh[pousr]_|github_pat|glpat-|xox|xapp-|AIza|ya29|sk-|[sr]k_|SG\.|hf_|npm_|dapi|bearer |basic /i;
const ADDRESSED = /:\\?\/\\?\/|[?&][^=]{1,100}=/;
const PAIRED = /pass|pwd|secret|token|key|auth|cred|cookie|jwt|bearer|otp|sas|sess|conn|-u|--/i;

/** @internal Replaces every secret of a known shape in a text, those in its URLs, and the values of secret names. */
export function redactText(text: string): string {
  if (text.length < 5) return text;
  let out = ADDRESSED.test(text) ? redactUrls(text) : text;
  if (PAIRED.test(out)) out = redactPairs(out);
  if (!SHAPED.test(out)) return out;
  for (const shape of SHAPES) out = out.replace(shape, REDACTED);
  for (const [shape, judge] of JUDGED) out = out.replace(shape, (found) => (judge(found) ? REDACTED : found));
  return out;
}

/** @internal What may be shown of a tracking URI, whatever it is. */
export const shownUri = (uri: string): string => redactText(withoutCredentials(uri));

/** @internal What may be logged or printed of a text that others may have written: one line without secrets. */
export const shownText = (text: string): string => redactText(printable(text));

/** Replaces secrets in one named value. A custom function of the user sees what the rules have left. */
export type Redactor = (key: string, value: string) => string;

/** @internal Makes the redactor for a `redact` option: the built-in rules, then the user's own; `false` turns the built-in rules off. */
export function makeRedactor(option: boolean | Redactor | undefined): Redactor {
  if (option === false) return (_key, value) => value;
  if (typeof option === "function") return (key, value) => option(key, redactText(value));
  return (_key, value) => redactText(value);
}
