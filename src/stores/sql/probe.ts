import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { problem, writable } from "../../contracts/finding.js";
import { type Finding, NO_CHANGE, type ProbeOptions } from "../../contracts/tracking-store.js";
import type { SqliteStore } from "./sqlite-store.js";

/** Ends a nonexistent run if it is running: exercises the whole path and changes nothing. */
const PROBE = {
  ...NO_CHANGE,
  runKey: "0".repeat(32),
  experiment: { id: "0" },
  end: { status: "FINISHED", endTime: 0, ifRunning: true },
} as const;

/** Checks a database file without creating it. */
export async function probeFile(store: SqliteStore, path: string, { write }: ProbeOptions): Promise<Finding[]> {
  const findings = [await look(store, path)];
  if (write)
    findings.push({
      what: "dry write",
      verdict: "note",
      detail: "only done for servers; in an embedded database the run would remain",
    });
  return findings;
}

async function look(store: SqliteStore, path: string): Promise<Finding> {
  if (!existsSync(path)) return writable("store", dirname(path), `${path} will be created by the first run`);
  const [outcome] = await store.apply([PROBE]);
  if (outcome?.kind === "done") return writable("store", dirname(path), `${path} is an MLflow database and writable`);
  return outcome && "error" in outcome
    ? problem("store", outcome.error)
    : { what: "store", verdict: "bad", detail: `${path} cannot be written` };
}
