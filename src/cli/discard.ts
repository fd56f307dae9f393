import { amount, counted, type Files } from "../base/amounts.js";
import { shownText } from "../base/text/redact.js";
import { closeOutbox, outboxFolders, removeFiles, sweepStaged, tryClaim } from "../inner/cli.js";
import { commandFor, driverProblem, holding, isSome, type OutboxState, outboxStates, together } from "./outboxes.js";
import { printJson, styled, type Terminal } from "./output.js";
import { configFor, foldersFor, rootOf } from "./target.js";

/** What to discard, and how. */
export interface DiscardOptions {
  /** Only what is kept for this tracking URI. */
  readonly uri: string | undefined;
  /** Only what is set aside. */
  readonly setAside: boolean;
  readonly yes: boolean;
}

/**
 * Discards what is kept on disk and not held by a running program. Returns the exit code: 2 if it was not discarded.
 */
export async function discard(terminal: Terminal, { uri, setAside, yes }: DiscardOptions): Promise<number> {
  const root = rootOf(configFor(undefined));
  const found = (await foldersFor(root, uri)).flatMap((folder) =>
    outboxStates(folder).map((box) => ({ uri: shownText(folder.uri), box, ...counts(box, setAside) })),
  );
  const problem = driverProblem(found.map(({ box }) => box));
  if (problem !== undefined) throw problem;
  const elsewhere = uri === undefined ? [] : othersThan(root, found, uri);
  const listed = found.filter((each) => each.box.state === "waiting" && (!setAside || isSome(each)));
  const stays = {
    live: found.filter(({ box }) => box.state === "live").length,
    foreign: found.flatMap(({ box }) => (box.state === "foreign" ? [box.path] : [])),
  };
  const print = (line: string): void => void (terminal.json ? terminal.err : terminal.out).write(`${line}\n`);
  const what = setAside ? "set aside" : "kept";
  if (!terminal.json || !yes) {
    print(
      listed.length === 0
        ? `There is nothing ${what} that can be thrown away.`
        : `What is ${what} and ${yes ? "is" : "would be"} thrown away:`,
    );
    for (const { uri, box, ...what } of listed)
      print(`  ${uri}: ${amount(what.changes, what.runs, what)}, in ${box.path}`);
    for (const other of elsewhere) print(`Something is also kept for ${other}: ${commandFor("discard", other)}`);
    if (stays.live > 0) print(`${counted(stays.live, "outbox", "outboxes")} held by running programs will stay.`);
    for (const path of stays.foreign)
      print(
        styled(
          terminal,
          "yellow",
          `${path} will stay: it was written by another version, or is damaged. Remove it by hand if nobody needs it.`,
        ),
      );
  }
  if (listed.length > 0 && !yes) {
    if (terminal.json || terminal.ask === undefined)
      throw new Error(
        "discard asks before it throws anything away, but this is not an interactive terminal; add --yes to skip the question.",
      );
    if (!(await terminal.ask("Throw it away for good? [y/N] "))) {
      print("Nothing was thrown away.");
      return 2;
    }
  }
  const gone = listed.map(({ box }) => throwAway(box.path, setAside));
  const total = (name: keyof Thrown): number => gone.reduce((sum, each) => sum + (each?.[name] ?? 0), 0);
  const all: Thrown = { changes: total("changes"), runs: total("runs"), artifacts: total("artifacts"), artifactBytes: total("artifactBytes") }; // biome-ignore format: one line
  const missed = listed.filter((_, i) => gone[i] === undefined).map(({ box }) => box.path);
  if (terminal.json)
    printJson(terminal, {
      ...all,
      outboxes: gone.length - missed.length,
      live: stays.live,
      foreign: stays.foreign,
      missed,
    });
  else if (listed.length > 0) print(`${amount(all.changes, all.runs, all)} thrown away.`);
  for (const path of missed)
    print(styled(terminal, "yellow", `${path} was taken by a program meanwhile; left untouched.`));
  return missed.length > 0 ? 2 : 0;
}

/** Returns the other tracking URIs for which something is kept. */
function othersThan(root: string, found: readonly { readonly uri: string }[], named: string): string[] {
  return outboxFolders(root)
    .filter((folder) => folder.files().length > 0)
    .map((folder) => shownText(folder.uri))
    .filter((uri) => uri !== shownText(named) && !found.some((each) => each.uri === uri));
}

/** How much is discarded. */
interface Thrown extends Files {
  readonly changes: number;
  readonly runs: number;
}

function counts(box: OutboxState, setAside: boolean): Thrown {
  const sums = together([box]);
  if (!setAside)
    return { changes: sums.changes, runs: sums.runs, artifacts: sums.artifacts, artifactBytes: sums.artifactBytes };
  const {
    changesSetAside: changes,
    runsSetAside: runs,
    artifactsSetAside: artifacts,
    artifactBytesSetAside: artifactBytes,
  } = sums;
  return { changes, runs, artifacts, artifactBytes };
}

/** Discards what is in an outbox and returns how much that was; undefined if another process holds it by now. */
function throwAway(path: string, setAside: boolean): Thrown | undefined {
  const outbox = tryClaim(path);
  if (typeof outbox === "string") return undefined;
  const thrown = counts({ path, state: "waiting", fileBytes: 0, changed: 0, ...holding(outbox.summary()) }, setAside);
  if (setAside) {
    outbox.dropSetAside();
    sweepStaged(path, outbox.files.stagedNames);
  } else removeFiles(path); // while it is claimed, so that no other process starts on it
  if (setAside) closeOutbox(outbox);
  else outbox.close();
  return thrown;
}
