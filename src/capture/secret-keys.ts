import { type Fielded, fieldOf } from "./path.js";

/** @internal What stands in place of a secret. */
export const REDACTED = "[redacted]";

/**
 * Which names name a secret. The last word of a key says what its value is: `db_password` is a password, `password_policy` a policy.
 * `strong`: a secret wherever it stands. `named`: one as a key, but a word of everyday texts, too. `maybe`: the value decides.
 */
export type Grade = "strong" | "named" | "maybe" | undefined;

const words = (list: string): ReadonlySet<string> => new Set(list.split(" "));

/** A cheap first look. */
const SECRETISH = /pass|pwd|secret|token|key|auth|cred|cookie|jwt|bearer|otp|sas|sess|conn/i;
const KEY_WORDS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g;
/** Longer keys are data; what one names is said at its end. */
const MOST_CHARACTERS = 200;

// What follows is matched against the end of a key as words in lower case, each with a space before it: " db password".
const STRONG =
  /(?:pass ?(?:words?|wd|phrase|code)|secrets?|credentials?|authorization(?: header)?|connection ?string| conn(?:ection)? ?str(?:ing)?| bearer| t?otp| sas|(?:api|access|private|secret|signing|auth|encryption|ssh) ?keys?|(?:access|auth|api|refresh) ?tokens)$/;
const NAMED = / jwt$|cookies?(?: header)?$|sess(?:ion)? ?ids?$/;
const MAYBE =
  /(?:pass|account|master|session|shared|storage|service|license|subscription|deploy|hmac|jwt|webhook|fernet|aes|rsa|gpg) ?keys?$/;
/** Before `token`, `pass` and `pwd`: those of a login. */
const LOGIN = words(
  "access auth api refresh bearer session id csrf oauth jwt sas secret security client user my bot app admin root service personal account github gitlab git hf hub slack openai mlflow tracking wandb npm aws azure gcp google vault registry deploy device login private web db database sql mysql postgres redis mongo smtp mail ftp ssh http proxy",
);
/** Before `token`: those of a language model. */
const MODEL = words(
  "bos eos pad unk mask sep cls stop start end special image patch class text prompt max min num total next last first new target input output per placeholder initializer added audio video language src prefix suffix middle word",
);
/** Behind a secret's name: words that leave it one. */
const NEUTRAL = words("value text str string plain old new current prod dev test confirm confirmation b base hash hashed encrypted id");
/** Behind a secret's name: facts about it, or another thing. */
const FACTS = words(
  "type types count counts limit length ids index level mixer embedding embeddings mask masking pooling position strategy budget dropout rate size loss pattern classification algorithm alg policy rule rules strength bits expiry expires expiration ttl timeout lifetime age max min required enabled name names field header path file dir url uri env format method mode model server host provider version",
);

const grades = new Map<string, Grade>();
const MAX_KEYS = 5_000;

/** How much a key tells of its value being a secret. */
export function gradeOf(key: string): Grade {
  if (!SECRETISH.test(key)) return undefined;
  if (grades.has(key)) return grades.get(key);
  const path = key.slice(-MOST_CHARACTERS);
  let grade = gradeOfWords(wordsOf(path));
  if (grade === undefined && path.includes(".")) grade = gradeOfOuter(path.split("."));
  if (grades.size < MAX_KEYS) grades.set(key, grade);
  return grade;
}

const wordsOf = (key: string): string[] => (key.match(KEY_WORDS) ?? []).map((word) => word.toLowerCase());

/** What is in a secret object is one, too: `credentials.user`. */
function gradeOfOuter(fields: readonly string[]): Grade {
  const outer = fields.map((field) => gradeOfWords(wordsOf(field)));
  const first = outer.findIndex((grade) => grade !== undefined);
  const isFact = (field: string): boolean => wordsOf(field).some((word) => FACTS.has(word));
  return first < 0 || fields.slice(first).some(isFact) ? undefined : outer[first];
}

function gradeOfWords(all: readonly string[]): Grade {
  for (let end = all.length; end > 0; end--) {
    const grade = gradeOfNoun(all.slice(Math.max(0, end - 3), end));
    const after = all.slice(end, end + 9);
    if (grade === undefined) continue;
    if (after.length === 0) return grade;
    if (all[end - 1] === "cookie" || after.some((word) => FACTS.has(word))) return undefined;
    if (grade === "strong") return after.every((word) => NEUTRAL.has(word) || LOGIN.has(word)) ? grade : "maybe";
    // A token of an everyday kind is soon something else, such as `token_mixer`.
    return after.every((word) => word === "value" || (LOGIN.has(word) && word !== "id")) ? "maybe" : undefined;
  }
  return undefined;
}

function gradeOfNoun(name: readonly string[]): Grade {
  const text = name.map((word) => ` ${word}`).join("");
  if (STRONG.test(text)) return "strong";
  if (NAMED.test(text)) return "named";
  const [before, last = ""] = ["", ...name].slice(-2);
  const noun = /(?:token|pass|pwd)$/.exec(last)?.[0];
  if (noun === undefined) return MAYBE.test(text) ? "maybe" : undefined;
  const kind = last.slice(0, -noun.length) || before || "";
  if (noun === "token") return kind === "" || LOGIN.has(kind) ? "named" : MODEL.has(kind) ? undefined : "maybe";
  if (LOGIN.has(kind)) return "strong";
  if (noun === "pwd") return "maybe"; // or the working directory
  return kind === "" ? "named" : undefined; // `pass`, but not `forward_pass` or `bypass`
}

/** What says nothing, under whatever name: empty, a placeholder, a switch. */
const NOTHING = /^(?:<[^<>]*>|\*+|\[redacted\]|none|null|undefined|true|false)?$/i;
/** What is no secret where the name leaves it open: short, a number, bracketed, a path. */
const INNOCENT = /^(?:[\s\S]{0,5}|[-+.,\deE]+|[<[{(][\s\S]*[>\]})]|(?:~|\.{1,2}|[A-Za-z]:)?[\\/][\s\S]*)$/;
const WORDS = /^(?:[A-Z]?[a-z]{1,15}|[A-Z]{1,15})(?:[-_ ](?:[A-Z]?[a-z]{1,15}|[A-Z]{1,15}))*$/;
/** What is longer is no path and no phrase. */
const MOST_INNOCENT = 200;

/** Tells whether a text is nothing but words. */
export const isWords = (text: string): boolean => text.length <= MOST_INNOCENT && WORDS.test(text);

const isInnocent = (text: string): boolean =>
  text.length <= MOST_INNOCENT && (INNOCENT.test(text) || WORDS.test(text) || (/[\\/]/.test(text) && /\.\w{1,5}$/.test(text)));

/** Tells whether a text is a secret, standing under a name of that grade. */
export function isSecretUnder(grade: Grade, text: string): boolean {
  if (grade === undefined || NOTHING.test(text)) return false;
  return grade !== "maybe" || !isInnocent(text);
}

/** @internal Tells whether a param, tag or field of that name holds a secret; whatever it holds, or with that text. */
export function isSecretKey(key: string, text?: string): boolean {
  const grade = gradeOf(key);
  return text === undefined ? grade === "strong" || grade === "named" : isSecretUnder(grade, text);
}

/** A text beside the name of a secret, taken alone: `value` of `{ name: "password", value }`. */
export class BesideSecret {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const NAME_FIELDS = ["name", "Name", "key", "Key", "header", "field", "variable"];
const VALUE_FIELDS = words("value val values content");
/** An option of a command line or a header, which a list has before its value. */
const LISTED = /^-|\w-\w|^(?:authorization|cookie)$/i;

/** The name a value stands under: its field's; that of its neighbour in `{ name: "password", value }`, `[["password", value]]`, `["--password", value]`. */
export function nameOf(holder: object, field: string, listed: boolean): string {
  let name: unknown;
  if (Array.isArray(holder)) {
    const before: unknown = holder[Number(field) - 1];
    if (typeof before === "string" && ((listed && holder.length === 2) || LISTED.test(before))) name = before;
  } else if (VALUE_FIELDS.has(field.toLowerCase())) {
    name = NAME_FIELDS.map((each) => fieldOf(holder as Fielded, each)).find((each) => typeof each === "string" && gradeOf(each));
  }
  return typeof name === "string" ? name : field;
}
