import { amount, bytes, counted, type Files } from "../base/amounts.js";
import { PulseError, withoutRecording } from "../base/errors.js";
import { shownText } from "../base/text/redact.js";
import {
  closeOutbox,
  type FileCount,
  fileFacts,
  needSqlite,
  type OutboxFolder,
  type OutboxSummary,
  stagedBytes,
  tryClaim,
} from "../inner/cli.js";

/** An outbox file as commands show it. Its content is only known if it could be read. */
export interface OutboxState extends Partial<Holding> {
  readonly path: string;
  /**
   * `waiting`: its program has ended. `live`: a running program holds and delivers it. `foreign`: from another
   * version, damaged, or not an outbox. `unread`: the SQLite driver is missing.
   */
  readonly state: "waiting" | "live" | "foreign" | "unread";
  /** The size on disk, with the staged files beside it. */
  readonly fileBytes: number;
  readonly changed: number;
}

const COUNTS = [
  "changes",
  "runs",
  "runsWaiting",
  "changesSetAside",
  "runsSetAside",
  "artifacts",
  "artifactBytes",
  "artifactsSetAside",
  "artifactBytesSetAside",
] as const;

/** How much an outbox holds. */
type Counts = Readonly<Record<(typeof COUNTS)[number], number>>;

/** What an outbox holds. */
interface Holding extends Counts, Pick<OutboxSummary, "uri" | "bytes" | "oldest" | "openRuns"> {
  readonly denied: readonly (Files & { readonly experiment: string; readonly reason: string; readonly runs: number })[];
  readonly setAside: readonly (Files & { readonly run: string; readonly reason: string; readonly changes: number })[];
}

/** Reads the outboxes of a folder. If a running program holds one, only its size is known. */
export function outboxStates(folder: OutboxFolder): OutboxState[] {
  return folder.files().flatMap((path): OutboxState | [] => {
    const { bytes: own, changed } = fileFacts(path);
    const fileBytes = own + stagedBytes(path);
    const state = (kind: OutboxState["state"]): OutboxState => ({ path, state: kind, fileBytes, changed });
    try {
      const outbox = tryClaim(path);
      if (typeof outbox === "string") return state(outbox === "held" ? "live" : "foreign");
      try {
        return outbox.empty ? [] : { ...state("waiting"), ...holding(outbox.summary()) };
      } finally {
        closeOutbox(outbox); // also removes an empty file whose creator was killed
      }
    } catch (error) {
      return state(error instanceof PulseError ? "unread" : "foreign"); // damaged beyond the header
    }
  });
}

/** Returns the error if outboxes cannot be read because the driver is missing. */
export function driverProblem(boxes: readonly OutboxState[]): PulseError | undefined {
  if (!boxes.some(({ state }) => state === "unread")) return undefined;
  try {
    needSqlite();
    return undefined;
  } catch (error) {
    return error as PulseError;
  }
}

/** Converts an outbox summary to the terms of the commands. */
export function holding(summary: OutboxSummary): Holding {
  const { items, runs, waitingRuns, asideItems, asideRuns, setAside, uri, bytes, oldest, openRuns, denied } = summary;
  const { asideFiles, asideFileBytes } = summary;
  return {
    ...{ uri, bytes, oldest, openRuns },
    denied: denied.map(({ experiment, reason, runs, ...some }) => ({
      experiment,
      reason: withoutRecording(shownText(reason)),
      runs,
      ...filesOf(some),
    })),
    ...{ changes: items, runs, runsWaiting: waitingRuns, changesSetAside: asideItems, runsSetAside: asideRuns },
    ...filesOf(summary),
    ...{ artifactsSetAside: asideFiles, artifactBytesSetAside: asideFileBytes },
    setAside: setAside.map(({ run, reason, items, ...some }) => ({
      ...{ run, reason: withoutRecording(shownText(reason)), changes: items }, // may contain a server's text
      ...filesOf(some),
    })),
  };
}

/** Converts to the field names of `stats()`. */
const filesOf = ({ files, fileBytes }: FileCount): Files => ({ artifacts: files, artifactBytes: fileBytes });

/** Whether there are any changes or files. */
export const isSome = ({ changes, artifacts }: Pick<Counts, "changes" | "artifacts">): boolean =>
  changes > 0 || artifacts > 0;

/** Describes what waits for a permission and what is set aside, one line per reason. */
export function held({ denied = [], setAside = [] }: OutboxState): { denied: string[]; setAside: string[] } {
  return {
    denied: denied.map((each) => {
      const files =
        each.artifacts === 0 ? "" : ` with ${counted(each.artifacts, "file")} (${bytes(each.artifactBytes)})`;
      return `waiting for permission: experiment ${each.experiment}, ${counted(each.runs, "run")}${files}: ${each.reason}`;
    }),
    setAside: setAside.map(
      (each) => `set aside: run ${each.run}, ${amount(each.changes, undefined, each)}: ${each.reason}`,
    ),
  };
}

/** Sums up several outboxes. */
export function together(states: readonly OutboxState[]): Counts {
  const sums = Object.fromEntries(
    COUNTS.map((name) => [name, states.reduce((sum, state) => sum + (state[name] ?? 0), 0)]),
  );
  return sums as Counts;
}

/** The advice for a file that cannot be read. */
export const FOREIGN_TODO = "Deliver it with the version that wrote it, or remove it by hand if nobody needs it.";

/** Returns a shell command with a tracking URI. */
export function commandFor(command: string, uri: string, ...more: string[]): string {
  const word = /^[\w:/.,@%+=~-]+$/.test(uri) ? uri : `'${uri.replaceAll("'", "'\\''")}'`;
  return ["npx pulse-mlflow", command, "--uri", word, ...more].join(" ");
}
