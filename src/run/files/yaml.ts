import { part } from "../../base/loading.js";

interface Yaml {
  stringify(value: unknown, options: object): string;
}

/**
 * Writes a value as YAML 1.1, as PyYAML reads it, with sorted keys, as Python's client writes it.
 * `value` is what JSON can hold.
 */
export function yamlText(value: unknown): string {
  const { stringify } = part("yaml") as Yaml;
  return stringify(value, {
    version: "1.1", // as 1.2, a text such as `no` would be read as false
    indent: 2,
    lineWidth: 0,
    sortMapEntries: true,
    aliasDuplicateObjects: false,
    blockQuote: false, // in blocks PyYAML loses spaces at the ends of lines
    customTags: (tags: readonly unknown[]) => [EXPONENT, MISREAD, ...tags],
  });
}

const UNREADABLE = /[\t\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** Texts that PyYAML reads as something else, or not at all, unless they are quoted and escaped. */
const MISREAD = {
  tag: "tag:yaml.org,2002:str",
  default: true,
  test: /^(?!)/,
  identify: (value: unknown): boolean =>
    typeof value === "string" && (value === "=" || value === "<<" || value.search(UNREADABLE) >= 0),
  resolve: String,
  stringify: ({ value }: { value: unknown }): string =>
    JSON.stringify(value).replace(UNREADABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`),
};

/** PyYAML takes a number with an exponent for a text unless there is a point in it. */
const EXPONENT = {
  tag: "tag:yaml.org,2002:float",
  default: true,
  test: /^[-+]?[0-9]+\.[0-9]+e[-+][0-9]+$/,
  identify: (value: unknown): boolean => typeof value === "number" && /^-?\d+e/.test(String(value)),
  resolve: Number,
  stringify: ({ value }: { value: unknown }): string => String(value).replace("e", ".0e"),
};
