import { type Entity, identifierOf, isNumeric, isTime, RUNS, type Searchable } from "./identifiers.js";
import { fault, type Token, tokensOf } from "./tokens.js";

/** @internal A comparison operator. MLflow's language has no `NOT LIKE` and `NOT ILIKE`; they result from `NOT`. */
export type Operator =
  | "="
  | "!="
  | ">"
  | ">="
  | "<"
  | "<="
  | "LIKE"
  | "NOT LIKE"
  | "ILIKE"
  | "NOT ILIKE"
  | "IN"
  | "NOT IN"
  | "IS NULL"
  | "IS NOT NULL";

/** @internal One comparison; `value` is undefined for `IS NULL` and `IS NOT NULL`. */
export interface Comparison {
  readonly kind: "comparison";
  readonly entity: Entity;
  /** For an attribute, MLflow's main spelling (`start_time`, `run_name`). */
  readonly key: string;
  readonly operator: Operator;
  readonly value: number | string | readonly string[] | undefined;
}

/** @internal A filter as a tree. `NOT` is not part of it, since it inverts operators. An empty `and` matches everything. */
export type Filter = Comparison | { readonly kind: "and" | "or"; readonly of: readonly Filter[] };

/** @internal The filter that matches everything. */
export const EVERYTHING: Filter = { kind: "and", of: [] };

const INVERSE: Readonly<Record<Operator, Operator>> = {
  "=": "!=",
  "!=": "=",
  ">": "<=",
  "<=": ">",
  "<": ">=",
  ">=": "<",
  LIKE: "NOT LIKE",
  "NOT LIKE": "LIKE",
  ILIKE: "NOT ILIKE",
  "NOT ILIKE": "ILIKE",
  IN: "NOT IN",
  "NOT IN": "IN",
  "IS NULL": "IS NOT NULL",
  "IS NOT NULL": "IS NULL",
};
const COMPARING: readonly string[] = ["=", "!=", ">", ">=", "<", "<="];
const OF_TEXTS: readonly string[] = ["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN", "NOT LIKE", "NOT ILIKE"];

/** The units of durations, as in `now() - 2d`, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** Maximum nesting of parentheses and `NOT`. */
const MAX_DEPTH = 100;
/** Maximum length of a text to compare with: SQLite takes patterns of 50,000 bytes. */
export const MAX_TEXT: number = 12_500;
/** Maximum number of comparisons in a filter. */
export const MAX_COMPARISONS: number = 1_000;

/**
 * @internal Parses a filter in MLflow's search language with this package's extensions: `OR`, `NOT`, parentheses, `IN` for all
 * texts, the attribute `duration` (milliseconds), and times as texts (`'2026-11-01'` is UTC) or `now() - 2d`.
 * @param now milliseconds since the epoch, for `now()`
 * @throws PulseError `INVALID_FILTER` that points at the mistake.
 */
export function parseFilter(text: string, now: number, of: Searchable = RUNS): Filter {
  if (text === "") return EVERYTHING;
  return new Parser(text, now, of).whole();
}

class Parser {
  readonly #of: Searchable;
  readonly #text: string;
  readonly #now: number;
  readonly #tokens: readonly Token[];
  #next = 0;
  #comparisons = 0;

  constructor(text: string, now: number, of: Searchable) {
    this.#of = of;
    this.#text = text;
    this.#now = now;
    this.#tokens = tokensOf(text);
  }

  whole(): Filter {
    if (this.#peek.kind === "end")
      throw this.#fault("there is nothing in it; leave the filter out to match everything");
    const filter = this.#tokens.every(
      ({ kind, value }) => kind === "end" || (kind === "word" && value.toUpperCase() === "AND"),
    )
      ? this.#nothing()
      : this.#or(0);
    if (this.#takeKind("end")) return filter;
    throw this.#fault(
      this.#peek.kind === ")" ? "there is no ( for this )" : `AND, OR or the end is expected, not ${this.#shown()}`,
    );
  }

  /** MLflow treats a lone AND as an empty filter. */
  #nothing(): Filter {
    this.#next = this.#tokens.length - 1;
    return { kind: "and", of: [] };
  }

  #or(depth: number): Filter {
    const of = [this.#and(depth)];
    while (this.#takeWord("OR")) of.push(this.#and(depth));
    return of.length === 1 ? (of[0] as Filter) : { kind: "or", of };
  }

  #and(depth: number): Filter {
    const of = [this.#not(depth)];
    // MLflow allows an AND at the end, and implies it between two comparisons.
    while (this.#takeWord("AND") ? this.#peek.kind !== "end" : this.#peek.kind === "word" && !this.#isWord("OR"))
      of.push(this.#not(depth));
    return of.length === 1 ? (of[0] as Filter) : { kind: "and", of };
  }

  #not(depth: number): Filter {
    if (depth > MAX_DEPTH) throw this.#fault(`parentheses and NOT go ${MAX_DEPTH} levels deep at most`);
    if (this.#takeWord("NOT")) return inverse(this.#not(depth + 1));
    if (!this.#takeKind("(")) return this.#comparison();
    const inner = this.#or(depth + 1);
    if (!this.#takeKind(")")) throw this.#fault(`) is expected, not ${this.#shown()}`);
    return inner;
  }

  #comparison(): Filter {
    if (++this.#comparisons > MAX_COMPARISONS) throw this.#fault(`a filter has ${MAX_COMPARISONS} comparisons at most`);
    const name = this.#take();
    if (name.kind !== "word" && (name.kind !== "text" || name.source.startsWith("'")))
      throw this.#fault(`a name such as metrics.loss or start_time is expected, not ${this.#shown(name)}`, name);
    const { entity, key } = identifierOf(this.#of, this.#text, name);
    const at = this.#peek;
    const operator = this.#operator();
    if (operator === "IS NULL" || operator === "IS NOT NULL") {
      if (entity !== "param" && entity !== "tag") throw this.#fault(`${operator} is for params and tags`, at);
      return { kind: "comparison", entity, key, operator, value: undefined };
    }
    const isNumber = isNumeric(this.#of, entity, key);
    const fitting = isNumber ? COMPARING : OF_TEXTS;
    if (!fitting.includes(operator))
      throw this.#fault(
        `${name.source} takes ${fitting.filter((each) => !each.startsWith("NOT ")).join(", ")}, not ${operator}`,
        at,
      );
    const value =
      operator === "IN" || operator === "NOT IN"
        ? this.#list()
        : isNumber
          ? this.#number(entity, key)
          : this.#textValue(name);
    return { kind: "comparison", entity, key, operator, value };
  }

  #operator(): Operator {
    const token = this.#take();
    const word = token.kind === "word" ? token.value.toUpperCase() : token.source;
    switch (word) {
      case "LIKE":
      case "ILIKE":
      case "IN":
        return word;
      case "NOT": {
        const second = this.#take();
        const operator = `NOT ${second.value.toUpperCase()}`;
        if (operator === "NOT IN" || operator === "NOT LIKE" || operator === "NOT ILIKE") return operator;
        throw this.#fault(`IN, LIKE or ILIKE is expected behind NOT, not ${this.#shown(second)}`, second);
      }
      case "IS": {
        const not = this.#takeWord("NOT");
        if (this.#takeWord("NULL")) return not ? "IS NOT NULL" : "IS NULL";
        throw this.#fault(`NULL or NOT NULL is expected behind IS, not ${this.#shown()}`);
      }
      case "==":
        throw this.#fault("== is written =", token);
      case "<>":
        throw this.#fault("<> is written !=", token);
      case "BETWEEN":
        throw this.#fault("there is no BETWEEN; write two comparisons with AND", token);
    }
    if (COMPARING.includes(word)) return word as Operator;
    throw this.#fault(`an operator (=, !=, <, LIKE, IN, …) is expected, not ${this.#shown(token)}`, token);
  }

  #list(): readonly string[] {
    if (!this.#takeKind("(")) throw this.#fault(`a list is expected, such as ('a', 'b'), not ${this.#shown()}`);
    const texts: string[] = [];
    do {
      // MLflow allows a comma at the end of a list.
      if (texts.length > 0 && this.#peek.kind === ")") break;
      const token = this.#take();
      if (token.kind !== "text" || token.source.startsWith("`"))
        throw this.#fault(`a text in quotes is expected, not ${this.#shown(token)}`, token);
      texts.push(token.value);
    } while (this.#takeKind(","));
    if (!this.#takeKind(")")) throw this.#fault(`, or ) is expected, not ${this.#shown()}`);
    return texts;
  }

  #textValue(name: Token): string {
    const token = this.#take();
    if (token.kind === "text" && !token.source.startsWith("`")) {
      if (token.value.length <= MAX_TEXT) return token.value;
      throw this.#fault(`a text has ${MAX_TEXT} characters at most, not ${token.value.length}`, token);
    }
    throw this.#fault(`${name.source} is compared with a text in ' or ", not with ${this.#shown(token)}`, token);
  }

  #number(entity: Entity, key: string): number {
    const token = this.#take();
    if (token.kind === "number") return Number(token.value);
    const timed = isTime(this.#of, entity, key);
    if (timed && token.kind === "text") return this.#time(token);
    if (timed && token.kind === "word" && token.value.toLowerCase() === "now") return this.#relative(token);
    const what = timed ? "milliseconds since the epoch, a time such as '2026-11-01', or now() - 2d" : "a number";
    throw this.#fault(`${what} is expected, not ${this.#shown(token)}`, token);
  }

  /** A day, or a time of ISO 8601; without a zone it is UTC. */
  #time(token: Token): number {
    const [, day, time = "", zone = "Z"] =
      /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?))?(Z|[+-]\d{2}:?\d{2})?$/.exec(token.value) ??
      [];
    const value = day === undefined ? Number.NaN : Date.parse(`${day}T${time === "" ? "00:00" : time}${zone}`);
    // Date.parse takes the 31st of February for the 3rd of March.
    if (!Number.isNaN(value) && new Date(Date.parse(`${day}T00:00Z`)).toISOString().startsWith(day as string))
      return value;
    throw this.#fault(`${token.source} is no time; write '2026-11-01' or '2026-11-01 14:30' (UTC)`, token);
  }

  #relative(now: Token): number {
    if (!this.#takeKind("(") || !this.#takeKind(")")) throw this.#fault("now is written now()", now);
    const sign = this.#peek;
    if (sign.kind !== "operator" || (sign.source !== "-" && sign.source !== "+")) return this.#now;
    this.#next++;
    const token = this.#take();
    const [, amount, unit] = /^(\d+)([a-z]+)$/.exec(token.source) ?? [];
    const factor = unit !== undefined && Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (factor === undefined)
      throw this.#fault(`a duration is expected, such as 90s, 30m, 12h, 2d or 1w, not ${this.#shown(token)}`, token);
    return this.#now + (sign.source === "-" ? -1 : 1) * Number(amount) * factor;
  }

  get #peek(): Token {
    return this.#tokens[this.#next] as Token;
  }

  #take(): Token {
    const token = this.#peek;
    if (token.kind !== "end") this.#next++;
    return token;
  }

  #takeKind(kind: Token["kind"]): boolean {
    if (this.#peek.kind !== kind) return false;
    this.#take();
    return true;
  }

  #takeWord(word: string): boolean {
    if (!this.#isWord(word)) return false;
    this.#next++;
    return true;
  }

  #isWord(word: string): boolean {
    const { kind, value } = this.#peek;
    return kind === "word" && value.toUpperCase() === word;
  }

  #shown(token: Token = this.#peek): string {
    return token.kind === "end" ? token.source : token.source.slice(0, 40);
  }

  #fault(what: string, token: Token = this.#peek): Error {
    return fault(this.#text, token.at, what);
  }
}

/** @internal Inverts a filter for runs that have the keys it names. */
export function inverse(filter: Filter): Filter {
  if (filter.kind === "comparison") return { ...filter, operator: INVERSE[filter.operator] };
  return { kind: filter.kind === "and" ? "or" : "and", of: filter.of.map(inverse) };
}
