import type { IncomingMessage, ServerResponse } from "node:http";
import { checkRequestOptions, openRequest, type RequestOptions, requestRunOf } from "./request-run.js";

export type { RequestOptions } from "./request-run.js";

/** What Express adds to a request when it has found the route. */
interface Routed {
  readonly baseUrl?: string;
  readonly originalUrl?: string;
  readonly route?: { readonly path?: unknown };
}

type Next = (error?: unknown) => void;

/**
 * Returns a middleware of Express 4 and 5 that opens a run for each request. Use it first. The run ends when the answer
 * is sent: FAILED from status 500 on, KILLED when the caller is gone before.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * import { trackErrors, trackRequests } from "pulse-mlflow/express";
 *
 * const middlewares = [trackRequests({ experiment: "Service" }), trackErrors()]; // app.use(…) first, and after the routes
 * ```
 */
export function trackRequests(
  options: RequestOptions = {},
): (request: IncomingMessage, response: ServerResponse, next: Next) => void {
  checkRequestOptions("trackRequests", options);
  return (request, response, next) => {
    const opened = openRequest(request, response, options);
    if (opened === undefined) return next();
    opened.route ??= () => routeOf(request as IncomingMessage & Routed, opened.hasError);
    opened.enter(next);
  };
}

/** Returns a middleware for errors that notes them in the request's run and passes them on. Use it after the routes. */
export function trackErrors(): (
  error: unknown,
  request: IncomingMessage,
  response: ServerResponse,
  next: Next,
) => void {
  // Express knows an error middleware by its four parameters.
  return (error, request, _response, next) => {
    requestRunOf(request)?.caught(error);
    next(error);
  };
}

function routeOf({ baseUrl = "", route, originalUrl = "" }: Routed, failed: boolean): string | undefined {
  if (route === undefined) return undefined;
  const paths = Array.isArray(route.path) ? route.path : [route.path];
  const path = paths.map(String).join("|");
  return (baseUrl || (failed ? mountOf(originalUrl, path) : "")) + path;
}

/** Where a router is mounted that an error has left: Express then takes `baseUrl` back. */
function mountOf(url: string, path: string): string {
  if (/[*?+|(){}]/.test(path)) return "";
  const [asked = "", ...own] = [
    /^(?:[a-z][a-z+.-]*:\/\/[^/]*)?([^?#]*?)\/?(?:[?#]|$)/i.exec(url)?.[1],
    ...path.split("/").filter(Boolean),
  ];
  const parts = asked.split("/");
  return parts.slice(0, parts.length - own.length).join("/");
}
