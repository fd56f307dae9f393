// The canonical run (a param and two metrics) with our client and Python's, used by `python` and `http`.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { flush, startRun } from "pulse-mlflow";
import { turn } from "./lib.mjs";

/** The part of canonical.py that runs before time is taken. */
export const PYTHON_WARMUP = 5;

/** Records runs with the default tracker, several per turn, and waits until they are stored. */
export async function ourRuns(count, { perTurn, flushOptions }) {
  for (let i = 0; i < count; i++) {
    const run = startRun({ runName: "canonical" });
    run.logParam("lr", 0.1);
    run.logMetric("loss", i / 3);
    run.logMetric("accuracy", i / 7);
    run.end();
    if (i % perTurn === perTurn - 1) await turn();
  }
  await flush(flushOptions);
}

/** Returns the seconds that Python's fluent client takes for as many runs, or as many metrics of one run. */
export async function pythonSeconds(python, uri, count, cwd, what = "runs") {
  const script = fileURLToPath(new URL("canonical.py", import.meta.url));
  const { PYTHONPATH: _path, PYTHONHOME: _home, ...env } = process.env;
  const { stdout } = await promisify(execFile)(python, [script, uri, String(count), what], {
    cwd,
    env: { ...env, MLFLOW_DISABLE_TELEMETRY: "true", DO_NOT_TRACK: "true", MLFLOW_ALLOW_FILE_STORE: "true" },
  });
  return Number(stdout.trim().split("\n").at(-1));
}
