import { messageOf } from "../../base/errors.js";
import { part } from "../../base/loading.js";
import { wellFormed } from "../../base/text/keys.js";

/** The values in a `meta.yaml`: texts, integers or nothing; for dataset inputs, also a few pairs. */
export type MetaValue = string | number | null | readonly [] | Readonly<Record<string, string>>;

/** Larger files are not a `meta.yaml`: those of runs and experiments have a few hundred bytes. */
const MAX_META = 256 * 1024;

interface Scalar {
  value: unknown;
  source?: string;
}

interface YamlDocument {
  readonly errors: readonly { readonly message: string }[];
  readonly contents: unknown;
  get(key: string, keepScalar: true): Scalar | undefined;
  createNode(value: unknown): { type?: string };
  set(key: string, value: unknown): void;
  toString(options: object): string;
}

interface Yaml {
  parseDocument(text: string, options: object): YamlDocument;
  isMap(node: unknown): boolean;
}

/** Characters that PyYAML refuses unescaped, or takes for line breaks. */
const UNREADABLE = /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** Returns the text of a new file that PyYAML reads back unchanged: keys in the given order, texts quoted. */
export function metaText(fields: Readonly<Record<string, MetaValue>>): string {
  let text = "";
  for (const key in fields) text += metaLine(key, fields[key] as MetaValue);
  return text;
}

function metaLine(key: string, value: MetaValue): string {
  if (typeof value === "string") return `${key}: ${quoted(value)}\n`;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `${key}: ${JSON.stringify(value)}\n`;
  const pairs = Object.entries(value).map(([name, text]) => `${quoted(name)}: ${quoted(text)}`);
  return `${key}: {${pairs.join(", ")}}\n`;
}

function quoted(text: string): string {
  return escaped(JSON.stringify(wellFormed(text)));
}

function escaped(text: string): string {
  return text.replace(UNREADABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A file of a run or an experiment, from any program. Its values are only read as texts or numbers. */
export class Meta {
  readonly #document: YamlDocument;

  /** @throws Error if it is not a valid file */
  constructor(text: string) {
    if (text.length > MAX_META) throw new Error(`it has ${text.length} characters`);
    const yaml = part("yaml") as Yaml;
    const options = {
      version: "1.1",
      logLevel: "silent",
      resolveKnownTags: false,
      uniqueKeys: true,
      keepSourceTokens: false,
    };
    try {
      this.#document = yaml.parseDocument(text, options);
    } catch (error) {
      throw new Error(messageOf(error)); // nested too deeply, for example
    }
    const [error] = this.#document.errors;
    if (error) throw new Error(error.message.split("\n")[0]);
    if (!yaml.isMap(this.#document.contents))
      throw new Error(text.trim() === "" ? "it is empty" : "it holds no fields");
  }

  /** Returns a field as it is written, including a number's digits; undefined if it is missing or not a scalar. */
  text(key: string): string | undefined {
    const found = this.#document.get(key, true);
    if (found === undefined || found === null || !("value" in found) || found.value === null) return undefined;
    const { value, source } = found;
    return typeof value === "string" ? value : typeof value === "object" ? undefined : (source ?? String(value));
  }

  number(key: string): number | undefined {
    const number = Number(this.text(key) ?? Number.NaN);
    return Number.isFinite(number) ? number : undefined;
  }

  /** Returns the file's text with some values changed, and everything else as it was. */
  with(fields: Readonly<Record<string, string | number | null>>): string {
    for (const [key, value] of Object.entries(fields)) {
      const node = this.#document.createNode(value);
      if (typeof value === "string") node.type = "QUOTE_DOUBLE";
      this.#document.set(key, node);
    }
    // Characters that must be escaped are inside quotes: that is how PyYAML and we write them.
    return escaped(this.#document.toString({ lineWidth: 0 }));
  }
}
