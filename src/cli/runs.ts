import { counted } from "../base/amounts.js";
import { systemClock } from "../base/clock.js";
import type { MlflowRun, ViewType } from "../base/entities.js";
import { PulseError } from "../base/errors.js";
import { shownText } from "../base/text/redact.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import { ENTITIES, type MlflowClient, type Order, RUNS, type RunFields, type RunSearch } from "../inner/cli.js";
import { findExperiment } from "./find-run.js";
import { printJson, type Terminal } from "./output.js";
import type { Reading } from "./reading.js";
import { ATTRIBUTES, runColumns } from "./run-columns.js";
import { type Format, printTable, textTable } from "./table.js";
import { watch } from "./watch.js";

/** Options of `runs`. */
export interface RunsOptions {
  /** Names or ids. @default all */
  readonly experiments: readonly string[];
  readonly filter: string | undefined;
  readonly sort: readonly string[];
  readonly columns: readonly string[] | undefined;
  readonly limit: number | undefined;
  readonly viewType: ViewType;
  readonly watch: boolean;
  readonly format: Format;
}

const LIMIT = 50;

/** Lists runs. Returns the exit code. */
export async function listRuns(terminal: Terminal, reading: Reading, options: RunsOptions): Promise<number> {
  const { format, columns } = options;
  const read = readerOf(reading, options);
  const tableOf = ({ runs, more, experiments }: Found) => {
    const known = { runs, experiments, now: systemClock.now() };
    const { columns: shown, notes } = runColumns(known, { columns, forPeople: format !== "csv" });
    const listed = more ? `the first ${counted(runs.length, "run")}: --limit shows more` : counted(runs.length, "run");
    return { columns: shown, notes: [listed, ...notes] };
  };
  if (options.watch) {
    if (format !== "text") throw new Error(`--watch draws on a terminal; --${format} excludes it.`);
    return watch(terminal, async () => {
      const { columns, notes } = tableOf(await read());
      return textTable(terminal, columns, notes);
    });
  }
  const found = await read();
  if (format === "json") {
    printJson(terminal, { uri: shownText(reading.uri), runs: found.runs, more: found.more });
    return 0;
  }
  if (format === "text" && found.runs.length === 0) {
    terminal.out.write(`There are no such runs in ${shownText(reading.uri)}.\n`);
    return 0;
  }
  const { columns: shown, notes } = tableOf(found);
  printTable(terminal, shown, format, format === "csv" && !found.more ? [] : notes);
  return 0;
}

interface Found {
  readonly runs: readonly MlflowRun[];
  /** Whether more runs match. */
  readonly more: boolean;
  readonly experiments: ReadonlyMap<string, string>;
}

/** Returns what searches for the runs; each call searches anew. */
function readerOf({ client }: Reading, options: RunsOptions): () => Promise<Found> {
  const { experiments: named, filter, sort, limit = LIMIT, viewType } = options;
  const names = new Map<string, string>();
  let experimentIds: string[] | undefined;
  return async () => {
    if (experimentIds === undefined) {
      const experiments = await Promise.all(named.map((each) => findExperiment(client, each)));
      for (const { experimentId, name } of experiments) names.set(experimentId, name);
      experimentIds = [...new Set(experiments.map((each) => each.experimentId))];
    }
    const search = client.searchRuns({ experimentIds, filter, viewType });
    const orders = await ordersOf(sort, search, limit);
    const found = await orders.reduce((runs, order) => runs.orderBy(order), search).toArray(limit + 1);
    const runs = found.slice(0, limit);
    for (const { experimentId } of runs)
      if (!names.has(experimentId)) names.set(experimentId, await nameOf(client, experimentId));
    return { runs, more: found.length > limit, experiments: names };
  };
}

type OrderOf = string | ((run: RunFields) => Order);

/** Without its name an experiment is shown by its id. */
async function nameOf(client: MlflowClient, experimentId: string): Promise<string> {
  try {
    return (await client.getExperiment(experimentId)).name;
  } catch (error) {
    if (error instanceof PulseError && error.code === "EXPERIMENT_NOT_FOUND") return experimentId;
    throw error;
  }
}

/** Attributes that runs are ordered by. */
const ORDERED = [...RUNS.texts, ...RUNS.numbers];

/** Whether a name begins with the kind of what it names. Runs are not ordered by datasets: such a name is a key. */
function hasKind(name: string): boolean {
  const [, kind = ""] = /^(\w+)\./.exec(name) ?? [];
  return Object.hasOwn(ENTITIES, kind) && ENTITIES[kind] !== "dataset";
}

/**
 * Reads what to sort by: a column of MLflow's search language, or the key of a metric or param alone. A minus before
 * it is short for `DESC` behind it.
 */
async function ordersOf(sort: readonly string[], search: RunSearch, limit: number): Promise<OrderOf[]> {
  const parsed = sort.map((given) => {
    const [, minus, name = "", direction = ""] = /^\s*(-?)(.*?)(\s+(?:asc|desc))?\s*$/i.exec(given) ?? [];
    const descending = minus === "-" || /desc/i.test(direction);
    if (minus === "-" && direction !== "") throw new Error(`--sort ${shownValue(given)} has a direction twice.`);
    return { name, descending };
  });
  let sample: readonly MlflowRun[] | undefined;
  const orders: OrderOf[] = [];
  for (const { name, descending } of parsed) {
    const attribute = Object.hasOwn(ATTRIBUTES, name) ? (ATTRIBUTES[name] as string) : name;
    if (hasKind(name) || ORDERED.includes(attribute)) {
      orders.push(`${attribute}${descending ? " DESC" : ""}`);
      continue;
    }
    sample ??= await search.toArray(Math.max(limit, LIMIT));
    if (sample.length === 0) return []; // nothing to sort
    const isMetric = keyIn(sample, "metrics", name);
    if (isMetric && keyIn(sample, "params", name))
      throw new Error(`--sort ${shownValue(name)} may be metrics.${name} or params.${name}; write one of them.`);
    if (!isMetric && !keyIn(sample, "params", name)) throw unknownColumn(name, sample);
    orders.push((run) => {
      const column = isMetric ? run.metric(name) : run.param(name);
      return descending ? column.desc() : column.asc();
    });
  }
  return orders;
}

const keyIn = (runs: readonly MlflowRun[], kind: "metrics" | "params", key: string): boolean =>
  runs.some((run) => Object.hasOwn(run[kind], key));

function unknownColumn(name: string, runs: readonly MlflowRun[]): Error {
  const keys = runs.flatMap(({ metrics, params }) => [...Object.keys(metrics), ...Object.keys(params)]);
  const meant = nearest(name, [...new Set([...ORDERED, ...keys])]);
  const hint = meant === undefined ? "" : ` Did you mean ${shownValue(meant)}?`;
  return new Error(`--sort ${shownValue(name)} is no metric or param of these runs, nor ${ORDERED.join(", ")}.${hint}`);
}
