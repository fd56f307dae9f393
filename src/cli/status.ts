import { bytes } from "../base/amounts.js";
import { shownText } from "../base/text/redact.js";
import { commandFor, driverProblem, FOREIGN_TODO, held, outboxStates } from "./outboxes.js";
import { ago, printJson, styled, type Terminal } from "./output.js";
import { table } from "./table.js";
import { configFor, foldersFor, obstacle, rootOf } from "./target.js";

const STATES = {
  waiting: "waiting",
  live: "held by a running program",
  foreign: "cannot be read: written by another version of this package, or damaged",
  unread: "cannot be read without the SQLite driver",
};

/** Shows what is kept on disk, for every tracking URI or one. Returns the exit code: 2 if it could not be read. */
export async function status(terminal: Terminal, uri: string | undefined): Promise<number> {
  const root = rootOf(configFor(undefined));
  const uris = (await foldersFor(root, uri))
    .map((folder) => ({ uri: shownText(folder.uri), outboxes: outboxStates(folder), obstacle: obstacle(folder.uri) }))
    .filter(({ outboxes }) => outboxes.length > 0);
  const problem = driverProblem(uris.flatMap(({ outboxes }) => outboxes))?.message;
  const code = problem === undefined ? 0 : 2;
  if (terminal.json) {
    printJson(terminal, { folder: root, uris, ...(problem !== undefined && { problem }) });
    return code;
  }
  const print = (line: string): void => void terminal.out.write(`${line}\n`);
  if (uris.length === 0) {
    const whose = uri === undefined ? "" : ` for ${shownText(uri)}`;
    print(`Nothing is kept${whose} in ${root}.`);
    return 0;
  }
  for (const { uri, outboxes, obstacle } of uris) {
    print(styled(terminal, "bold", uri));
    const anyFiles = outboxes.some(({ artifacts = 0 }) => artifacts > 0);
    const rows = outboxes.map((box) => [
      box.path.split(/[\\/]/).at(-1) ?? "",
      STATES[box.state],
      box.changes ?? "",
      box.runs ?? "",
      ...(anyFiles ? [box.artifacts ?? ""] : []),
      bytes(box.bytes === undefined ? box.fileBytes : box.bytes + (box.artifactBytes ?? 0)),
      box.oldest === undefined ? "" : ago(Date.now() - box.oldest),
      box.openRuns ?? "",
    ]);
    print(
      table(
        ["outbox", "state", "changes", "runs", ...(anyFiles ? ["files"] : []), "size", "oldest", "open runs"],
        rows,
      ),
    );
    for (const line of [
      ...outboxes.flatMap((box) => held(box).denied),
      ...outboxes.flatMap((box) => held(box).setAside),
    ])
      print(styled(terminal, "yellow", `  ${line}`));
    if (outboxes.some(({ state }) => state === "foreign")) print(`  what cannot be read: ${FOREIGN_TODO}`);
    if (outboxes.some(({ state }) => state === "waiting")) {
      if (obstacle === undefined) print(`  to deliver it:    ${commandFor("sync", uri)}`);
      else
        print(
          styled(
            terminal,
            "yellow",
            `  cannot be delivered: ${obstacle}. Move it away, or replace it with MLflow's own.`,
          ),
        );
      print(`  to throw it away: ${commandFor("discard", uri)}`);
    }
    print("");
  }
  if (problem !== undefined) print(styled(terminal, "red", problem));
  print(
    "Programs that use the tracking URI also deliver what waits. A change is a run's start or end, a metric value, a param, a tag or a dataset; files are counted separately.",
  );
  return code;
}
