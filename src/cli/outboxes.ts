import { shownText } from "../capture/redact.js";
import { adopt, fileFacts, type OutboxFolder } from "../recorder/outbox/outbox-folder.js";
import type { OutboxSummary } from "../recorder/outbox/rows.js";

/** One outbox file as `status` shows it. */
export interface OutboxState extends Partial<OutboxSummary> {
  readonly path: string;
  /** `waiting`: its program is gone. `live`: a running program holds it and delivers it. `foreign`: of another version, or none of ours. */
  readonly state: "waiting" | "live" | "foreign";
  readonly fileBytes: number;
  readonly changed: number;
}

/** Looks into the outboxes of a folder. One that a running program holds is only known by its size. */
export function outboxStates(folder: OutboxFolder): OutboxState[] {
  return folder.files().map((path) => {
    const { bytes: fileBytes, changed } = fileFacts(path);
    const outbox = adopt(path);
    if (typeof outbox === "string") return { path, state: outbox === "held" ? "live" : "foreign", fileBytes, changed };
    try {
      const summary = outbox.summary();
      const setAside = summary.setAside.map((each) => ({ ...each, reason: shownText(each.reason) })); // a server's words
      return { path, state: "waiting", fileBytes, changed, ...summary, setAside };
    } finally {
      outbox.close();
    }
  });
}
