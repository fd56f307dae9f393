import type { DatasetInput, Tag } from "../base/entities.js";
import { messageOf, PulseError } from "../base/errors.js";
import { cutText, withoutNul } from "../base/text/keys.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import { type Place, textOf, warnAt } from "./verbs/values.js";
import { optionsOf } from "./verbs/verb-arguments.js";

/** A dataset that a run uses. */
export interface Dataset {
  /** At most 500 characters. */
  readonly name: string;
  /** Identifies the content, for instance part of a hash. At most 36 characters. */
  readonly digest: string;
  /** The kind of source, such as `local`, `s3`, `http` or `code`. */
  readonly sourceType: string;
  /**
   * Where the data comes from: JSON text, or an object that becomes JSON, such as `{ uri: "data.csv" }` (`local`,
   * `s3`) or `{ url: "https://…" }` (`http`).
   */
  readonly source: string | object;
  /** Its columns, such as `{ mlflow_colspec: [{ type: "double", name: "x", required: true }] }`. */
  readonly schema?: string | object | undefined;
  /** Statistics of the data, such as `{ num_rows: 150, num_elements: 750 }`. */
  readonly profile?: string | object | undefined;
}

/** How a run uses a dataset. */
export interface InputOptions {
  /** The purpose, such as `training`. MLflow shows it. */
  readonly context?: string | undefined;
  /** Further tags of this use of the dataset. */
  readonly tags?: Readonly<Record<string, unknown>> | undefined;
}

/** MLflow's limits, in characters. */
const MAX = {
  name: 500,
  digest: 36,
  sourceType: 36,
  source: 65_535,
  schema: 1_048_575,
  profile: 16_777_215,
  tagKey: 255,
  tagValue: 500,
};
const FIELDS = ["name", "digest", "sourceType", "source", "schema", "profile"];
const CONTEXT_TAG = "mlflow.data.context";

/**
 * @internal Validates a dataset and returns it as a run's input. Returns undefined if the run already has it
 * (`known`, by name and digest) or if it is invalid, which warns.
 */
export function newInput(
  place: Place & { readonly id: string },
  known: Map<string, string>,
  dataset: Dataset,
  options: InputOptions,
): DatasetInput | undefined {
  const given = optionsOf(place, "logInput", options, ["context", "tags"], '{ context: "training" }') ?? {};
  const input = datasetInput(place, dataset, given);
  if (input === undefined) return undefined;
  const key = JSON.stringify([input.name, input.digest]);
  const context = JSON.stringify(input.tags);
  const first = known.get(key);
  if (first === undefined) {
    known.set(key, context);
    return input;
  }
  if (first !== context) {
    const detail = `Run ${place.id} already has dataset ${JSON.stringify(input.name)} with other tags; the first ones stay`;
    warnAt(place, place.method, "INPUT_REPEATED", detail, input.name);
  }
  return undefined;
}

/** Converts what the user gave into an input. Returns undefined, with a warning, when it is invalid. */
function datasetInput(place: Place, dataset: Dataset, options: InputOptions): DatasetInput | undefined {
  const { method, host } = place;
  const wrong = (what: string): undefined => {
    warnAt(place, method, "INVALID_VALUE", `logInput needs ${what}; the dataset is left out`, what);
    return undefined;
  };
  try {
    if (typeof dataset !== "object" || dataset === null)
      return wrong(`a dataset, { name, digest, sourceType, source }, got ${shownValue(dataset)}`);
    const { name, digest, sourceType, source, schema, profile } = dataset;
    const missing = Object.entries({ name, digest, sourceType, source }).filter(
      ([, value]) => value === undefined || value === null,
    );
    if (missing.length > 0) {
      const there = Object.keys(dataset).filter((field) => !FIELDS.includes(field));
      const meant = there.map((field) => [field, nearest(field, FIELDS)]).find(([, near]) => near !== undefined);
      const hint = meant ? ` (did you mean ${JSON.stringify(meant[1])} by ${shownValue(meant[0])}?)` : "";
      return wrong(`a dataset with ${missing.map(([field]) => field).join(", ")}${hint}`);
    }
    const odd = Object.keys(dataset).find(
      (field) => !FIELDS.includes(field) && Object.getPrototypeOf(dataset) === Object.prototype,
    );
    if (odd !== undefined) {
      const todo =
        odd === "context" || odd === "tags"
          ? `Pass it after the dataset: logInput(dataset, { ${odd}: ... })`
          : `Its fields are ${FIELDS.join(", ")}`;
      warnAt(place, method, "INVALID_VALUE", `logInput: a dataset has no field ${shownValue(odd)}. ${todo}`, odd);
    }
    for (const [key, value] of Object.entries({ name, digest, sourceType }))
      if (typeof value !== "string" || value === "") return wrong(`a ${key}, got ${shownValue(value, key)}`);
    const json = (key: "source" | "schema" | "profile", value: string | object): string => {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      if (text === undefined) throw new TypeError(`the ${key} is ${typeof value}`);
      return withoutNul(host.redact(key, text));
    };
    const whole = (key: "schema" | "profile", value: string | object | null | undefined): string | undefined => {
      const text = value === undefined || value === null ? undefined : json(key, value);
      if (text === undefined || text.length <= MAX[key]) return text;
      // Truncated JSON would be invalid.
      const detail = `The ${key} of dataset ${JSON.stringify(cutText(name, 60))} is too long for MLflow; it is left out`;
      warnAt(place, method, "VALUE_CUT", detail, `${key} of ${name}`);
      return undefined;
    };
    return {
      name: textOf(place, "dataset name", name, MAX.name, method),
      digest: textOf(place, "dataset digest", digest, MAX.digest, method),
      sourceType: textOf(place, "dataset sourceType", sourceType, MAX.sourceType, method),
      source: textOf(place, "dataset source", json("source", source), MAX.source, method),
      schema: whole("schema", schema),
      profile: whole("profile", profile),
      tags: tagsOf(place, options),
    };
  } catch (error) {
    if (error instanceof PulseError) throw error; // with `strict`, warnings are thrown
    return wrong(`a dataset that can be read (${messageOf(error)})`);
  }
}

function tagsOf(place: Place, { context, tags = {} }: InputOptions): Tag[] {
  const allTags = context === undefined ? tags : { ...tags, [CONTEXT_TAG]: context };
  return Object.entries(allTags)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({
      key: cutText(withoutNul(key), MAX.tagKey),
      value: textOf(place, key, value, MAX.tagValue, place.method),
    }));
}
