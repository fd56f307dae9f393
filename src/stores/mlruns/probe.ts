import { dirname } from "node:path";
import { holdsExperiments } from "../../base/folders.js";
import { writable } from "../../contracts/finding.js";
import type { Finding } from "../../contracts/tracking-store.js";
import { statOf } from "./files.js";

/** Checks an `mlruns` folder without creating it. */
export function probeFolder(root: string): Finding[] {
  const stats = statOf(root);
  if (stats && !stats.isDirectory())
    return [
      {
        what: "store",
        verdict: "bad",
        detail: `${root} is not a folder`,
        todo: `Choose another folder, or move ${root} away.`,
      },
    ];
  const what = holdsExperiments(root)
    ? "is an MLflow folder and writable"
    : stats
      ? "is writable"
      : "will be created by the first run";
  return [
    writable("store", stats ? root : dirname(root), `${root} ${what}`),
    {
      what: "file store",
      verdict: "note",
      detail:
        "MLflow 3.18 and newer open such a folder only with MLFLOW_ALLOW_FILE_STORE=true; `mlflow migrate-filestore` converts it to a database without loss",
    },
  ];
}
