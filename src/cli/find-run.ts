import type { MlflowExperiment, MlflowRun } from "../base/entities.js";
import { printable } from "../base/text/printable.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import type { MlflowClient } from "../inner/cli.js";
import { shownTime } from "./shown.js";

const ID = /^[0-9a-f]{32}$/;
/** The beginning of an id. */
const BEGINNING = /^[0-9a-f]{4,31}$/i;
/** The number of candidates that a message lists. */
const MAX_LISTED = 5;
/** The number of experiments that are looked through for a name that was meant. */
const MAX_NAMES = 1_000;

/**
 * Finds a run by its id, the beginning of it, its name, or `latest`. Except for a whole id, these are those of active
 * runs.
 * @throws Error that lists the candidates if there are several; PulseError `RUN_NOT_FOUND`
 */
export async function findRun(client: MlflowClient, named: string): Promise<MlflowRun> {
  if (ID.test(named)) return client.getRun(named);
  if (named === "latest") {
    const run = await client.runs().first();
    if (run === undefined) throw new Error("There is no run yet, so there is no latest.");
    return run;
  }
  const candidates = await candidatesFor(client, named);
  const [first, second] = candidates;
  if (first === undefined) return client.getRun(named); // stores of other makes have other ids
  if (second === undefined) return first;
  const listed = candidates
    .slice(0, MAX_LISTED)
    .map(({ runId, runName, startTime }) => `${runId} (${printable(runName)}, started ${shownTime(startTime)})`)
    .join(", ");
  const more = candidates.length > MAX_LISTED ? ", and more" : "";
  throw new Error(`${shownValue(named)} may be any of these runs: ${listed}${more}. Name one by its id.`);
}

/** Returns runs of that name and runs whose id begins so, the latest first; a few if there are many. */
async function candidatesFor(client: MlflowClient, named: string): Promise<MlflowRun[]> {
  const search = client.runs().limit(MAX_LISTED + 1);
  const [called, begun] = await Promise.all([
    search.where((run) => run.runName.eq(named)).toArray(),
    BEGINNING.test(named) ? search.where((run) => run.runId.like(`${named.toLowerCase()}%`)).toArray() : [],
  ]);
  return [...new Map([...called, ...begun].map((run) => [run.runId, run])).values()];
}

/**
 * Finds an experiment by its name or its id.
 * @throws Error that says which name was probably meant
 */
export async function findExperiment(client: MlflowClient, named: string): Promise<MlflowExperiment> {
  const found = await client.getExperimentByName(named);
  if (found !== undefined) return found;
  if (/^\d+$/.test(named)) return client.getExperiment(named);
  const names = (await client.searchExperiments().toArray(MAX_NAMES)).map(({ name }) => name);
  const meant = nearest(named, names);
  const hint = meant === undefined ? "" : ` Did you mean ${shownValue(meant)}?`;
  throw new Error(`There is no experiment ${shownValue(named)}.${hint} \`npx pulse-mlflow experiments\` lists them.`);
}
