/** @internal What stands in place of a secret. */
export const REDACTED = "[redacted]";

/** Single words that make a key secret. Whole words only: `token` is one, `tokens` and `tokenizer` are not. */
const SECRET_WORDS = new Set([
  "token",
  "secret",
  "secrets",
  "password",
  "passwords",
  "passwd",
  "passphrase",
  "pwd",
  "apikey",
  "apikeys",
  "authorization",
  "credential",
  "credentials",
  "cookie",
  "cookies",
  "jwt",
  "authtoken",
  "accesstoken",
  "refreshtoken",
  "clientsecret",
  "dbpassword",
  "pgpassword",
  "secretkey",
  "accesskey",
  "privatekey",
]);
/** Two words in a row that do. */
const SECRET_PAIRS = new Set(
  ["api", "access", "private", "secret", "signing", "auth", "encryption", "ssh"]
    .flatMap((kind) => [`${kind} key`, `${kind} keys`])
    .concat(["access", "auth", "api", "refresh"].map((kind) => `${kind} tokens`))
    .concat("connection string", "db pass"),
);
/** What stands before or after `token` where it is one of a language model, not of a login. */
const MODEL_TOKENS = new Set(
  "bos eos pad unk mask sep cls stop start end special image patch class text prompt max min num total next last first new target input output per".split(
    " ",
  ),
);
const TOKEN_FACTS = new Set(
  "type types count counts limit length id ids index level mixer embedding embeddings mask masking pooling position strategy budget dropout rate size loss".split(
    " ",
  ),
);

/** Where a secret may begin: not within a word, but behind an underscore or an escape such as `%3D`. */
const START = "(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))";
/** Secrets known by their shape, wherever they stand in a text. Bounded, so that no long text is scanned anew from each of its parts. */
const SHAPES: readonly RegExp[] = [
  "eyJ[\\w-]{8,2000}\\.[\\w-]{8,20000}\\.[\\w-]*", // JWT
  "(?:AKIA|ASIA)[0-9A-Z]{16}\\b", // AWS access key id
  "gh[pousr]_\\w{30,}", // GitHub
  "github_pat_\\w{30,}",
  "glpat-[\\w-]{20,}", // GitLab
  "xox[abeoprs]-[\\w-]{10,}", // Slack
  "xapp-[\\w-]{10,}",
  "AIza[\\w-]{35}", // Google
  "ya29\\.[\\w-]{20,}",
  "sk-(?=[\\w-]{0,200}[0-9A-Z])[\\w-]{20,}", // OpenAI, Anthropic; not sk-learn-something
  "[sr]k_(?:live|test)_\\w{16,}", // Stripe
  "SG\\.[\\w-]{16,}\\.[\\w-]{16,}", // SendGrid
  "hf_[A-Za-z0-9]{30,}", // Hugging Face
  "npm_[A-Za-z0-9]{30,}",
  "dapi[0-9a-f]{32}\\b", // Databricks
]
  .map((shape) => new RegExp(START + shape, "g"))
  .concat(
    /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g,
    /\b(?:[Bb]earer|[Bb]asic) (?=[\w+/.=~-]{0,200}[0-9A-Z])[\w+/.=~-]{16,}/g, // not "basic something-learning"
  );
/** A cheap first look: only texts with one of these can hold a shape above or a URL with credentials. */
const SUSPECT =
  /:\/\/|-----BEGIN|eyJ|AKIA|ASIA|gh[pousr]_|github_pat|glpat-|xox|xapp-|AIza|ya29|sk-|[sr]k_|SG\.|hf_|npm_|dapi|bearer |basic /i;
/** Without the scheme before it, which would be looked for from every letter of a long text. */
const URL_CREDENTIALS = /:\/\/[^\s/?#"'<>]+@/g;
const KEY_WORDS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g;

const secretKeys = new Map<string, boolean>();
const MAX_KEYS = 5_000;

/** @internal Tells whether a param, tag or field of that name holds a secret. */
export function isSecretKey(key: string): boolean {
  let secret = secretKeys.get(key);
  if (secret === undefined) {
    const words = (key.match(KEY_WORDS) ?? []).map((word) => word.toLowerCase());
    secret = words.some((word, i) => {
      const [before = "", after = ""] = [words[i - 1], words[i + 1]];
      if (word === "token" && (MODEL_TOKENS.has(before) || TOKEN_FACTS.has(after))) return false;
      return SECRET_WORDS.has(word) || SECRET_PAIRS.has(`${word} ${after}`);
    });
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
