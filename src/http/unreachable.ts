import { messageOf, PulseError } from "../errors.js";
import { proxySpeaksNoTls, speaksNoTls } from "./wrong-scheme.js";

/** The error of a connection that failed: `name` is what could not be reached, through which proxy. */
export function unreachable(name: string, error: unknown, proxy: URL | undefined): PulseError {
  if (error instanceof PulseError) return error;
  const code = String((error as { code?: unknown } | null)?.code ?? "");
  const noTls = proxy?.protocol === "https:" && speaksNoTls(error);
  return new PulseError(
    isTlsProblem(code) && !noTls ? "TLS_FAILED" : "STORE_UNAVAILABLE",
    `${name} cannot be reached${proxy ? ` through the proxy ${proxy.host}` : ""}: ${noTls ? proxySpeaksNoTls(proxy as URL) : firstLine(error)}.`,
    error,
  );
}

/** A connection error's own words; Node hides them behind an AggregateError when several addresses were tried. */
function firstLine(error: unknown): string {
  const inner = (error as AggregateError | undefined)?.errors?.[0] ?? error;
  return messageOf(inner).split("\n")[0] || String((error as { code?: unknown })?.code);
}

function isTlsProblem(code: string): boolean {
  return /CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH/.test(code);
}
