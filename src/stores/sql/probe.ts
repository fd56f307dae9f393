import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { problem, writable } from "../../contracts/finding.js";
import { type Finding, NO_CHANGE, type ProbeOptions } from "../../contracts/tracking-store.js";
import type { SqliteStore } from "./sqlite-store.js";

/** The end of a run that is not there, if it is running: goes all the way and changes nothing. */
const PROBE = {
  ...NO_CHANGE,
  runKey: "0".repeat(32),
  experiment: { id: "0" },
  end: { status: "FINISHED", endTime: 0, ifRunning: true },
} as const;

/** Looks at a database file, without making one. */
export async function probeFile(store: SqliteStore, path: string, { write }: ProbeOptions): Promise<Finding[]> {
  const findings = [await look(store, path)];
  if (write)
    findings.push({
      what: "dry write",
      verdict: "note",
      detail: "only for servers: a run would stay in an embedded database",
    });
  return findings;
}

async function look(store: SqliteStore, path: string): Promise<Finding> {
  if (!existsSync(path)) return writable("store", dirname(path), `${path} is made at the first run`);
  const [outcome] = await store.apply([PROBE]);
  if (outcome?.kind === "done")
    return writable("store", dirname(path), `${path} is a database of MLflow's and can be written`);
  return outcome && "error" in outcome
    ? problem("store", outcome.error)
    : { what: "store", verdict: "bad", detail: `${path} cannot be written` };
}
