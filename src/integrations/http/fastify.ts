import type { IncomingMessage, ServerResponse } from "node:http";
import { checkRequestOptions, noteStream, openRequest, type RequestOptions, requestRunOf } from "./request-run.js";

export type { RequestOptions } from "./request-run.js";

interface Request {
  readonly raw: IncomingMessage;
  readonly routeOptions?: { readonly url?: string | undefined };
}

interface Reply {
  readonly raw: ServerResponse;
}

/** What `register` takes for each plugin. */
interface RegisterOptions {
  readonly prefix?: unknown;
  readonly logLevel?: unknown;
  readonly logSerializers?: unknown;
}

/** The part of a Fastify instance that is used. */
interface Fastify {
  // biome-ignore lint/suspicious/noExplicitAny: the hooks differ in what they get
  addHook(name: any, hook: (...args: any[]) => void): unknown;
}

/**
 * A plugin of Fastify 5 that opens a run for each request. Register it first. The run ends when the answer is sent:
 * FAILED from status 500 on, KILLED when the caller is gone before.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value, when it is registered.
 * @example
 * ```ts
 * import { trackRequests } from "pulse-mlflow/fastify";
 *
 * const register = (app: { register(plugin: unknown, options: object): unknown }) =>
 *   app.register(trackRequests, { experiment: "Service" });
 * ```
 */
export function trackRequests(app: Fastify, options: RequestOptions, done: (error?: Error) => void): void {
  const { prefix: _, logLevel: __, logSerializers: ___, ...own } = options as RequestOptions & RegisterOptions;
  try {
    checkRequestOptions("trackRequests", own);
  } catch (error) {
    done(error as Error);
    return;
  }
  app.addHook("onRequest", (request: Request, reply: Reply, next: () => void) => {
    const opened = openRequest(request.raw, reply.raw, own);
    if (opened === undefined) return next();
    opened.route ??= () => request.routeOptions?.url;
    opened.enter(next);
  });
  // A body arrives in the context of the socket.
  app.addHook("preValidation", (request: Request, _reply: Reply, next: () => void) => {
    const opened = requestRunOf(request.raw);
    if (opened === undefined) next();
    else opened.enter(next);
  });
  app.addHook("onSend", (request: Request, _reply: Reply, payload: unknown, next: () => void) => {
    const opened = requestRunOf(request.raw);
    if (opened) noteStream(payload, opened);
    next();
  });
  app.addHook("onError", (request: Request, _reply: Reply, error: Error, next: () => void) => {
    requestRunOf(request.raw)?.caught(error);
    next();
  });
  done();
}

// Its hooks are for the whole instance, not only for what is registered within the plugin.
Object.assign(trackRequests, {
  [Symbol.for("skip-override")]: true,
  [Symbol.for("fastify.display-name")]: "pulse-mlflow",
});
