import { accessSync, constants } from "node:fs";
import { shownText } from "../capture/redact.js";
import { messageOf, PulseError } from "../errors.js";
import type { Finding } from "./tracking-store.js";

/** What an error means to somebody who looks at the configuration. */
export function problem(what: string, error: unknown): Finding {
  const cause = (error as { error?: unknown } | null)?.error ?? error;
  const text = shownText(messageOf(cause));
  if (!(cause instanceof PulseError)) return { what, verdict: "bad", detail: text };
  // A message is what happened, then what a running program is to do; here somebody can do more.
  const todo =
    cause.code === "STORE_UNAVAILABLE"
      ? "Check the address in the tracking URI, that the server runs, and the proxy if there is one."
      : cause.todo;
  return { what, verdict: "bad", detail: todo === "" ? text : text.replace(cause.todo, "").trim(), ...(todo !== "" && { todo }) };
}

/** Whether a folder can be written; `detail` is said when it can. */
export function writable(what: string, folder: string, detail: string): Finding {
  try {
    accessSync(folder, constants.W_OK);
    return { what, verdict: "ok", detail };
  } catch {
    return { what, verdict: "bad", detail: `${folder} cannot be written`, todo: `Make ${folder} writable, or choose another folder.` };
  }
}
