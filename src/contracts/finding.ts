import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { messageOf, PulseError, type PulseErrorCode } from "../base/errors.js";
import { isThere } from "../base/folders.js";
import { shownText } from "../base/text/redact.js";
import type { Finding } from "./tracking-store.js";

/** What an error means to somebody who looks at the configuration. */
export function problem(what: string, error: unknown): Finding {
  const cause = (error as { error?: unknown } | null)?.error ?? error;
  if (!(cause instanceof PulseError)) return { what, verdict: "bad", detail: shownText(messageOf(cause)) };
  const { detail, todo } = advised(cause);
  return { what, verdict: "bad", detail, ...(todo !== "" && { todo }) };
}

/**
 * A message is what happened, then what a running program is to do; somebody at a command can do more, and nothing is
 * recorded there.
 */
export function advised(error: PulseError): { detail: string; todo: string } {
  return { detail: shownText(error.detail), todo: ADVICE[error.code] ?? withoutRecording(error.todo) };
}

/** A text without what it ends with for programs alone. */
export function withoutRecording(text: string): string {
  return text.replace(/;?\s*\brecording goes on\b.*/i, (cut) => (cut.startsWith(";") ? "." : ""));
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

/** About as much as a database takes that begins. */
const ROOM_BYTES = 1 << 20;

/**
 * Whether a folder can be written and has room, which only a write tells; `detail` is said when it can. One that is not
 * there yet is made when it is needed, in the nearest that is.
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
