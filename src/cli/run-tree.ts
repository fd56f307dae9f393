import type { MlflowRun } from "../base/entities.js";

/** The tag that names a run's parent. */
export const PARENT_TAG = "mlflow.parentRunId";

/** A run in a tree of runs. */
export interface TreeLine {
  readonly run: MlflowRun;
  /** The lines that lead to it from its parent; empty for one that stands alone. */
  readonly branch: string;
}

/**
 * Puts children below their parents and keeps the order otherwise: of those that stand alone, and of the children of
 * each parent. A run whose parent is not listed stands alone.
 */
export function treeOf(runs: readonly MlflowRun[]): TreeLine[] {
  const listed = new Set(runs.map(({ runId }) => runId));
  const children = new Map<string | undefined, MlflowRun[]>();
  for (const run of runs) {
    const named = run.tags[PARENT_TAG];
    const parent = named !== undefined && listed.has(named) ? named : undefined;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [run]);
    else siblings.push(run);
  }
  const lines: TreeLine[] = [];
  const done = new Set<string>();
  // The last runs that stand alone are the ones whose parents go around in a circle.
  for (const root of [...(children.get(undefined) ?? []), ...runs]) {
    const open = [{ run: root, branch: "", below: "" }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const { run, branch, below } = next;
      if (done.has(run.runId)) continue;
      done.add(run.runId);
      lines.push({ run, branch });
      const own = (children.get(run.runId) ?? []).filter(({ runId }) => !done.has(runId));
      const placed = own.map((child, i) => {
        const isLast = i === own.length - 1;
        return { run: child, branch: `${below}${isLast ? "└─ " : "├─ "}`, below: `${below}${isLast ? "   " : "│  "}` };
      });
      open.push(...placed.reverse());
    }
  }
  return lines;
}
