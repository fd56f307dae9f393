import { PulseError } from "../base/errors.js";
import { environmentAuth, type FoundAuth } from "./credentials.js";
import type { Auth, TlsOptions } from "./options.js";
import type { Picker } from "./picker.js";

/** @internal Connection settings of a server, from options or the environment variables of MLflow's Python client. */
export interface ServerSettings {
  readonly auth: Auth | undefined;
  /** Whether the environment has credentials that must not be sent to this server. */
  readonly withheld?: boolean | undefined;
  /** A problem with the credentials file; set once `auth` was read. */
  readonly problem?: PulseError | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
  readonly workspace: string | undefined;
  readonly requestTimeoutMs: number;
  /** Whether to respect a server's Retry-After header. */
  readonly respectRetryAfter: boolean;
  /** The environment to read `*_PROXY` and `NO_PROXY` from. */
  readonly env: NodeJS.ProcessEnv;
}

const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const MAX_REQUEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * @internal Resolves the settings of a server.
 * @throws PulseError `INVALID_CONFIG` for invalid or contradictory environment variables.
 */
export function serverSettings(pick: Picker): ServerSettings {
  const { env } = pick;
  const timeout = pick.maybe("requestTimeoutMs") ?? environmentTimeout(pick);
  const respectRetryAfter = flag(pick, "respectRetryAfter", "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER") ?? true;
  let found: FoundAuth | undefined;
  return {
    // Read lazily, when a server is opened: programs that use no server need not read the credentials file.
    get auth() {
      if (found === undefined) {
        const auth = pick.secret("auth");
        found = auth === undefined ? environmentAuth(pick) : { auth };
      }
      return found.auth;
    },
    get withheld() {
      return found?.withheld;
    },
    get problem() {
      return found?.problem;
    },
    headers: pick.secret("headers") ?? {},
    tls: tlsOf(pick),
    workspace: pick.maybe("workspace", "MLFLOW_WORKSPACE"),
    requestTimeoutMs: Math.min(timeout ?? DEFAULT_REQUEST_TIMEOUT_MS, MAX_REQUEST_TIMEOUT_MS),
    respectRetryAfter,
    env,
  };
}

function environmentTimeout(pick: Picker): number | undefined {
  const variable = "MLFLOW_HTTP_REQUEST_TIMEOUT";
  const text = pick.environment("requestTimeoutMs", variable);
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!(seconds > 0))
    throw new PulseError(
      "INVALID_CONFIG",
      `${variable}: expected a number of seconds above 0, got ${JSON.stringify(text)}.`,
    );
  return seconds * 1_000;
}

/** Parses a boolean variable the way MLflow's Python client does. */
function flag(pick: Picker, name: string, variable: string): boolean | undefined {
  const text = pick.environment(name, variable)?.trim();
  if (text === undefined || /^(true|1)$/i.test(text)) return text === undefined ? undefined : true;
  if (/^(false|0)$/i.test(text)) return false;
  throw new PulseError("INVALID_CONFIG", `${variable}: expected true, false, 1 or 0, got ${JSON.stringify(text)}.`);
}

/** A client certificate is a credential and only sent to its own server; whom to trust is not. */
function tlsOf(pick: Picker): TlsOptions {
  const own = pick.secret("tls");
  const named = own ?? pick.maybe("tls");
  if (named !== undefined) return own ?? { ca: named.ca, insecure: named.insecure };
  const ca = pick.environment("tls", "MLFLOW_TRACKING_SERVER_CERT_PATH");
  const cert = pick.maySend("environment") ? pick.environment("tls", "MLFLOW_TRACKING_CLIENT_CERT_PATH") : undefined;
  const insecure = flag(pick, "tls", "MLFLOW_TRACKING_INSECURE_TLS") ?? false;
  if (ca !== undefined && insecure)
    throw new PulseError(
      "INVALID_CONFIG",
      "MLFLOW_TRACKING_SERVER_CERT_PATH and MLFLOW_TRACKING_INSECURE_TLS contradict each other: unset one.",
    );
  return { ca, cert, insecure };
}
