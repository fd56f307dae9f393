import { messageOf, PulseError, type PulseErrorCode } from "../../base/errors.js";
import { shownText, shownUri } from "../../base/text/redact.js";
import { wrongInput } from "../../base/wrong-input.js";
import { Failure, failureSaid } from "../../http/failure.js";
import { rootOf } from "../../http/mlflow-api.js";

/**
 * The server a client sends to, without credentials, by the field that holds its URL; undefined when it has no such
 * field.
 * @throws PulseError `INVALID_OPTION` for what is no URL of a server: nothing it sends would ever arrive
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

/** What follows from an error of MLflow's of which the code is known, or is told by the words. */
export function mlflowFailure(
  origin: string,
  call: string,
  status: number,
  message: string,
  errorCode: string = codeOf(status, message),
): Failure {
  return failureSaid(origin, { call, status, errorCode, message, shown: message.split("\n")[0] ?? "" });
}

/** An answer that is not MLflow's, of which there is only the status: a gateway, a login page, another server. */
export function foreignFailure(origin: string, call: string, status: number): Failure {
  if (status === 403) return new Failure("denied", new PulseError("FORBIDDEN", `${origin} refuses ${call} (403).`));
  const code: PulseErrorCode =
    status === 401 ? "UNAUTHORIZED" : status === 408 || status === 429 || status >= 500 ? "SERVER_ERROR" : "NO_MLFLOW";
  return new Failure(
    "away",
    new PulseError(code, `${origin} answered ${call} with status ${status}, and not as MLflow does.`),
  );
}

/** An error that says nothing of the request: nobody knows whether it has arrived. */
export function unknownFailure(origin: string, call: string, error: unknown, what: string): Failure {
  const reason = (error as { cause?: unknown } | null)?.cause;
  const why = reason === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(reason)}`;
  return new Failure(
    "away",
    new PulseError("STORE_UNAVAILABLE", `${origin} ${what} ${call} (${why}).`, withoutSecrets(error)),
  );
}

/** An error as it may be printed: that of a URL with a password holds it. */
function withoutSecrets(error: unknown): Error {
  const shown = new Error(shownText(messageOf(error)));
  const name: unknown = (error as Partial<Error> | null)?.name;
  if (typeof name === "string") shown.name = name;
  return shown;
}

/** The statuses of MLflow's own errors. Others are a gateway's, whatever is in them. */
const OF_MLFLOW: readonly number[] = [400, 401, 403, 404, 409, 429, 500, 501, 503, 504];
/** What MLflow says where something is not there; gateways say that there is no route. */
const NOT_THERE = /not found|does not exist|no .+ exists|could not find/i;

/** Whether an error of which there are only the status and the words is MLflow's. */
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
 * What a database says, in MLflow's words of which it is not known whether trying again helps: as the code that comes
 * with them.
 */
const OF_DATABASE =
  /\b(IntegrityError|OperationalError|sqlalchemy|psycopg|sqlite3\.|UNIQUE constraint|\(Background on this error)/i;

/** MLflow's code for an error of which there are only the status and the words. */
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
