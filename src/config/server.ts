import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { PulseError } from "../errors.js";
import type { Auth, PulseConfig, TlsOptions } from "./options.js";

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

/**
 * Resolves the settings of a server.
 * @throws PulseError `INVALID_CONFIG` for environment variables that contradict each other.
 */
export function serverSettings(given: PulseConfig, stored: PulseConfig, env: NodeJS.ProcessEnv): ServerSettings {
  const set = (name: string): string | undefined => (env[name]?.trim() ? env[name] : undefined);
  const seconds = Number(set("MLFLOW_HTTP_REQUEST_TIMEOUT"));
  return {
    auth: given.auth ?? stored.auth ?? environmentAuth(env),
    headers: { ...stored.headers, ...given.headers },
    tls: given.tls ?? stored.tls ?? environmentTls(set),
    workspace: given.workspace ?? stored.workspace ?? set("MLFLOW_WORKSPACE"),
    requestTimeoutMs: given.requestTimeoutMs ?? stored.requestTimeoutMs ?? (seconds > 0 ? seconds * 1_000 : DEFAULT_REQUEST_TIMEOUT_MS),
    respectRetryAfter: !/^(false|0)$/i.test(set("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER") ?? ""),
    env,
  };
}

/** As in Python's client: a complete pair wins over a token; each half may come from the credentials file. */
function environmentAuth(env: NodeJS.ProcessEnv): Auth | undefined {
  const file = credentialsFile(env);
  const username = env["MLFLOW_TRACKING_USERNAME"] || file.get("mlflow_tracking_username");
  const password = env["MLFLOW_TRACKING_PASSWORD"] || file.get("mlflow_tracking_password");
  if (username && password) return { username, password };
  const token = env["MLFLOW_TRACKING_TOKEN"];
  return token ? { token } : undefined;
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

function environmentTls(set: (name: string) => string | undefined): TlsOptions {
  const ca = set("MLFLOW_TRACKING_SERVER_CERT_PATH");
  const insecure = /^(true|1)$/i.test(set("MLFLOW_TRACKING_INSECURE_TLS") ?? "");
  if (ca !== undefined && insecure)
    throw new PulseError("INVALID_CONFIG", "MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_INSECURE_TLS contradict each other: unset one.");
  return { ca, cert: set("MLFLOW_TRACKING_CLIENT_CERT_PATH"), insecure };
}
