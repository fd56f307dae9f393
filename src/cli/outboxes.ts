import { amount, bytes, counted, type Files } from "../base/amounts.js";
import { PulseError } from "../base/errors.js";
import { shownText } from "../base/text/redact.js";
import { withoutRecording } from "../contracts/finding.js";
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

/** One outbox file as commands show it; what is in it is known of those that could be read. */
export interface OutboxState extends Partial<Holding> {
  readonly path: string;
  /**
   * `waiting`: its program is gone. `live`: a running program holds it and delivers it. `foreign`: of another version,
   * damaged, or none of ours. `unread`: there is no SQLite driver.
   */
  readonly state: "waiting" | "live" | "foreign" | "unread";
  /** On disk, with the files that lie beside it. */
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

/** Looks into the outboxes of a folder. One that a running program holds is only known by its size. */
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
        closeOutbox(outbox); // one that its maker was killed over is nobody's
      }
    } catch (error) {
      return state(error instanceof PulseError ? "unread" : "foreign"); // damaged behind its beginning
    }
  });
}

/** Why outboxes cannot be read, where it is for want of a driver. */
export function driverProblem(boxes: readonly OutboxState[]): PulseError | undefined {
  if (!boxes.some(({ state }) => state === "unread")) return undefined;
  try {
    needSqlite();
    return undefined;
  } catch (error) {
    return error as PulseError;
  }
}

/** What is in an outbox, in the words of commands. */
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
      ...{ run, reason: withoutRecording(shownText(reason)), changes: items }, // a server's words
      ...filesOf(some),
    })),
  };
}

/** In the words of `stats()`. */
const filesOf = ({ files, fileBytes }: FileCount): Files => ({ artifacts: files, artifactBytes: fileBytes });

/** Whether there is anything. */
export const isSome = ({ changes, artifacts }: Pick<Counts, "changes" | "artifacts">): boolean =>
  changes > 0 || artifacts > 0;

/** What waits for a permission, or for somebody to mend what it is set aside for: a line for each reason. */
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

/** What several outboxes hold together. */
export function together(states: readonly OutboxState[]): Counts {
  const sums = Object.fromEntries(
    COUNTS.map((name) => [name, states.reduce((sum, state) => sum + (state[name] ?? 0), 0)]),
  );
  return sums as Counts;
}

/** What to do about a file that cannot be read. */
export const FOREIGN_TODO = "Deliver it with the version that wrote it, or remove it by hand if nobody needs it.";

/** A command for a shell, with a tracking URI. */
export function commandFor(command: string, uri: string, ...more: string[]): string {
  const word = /^[\w:/.,@%+=~-]+$/.test(uri) ? uri : `'${uri.replaceAll("'", "'\\''")}'`;
  return ["npx pulse-mlflow", command, "--uri", word, ...more].join(" ");
}
