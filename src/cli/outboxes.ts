import { shownText } from "../capture/redact.js";
import { PulseError } from "../errors.js";
import { adopt, fileFacts, type OutboxFolder } from "../recorder/outbox/outbox-folder.js";
import type { OutboxSummary } from "../recorder/outbox/rows.js";

/** One outbox file as commands show it; what is in it is known of those that could be read. */
export interface OutboxState extends Partial<Holding> {
  readonly path: string;
  /** `waiting`: its program is gone. `live`: a running program holds it and delivers it. `foreign`: of another version, damaged, or none of ours. `unread`: there is no SQLite driver. */
  readonly state: "waiting" | "live" | "foreign" | "unread";
  readonly fileBytes: number;
  readonly changed: number;
}

const COUNTS = ["changes", "runs", "runsWaiting", "changesSetAside", "runsSetAside"] as const;

/** How much an outbox holds. */
type Counts = Readonly<Record<(typeof COUNTS)[number], number>>;

/** What an outbox holds. */
interface Holding extends Counts, Pick<OutboxSummary, "uri" | "bytes" | "oldest" | "openRuns" | "denied"> {
  readonly setAside: readonly { readonly run: string; readonly reason: string; readonly changes: number }[];
}

/** Looks into the outboxes of a folder. One that a running program holds is only known by its size. */
export function outboxStates(folder: OutboxFolder): OutboxState[] {
  return folder.files().map((path): OutboxState => {
    const { bytes: fileBytes, changed } = fileFacts(path);
    const state = (kind: OutboxState["state"]): OutboxState => ({ path, state: kind, fileBytes, changed });
    try {
      const outbox = adopt(path);
      if (typeof outbox === "string") return state(outbox === "held" ? "live" : "foreign");
      try {
        return { ...state("waiting"), ...holding(outbox.summary()) };
      } finally {
        outbox.close();
      }
    } catch (error) {
      return state(error instanceof PulseError ? "unread" : "foreign"); // damaged behind its beginning
    }
  });
}

/** What is in an outbox, in the words of commands. */
export function holding(summary: OutboxSummary): Holding {
  const { items, runs, waitingRuns, asideItems, asideRuns, setAside, uri, bytes, oldest, openRuns, denied } = summary;
  return {
    ...{ uri, bytes, oldest, openRuns },
    denied: denied.map((each) => ({ ...each, reason: shownText(each.reason) })),
    ...{ changes: items, runs, runsWaiting: waitingRuns, changesSetAside: asideItems, runsSetAside: asideRuns },
    setAside: setAside.map(({ run, reason, items }) => ({ run, reason: shownText(reason), changes: items })), // a server's words
  };
}

/** What several outboxes hold together. */
export function together(states: readonly OutboxState[]): Counts {
  const sums = Object.fromEntries(COUNTS.map((name) => [name, states.reduce((sum, state) => sum + (state[name] ?? 0), 0)]));
  return sums as Counts;
}

/** What to do about a file that cannot be read. */
export const FOREIGN_TODO = "Deliver it with the version that wrote it, or remove it by hand if nobody needs it.";

/** A command for a shell, with a tracking URI. */
export function commandFor(command: string, uri: string, ...more: string[]): string {
  const word = /^[\w:/.,@%+=~-]+$/.test(uri) ? uri : `'${uri.replaceAll("'", "'\\''")}'`;
  return ["npx pulse-mlflow", command, "--uri", word, ...more].join(" ");
}
