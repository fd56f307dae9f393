import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { shownText, shownUri } from "../capture/redact.js";
import { systemClock } from "../clock.js";
import { type ResolvedConfig, resolveConfig } from "../config/resolve.js";
import { LIMITS } from "../entities.js";
import { messageOf, PulseError } from "../errors.js";
import { stateFolder } from "../recorder/outbox/outbox-folder.js";
import { HttpStore } from "../stores/http/http-store.js";
import { openStore } from "../stores/open.js";
import { NO_CHANGE, type TrackingStore } from "../stores/tracking-store.js";
import { printJson, styled, type Terminal } from "./output.js";

/** One thing that was looked at. */
interface Finding {
  readonly what: string;
  readonly verdict: "ok" | "note" | "bad";
  readonly detail: string;
  /** What to do about it. */
  readonly todo?: string;
}

const CLOCK_TOLERANCE_MS = 5_000;
const LATENCY_SAMPLES = 5;
const SLOW_MS = 500;
const HIDDEN = "(hidden)";

/** Looks at the configuration and the store. Gives the exit code: 0 all is well, 2 something is to be done. */
export async function doctor(terminal: Terminal, options: { readonly write: boolean }): Promise<number> {
  const config = resolveConfig();
  const findings: Finding[] = [];
  const settings = shownSettings(config);
  let store: TrackingStore | undefined;
  try {
    store = openStore(config.trackingUri, { clock: systemClock, server: config.server });
  } catch (error) {
    findings.push(problem("tracking URI", error));
  }
  const { problem: open } = config.server;
  if (open) findings.push({ ...problem("credentials", open), verdict: "note" });
  if (store instanceof HttpStore) findings.push(...(await server(store)));
  else if (store) findings.push(await file(store));
  if (store && options.write) findings.push(await dryWrite(store));
  findings.push(outbox(config));
  await store?.close();

  const todo = findings.flatMap((finding) => finding.todo ?? []);
  const bad = findings.some(({ verdict }) => verdict === "bad");
  if (terminal.json) printJson(terminal, { ok: !bad, settings, findings, todo });
  else show(terminal, settings, findings, todo);
  return bad ? 2 : 0;
}

function show(terminal: Terminal, settings: readonly Setting[], findings: readonly Finding[], todo: readonly string[]): void {
  const print = (line = ""): void => void terminal.out.write(`${line}\n`);
  const width = Math.max(...[...settings, ...findings].map((each) => ("name" in each ? each.name : each.what).length));
  print(styled(terminal, "bold", "Configuration"));
  for (const { name, value, origin } of settings) print(`  ${name.padEnd(width)}  ${value}  ${styled(terminal, "dim", `(${origin})`)}`);
  print();
  print(styled(terminal, "bold", "Checks"));
  for (const { what, verdict, detail } of findings) {
    const mark = { ok: styled(terminal, "green", "ok  "), note: styled(terminal, "yellow", "note"), bad: styled(terminal, "red", "BAD ") }[
      verdict
    ];
    print(`  ${mark}  ${what.padEnd(width)}  ${detail}`);
  }
  print();
  print(styled(terminal, "bold", todo.length === 0 ? "Nothing is to be done." : "What to do"));
  for (const each of todo) print(`  - ${each}`);
}

interface Setting {
  readonly name: string;
  readonly value: string;
  readonly origin: string;
}

function shownSettings(config: ResolvedConfig): Setting[] {
  const { server, experiment } = config;
  const values: Record<string, string> = {
    trackingUri: shownUri(config.trackingUri),
    experiment:
      experiment === undefined ? "the class's name, else Default" : "name" in experiment ? experiment.name : `id ${experiment.id}`,
    runId: config.runId ?? "",
    auth: shownAuth(server.auth),
    headers: Object.keys(server.headers)
      .map((name) => `${name}: ${HIDDEN}`)
      .join(", "),
    tls: Object.entries(server.tls)
      .flatMap(([name, value]) => (value === undefined || value === false ? [] : `${name}: ${value}`))
      .join(", "),
    workspace: server.workspace ?? "",
    requestTimeoutMs: String(server.requestTimeoutMs),
    durability: config.durability,
    flushIntervalMs: String(config.flushIntervalMs),
    exitTimeoutMs: String(config.exitTimeoutMs),
    maxPendingBytes: String(config.maxPendingBytes),
    outbox: `${config.outboxFolder ?? stateFolder()}, at most ${config.maxOutboxBytes} bytes`,
    redact: config.redact === false ? "off" : typeof config.redact === "function" ? "built-in rules and a function" : "built-in rules",
    strict: String(config.strict),
    outsideRun: config.outsideRun,
  };
  return Object.entries(values).map(([name, value]) => ({
    name,
    value: shownText(value) || "none",
    origin: config.origins[name] ?? "default",
  }));
}

function shownAuth(auth: ResolvedConfig["server"]["auth"]): string {
  if (auth === undefined) return "";
  if ("username" in auth) return `user ${auth.username}, password ${HIDDEN}`;
  return typeof auth.token === "function" ? "a token function" : `token ${HIDDEN}`;
}

async function server(store: HttpStore): Promise<Finding[]> {
  const { api, uri } = store;
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
  const { version, info, clockSkewMs } = await api.facts();
  const latency = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
  const findings: Finding[] = [
    { what: "server", verdict: "ok", detail: `${uri} answers and accepts the credentials` },
    { what: "version", ...versionFinding(version) },
    {
      what: "latency",
      verdict: latency > SLOW_MS ? "note" : "ok",
      detail: `${latency.toFixed(0)} ms a request (median of ${times.length}); connections are ${api.client.choice.better === "kept" ? "kept" : "made anew for each request"}, which is the quicker way here`,
    },
    {
      what: "limits",
      verdict: "ok",
      detail: `keys ${LIMITS.key}, params ${LIMITS.paramValue}, tags ${LIMITS.tagValue} characters; 1000 metrics, 100 params, 100 tags a request`,
    },
  ];
  if (clockSkewMs !== undefined) {
    const off = Math.abs(clockSkewMs) > CLOCK_TOLERANCE_MS;
    findings.push({
      what: "clocks",
      verdict: off ? "note" : "ok",
      detail: off
        ? `the server's is ${Math.round(Math.abs(clockSkewMs) / 1_000)} s ${clockSkewMs < 0 ? "behind" : "ahead of"} ours`
        : "the server's and ours agree",
      ...(off && { todo: "Set both clocks by NTP: run times and metric times are ours." }),
    });
  }
  if (info?.["workspaces_enabled"] === true) findings.push({ what: "workspaces", verdict: "ok", detail: "the server has them" });
  return findings;
}

function versionFinding(version: string | undefined): Omit<Finding, "what"> {
  if (version === undefined) return { verdict: "note", detail: "the server does not say which MLflow it is" };
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 2 || (major === 2 && minor >= 9)) return { verdict: "ok", detail: `MLflow ${version}` };
  return {
    verdict: "note",
    detail: `MLflow ${version} is older than 2.9`,
    todo: "Update the server to MLflow 2.9 or newer; older ones are not tested.",
  };
}

async function file(store: TrackingStore): Promise<Finding> {
  const path = /^sqlite:\/\/\/(.+)$/.exec(store.uri)?.[1];
  if (path === undefined) return { what: "store", verdict: "note", detail: `${store.uri} keeps nothing beyond this process` };
  if (!existsSync(path)) return { what: "store", ...writable(dirname(path), `${path} is made at the first run`) };
  const [outcome] = await store.apply([{ ...NO_CHANGE, runKey: "0".repeat(32), experiment: { id: "0" }, end: PROBE_END }]);
  if (outcome?.kind === "done") return { what: "store", verdict: "ok", detail: `${path} is a database of MLflow's and can be written` };
  return outcome && "error" in outcome
    ? problem("store", outcome.error)
    : { what: "store", verdict: "bad", detail: `${path} cannot be written` };
}

/** The end of a run that is not there, if it is running: goes all the way and changes nothing. */
const PROBE_END = { status: "FINISHED", endTime: 0, ifRunning: true } as const;

/** Writes a run of our own and takes it away again, where the store can. */
async function dryWrite(store: TrackingStore): Promise<Finding> {
  if (!(store instanceof HttpStore))
    return { what: "dry write", verdict: "note", detail: "only for servers: a run would stay in an embedded database" };
  const now = Date.now();
  const create = { name: "doctor", startTime: now, userId: "pulse-mlflow", sourceTags: [], parentKey: undefined, resume: false };
  const metrics = [{ key: "doctor", value: 1, timestamp: now, step: 0 }];
  const end = { status: "FINISHED", endTime: now } as const;
  const experiment = { name: "pulse-mlflow doctor" };
  const [outcome] = await store.apply([{ ...NO_CHANGE, runKey: systemClock.id(), experiment, create, metrics, end }]);
  if (outcome?.kind !== "done" || outcome.ids === undefined)
    return problem("dry write", outcome && "error" in outcome ? outcome.error : new Error("the server gave no run"));
  try {
    await store.api.post("runs/delete", { run_id: outcome.ids.runId });
    return { what: "dry write", verdict: "ok", detail: `a run in experiment "${experiment.name}" was written, and deleted again` };
  } catch (error) {
    return problem("dry write", error);
  }
}

function outbox(config: ResolvedConfig): Finding {
  const folder = config.outboxFolder ?? stateFolder();
  if (config.durability === "memory")
    return { what: "outbox", verdict: "note", detail: 'off (durability is "memory"): a crash loses what waits' };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    return { ...problem("outbox", error), todo: "Give `outbox.folder` a folder that can be made and written." };
  }
  return { what: "outbox", ...writable(folder, folder) };
}

function writable(folder: string, detail: string): Omit<Finding, "what"> {
  try {
    accessSync(folder, constants.W_OK);
    return { verdict: "ok", detail };
  } catch {
    return { verdict: "bad", detail: `${folder} cannot be written`, todo: `Make ${folder} writable, or choose another folder.` };
  }
}

function problem(what: string, error: unknown): Finding {
  const cause = (error as { error?: unknown }).error ?? error;
  const text = shownText(messageOf(cause));
  if (!(cause instanceof PulseError)) return { what, verdict: "bad", detail: text };
  // A message is what happened, then what a running program is to do; here somebody can do more.
  const todo =
    cause.code === "STORE_UNAVAILABLE"
      ? "Check the address in the tracking URI, that the server runs, and the proxy if there is one."
      : cause.todo;
  return { what, verdict: "bad", detail: todo === "" ? text : text.replace(cause.todo, "").trim(), ...(todo !== "" && { todo }) };
}
