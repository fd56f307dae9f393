import { systemClock } from "../../base/clock.js";
import { LIMITS } from "../../base/text/limits.js";
import { problem } from "../../contracts/finding.js";
import { type Finding, NO_CHANGE, type ProbeOptions } from "../../contracts/tracking-store.js";
import type { ServerFacts } from "../../http/mlflow-api.js";
import type { HttpStore } from "./http-store.js";

const CLOCK_TOLERANCE_MS = 5_000;
const LATENCY_SAMPLES = 5;
const SLOW_MS = 500;

/**
 * Checks a server: whether it answers and accepts the credentials, its version, latency and clock. `runKey` is the id
 * of the run to write.
 */
export async function probeServer(store: HttpStore, { write }: ProbeOptions, runKey: string): Promise<Finding[]> {
  const findings = await look(store);
  return write ? [...findings, await dryWrite(store, runKey)] : findings;
}

async function look({ api, uri }: HttpStore): Promise<Finding[]> {
  const times: number[] = [];
  try {
    for (let i = 0; i < LATENCY_SAMPLES; i++) {
      const began = performance.now();
      await api.post("experiments/search", { max_results: 1 });
      times.push(performance.now() - began);
    }
  } catch (error) {
    return [problem("server", error)];
  }
  const facts = await api.facts();
  const latency = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
  return [
    { what: "server", verdict: "ok", detail: `${uri} answers and accepts the credentials` },
    { what: "version", ...versionFinding(facts.version) },
    {
      what: "latency",
      verdict: latency > SLOW_MS ? "note" : "ok",
      detail: `${latency.toFixed(0)} ms a request (median of ${times.length}); connections are ${api.client.choice.better === "kept" ? "kept open" : "opened for each request"}, which is faster here`,
    },
    {
      what: "limits",
      verdict: "ok",
      detail: `keys ${LIMITS.key}, params ${LIMITS.paramValue}, tags ${LIMITS.tagValue} characters; 1000 metrics, 100 params, 100 tags a request`,
    },
    ...clockFindings(facts),
    ...(facts.info?.["workspaces_enabled"] === true
      ? [{ what: "workspaces", verdict: "ok", detail: "enabled on the server" } satisfies Finding]
      : []),
  ];
}

function versionFinding(version: string | undefined): Omit<Finding, "what"> {
  if (version === undefined) return { verdict: "note", detail: "the server does not report its MLflow version" };
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 2 || (major === 2 && minor >= 9)) return { verdict: "ok", detail: `MLflow ${version}` };
  return {
    verdict: "note",
    detail: `MLflow ${version} is older than 2.9`,
    todo: "Update the server to MLflow 2.9 or newer; older ones are not tested.",
  };
}

function clockFindings({ clockSkewMs }: ServerFacts): Finding[] {
  if (clockSkewMs === undefined) return [];
  if (Math.abs(clockSkewMs) <= CLOCK_TOLERANCE_MS)
    return [{ what: "clocks", verdict: "ok", detail: "the server's and ours agree" }];
  return [
    {
      what: "clocks",
      verdict: "note",
      detail: `the server's is ${Math.round(Math.abs(clockSkewMs) / 1_000)} s ${clockSkewMs < 0 ? "behind" : "ahead of"} ours`,
      todo: "Synchronize both clocks (NTP): run and metric times come from this machine.",
    },
  ];
}

/** Writes a test run and deletes it again. */
async function dryWrite(store: HttpStore, runKey: string): Promise<Finding> {
  const now = systemClock.now();
  const create = {
    name: "doctor",
    startTime: now,
    userId: "pulse-mlflow",
    sourceTags: [],
    parentKey: undefined,
    resume: false,
  };
  const metrics = [{ key: "doctor", value: 1, timestamp: now, step: 0 }];
  const end = { status: "FINISHED", endTime: now } as const;
  const experiment = { name: "pulse-mlflow doctor" };
  const [outcome] = await store.apply([{ ...NO_CHANGE, runKey, experiment, create, metrics, end }]);
  if (outcome?.kind !== "done" || outcome.ids === undefined)
    return problem(
      "dry write",
      outcome && "error" in outcome ? outcome.error : new Error("the server returned no run"),
    );
  try {
    await store.api.post("runs/delete", { run_id: outcome.ids.runId });
    return {
      what: "dry write",
      verdict: "ok",
      detail: `a run in experiment "${experiment.name}" was written, and deleted again`,
    };
  } catch (error) {
    return problem("dry write", error);
  }
}
