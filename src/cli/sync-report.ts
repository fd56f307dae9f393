import { amount, counted } from "../base/amounts.js";
import { shownText } from "../base/text/redact.js";
import { type OutboxFolder, outboxFolders } from "../inner/cli.js";
import type { Load } from "./meter.js";
import { commandFor, FOREIGN_TODO, held, isSome, outboxStates, together } from "./outboxes.js";
import { printJson, styled, type Terminal } from "./output.js";

/** A file that the store will never accept. A tag of its run says so, too. */
export interface Refused {
  readonly run: string;
  readonly path: string;
  readonly reason: string;
}

/** The result of a delivery. */
export interface SyncEnd {
  readonly root: string;
  readonly folder: OutboxFolder;
  readonly delivered: Load;
  readonly refused: readonly Refused[];
  /** The last problem, or an empty string. */
  readonly trouble: string;
  /** Whether a tracking URI was named explicitly. */
  readonly isNamed: boolean;
}

/** The number of refused files that are listed. */
const MAX_NAMED = 20;

/** Prints what was delivered and what is left. Returns the exit code: 2 if something is left. */
export function report(terminal: Terminal, end: SyncEnd): number {
  const { root, folder, delivered, refused, trouble, isNamed } = end;
  const left = outboxStates(folder);
  const waiting = left.filter(({ state }) => state === "waiting");
  const sums = together(waiting);
  const foreign = left.filter(({ state }) => state === "foreign").map(({ path }) => path);
  const live = left.length - waiting.length - foreign.length;
  const others = othersIn(root, folder.uri);
  const uri = shownText(folder.uri);
  const code = isSome(sums) || foreign.length + refused.length > 0 || (others.length > 0 && !isNamed) ? 2 : 0;
  if (terminal.json) {
    const { changes, ...files } = delivered;
    printJson(terminal, {
      ...{ uri, delivered: changes, ...files },
      ...{ left: sums.changes, artifactsLeft: sums.artifacts, artifactBytesLeft: sums.artifactBytes },
      ...{ refused, live, outboxes: left, others, ...(trouble && { trouble }) },
    });
    return code;
  }
  const print = (line: string): void => void terminal.out.write(`${line}\n`);
  const warn = (line: string): void => print(styled(terminal, "yellow", line));
  print(`${amount(delivered.changes, undefined, delivered)} delivered to ${uri}.`);
  if (live > 0) print(`${counted(live, "outbox is", "outboxes are")} held by running programs, which deliver them.`);
  for (const path of foreign)
    warn(`${path} was written by another version of this package, or is damaged; left untouched. ${FOREIGN_TODO}`);
  for (const { run, path, reason } of refused.slice(0, MAX_NAMED)) warn(`Refused: ${path} of run ${run}: ${reason}`);
  if (refused.length > MAX_NAMED)
    warn(`Refused: ${counted(refused.length - MAX_NAMED, "further file")}; tags of the runs name them.`);
  for (const line of [...waiting.flatMap((box) => held(box).setAside), ...waiting.flatMap((box) => held(box).denied)])
    warn(`${line.charAt(0).toUpperCase()}${line.slice(1)}`);
  if (isSome(sums)) {
    const one = sums.changes + sums.artifacts === 1;
    warn(`${amount(sums.changes, sums.runs, sums)} ${one ? "is" : "are"} left.${trouble === "" ? "" : ` ${trouble}`}`);
    if (waiting.some(({ setAside = [] }) => setAside.length > 0))
      print(
        `What is set aside is tried again by each sync; throw it away with: ${commandFor("discard", uri, "--set-aside")}`,
      );
  }
  for (const other of others)
    warn(
      `For ${other.uri}: ${amount(other.changes, other.runs, other)} wait. Deliver with: ${commandFor("sync", other.uri)}`,
    );
  return code;
}

interface Other extends Load {
  readonly uri: string;
  readonly runs: number;
}

/** Returns what waits for other tracking URIs. */
function othersIn(root: string, uri: string): Other[] {
  return outboxFolders(root)
    .filter((folder) => folder.uri !== uri)
    .map((folder) => ({ folder, waiting: outboxStates(folder).filter(({ state }) => state === "waiting") }))
    .filter(({ waiting }) => waiting.length > 0)
    .map(({ folder, waiting }) => ({ uri: shownText(folder.uri), ...together(waiting) }));
}
