/** @internal What stands in place of a secret. */
export const REDACTED = "[redacted]";

/** Single words that make a key secret. Whole words only: `token` is one, `tokens` and `tokenizer` are not. */
const SECRET_WORDS = new Set([
  "token",
  "secret",
  "password",
  "passwd",
  "passphrase",
  "pwd",
  "apikey",
  "authorization",
  "credential",
  "credentials",
  "cookie",
  "authtoken",
  "accesstoken",
  "refreshtoken",
  "clientsecret",
  "dbpassword",
  "secretkey",
  "accesskey",
  "privatekey",
]);
/** Two words in a row that do. */
const SECRET_PAIRS = new Set(["api key", "access key", "private key", "secret key", "signing key", "auth key", "connection string"]);

/** Secrets known by their shape, wherever they stand in a text. */
const SHAPES: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, // JWT; looks behind, so that no long text is scanned from each of its parts
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g, // AWS access key id
  /\bgh[pousr]_\w{30,}/g, // GitHub
  /\bgithub_pat_\w{30,}/g,
  /\bglpat-[\w-]{20,}/g, // GitLab
  /\bxox[abeoprs]-[\w-]{10,}/g, // Slack
  /\bAIza[\w-]{35}/g, // Google
  /\bsk-[\w-]{20,}/g, // OpenAI, Anthropic
  /\b[sr]k_(?:live|test)_\w{16,}/g, // Stripe
  /\bhf_[A-Za-z0-9]{30,}/g, // Hugging Face
  /\bnpm_[A-Za-z0-9]{30,}/g,
  /\bdapi[0-9a-f]{32}\b/g, // Databricks
  /\b(?:Bearer|Basic) [\w+/.=~-]{16,}/gi,
];
/** A cheap first look: only texts with one of these can hold a shape above or a URL with credentials. */
const SUSPECT = /:\/\/|-----BEGIN|eyJ|AKIA|ASIA|gh[pousr]_|github_pat|glpat-|xox|AIza|sk-|[sr]k_|hf_|npm_|dapi|bearer |basic /i;
/** Without the scheme before it, which would be looked for from every letter of a long text. */
const URL_CREDENTIALS = /:\/\/[^\s/?#]+@/g;
const KEY_WORDS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g;

const secretKeys = new Map<string, boolean>();
const MAX_KEYS = 5_000;

/** @internal Tells whether a param, tag or field of that name holds a secret. */
export function isSecretKey(key: string): boolean {
  let secret = secretKeys.get(key);
  if (secret === undefined) {
    const words = (key.match(KEY_WORDS) ?? []).map((word) => word.toLowerCase());
    secret = words.some((word, i) => SECRET_WORDS.has(word) || SECRET_PAIRS.has(`${word} ${words[i + 1]}`));
    if (secretKeys.size < MAX_KEYS) secretKeys.set(key, secret);
  }
  return secret;
}

/** @internal Replaces every secret of a known shape in a text, and the credentials in its URLs. */
export function redactText(text: string): string {
  if (text.length < 8 || !SUSPECT.test(text)) return text;
  let out = text.replace(URL_CREDENTIALS, `://${REDACTED}@`);
  for (const shape of SHAPES) out = out.replace(shape, REDACTED);
  return out;
}

/** Replaces secrets in one named value. A custom function of the user sees what the rules have left. */
export type Redactor = (key: string, value: string) => string;

/** @internal Makes the redactor for a `redact` option: the built-in rules, then the user's own; `false` turns the built-in rules off. */
export function makeRedactor(option: boolean | Redactor | undefined): Redactor {
  if (option === false) return (_key, value) => value;
  if (typeof option === "function") return (key, value) => option(key, redactText(value));
  return (_key, value) => redactText(value);
}
