import { nearest } from "../base/wrong-input.js";
import { fault, type Token } from "./tokens.js";

/** @internal The part of a run that is compared. */
export type Entity = "metric" | "param" | "tag" | "attribute" | "dataset";

/** @internal The names that filters and orders have for them. */
export const ENTITIES: Readonly<Record<string, Entity>> = {
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
const DATASET_KEYS = ["name", "digest", "context"];

/** @internal What is searched, and the names that its filters and orders know. */
export interface Searchable {
  /** For messages. */
  readonly called: string;
  readonly entities: readonly Entity[];
  readonly texts: readonly string[];
  readonly numbers: readonly string[];
  readonly times: readonly string[];
  readonly aliases: Readonly<Record<string, string>>;
}

/** @internal Runs, as in MLflow; `duration` is this package's own. */
export const RUNS: Searchable = {
  called: "runs",
  entities: ["metric", "param", "tag", "attribute", "dataset"],
  texts: ["run_id", "run_name", "status", "artifact_uri", "user_id"],
  numbers: ["start_time", "end_time", "duration"],
  times: ["start_time", "end_time"],
  aliases: {
    created: "start_time",
    Created: "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
  },
};

/** @internal Experiments, as in MLflow. */
export const EXPERIMENTS: Searchable = {
  called: "experiments",
  entities: ["tag", "attribute"],
  texts: ["experiment_id", "name"],
  numbers: ["creation_time", "last_update_time"],
  times: ["creation_time", "last_update_time"],
  aliases: {},
};

/** @internal Whether the values of a key are numbers. */
export const isNumeric = ({ numbers }: Searchable, entity: Entity, key: string): boolean =>
  entity === "metric" || (entity === "attribute" && numbers.includes(key));

/** @internal Whether the values of a key are times. */
export const isTime = ({ times }: Searchable, entity: Entity, key: string): boolean =>
  entity === "attribute" && times.includes(key);

/** @internal Parses a name as an entity and a key in it; without an entity, it is an attribute. */
export function identifierOf(
  of: Searchable,
  text: string,
  name: Token,
): { readonly entity: Entity; readonly key: string } {
  const dot = name.kind === "word" ? name.source.indexOf(".") : -1;
  if (dot < 0) return { entity: "attribute", key: attributeOf(of, text, unquoted(name.source), name) };
  const given = unquoted(name.source.slice(0, dot));
  const entity = Object.hasOwn(ENTITIES, given) ? ENTITIES[given] : undefined;
  if (entity === undefined || !of.entities.includes(entity)) {
    const known = of.entities.map((each) => `${each}s`);
    throw fault(text, name.at, `${JSON.stringify(given)} is none of ${known.join(", ")}${meant(given, known)}`);
  }
  const key = unquoted(name.source.slice(dot + 1));
  if (key === "") {
    const what = `a key is expected behind ${given}.; quote one with other characters: ${given}."my key"`;
    throw fault(text, name.at, what);
  }
  if (entity === "attribute") return { entity, key: attributeOf(of, text, key, name) };
  if (entity === "dataset" && !DATASET_KEYS.includes(key)) {
    const what = `a dataset has ${DATASET_KEYS.join(", ")}, but no ${JSON.stringify(key)}${meant(key, DATASET_KEYS)}`;
    throw fault(text, name.at, what);
  }
  return { entity, key };
}

function attributeOf(of: Searchable, text: string, given: string, name: Token): string {
  const key = Object.hasOwn(of.aliases, given) ? (of.aliases[given] as string) : given;
  const known = [...of.texts, ...of.numbers];
  if (known.includes(key)) return key;
  const what = `${JSON.stringify(given)} is not an attribute of ${of.called} (${known.join(", ")})${meant(given, known)}`;
  const keyed = of.entities.filter((each) => each !== "attribute" && each !== "dataset").map((each) => `${each}s.`);
  throw fault(text, name.at, `${what}; write ${keyed.join(" or ")} before a key`);
}

const unquoted = (name: string): string => (/^(["'`]).*\1$/su.test(name) ? name.slice(1, -1) : name);

function meant(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  return near === undefined ? "" : `; did you mean ${near}?`;
}
