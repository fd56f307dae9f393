import { compare, RUN_KEY, type Verdict } from "./fault-model.js";
import type { DumpRun } from "./peer.js";
import { inputText, type Twin } from "./wide-model.js";

/** What a server shows. */
export interface View {
  /** Those of the experiments we record into. */
  readonly runs: readonly DumpRun[];
  /** Names by id. */
  readonly experiments: ReadonlyMap<string, string>;
  /** Runs of ours in experiments of somebody else. */
  readonly astray: readonly string[];
}

const RECREATED = "pulse.recreated";

/**
 * Compares with two servers, of which the second has taken the first one's place: what the first had taken is there,
 * the rest is in the second one, and both together are what was recorded. A run that was begun on the first and goes on
 * is created anew, with a tag that says so.
 */
export function compareReplaced(twins: readonly Twin[], first: View, second: View): Verdict {
  const problems = {
    lost: [] as string[],
    doubled: [] as string[],
    running: [] as string[],
    wrong: [...first.astray, ...second.astray],
  };
  const experiments = new Map([...prefixed("first", first), ...prefixed("second", second)]);
  const active = (view: View): DumpRun[] => view.runs.filter((run) => run.lifecycle_stage === "active");
  const [there, here] = [active(first), active(second)];
  const both = [...there, ...here];
  const found = twins.flatMap((twin): DumpRun[] => {
    const carries = ({ tags }: DumpRun): boolean => tags[RUN_KEY] === twin.run.id;
    const [before, after] = [withoutShadows(there.filter(carries)), here.filter(carries)];
    const name = `${twin.expected.name} (key ${twin.run.id})`;
    if (before.length > 1) problems.doubled.push(`${name}, on the first server`);
    if (after.length > 1) problems.doubled.push(`${name}, on the second server`);
    const [old, now] = [before[0], after[0]];
    if (now === undefined) return old ? [at("first", old)] : [];
    if (old && now.tags[RECREATED] === undefined && !isWhole(twin, now, second, both))
      problems.wrong.push(`${name} goes on without ${RECREATED}`);
    return [at("second", old ? joined(old, now, twin) : now)];
  });
  const all = compare(
    twins,
    found.map((run) => ({ ...run, tags: tagsOf(run, both) })),
    experiments,
    both,
  );
  const { lost, doubled, running, wrong } = problems;
  return {
    lost: [...lost, ...all.lost],
    doubled: [...doubled, ...all.doubled],
    running: [...running, ...all.running],
    wrong: [...wrong, ...all.wrong],
    deletedTwins: first.runs.length + second.runs.length - both.length,
  };
}

/**
 * The carriers of a key on a server that is gone, without those that nothing but their creation reached: a creation
 * that was given up and executed late. Such twins are deleted when the run ends; when the server is gone by then,
 * nobody can.
 */
function withoutShadows(carriers: readonly DumpRun[]): DumpRun[] {
  const isShadow = ({ status, params, metrics, inputs }: DumpRun): boolean =>
    status === "RUNNING" && [params, metrics, inputs].every((each) => Object.keys(each).length === 0);
  const whole = carriers.filter((each) => !isShadow(each));
  return whole.length > 0 ? whole : carriers.slice(0, 1);
}

const at = (which: string, run: DumpRun): DumpRun => ({ ...run, experiment_id: `${which} ${run.experiment_id}` });
const prefixed = (which: string, { experiments }: View): [string, string][] =>
  [...experiments].map(([id, name]) => [`${which} ${id}`, name] as [string, string]);

/** The run holds everything by itself: the first server may have created it without anybody hearing of it. */
function isWhole(twin: Twin, run: DumpRun, { experiments }: View, known: readonly DumpRun[]): boolean {
  const { lost, wrong, running } = compare([twin], [{ ...run, tags: tagsOf(run, known) }], experiments, known);
  return lost.length + wrong.length + running.length === 0;
}

/** One run of its two parts. What nobody has answered for may be in both. */
function joined(old: DumpRun, now: DumpRun, { expected }: Twin): DumpRun {
  const history: NonNullable<DumpRun["history"]> = { ...old.history };
  for (const [key, points] of Object.entries(now.history ?? {})) {
    const had = new Set((history[key] ?? []).map(String));
    history[key] = [...(history[key] ?? []), ...points.filter((point) => !had.has(String(point)))];
  }
  // It may have been renamed on either server.
  const name = old.run_name === expected.name ? old.run_name : now.run_name;
  return {
    ...now,
    run_name: name,
    start_time: old.start_time, // the new one begins with the earliest of what was left, which may be dated back
    params: { ...now.params, ...old.params },
    tags: { ...old.tags, ...now.tags, "mlflow.runName": name ?? "" },
    ...(now.files && { files: { ...old.files, ...now.files } }),
    inputs: [...new Map([...old.inputs, ...now.inputs].map((each) => [inputText(each), each])).values()],
    history,
  };
}

/** A run's tags without what is said of its being created anew. */
function tagsOf(run: DumpRun, known: readonly DumpRun[]): Record<string, string> {
  const { [RECREATED]: _, ...tags } = withParent(run, known).tags;
  return tags;
}

/** A run whose parent was not there when it was created names it by its key: the same with the parent's id. */
export function withParent(run: DumpRun, known: readonly DumpRun[]): DumpRun {
  const { "pulse.parent_key": key, ...tags } = run.tags;
  const parent = key === undefined ? undefined : known.find((each) => each.tags[RUN_KEY] === key)?.run_id;
  return parent === undefined ? run : { ...run, tags: { "mlflow.parentRunId": parent, ...tags } };
}
