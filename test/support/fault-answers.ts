import type { OutgoingHttpHeaders } from "node:http";
import type { FaultKind } from "./fault-schedule.js";

export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

const answer = (status: number, type: string, body: string, headers: OutgoingHttpHeaders = {}): Answer => ({
  status,
  headers: { "content-type": type, ...headers },
  body: Buffer.from(body),
});
const page = (status: number, title: string): Answer =>
  answer(status, "text/html", `<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\r\n`);
const problem = (status: number, error_code: string): Answer =>
  answer(status, "application/json", JSON.stringify({ error_code, message: "Injected." }));
const tooMany = (retryAfter: string): Answer =>
  answer(429, "text/plain", "Too many requests", { "retry-after": retryAfter });

const ANSWERS: Partial<Record<FaultKind, (retryAfter: number) => Answer>> = {
  "401": () => answer(401, "text/plain", "The token has expired."),
  "429": (seconds) => tooMany(String(seconds)),
  "429-date": (seconds) => tooMany(new Date(Date.now() + seconds * 1_000).toUTCString()),
  "500": () => page(500, "Internal Server Error"),
  "500-json": () => problem(500, "INTERNAL_ERROR"),
  "502": () => page(502, "502 Bad Gateway"),
  "503": () => answer(503, "text/plain", "no healthy upstream"),
  "503-after-commit": () => problem(503, "TEMPORARILY_UNAVAILABLE"),
  "504": () => page(504, "504 Gateway Time-out"),
  "late-504": () => page(504, "504 Gateway Time-out"),
  "wrong-type": () => page(200, "Sign in"),
  "missing-fields": () => answer(200, "application/json", "{}"),
  maintenance: () => answer(200, "application/json", JSON.stringify({ status: "maintenance" })),
  "maintenance-page": () => page(200, "Down for maintenance"),
};

/** What MLflow's basic-auth says to whom a permission is missing. */
export const DENIED: Answer = answer(403, "text/plain", "Permission denied");

/** What a client reads instead of the server's own answer, where it is to read anything. */
export function falseAnswer(kind: FaultKind, retryAfter: number): Answer | undefined {
  return ANSWERS[kind]?.(retryAfter);
}

/** Whether an answer has fields that could be missing: many true answers are `{}`. */
export function hasFields({ status, body }: Answer): boolean {
  try {
    return status === 200 && Object.keys(JSON.parse(body.toString()) as object).length > 0;
  } catch {
    return false;
  }
}
