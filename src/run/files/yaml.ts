import { part } from "../../base/loading.js";

interface Yaml {
  stringify(value: unknown, options: object): string;
}

/**
 * Serializes a JSON value as YAML 1.1, the version that PyYAML reads, with sorted keys as in MLflow's Python client.
 */
export function yamlText(value: unknown): string {
  const { stringify } = part("yaml") as Yaml;
  return stringify(value, {
    version: "1.1", // in YAML 1.2 a text such as `no` is not quoted, and PyYAML reads false
    indent: 2,
    lineWidth: 0,
    sortMapEntries: true,
    aliasDuplicateObjects: false,
    blockQuote: false, // in block scalars PyYAML loses trailing spaces
    customTags: (tags: readonly unknown[]) => [EXPONENT, MISREAD, ...tags],
  });
}

const UNREADABLE = /[\t\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** Texts that PyYAML misreads or rejects unless they are quoted and escaped. */
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

/** PyYAML reads a number with an exponent as text unless it has a decimal point. */
const EXPONENT = {
  tag: "tag:yaml.org,2002:float",
  default: true,
  test: /^[-+]?[0-9]+\.[0-9]+e[-+][0-9]+$/,
  identify: (value: unknown): boolean => typeof value === "number" && /^-?\d+e/.test(String(value)),
  resolve: Number,
  stringify: ({ value }: { value: unknown }): string => String(value).replace("e", ".0e"),
};
