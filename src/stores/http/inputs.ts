import type { DatasetInput } from "../../base/entities.js";
import { MlflowError, PulseError } from "../../base/errors.js";
import { wellFormed } from "../../base/text/keys.js";
import type { RefusedItems } from "../../contracts/tracking-store.js";
import { Failure, refusedAs } from "../../http/failure.js";
import { list, record } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";
import { isAboutItems } from "./refused-items.js";

const CALL = "runs/log-inputs";
/** Maximum size of a request body in characters: proxies often refuse 1 MB. */
const MAX_BODY = 900_000;
const NOT_FOUND = 404;
const TOO_LARGE = 413;

/**
 * Logs the dataset inputs of an existing run. Inputs that the server will never accept are added to `refused`. If they
 * are sent again, MLflow keeps the first ones.
 */
export async function logInputs(
  api: TrackingApi,
  uri: string,
  runId: string,
  inputs: readonly DatasetInput[],
  refused: RefusedItems[],
): Promise<void> {
  for (const some of bodies(inputs)) {
    try {
      await api.post(CALL, { run_id: runId, datasets: some.map(datasetOf) }, () => hasInputs(api, runId, some));
    } catch (error) {
      const why = await reasonOf(error, api, runId);
      const [only] = some;
      if (why === undefined || only === undefined) throw error;
      if (some.length > 1) for (const each of some) await logInputs(api, uri, runId, [each], refused);
      else {
        const detail = `Dataset ${JSON.stringify(only.name)} is not stored, ${uri} refuses it (${why}). Everything else is.`;
        refused.push({ what: "input", key: only.name, items: 1, error: new PulseError("REJECTED", detail, error) });
      }
    }
  }
}

/** Whether a run uses the datasets. Asked if an answer only looked like MLflow's. */
async function hasInputs(api: TrackingApi, runId: string, inputs: readonly DatasetInput[]): Promise<boolean> {
  const found = list(
    record(record((await api.get("runs/get", { run_id: runId }))["run"])?.["inputs"])?.["dataset_inputs"],
  );
  const there = found.map((each) => record(each["dataset"]));
  return inputs.every(({ name, digest }) =>
    there.some((dataset) => dataset?.["name"] === wellFormed(name) && dataset["digest"] === wellFormed(digest)),
  );
}

/** Returns why the server will never accept an input; undefined if the error is about something else. */
async function reasonOf(error: unknown, api: TrackingApi, runId: string): Promise<string | undefined> {
  const why = refusedAs(error);
  if (why?.httpStatus === TOO_LARGE || isAboutItems(why)) return why.message;
  if (
    !(
      error instanceof Failure &&
      error.error instanceof MlflowError &&
      error.error.httpStatus === NOT_FOUND &&
      error.kind === "away"
    )
  )
    return undefined;
  // A gateway may answer 404 for everything. It is the server's answer only if it knows the run.
  await api.get("runs/get", { run_id: runId });
  return "it does not support dataset inputs, which need MLflow 2.4";
}

function datasetOf({ name, digest, sourceType, source, schema, profile, tags }: DatasetInput): object {
  return { dataset: { name, digest, source_type: sourceType, source, schema, profile }, tags };
}

/** Splits inputs into as few requests as their sizes allow. */
function bodies(inputs: readonly DatasetInput[]): DatasetInput[][] {
  const all: DatasetInput[][] = [];
  let size = MAX_BODY;
  for (const input of inputs) {
    const own = JSON.stringify(datasetOf(input)).length;
    if (size + own > MAX_BODY) {
      all.push([]);
      size = 0;
    }
    all.at(-1)?.push(input);
    size += own;
  }
  return all;
}
