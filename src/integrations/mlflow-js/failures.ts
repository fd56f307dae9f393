import { messageOf, PulseError, type PulseErrorCode } from "../../base/errors.js";
import { shownText, shownUri } from "../../base/text/redact.js";
import { wrongInput } from "../../base/wrong-input.js";
import { Failure, failureSaid } from "../../http/failure.js";
import { rootOf } from "../../http/mlflow-api.js";

/**
 * Returns the address of a client's server, without credentials, from the field that holds its URL; undefined if
 * there is no such field.
 * @throws PulseError `INVALID_OPTION` if that is not the URL of a server, since requests could never arrive.
 */
export function originOf(client: object, field: string, user: string): string | undefined {
  if (!Object.hasOwn(client, field)) return undefined;
  const url = (client as Record<string, unknown>)[field];
  if (typeof url === "string" && /^https?:\/\//i.test(url) && URL.canParse(url)) return rootOf(new URL(url));
  throw wrongInput(
    user,
    "the address of the client",
    "the URL of a server (http://host:port)",
    typeof url === "string" ? shownUri(url) : url,
  );
}

/** Classifies an error of MLflow's whose code is given, or derived from status and message. */
export function mlflowFailure(
  origin: string,
  call: string,
  status: number,
  message: string,
  errorCode: string = codeOf(status, message),
): Failure {
  return failureSaid(origin, { call, status, errorCode, message, shown: message.split("\n")[0] ?? "" });
}

/**
 * Classifies an answer that is not MLflow's, of which only the status is known: a gateway, a login page, another
 * server.
 */
export function foreignFailure(origin: string, call: string, status: number): Failure {
  if (status === 403) return new Failure("denied", new PulseError("FORBIDDEN", `${origin} refuses ${call} (403).`));
  const code: PulseErrorCode =
    status === 401 ? "UNAUTHORIZED" : status === 408 || status === 429 || status >= 500 ? "SERVER_ERROR" : "NO_MLFLOW";
  return new Failure(
    "away",
    new PulseError(code, `${origin} answered ${call} with status ${status}, but not like MLflow.`),
  );
}

/** Classifies an error that does not tell whether the request has arrived. */
export function unknownFailure(origin: string, call: string, error: unknown, what: string): Failure {
  const reason = (error as { cause?: unknown } | null)?.cause;
  const why = reason === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(reason)}`;
  return new Failure(
    "away",
    new PulseError("STORE_UNAVAILABLE", `${origin} ${what} ${call} (${why}).`, withoutSecrets(error)),
  );
}

/** Copies an error without secrets: a URL with a password may be part of its message. */
function withoutSecrets(error: unknown): Error {
  const shown = new Error(shownText(messageOf(error)));
  const name: unknown = (error as Partial<Error> | null)?.name;
  if (typeof name === "string") shown.name = name;
  return shown;
}

/** The statuses of MLflow's own errors. Any other status comes from a gateway. */
const OF_MLFLOW: readonly number[] = [400, 401, 403, 404, 409, 429, 500, 501, 503, 504];
/** How MLflow says that something does not exist. Gateways say that there is no route. */
const NOT_THERE = /not found|does not exist|no .+ exists|could not find/i;

/** Whether an error of which only status and message are known comes from MLflow. */
export function isOfMlflow(status: number, message: string): boolean {
  const text = message.trim().toLowerCase();
  if (
    !OF_MLFLOW.includes(status) ||
    text === "" ||
    text === process.getBuiltinModule("node:http").STATUS_CODES[status]?.toLowerCase()
  )
    return false;
  return status !== 404 || (NOT_THERE.test(text) && !/\broute\b/.test(text));
}

/**
 * Database errors in MLflow's messages, for which it is unknown whether a retry helps. They get the code that MLflow
 * gives them.
 */
const OF_DATABASE =
  /\b(IntegrityError|OperationalError|sqlalchemy|psycopg|sqlite3\.|UNIQUE constraint|\(Background on this error)/i;

/** Derives MLflow's error code from status and message. */
function codeOf(status: number, message: string): string {
  if (/already exists\b/i.test(message) && status === 400) return "RESOURCE_ALREADY_EXISTS";
  if (status === 400) return OF_DATABASE.test(message) ? "BAD_REQUEST" : "INVALID_PARAMETER_VALUE";
  return CODES[status] ?? (status >= 500 ? "INTERNAL_ERROR" : "INVALID_PARAMETER_VALUE");
}

const CODES: Readonly<Record<number, string>> = {
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "RESOURCE_DOES_NOT_EXIST",
  409: "RESOURCE_CONFLICT",
  429: "REQUEST_LIMIT_EXCEEDED",
  503: "TEMPORARILY_UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};
