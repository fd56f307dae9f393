import { type Fielded, fieldOf } from "./fields.js";
import { type Grade, isInnocent, isSecretUnder } from "./secret-values.js";

/**
 * Decides which names belong to secrets. The last words of a key tell what its value is: `db_password` is a password,
 * `password_policy` a policy. Patterns are matched against the end of the key, written as lower-case words with a space
 * before each: " db password".
 */

/** Always a secret, in several languages. Patterns without a leading space also match inside compounds. */
const STRONG = [
  "pass ?(?:words?|wd|phrase|code)",
  "passwor[dt]|passord|kennwort|wachtwoord|mots? de passe|palavra passe| contrasenas?| senhas?| haslo| heslo|losenord|adgangskode|salasana| jelszo| sifre| kata sandi| mat khau",
  "парол[ьиею]|密码|密碼|口令|パスワード|暗証番号|비밀번호|암호|รหัสผ่าน|पासवर्ड|كلمة المرور|סיסמה|סיסמא",
  "secrets?|credentials?| creds?|authorization(?: header)?| t?otp|(?:seed|recovery) phrase",
  "connection ?string| conn(?:ection)? ?str(?:ing)?",
  "(?:api|private|secret|secret access|signing|auth|encryption|ssh) ?keys?",
  "(?:access|auth|api|refresh) ?tokens",
  "(?:mfa| fa|otp|sms|verification) codes?|(?:sim|card|bank|security|login|unlock) pin",
];
/** Secret or harmless: the value decides. */
const MAYBE = [
  " bearer| sas| jwt| auth| salt| pin| pws?| psw| parola| clave|cookies?(?: header)?|sess(?:ion)? ?ids?",
  "(?:access|pass|account|master|root|admin|app|client|consumer|session|shared|storage|service|license|subscription|deploy|bot|write|ingest|wallet|cipher|crypto|decryption|recovery|activation|hmac|jwt|webhook|fernet|aes|rsa|gpg|pgp|ssl|tls) ?keys?",
  // Keys issued by these companies.
  "(?:openai|anthropic|claude|gemini|mistral|cohere|groq|replicate|hugging ?face|hf|wandb|comet|neptune|pinecone|lang(?:smith|chain|fuse)|serp(?:api)?|tavily|aws|azure|gcp|google|maps|firebase|supabase|cloudflare|github|gitlab|slack|telegram|discord|twilio|sendgrid|mailgun|stripe|paypal|datadog|sentry|algolia|elastic) ?keys?",
  "(?:auth|authorization|access|security|recovery|backup|activation|invite|reset|login) codes?",
];

/** Normalises a name the way the patterns are written: without accents. */
const plain = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[łŁ]/g, "l");
const ending = (patterns: readonly string[]): RegExp => new RegExp(`(?:${plain(patterns.join("|"))})$`);
const [STRONG_END, MAYBE_END] = [ending(STRONG), ending(MAYBE)];

/** A cheap first test: only names that match this or contain non-ASCII characters can belong to a secret. */
export const SECRETISH: RegExp =
  /pass|pw|psw|secret|token|key|auth|cred|cookie|jwt|bearer|otp|sas|sess|conn|pin|salt|code|phrase|wort|wachtw|contras|senha|h[ae]slo|losen|adgang|salas|jelszo|sifre|sandi|khau|clave|parola/i;

export const FOREIGN: RegExp = /[^\0-\x7f]/;

const words = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** Words before `token`, `pass` or `pwd` that mean a login. */
const LOGIN = words(
  "access auth api refresh bearer session id csrf oauth jwt sas secret security client user my bot app admin root service personal account github gitlab git hf hub slack openai mlflow tracking wandb npm aws azure gcp google vault registry deploy device login private web db database sql mysql postgres redis mongo smtp mail ftp ssh http proxy",
);
/** Words before `token` that mean a language model's token. */
const MODEL = words(
  "bos eos pad unk mask sep cls stop start end special image patch class text prompt max min num total next last first new target input output per placeholder initializer added audio video lang language src prefix suffix middle word noise instance concept trigger control separator fim label answer prediction continuation",
);
/** Words after a secret's name that leave it a secret. */
const NEUTRAL = words(
  "value text str string plain old new current prod dev test confirm confirmation b base hash hashed encrypted id",
);
/** Words after a secret's name that make it a fact about the secret, or something else. */
const FACTS = words(
  "type types count counts limit length ids index level mixer embedding embeddings mask masking pooling position strategy budget dropout rate size loss pattern classification algorithm alg policy rule rules strength bits expiry expires expiration ttl timeout lifetime age len hint regex max min required enabled name names field header path file dir url uri env format method mode model server host provider version",
);

const grades = new Map<string, Grade>();
const MAX_KEYS = 5_000;
/** Longer keys are data; only the end matters. */
const MAX_CHARACTERS = 200;

/**
 * Returns how likely a key belongs to a secret. Fields of a secret object count as secrets, too: `credentials.user`.
 */
export function gradeOf(key: string): Grade {
  if (!SECRETISH.test(key) && !FOREIGN.test(key)) return undefined;
  if (grades.has(key)) return grades.get(key);
  const path = key.slice(-MAX_CHARACTERS);
  let grade = gradeOfWords(wordsOf(path));
  if (grade !== "strong" && path.includes(".")) grade = gradeOfOuter(path.split(".")) ?? grade;
  if (grades.size < MAX_KEYS) grades.set(key, grade);
  return grade;
}

const KEY_WORDS = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|[\p{Lo}\p{Lm}]+/gu;
const wordsOf = (key: string): string[] => (plain(key).match(KEY_WORDS) ?? []).map((word) => word.toLowerCase());

function gradeOfOuter(fields: readonly string[]): Grade {
  const named = fields.map(wordsOf);
  const outer = named.map(gradeOfWords);
  const first = outer.findIndex((grade) => grade !== undefined);
  if (first < 0 || named.slice(first).some((field) => field.some((word) => FACTS.has(word)))) return undefined;
  return outer.includes("strong") ? "strong" : "maybe";
}

function gradeOfWords(all: readonly string[]): Grade {
  for (let end = all.length; end > 0; end--) {
    const grade = gradeOfNoun(all.slice(Math.max(0, end - 3), end));
    const after = all.slice(end, end + 9);
    if (grade === undefined) continue;
    if (after.length === 0) return grade;
    if (all[end - 1] === "cookie" || after.some((word) => FACTS.has(word))) return undefined;
    const stays = after.every((word) => NEUTRAL.has(word) || LOGIN.has(word));
    // A name that is only sometimes a secret easily means something else, such as `token_mixer`.
    return grade === "strong" ? (stays ? grade : "maybe") : stays ? grade : undefined;
  }
  return undefined;
}

function gradeOfNoun(name: readonly string[]): Grade {
  const text = name.map((word) => ` ${word}`).join("");
  if (STRONG_END.test(text)) return "strong";
  const [before, last = ""] = ["", ...name].slice(-2);
  const noun = /(?:token|pass|pwd|pw|psw)$/.exec(last)?.[0];
  if (noun === undefined) return MAYBE_END.test(text) ? "maybe" : undefined;
  const kind = last.slice(0, -noun.length) || before || "";
  if (LOGIN.has(kind)) return "strong";
  if (noun === "token") return MODEL.has(kind) ? undefined : "maybe";
  if (noun === "pwd") return "maybe"; // may be the working directory
  return kind === "" || (last === noun && noun !== "pass") || NEUTRAL.has(kind) ? "maybe" : undefined; // `old_pass`, but not `forward_pass` or `bypass`
}

/** @internal Whether a text is a secret, given the name of its param, tag or field. */
export const isSecretKey = (key: string, text: string): boolean => isSecretUnder(gradeOf(key), text);

/** A value whose name, a secret's, is in a neighbouring field: `value` in `{ name: "password", value }`. */
export class BesideSecret {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const NAME_FIELDS = ["name", "Name", "key", "Key", "header", "field", "variable"];
const VALUE_FIELDS = words("value val values content");
/** A command-line option or header that precedes its value in a list. */
const LISTED = /^-|\w-\w|^(?:authorization|cookie)$/i;

/**
 * Returns the name of a value: its field, or its neighbour in `{ name: "password", value }`, `[["password", value]]` or
 * `["--password", value]`. List elements without such a neighbour have none.
 */
export function nameOf(holder: object, field: string, listed: boolean): string {
  if (Array.isArray(holder)) {
    const before: unknown = holder[Number(field) - 1];
    if (typeof before !== "string") return "";
    if (LISTED.test(before)) return before;
    // A single pair may be two items of a kind, like `["password", "username"]`.
    const isPair =
      field === "1" && holder.length === 2 && (listed || !isInnocent(String(holder[1]).slice(0, MAX_CHARACTERS + 1)));
    return isPair ? before : "";
  }
  if (!VALUE_FIELDS.has(field.toLowerCase())) return field;
  return (
    NAME_FIELDS.map((each) => fieldOf(holder as Fielded, each)).find(
      (each): each is string => typeof each === "string" && gradeOf(each) !== undefined,
    ) ?? field
  );
}
