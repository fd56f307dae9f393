import type { Asked } from "./arguments.js";
import { showBest } from "./best.js";
import { listExperiments } from "./experiments.js";
import { showHistory } from "./history.js";
import { openRun } from "./open.js";
import type { Terminal } from "./output.js";
import { withReading } from "./reading.js";
import { listRuns } from "./runs.js";
import { showRun } from "./show.js";

/** Runs one of the commands that read runs back. Returns the exit code. */
export function readCommand(terminal: Terminal, asked: Asked): Promise<number> {
  const { command, uri, args, has } = asked;
  const [first = "", second = ""] = args;
  return withReading(uri, (reading) => {
    if (command === "experiments") return listExperiments(terminal, reading, asked);
    if (command === "runs") return listRuns(terminal, reading, { ...asked, experiments: args, watch: has("watch") });
    if (command === "history") return showHistory(terminal, reading, { ...asked, run: first, metric: second });
    if (command === "best") return showBest(terminal, reading, { ...asked, experiment: first, metric: second });
    if (command === "open") return openRun(terminal, reading, { run: first, print: has("print") });
    return showRun(terminal, reading, first);
  });
}
