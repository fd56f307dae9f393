import { amount, counted } from "../base/amounts.js";
import { makeFolder } from "../base/folders.js";
import { shownText, shownUri } from "../base/text/redact.js";
import { problem, writable } from "../contracts/finding.js";
import type { Finding, ProbeOptions, ReadyStore } from "../contracts/tracking-store.js";
import {
  CONFIG_FILE,
  hasConfigFile,
  isOff,
  likelyAbsolute,
  misspelt,
  oddSwitch,
  openConfigured,
  type ResolvedConfig,
  strayFiles,
  strayRuns,
  trySqlite,
} from "../inner/cli.js";
import { commandFor, FOREIGN_TODO, type OutboxState, outboxStates, together } from "./outboxes.js";
import { printJson, styled, type Terminal } from "./output.js";
import { configFor, foldersFor, obstacle, rootOf } from "./target.js";

const HIDDEN = "(hidden)";

/** Checks the configuration and the store. Returns the exit code: 0 if all is well, 2 if there is something to do. */
export async function doctor(
  terminal: Terminal,
  options: ProbeOptions & { readonly uri: string | undefined },
): Promise<number> {
  const config = configFor(options.uri);
  const findings: Finding[] = [];
  const settings = shownSettings(config);
  let store: ReadyStore | undefined;
  try {
    store = openConfigured(config);
  } catch (error) {
    findings.push(problem("tracking URI", error));
  }
  const { problem: open } = config.server;
  if (open) findings.push({ what: "credentials", verdict: "note", ...splitAdvice(open.message) });
  if (isOff(process.env))
    findings.push({ what: "tracking", verdict: "note", detail: "off (PULSE_MLFLOW); nothing is recorded" });
  const odd = oddSwitch(process.env);
  if (odd !== undefined)
    findings.push({ what: "tracking", verdict: "note", detail: odd, todo: "Correct PULSE_MLFLOW." });
  findings.push(...strays());
  const older = config.origins["trackingUri"] === undefined ? strayRuns(config.trackingUri) : undefined;
  if (older !== undefined) findings.push({ what: "mlruns", verdict: "note", detail: older });
  const doubt = likelyAbsolute(config.trackingUri);
  if (doubt !== undefined) findings.push({ what: "tracking URI", verdict: "note", detail: doubt });
  const kept = await foldersFor(rootOf(config), store && options.uri).then((folders) =>
    folders
      .map((folder) => ({ uri: shownText(folder.uri), boxes: outboxStates(folder), obstacle: obstacle(folder.uri) }))
      .filter(({ boxes }) => boxes.length > 0),
  );
  const isDatabase = store?.uri.startsWith("sqlite:") === true;
  const sqlite =
    isDatabase || kept.length > 0 || (store?.durable && config.durability !== "memory") ? driver() : undefined;
  if (sqlite) findings.push(sqlite);
  if (store && !(isDatabase && sqlite?.verdict === "bad")) findings.push(...(await probe(store, options)));
  findings.push(outbox(config));
  for (const { uri, boxes, obstacle } of kept) findings.push(...waiting(uri, boxes, obstacle));
  await store?.close();

  const todo = findings.flatMap(
    ({ todo, verdict, what }) => todo ?? (verdict === "bad" ? `Fix the problem with ${what}.` : []),
  );
  if (terminal.json) printJson(terminal, { ok: todo.length === 0, settings, findings, todo });
  else show(terminal, settings, findings, todo);
  return todo.length > 0 ? 2 : 0;
}

/** Splits a message into the problem and the advice. */
function splitAdvice(message: string): { detail: string; todo: string } {
  const at = message.lastIndexOf(". ", message.length - 2);
  return { detail: message.slice(0, at), todo: message.slice(at + 2) };
}

/** Finds files and variables that look like configuration but are not read. */
function strays(): Finding[] {
  const found = strayFiles().map((name): Finding => {
    const detail = `${name} is not read: settings are in ${CONFIG_FILE}, or given to configure()`;
    return { what: "configuration", verdict: "note", detail, todo: `Move ${name} to ${CONFIG_FILE}.` };
  });
  for (const { name, meant } of misspelt(process.env)) {
    const detail = `${name} is not known here; did you mean ${meant}?`;
    const todo = `Set ${meant} instead of ${name}, or leave it if it is for something else.`;
    found.push({ what: "environment", verdict: "note", detail, todo });
  }
  return found;
}

/** Checks the SQLite driver. */
function driver(): Finding {
  const what = "SQLite driver";
  try {
    const { name, version, path } = trySqlite();
    const isPnpm = /[\\/]\.pnpm[\\/]/.test(path);
    const asked = `; its install script is not needed: if pnpm asks about it, put \`allowBuilds: { "${name}": false }\` into pnpm-workspace.yaml`;
    return { what, verdict: "ok", detail: `${name} works (SQLite ${version})${isPnpm ? asked : ""}` };
  } catch (error) {
    return problem(what, error);
  }
}

/** Describes what is kept for one tracking URI: what waits for delivery, and what is set aside. */
function waiting(uri: string, boxes: readonly OutboxState[], obstacle: string | undefined): Finding[] {
  const of = (state: OutboxState["state"]): readonly OutboxState[] => boxes.filter((box) => box.state === state);
  const sums = together(of("waiting"));
  const { changes, runs, runsWaiting, changesSetAside, runsSetAside, artifactsSetAside, artifactBytesSetAside } = sums;
  const artifacts = sums.artifacts - artifactsSetAside;
  const sync = commandFor("sync", uri);
  const mend =
    obstacle &&
    `Move it away (${obstacle}), or replace it with MLflow's own: until then nothing can be delivered to ${uri}.`;
  const findings: Finding[] = [];
  if (of("live").length > 0) {
    const detail = `${uri}: ${counted(of("live").length, "outbox is", "outboxes are")} held by running programs, which deliver them`;
    findings.push({ what: "kept", verdict: "ok", detail });
  }
  if (changes > changesSetAside || artifacts > 0 || (changes === 0 && artifactsSetAside === 0 && runs > 0)) {
    const count = changes - changesSetAside;
    const files = { artifacts, artifactBytes: sums.artifactBytes - artifactBytesSetAside };
    const detail = `${uri}: ${amount(count, runsWaiting, files)} ${count + artifacts === 1 ? "waits" : "wait"}`;
    findings.push({
      what: "kept",
      verdict: "note",
      detail,
      todo: mend ?? `Deliver what waits for ${uri}: \`${sync}\`.`,
    });
  }
  if (changesSetAside + artifactsSetAside > 0) {
    const reasons = new Set(of("waiting").flatMap(({ setAside = [] }) => setAside.map(({ reason }) => reason)));
    const files = { artifacts: artifactsSetAside, artifactBytes: artifactBytesSetAside };
    const are = changesSetAside + artifactsSetAside === 1 ? "is" : "are";
    const detail = `${uri}: ${amount(changesSetAside, runsSetAside, files)} ${are} set aside: ${[...reasons].slice(0, MAX_REASONS).join(" ")}`;
    const todo = `${mend ?? `Fix the reason and try again: \`${sync}\`.`} Or throw it away: \`${commandFor("discard", uri, "--set-aside")}\`.`;
    findings.push({ what: "kept", verdict: "note", detail, todo });
  }
  for (const { path } of of("foreign"))
    findings.push({
      what: "kept",
      verdict: "note",
      detail: `${uri}: ${path} was written by another version of this package, or is damaged`,
      todo: `${path}: ${FOREIGN_TODO}`,
    });
  return findings;
}

/** The number of reasons shown for what is set aside. */
const MAX_REASONS = 3;

function show(
  terminal: Terminal,
  settings: readonly Setting[],
  findings: readonly Finding[],
  todo: readonly string[],
): void {
  const print = (line = ""): void => void terminal.out.write(`${line}\n`);
  const width = Math.max(...[...settings, ...findings].map((each) => ("name" in each ? each.name : each.what).length));
  print(styled(terminal, "bold", "Configuration"));
  for (const { name, value, origin } of settings)
    print(`  ${name.padEnd(width)}  ${value}  ${styled(terminal, "dim", `(${origin})`)}`);
  print();
  print(styled(terminal, "bold", "Checks"));
  for (const { what, verdict, detail } of findings) {
    const mark = {
      ok: styled(terminal, "green", "ok  "),
      note: styled(terminal, "yellow", "note"),
      bad: styled(terminal, "red", "BAD "),
    }[verdict];
    print(`  ${mark}  ${what.padEnd(width)}  ${detail}`);
  }
  print();
  print(styled(terminal, "bold", todo.length === 0 ? "Nothing to do." : "What to do"));
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
    file: hasConfigFile() ? CONFIG_FILE : "",
    trackingUri: shownUri(config.trackingUri),
    experiment:
      experiment === undefined
        ? "the class's name, else Default"
        : "name" in experiment
          ? experiment.name
          : `id ${experiment.id}`,
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
    outbox: `${rootOf(config)}, at most ${config.maxOutboxBytes} bytes`,
    redact:
      config.redact === false
        ? "off"
        : typeof config.redact === "function"
          ? "built-in rules and a function"
          : "built-in rules",
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

/** Returns the store's own findings, or a note if it has no probe. */
async function probe(store: ReadyStore, options: ProbeOptions): Promise<readonly Finding[]> {
  if (store.volatile)
    return [{ what: "store", verdict: "note", detail: `${store.uri} keeps nothing beyond this process` }];
  if (store.probe === undefined)
    return [{ what: "store", verdict: "note", detail: `${store.uri}: this kind of store cannot be checked` }];
  try {
    return await store.probe(options);
  } catch (error) {
    return [problem("store", error)];
  }
}

function outbox(config: ResolvedConfig): Finding {
  const folder = rootOf(config);
  if (config.durability === "memory")
    return { what: "outbox", verdict: "note", detail: 'off (durability is "memory"): a crash loses what waits' };
  try {
    makeFolder(folder, 0o700);
  } catch (error) {
    return { ...problem("outbox", error), todo: "Set `outbox.folder` to a folder that can be created and written." };
  }
  return writable("outbox", folder, folder);
}
