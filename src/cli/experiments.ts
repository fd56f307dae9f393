import { counted } from "../base/amounts.js";
import { systemClock } from "../base/clock.js";
import type { MlflowExperiment, ViewType } from "../base/entities.js";
import { shownText } from "../base/text/redact.js";
import { printJson, type Terminal } from "./output.js";
import type { Reading } from "./reading.js";
import { since } from "./shown.js";
import { type Cell, type Column, type Format, printTable } from "./table.js";

/** Options of `experiments`. */
export interface ExperimentsOptions {
  readonly filter: string | undefined;
  readonly viewType: ViewType;
  readonly format: Format;
}

/** Lists the experiments. Returns the exit code. */
export async function listExperiments(
  terminal: Terminal,
  { client, uri }: Reading,
  { filter, viewType, format }: ExperimentsOptions,
): Promise<number> {
  const experiments = await client.searchExperiments({ filter, viewType }).toArray();
  if (format === "json") printJson(terminal, { uri: shownText(uri), experiments });
  else if (format === "text" && experiments.length === 0)
    terminal.out.write(`There are no such experiments in ${shownText(uri)}.\n`);
  else {
    const notes = format === "csv" ? [] : [`${counted(experiments.length, "experiment")} in ${shownText(uri)}`];
    printTable(terminal, experimentColumns(experiments, systemClock.now()), format, notes);
  }
  return 0;
}

const LEAST = 12;

/** Returns the columns of a table of experiments. */
export function experimentColumns(experiments: readonly MlflowExperiment[], now: number): Column[] {
  const column = (title: string, key: string, cell: (experiment: MlflowExperiment) => Cell, more = {}): Column => ({
    title,
    key,
    ...more,
    cells: experiments.map(cell),
  });
  const time = (at: Date | undefined): Cell => ({ text: at ? since(at, now) : "", value: at, style: "dim" });
  const someDeleted = experiments.some(({ lifecycleStage }) => lifecycleStage === "deleted");
  return [
    column("id", "experiment_id", ({ experimentId }) => ({ text: experimentId, style: "dim" })),
    column("name", "name", ({ name }) => ({ text: name }), { least: LEAST }),
    ...(someDeleted ? [column("stage", "stage", ({ lifecycleStage }) => ({ text: lifecycleStage }))] : []),
    column("created", "creation_time", ({ creationTime }) => time(creationTime)),
    column("updated", "last_update_time", ({ lastUpdateTime }) => time(lastUpdateTime)),
    column("tags", "tags", ({ tags }) => ({ text: tagText(tags), value: JSON.stringify(tags) }), { least: LEAST }),
  ];
}

/** MLflow's own tags say nothing to people, except the description. */
const tagText = (tags: Readonly<Record<string, string>>): string =>
  Object.entries(tags)
    .filter(([key]) => !key.startsWith("mlflow.") || key === "mlflow.note.content")
    .map(([key, value]) => (key === "mlflow.note.content" ? value : `${key}=${value}`))
    .join(", ");
