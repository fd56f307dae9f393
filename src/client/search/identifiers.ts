import { nearest } from "../../base/wrong-input.js";
import { fault, type Token } from "./tokens.js";

/** The part of a run that is compared. */
export type Entity = "metric" | "param" | "tag" | "attribute" | "dataset";

const ENTITIES: Readonly<Record<string, Entity>> = {
  metric: "metric",
  metrics: "metric",
  param: "param",
  params: "param",
  parameter: "param",
  parameters: "param",
  tag: "tag",
  tags: "tag",
  attribute: "attribute",
  attributes: "attribute",
  attr: "attribute",
  run: "attribute",
  dataset: "dataset",
  datasets: "dataset",
};
const TEXT_ATTRIBUTES = ["run_id", "run_name", "status", "artifact_uri", "user_id"];
const NUMBER_ATTRIBUTES = ["start_time", "end_time", "duration"];
const TIMES = ["start_time", "end_time"];
const ALIASES: Readonly<Record<string, string>> = {
  created: "start_time",
  Created: "start_time",
  "run name": "run_name",
  "Run name": "run_name",
  "Run Name": "run_name",
};
const DATASET_KEYS = ["name", "digest", "context"];

/** Whether the values of a key are numbers. */
export const isNumeric = (entity: Entity, key: string): boolean =>
  entity === "metric" || (entity === "attribute" && NUMBER_ATTRIBUTES.includes(key));

/** Whether the values of a key are times. */
export const isTime = (entity: Entity, key: string): boolean => entity === "attribute" && TIMES.includes(key);

/** Parses a name as an entity and a key in it; without an entity, it is an attribute. */
export function identifierOf(text: string, name: Token): { readonly entity: Entity; readonly key: string } {
  const dot = name.kind === "word" ? name.source.indexOf(".") : -1;
  if (dot < 0) return { entity: "attribute", key: attributeOf(text, unquoted(name.source), name) };
  const given = unquoted(name.source.slice(0, dot));
  const entity = Object.hasOwn(ENTITIES, given) ? ENTITIES[given] : undefined;
  if (entity === undefined) {
    const known = ["metrics", "params", "tags", "attributes", "datasets"];
    throw fault(text, name.at, `${JSON.stringify(given)} is none of ${known.join(", ")}${meant(given, known)}`);
  }
  const key = unquoted(name.source.slice(dot + 1));
  if (key === "") {
    const what = `a key is expected behind ${given}.; quote one with other characters: ${given}."my key"`;
    throw fault(text, name.at, what);
  }
  if (entity === "attribute") return { entity, key: attributeOf(text, key, name) };
  if (entity === "dataset" && !DATASET_KEYS.includes(key)) {
    const what = `a dataset has ${DATASET_KEYS.join(", ")}, but no ${JSON.stringify(key)}${meant(key, DATASET_KEYS)}`;
    throw fault(text, name.at, what);
  }
  return { entity, key };
}

function attributeOf(text: string, given: string, name: Token): string {
  const key = Object.hasOwn(ALIASES, given) ? (ALIASES[given] as string) : given;
  const known = [...TEXT_ATTRIBUTES, ...NUMBER_ATTRIBUTES];
  if (known.includes(key)) return key;
  const what = `${JSON.stringify(given)} is not an attribute of runs (${known.join(", ")})${meant(given, known)}`;
  throw fault(text, name.at, `${what}; write metrics., params. or tags. before a key`);
}

const unquoted = (name: string): string => (/^(["'`]).*\1$/su.test(name) ? name.slice(1, -1) : name);

function meant(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  return near === undefined ? "" : `; did you mean ${near}?`;
}
