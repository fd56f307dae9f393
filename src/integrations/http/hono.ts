import type { IncomingMessage, ServerResponse } from "node:http";
import { checkRequestOptions, openRequest, type RequestOptions, RequestRun } from "./request-run.js";

/** Options of the runs that requests become. */
export interface HonoOptions extends Omit<RequestOptions, "when" | "route"> {
  /** Whether a request is tracked. @default every request */
  readonly when?: ((request: Request) => boolean) | undefined;
}

/** The part of a Hono context that is used. `incoming` and `outgoing` are there on Node. */
interface HonoContext {
  readonly req: {
    readonly method: string;
    readonly raw: Request;
    readonly matchedRoutes: readonly { readonly path: string }[];
  };
  readonly env: unknown;
  readonly error: Error | undefined;
  res: Response;
}

interface NodeBindings {
  readonly incoming?: IncomingMessage;
  readonly outgoing?: ServerResponse;
}

/**
 * Returns a middleware of Hono 4 that opens a run for each request, on Node and with web streams alone. Use it first.
 * The run ends when the answer is sent: FAILED from status 500 on, KILLED when the caller is gone before.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * import { trackRequests } from "pulse-mlflow/hono";
 *
 * const middleware = trackRequests({ experiment: "Service" }); // app.use(middleware)
 * ```
 */
export function trackRequests({
  when,
  ...options
}: HonoOptions = {}): (context: HonoContext, next: () => Promise<void>) => Promise<void> {
  checkRequestOptions("trackRequests", { ...options, when: when as never });
  return async (context, next) => {
    if (when?.(context.req.raw) === false) return next();
    const { incoming, outgoing } = (context.env ?? {}) as NodeBindings;
    const byNode = incoming !== undefined && outgoing !== undefined;
    const opened = byNode
      ? openRequest(incoming, outgoing, options)
      : new RequestRun(context.req.method, { baggage: context.req.raw.headers.get("baggage") }, options);
    if (opened === undefined) return next();
    opened.route ??= () => routeOf(context);
    try {
      await opened.enter(next);
    } catch (error) {
      opened.caught(error);
      if (!byNode) opened.end(500, undefined, false);
      throw error;
    }
    if (context.error !== undefined) opened.caught(context.error);
    if (!byNode) followBody(context, opened);
  };
}

/** The last route that matched is the one that answered; middlewares have patterns. */
function routeOf({ req }: HonoContext): string | undefined {
  const path = req.matchedRoutes.at(-1)?.path;
  return path === undefined || path.endsWith("*") ? undefined : path;
}

const abandoned = new FinalizationRegistry<() => void>((leave) => leave());

/** Ends the run with the body of an answer, where there is no response of Node's. */
function followBody(context: HonoContext, opened: RequestRun): void {
  const { res: answer } = context;
  const { body, status } = answer;
  let bytes = 0;
  if (body === null) {
    opened.end(status, bytes, false);
    return;
  }
  let over = false;
  const end = (left: boolean): void => {
    if (!over) opened.end(status, bytes, left);
    over = true;
  };
  const counting = {
    transform(chunk: Uint8Array, controller: TransformStreamDefaultController<Uint8Array>) {
      bytes += chunk.byteLength;
      controller.enqueue(chunk);
    },
    flush: () => end(false),
    cancel: () => end(true),
  };
  const counted = body.pipeThrough(new TransformStream(counting));
  abandoned.register(counted, () => end(true));
  context.res = undefined as never; // else Hono merges the headers of both
  context.res = new Response(counted, answer);
}
