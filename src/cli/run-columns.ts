import { counted } from "../base/amounts.js";
import type { MlflowRun } from "../base/entities.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import { RUNS } from "../inner/cli.js";
import { PARENT_TAG, type TreeLine, treeOf } from "./run-tree.js";
import { idLength, isNumber, lengthOf, shownNumber, shownParam, since, span, statusStyle } from "./shown.js";
import type { Cell, Column } from "./table.js";

/** The runs that are shown, and what else is known. */
export interface ListedRuns {
  readonly runs: readonly MlflowRun[];
  /** The names of their experiments by id. */
  readonly experiments: ReadonlyMap<string, string>;
  readonly now: number;
}

/** The columns that are asked for. */
export interface ColumnChoice {
  /** Keys or names of columns; `all` shows every param and metric. @default those that differ between the runs */
  readonly columns: readonly string[] | undefined;
  /** Whether people read it: only then children are below their parents, and what is the same everywhere is hidden. */
  readonly forPeople: boolean;
}

type Kind = "params" | "metrics" | "tags";

/** What a column shows of a run. */
interface Field {
  readonly title: string;
  readonly key: string;
  readonly right?: boolean;
  readonly least?: number;
  readonly cell: (line: TreeLine) => Cell;
}

const LEAST_NAME = 16;
const LEAST_TEXT = 8;

/** Other names of attributes, as MLflow's search language and people have them. */
export const ATTRIBUTES: Readonly<Record<string, string>> = {
  ...RUNS.aliases,
  id: "run_id",
  name: "run_name",
  start: "start_time",
  started: "start_time",
  end: "end_time",
  ended: "end_time",
  user: "user_id",
};

/** Returns the columns of a table of runs, and notes about what it does not show. */
export function runColumns(listed: ListedRuns, choice: ColumnChoice): { columns: Column[]; notes: string[] } {
  const { runs } = listed;
  const { columns: asked, forPeople } = choice;
  const lines = forPeople ? treeOf(runs) : runs.map((run) => ({ run, branch: "" }));
  const attributes = attributesOf(listed);
  const need = (key: string): Field => attributes.find((field) => field.key === key) as Field;
  const keyed = [...keyedFields(runs, "params"), ...keyedFields(runs, "metrics")];
  const notes: string[] = [];
  let fields: readonly Field[];
  if (asked !== undefined && !asked.includes("all")) {
    const known = [...attributes, ...keyed, ...keyedFields(runs, "tags")];
    fields = [need("run_id"), need("run_name"), ...asked.map((name) => fieldNamed(name, known))];
  } else if (!forPeople) fields = [...attributes, ...keyed];
  else {
    const often = ["run_id", "run_name", "status", "start_time", "duration"].map(need);
    const differing = ["experiment", "stage"].map(need).filter((field) => differs(field, lines));
    const shown = asked === undefined && runs.length > 1 ? keyed.filter((field) => differs(field, lines)) : keyed;
    const hidden = keyed.length - shown.length;
    if (hidden > 0) notes.push(`${counted(hidden, "column")} with the same value in all runs: --columns all shows all`);
    fields = [...often, ...differing, ...shown];
  }
  const unique = fields.filter((field, i) => fields.findIndex(({ key }) => key === field.key) === i);
  const columns = unique.map(({ cell, title, key, right = false, least }) => {
    const clashes = unique.some((other) => other.key !== key && other.title === title);
    const sized = least === undefined ? {} : { least };
    return { title: clashes ? key : title, key, right, ...sized, cells: lines.map((line) => cell(line)) };
  });
  return { columns, notes };
}

function attributesOf({ runs, experiments, now }: ListedRuns): Field[] {
  const digits = idLength(runs.map(({ runId }) => runId));
  return [
    {
      title: "id",
      key: "run_id",
      cell: ({ run: { runId } }) => ({ text: runId.slice(0, digits), value: runId, style: "dim" }),
    },
    {
      title: "name",
      key: "run_name",
      least: LEAST_NAME,
      cell: ({ run: { runName }, branch }) => ({ text: branch + runName, value: runName }),
    },
    {
      title: "status",
      key: "status",
      cell: ({ run: { status } }) => ({ text: status, style: statusStyle(status) }),
    },
    {
      title: "started",
      key: "start_time",
      cell: ({ run: { startTime } }) => ({ text: since(startTime, now), value: startTime, style: "dim" }),
    },
    {
      title: "ended",
      key: "end_time",
      cell: ({ run: { endTime } }) => ({ text: endTime ? since(endTime, now) : "", value: endTime, style: "dim" }),
    },
    {
      title: "duration",
      key: "duration",
      right: true,
      cell: ({ run }) => ({
        text: span(lengthOf(run, now)),
        value: run.endTime === undefined ? undefined : lengthOf(run, now) / 1_000,
      }),
    },
    {
      title: "experiment",
      key: "experiment",
      least: LEAST_TEXT,
      cell: ({ run: { experimentId } }) => ({ text: experiments.get(experimentId) ?? experimentId }),
    },
    { title: "experiment id", key: "experiment_id", cell: ({ run }) => ({ text: run.experimentId }) },
    { title: "user", key: "user_id", least: LEAST_TEXT, cell: ({ run }) => ({ text: run.userId }) },
    { title: "parent", key: "parent_run_id", cell: ({ run }) => ({ text: run.tags[PARENT_TAG] ?? "" }) },
    { title: "stage", key: "stage", cell: ({ run }) => ({ text: run.lifecycleStage }) },
  ];
}

/** Returns a field for each key that one of the runs has; those of MLflow's own system metrics come last. */
function keyedFields(runs: readonly MlflowRun[], kind: Kind): Field[] {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run[kind])))];
  const isSystem = (key: string): number => (key.startsWith("system/") ? 1 : 0);
  keys.sort((a, b) => isSystem(a) - isSystem(b) || (a < b ? -1 : 1));
  return keys.map((key) => {
    const values = runs.flatMap((run) => (Object.hasOwn(run[kind], key) ? [run[kind][key] as string | number] : []));
    const right = kind === "metrics" || values.every((value) => isNumber(String(value)));
    const cell = ({ run }: TreeLine): Cell => {
      const value = Object.hasOwn(run[kind], key) ? run[kind][key] : undefined;
      if (value === undefined) return { text: "", value };
      return { text: typeof value === "number" ? shownNumber(value) : shownParam(value), value };
    };
    return { title: key, key: `${kind}.${key}`, right, ...(!right && { least: LEAST_TEXT }), cell };
  });
}

/**
 * Whether a column is not the same everywhere. Without a key are runs that still go on, and such as parents that have
 * none of its kind: that says nothing.
 */
function differs({ key, cell }: Field, lines: readonly TreeLine[]): boolean {
  const kind = /^(params|metrics)\./.exec(key)?.[1] as "params" | "metrics" | undefined;
  const values = new Set<Cell["value"]>();
  for (const line of lines) {
    const { run } = line;
    const { text, value = kind === undefined ? text : undefined } = cell(line);
    const isLacking = run.status === "FINISHED" && kind !== undefined && Object.keys(run[kind]).length > 0;
    if (value !== undefined || isLacking) values.add(value);
  }
  return values.size > 1;
}

function fieldNamed(name: string, known: readonly Field[]): Field {
  const key = name.replace(/^(metric|param|tag)\./, "$1s.").replace(/^(?:attributes|attribute|attr|run)\./, "");
  const exact = known.find((field) => field.key === (ATTRIBUTES[key] ?? key));
  const [first, second] = known.filter(({ title, key }) => title === name && /^(params|metrics|tags)\./.test(key));
  if (exact !== undefined) return exact;
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined)
    throw new Error(`Column ${shownValue(name)} may be ${first.key} or ${second?.key}; write one of them.`);
  // A key that none of these runs has may come with later ones.
  if (/^(params|metrics|tags)\../.test(key)) return { title: key, key, cell: () => ({ text: "", value: undefined }) };
  const meant = nearest(name, [...new Set(known.flatMap(({ title, key }) => [title, key]))]);
  const hint = meant === undefined ? "" : ` Did you mean ${shownValue(meant)}?`;
  throw new Error(`No listed run has a param, metric or tag ${shownValue(name)}.${hint}`);
}
