import type { IncomingMessage, ServerResponse } from "node:http";
import { types } from "node:util";
import { needFunction } from "../../base/wrong-input.js";
import { checkRequestOptions, openRequest, type RequestOptions, type RequestRun } from "./request-run.js";

export type { RequestOptions } from "./request-run.js";

/** A listener of requests, as `http.createServer` takes it. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * Returns a listener of requests that answers as the one given, in a run for each request. The run ends when the answer
 * is sent: FAILED from status 500 on, KILLED when the caller is gone before. Put around the listener of a framework, it
 * also holds what the framework does after its own handlers, such as sending the body of a stream.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * import { createServer } from "node:http";
 * import { trackRequests } from "pulse-mlflow/http";
 *
 * const server = createServer(trackRequests((request, response) => response.end("hello"), { experiment: "Service" }));
 * ```
 */
export function trackRequests(handler: RequestHandler, options?: RequestOptions): RequestHandler;
/** The same around a listener of other types, such as those of HTTP/2. */
export function trackRequests<L extends (request: never, response: never) => unknown>(
  handler: L,
  options?: RequestOptions,
): (...args: Parameters<L>) => unknown;
export function trackRequests(handler: RequestHandler, options: RequestOptions = {}): RequestHandler {
  needFunction("trackRequests", "handler", handler);
  checkRequestOptions("trackRequests", options);
  return (request, response) => {
    const opened = openRequest(request, response, options);
    return opened === undefined ? handler(request, response) : handled(opened, () => handler(request, response));
  };
}

/** Calls a handler in the run of its request, and notes what it throws; that stays unhandled if it was. */
function handled(opened: RequestRun, handle: () => unknown): unknown {
  const note = (error: unknown): never => {
    opened.caught(error);
    throw error;
  };
  try {
    const given = opened.enter(handle);
    return types.isPromise(given) ? given.then(undefined, note) : given;
  } catch (error) {
    return note(error);
  }
}
