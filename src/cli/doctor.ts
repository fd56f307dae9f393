import { shownText, shownUri } from "../capture/redact.js";
import { systemClock } from "../clock.js";
import { type ResolvedConfig, resolveConfig } from "../config/resolve.js";
import { makeFolder } from "../make-folder.js";
import { stateFolder } from "../recorder/outbox/outbox-folder.js";
import { problem, writable } from "../stores/finding.js";
import { openStore } from "../stores/registry.js";
import type { Finding, ProbeOptions, TrackingStore } from "../stores/tracking-store.js";
import { printJson, styled, type Terminal } from "./output.js";

const HIDDEN = "(hidden)";

/** Looks at the configuration and the store. Gives the exit code: 0 all is well, 2 something is to be done. */
export async function doctor(terminal: Terminal, options: ProbeOptions): Promise<number> {
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
  if (store) findings.push(...(await probe(store, options)));
  findings.push(outbox(config));
  await store?.close();

  const todo = findings.flatMap(({ todo, verdict, what }) => todo ?? (verdict === "bad" ? `Mend what is said of ${what}.` : []));
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

/** What the store itself finds; one that cannot look says so. */
async function probe(store: TrackingStore, options: ProbeOptions): Promise<readonly Finding[]> {
  if (store.volatile) return [{ what: "store", verdict: "note", detail: `${store.uri} keeps nothing beyond this process` }];
  if (store.probe === undefined) return [{ what: "store", verdict: "note", detail: `${store.uri}: this kind of store has no probe` }];
  try {
    return await store.probe(options);
  } catch (error) {
    return [problem("store", error)];
  }
}

function outbox(config: ResolvedConfig): Finding {
  const folder = config.outboxFolder ?? stateFolder();
  if (config.durability === "memory")
    return { what: "outbox", verdict: "note", detail: 'off (durability is "memory"): a crash loses what waits' };
  try {
    makeFolder(folder, 0o700);
  } catch (error) {
    return { ...problem("outbox", error), todo: "Give `outbox.folder` a folder that can be made and written." };
  }
  return writable("outbox", folder, folder);
}
