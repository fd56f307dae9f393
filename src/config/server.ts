import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { PulseError } from "../errors.js";
import { type Auth, HEADER_VALUE, type TlsOptions } from "./options.js";
import type { Picker } from "./picker.js";

/** How a server is spoken to: the settings of Python's client, by option or by its environment variables. */
export interface ServerSettings {
  readonly auth: Auth | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  readonly workspace: string | undefined;
  readonly requestTimeoutMs: number;
  /** Whether a server's Retry-After is kept. */
  readonly respectRetryAfter: boolean;
  /** `*_PROXY` and `NO_PROXY` are read from here. */
  readonly env: NodeJS.ProcessEnv;
}

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const LONGEST_REQUEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * Resolves the settings of a server.
 * @throws PulseError `INVALID_CONFIG` for environment variables that contradict each other, or mean nothing.
 */
export function serverSettings(pick: Picker): ServerSettings {
  const { env } = pick;
  const timeout = pick.maybe("requestTimeoutMs") ?? environmentTimeout(pick);
  const retryAfter = pick.environment("respectRetryAfter", "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER") ?? "true";
  let auth: Auth | undefined;
  let resolved = false;
  return {
    // Looked for when a server is opened: it may be in a file, which is nothing to a program without one.
    get auth() {
      if (!resolved) auth = pick.maybe("auth") ?? environmentAuth(pick);
      resolved = true;
      return auth;
    },
    headers: pick.value("headers", {}),
    tls: pick.maybe("tls") ?? environmentTls(pick),
    workspace: pick.maybe("workspace", "MLFLOW_WORKSPACE"),
    requestTimeoutMs: Math.min(timeout ?? DEFAULT_REQUEST_TIMEOUT_MS, LONGEST_REQUEST_TIMEOUT_MS),
    respectRetryAfter: !/^(false|0)$/i.test(retryAfter),
    env,
  };
}

function environmentTimeout(pick: Picker): number | undefined {
  const variable = "MLFLOW_HTTP_REQUEST_TIMEOUT";
  const text = pick.environment("requestTimeoutMs", variable);
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!(seconds > 0))
    throw new PulseError("INVALID_CONFIG", `${variable}: expected a number of seconds above 0, got ${JSON.stringify(text)}.`);
  return seconds * 1_000;
}

/** As in Python's client: a complete pair wins over a token; each half may come from the credentials file. */
function environmentAuth(pick: Picker): Auth | undefined {
  const { env } = pick;
  const file = credentialsFile(env);
  const username = env["MLFLOW_TRACKING_USERNAME"] || file.get("mlflow_tracking_username");
  const password = env["MLFLOW_TRACKING_PASSWORD"] || file.get("mlflow_tracking_password");
  if (username && password) {
    const whole = env["MLFLOW_TRACKING_USERNAME"] && env["MLFLOW_TRACKING_PASSWORD"];
    pick.note("auth", whole ? "MLFLOW_TRACKING_USERNAME and _PASSWORD" : "~/.mlflow/credentials");
    return { username, password };
  }
  const token = pick.environment("auth", "MLFLOW_TRACKING_TOKEN");
  if (token !== undefined && !HEADER_VALUE.test(token))
    throw new PulseError("INVALID_CONFIG", "MLFLOW_TRACKING_TOKEN: expected a text that a header can hold, without line breaks.");
  return token === undefined ? undefined : { token };
}

/** Reads section `[mlflow]` of `~/.mlflow/credentials`. */
function credentialsFile(env: NodeJS.ProcessEnv): Map<string, string> {
  const values = new Map<string, string>();
  let text: string;
  try {
    text = readFileSync(join(env["HOME"] || homedir(), ".mlflow", "credentials"), "utf8");
  } catch {
    return values; // most people have none
  }
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    section = /^\s*\[(.+)\]\s*$/.exec(line)?.[1]?.trim() ?? section;
    const [, name, value] = /^\s*([^#;=:\s][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (section === "mlflow" && name !== undefined && value !== undefined) values.set(name.toLowerCase(), value);
  }
  return values;
}

function environmentTls(pick: Picker): TlsOptions {
  const ca = pick.environment("tls", "MLFLOW_TRACKING_SERVER_CERT_PATH");
  const cert = pick.environment("tls", "MLFLOW_TRACKING_CLIENT_CERT_PATH");
  const insecure = /^(true|1)$/i.test(pick.environment("tls", "MLFLOW_TRACKING_INSECURE_TLS") ?? "");
  if (ca !== undefined && insecure)
    throw new PulseError(
      "INVALID_CONFIG",
      "MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_INSECURE_TLS contradict each other: unset one.",
    );
  return { ca, cert, insecure };
}
