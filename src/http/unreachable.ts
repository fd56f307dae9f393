import { messageOf, PulseError } from "../base/errors.js";
import { proxySpeaksNoTls, speaksNoTls } from "./wrong-scheme.js";

/** Advice for a server whose certificate is not trusted. */
export const TRUST = "Trust the server's certificate authority with tls.ca or MLFLOW_TRACKING_SERVER_CERT_PATH.";

/**
 * Creates the error of a failed connection. `name` is what could not be reached; `useless` is the variable of a proxy
 * that was ignored.
 */
export function unreachable(name: string, error: unknown, proxy: URL | undefined, useless?: string): PulseError {
  if (error instanceof PulseError) return error;
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return otherName(name, error);
  const noTls = proxy?.protocol === "https:" && speaksNoTls(error);
  const isTls = isTlsProblem(code) && !noTls;
  const why = noTls ? proxySpeaksNoTls(proxy as URL) : firstLine(error);
  const trust = isTls ? ` ${TRUST}` : "";
  const direct =
    useless === undefined
      ? ""
      : ` It was tried without a proxy: ${useless} is not the address of an http or https proxy.`;
  const detail = `${name} cannot be reached${proxy ? ` through the proxy ${proxy.host}` : ""}: ${why}.${direct}${trust}`;
  return new PulseError(isTls ? "TLS_FAILED" : "STORE_UNAVAILABLE", detail, error);
}

/** The server is trusted, but not under this name, so no additional certificate helps. */
function otherName(name: string, error: unknown): PulseError {
  const names = String((error as { cert?: { subjectaltname?: unknown } }).cert?.subjectaltname ?? "").replace(
    /\b(DNS|IP Address):/g,
    "",
  );
  const there = names === "" ? "" : ` (${names})`;
  const detail = `The certificate of ${name} is for other names${there}: use one of them in the tracking URI, or a certificate that has this one.`;
  return new PulseError("TLS_FAILED", detail, error);
}

/** Returns the connection error's message. After trying several addresses, Node hides it in an AggregateError. */
function firstLine(error: unknown): string {
  const inner = (error as AggregateError | undefined)?.errors?.[0] ?? error;
  return messageOf(inner).split("\n")[0] || String((error as { code?: unknown })?.code);
}

function isTlsProblem(code: string): boolean {
  return /CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH/.test(code);
}
