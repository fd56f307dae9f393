import { shownText } from "../capture/redact.js";
import { resolveConfig } from "../config/resolve.js";
import { outboxFolders, stateFolder } from "../recorder/outbox/outbox-folder.js";
import { outboxStates } from "./outboxes.js";
import { ago, bytes, printJson, styled, type Terminal, table } from "./output.js";

/** Shows what is kept on disk, for every tracking URI. Gives the exit code. */
export function status(terminal: Terminal): number {
  const root = resolveConfig().outboxFolder ?? stateFolder();
  const uris = outboxFolders(root)
    .map((folder) => ({ uri: shownText(folder.uri), outboxes: outboxStates(folder) }))
    .filter(({ outboxes }) => outboxes.length > 0);
  if (terminal.json) {
    printJson(terminal, { folder: root, uris });
    return 0;
  }
  const print = (line: string): void => void terminal.out.write(`${line}\n`);
  if (uris.length === 0) {
    print(`Nothing is kept in ${root}: everything recorded was delivered.`);
    return 0;
  }
  for (const { uri, outboxes } of uris) {
    print(styled(terminal, "bold", uri));
    const rows = outboxes.map((box) => [
      box.path.split(/[\\/]/).at(-1) ?? "",
      { waiting: "waiting", live: "held by a running program", foreign: "cannot be read: of another version, or damaged" }[box.state],
      box.rows ?? "",
      box.items ?? "",
      bytes(box.bytes ?? box.fileBytes),
      box.oldest === undefined ? "" : ago(Date.now() - box.oldest),
      box.openRuns ?? "",
    ]);
    print(table(["outbox", "state", "rows", "items", "size", "oldest", "open runs"], rows));
    for (const { denied = [] } of outboxes)
      for (const { experiment, reason, runs } of denied)
        print(styled(terminal, "yellow", `  waiting for permission: experiment ${experiment}, ${runs} runs: ${reason}`));
    for (const { setAside = [] } of outboxes)
      for (const { run, reason, items } of setAside)
        print(styled(terminal, "yellow", `  set aside: run ${run}, ${items} items: ${reason}`));
    print("");
  }
  print("Deliver them with `npx pulse-mlflow sync` (one tracking URI at a time, as configured), or by running a program that uses it.");
  return 0;
}
