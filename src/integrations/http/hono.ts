import type { IncomingMessage, ServerResponse } from "node:http";
import { type FollowedCall, kindsFor } from "../../inner/http.js";
import { asked, checkRequestOptions, openRequest, type RequestOptions, RequestRun } from "./request-run.js";

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
export function trackRequests(
  options: HonoOptions = {},
): (context: HonoContext, next: () => Promise<void>) => Promise<void> {
  const given = options as RequestOptions; // `when` gets another kind of request
  checkRequestOptions("trackRequests", given);
  const { when, ...own } = given;
  return async (context, next) => {
    const { raw } = context.req;
    if (when !== undefined && asked("when", () => when(raw as never)) === false) return next();
    const { incoming, outgoing } = (context.env ?? {}) as NodeBindings;
    if (incoming === undefined || outgoing === undefined) return onWeb(context, next, own);
    const opened = openRequest(incoming, outgoing, own);
    if (opened === undefined) return next();
    opened.route ??= () => routeOf(context);
    await handled(opened, context, next);
  };
}

async function handled(opened: RequestRun, context: HonoContext, next: () => Promise<void>): Promise<void> {
  try {
    await opened.enter(next);
  } catch (error) {
    opened.caught(error);
    throw error;
  }
  if (context.error !== undefined) opened.caught(context.error);
}

/** Requests whose run is open, where there is no response of Node's. */
const onTheWeb = new WeakSet<Request>();

/** Answers a request by web streams alone. */
async function onWeb(context: HonoContext, next: () => Promise<void>, options: RequestOptions): Promise<void> {
  const { raw, method } = context.req;
  if (onTheWeb.has(raw)) return next();
  onTheWeb.add(raw);
  const opened = new RequestRun(method, raw.headers.get("baggage"), options);
  let over = false;
  const end = (status: number | undefined, bytes: number | undefined, left: boolean): void => {
    if (over) return;
    over = true;
    raw.signal?.removeEventListener("abort", leave);
    opened.end(status, bytes, left);
  };
  const leave = (): void => end(undefined, undefined, true);
  raw.signal?.addEventListener("abort", leave);
  try {
    await handled(opened, context, next);
  } catch (error) {
    end(500, undefined, false);
    throw error;
  }
  if (raw.signal?.aborted) return leave();
  // Not asked for later: who holds the context holds the answer, which then is never collected.
  const route = routeOf(context);
  opened.route = () => route;
  const { res: answer } = context;
  const { status } = answer;
  const announced = answer.headers?.get("content-length");
  const bytes = method === "HEAD" || !answer.body ? 0 : announced ? Number(announced) : undefined;
  const kind = method === "HEAD" || !readsByMethods ? undefined : kindOf(answer);
  if (kind === undefined) return end(status, bytes, false);
  abandoned.register(answer, leave);
  const call: FollowedCall = {
    enter: (fn) => opened.enter(fn),
    step: () => undefined,
    follow: (part) => part,
    done: () => end(status, bytes, false),
    fail(error) {
      opened.broke(error);
      end(undefined, undefined, true);
    },
    leave,
  };
  kind.follow(answer, call);
}

// Apart: a function in there that names the answer would keep it from being collected.
const kindOf = (answer: Response) => kindsFor(answer).find((kind) => kind.matches(answer));

/** Deno and Bun read a body by their own means, so that its end cannot be told: there a run ends with its handler. */
const readsByMethods = !("Deno" in globalThis || "Bun" in globalThis);

/** The last route that matched is the one that answered; middlewares have patterns. */
function routeOf({ req }: HonoContext): string | undefined {
  const path = req.matchedRoutes.at(-1)?.path;
  return path === undefined || path.endsWith("*") ? undefined : path;
}

const abandoned = new FinalizationRegistry<() => void>((leave) => leave());
