import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf, PulseError, type PulseErrorCode, withoutRecording } from "../base/errors.js";
import { isThere } from "../base/folders.js";
import { shownText } from "../base/text/redact.js";
import type { Finding } from "./tracking-store.js";

/** Turns an error into a `bad` finding with advice for someone at the command line. */
export function problem(what: string, error: unknown): Finding {
  const cause = (error as { error?: unknown } | null)?.error ?? error;
  if (!(cause instanceof PulseError)) return { what, verdict: "bad", detail: shownText(messageOf(cause)) };
  const { detail, todo } = advised(cause);
  return { what, verdict: "bad", detail, ...(todo !== "" && { todo }) };
}

/**
 * Splits an error into what happened and what to do. A command is run by a person and records nothing, so advice meant
 * for a running program is replaced or cut.
 */
export function advised(error: PulseError): { detail: string; todo: string } {
  return { detail: shownText(error.detail), todo: ADVICE[error.code] ?? withoutRecording(error.todo) };
}

const ADVICE: Partial<Record<PulseErrorCode, string>> = {
  STORE_UNAVAILABLE: "Check the address in the tracking URI, that the server runs, and the proxy if there is one.",
  FORBIDDEN: "Have the server's administrator allow it to this user, or log in as another one.",
  SERVER_ERROR: "Look into the server's log, and try again.",
  STORE_BUSY: "Try again when no other program writes to it.",
  OUTBOX_FAILED: "Make the folder of the outboxes writable.",
  ARTIFACT_UNREADABLE: "",
  ARTIFACT_REFUSED: "",
};

/** About the size of a new database. */
const ROOM_BYTES = 1 << 20;

/**
 * Checks that a folder is writable and has free space, by writing a file; `detail` is the text of a positive finding.
 * If the folder does not exist yet, its nearest existing ancestor is checked, since the folder is created on demand.
 */
export function writable(what: string, wanted: string, detail: string): Finding {
  let folder = wanted;
  while (!isThere(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const path = join(folder, `.pulse-mlflow-doctor-${randomUUID()}`);
  try {
    writeFileSync(path, Buffer.alloc(ROOM_BYTES, 1), { mode: 0o600, flag: "wx", flush: true });
    return { what, verdict: "ok", detail };
  } catch (error) {
    const full = FULL.includes(String((error as NodeJS.ErrnoException).code));
    return {
      what,
      verdict: "bad",
      detail: `${wanted} cannot be written: ${shownText(messageOf(error)).split(",")[0]}`,
      todo: full
        ? `Make room in ${wanted}, or choose another folder.`
        : `Make ${wanted} writable, or choose another folder.`,
    };
  } finally {
    rmSync(path, { force: true });
  }
}

const FULL: readonly string[] = ["ENOSPC", "EDQUOT", "EFBIG"];
