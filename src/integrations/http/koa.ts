import type { IncomingMessage, ServerResponse } from "node:http";
import { checkRequestOptions, noteStream, openRequest, type RequestOptions } from "./request-run.js";

export type { RequestOptions } from "./request-run.js";

/** The part of a Koa context that is used; `_matchedRoute` is set by @koa/router. */
interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly body: unknown;
  readonly _matchedRoute?: unknown;
}

/**
 * Returns a middleware of Koa 3 that opens a run for each request. Use it first. The run ends when the answer is sent:
 * FAILED from status 500 on, KILLED when the caller is gone before. Koa sends the body of a stream outside of its
 * middlewares; to have that in the run, too, put `trackRequests` of `pulse-mlflow/http` around `app.callback()`.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * import { trackRequests } from "pulse-mlflow/koa";
 *
 * const middleware = trackRequests({ experiment: "Service" }); // app.use(middleware)
 * ```
 */
export function trackRequests(
  options: RequestOptions = {},
): (context: KoaContext, next: () => Promise<unknown>) => Promise<void> {
  checkRequestOptions("trackRequests", options);
  return async (context, next) => {
    const opened = openRequest(context.req, context.res, options);
    if (opened === undefined) {
      await next();
      return;
    }
    opened.route ??= () => {
      const route = context._matchedRoute;
      return route === undefined ? undefined : String(route);
    };
    try {
      await opened.enter(next);
      noteStream(context.body, opened);
    } catch (error) {
      opened.caught(error);
      throw error;
    }
  };
}
