import type { CallHandler, ExecutionContext, NestInterceptor } from "@nestjs/common";
import { defer, Observable, tap } from "rxjs";
import type { Tracker } from "../../index.js";
import { requestRunOf } from "../http/request-run.js";
import { type SubscriptionOptions, trackedRun } from "../rxjs.js";
import type { MessageOptions } from "./options.js";

/** Tells the runs of requests which handler answers them, and opens the runs of messages. */
export class HandlerRuns implements NestInterceptor {
  readonly #messages: MessageOptions | false;
  readonly #tracker: Tracker;

  constructor(messages: MessageOptions | false, tracker: Tracker) {
    this.#messages = messages;
    this.#tracker = tracker;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const handler = `${context.getClass().name}.${context.getHandler().name}`;
    const kind = context.getType();
    if (kind === "http") return answered(context.switchToHttp().getRequest(), handler, next);
    if ((kind !== "rpc" && kind !== "ws") || this.#messages === false) return next.handle();
    const options: SubscriptionOptions = {
      maxRunsPerSecond: 10,
      ...this.#messages,
      runName: handler,
      foldKey: handler,
      nest: "root", // a worker may have been started within a run, which is none of the message's business
    };
    // `handle` must be called in the run: Nest keeps the context it was called in.
    const run = defer(() => next.handle()).pipe(trackedRun(options));
    return new Observable((subscriber) => this.#tracker.run(() => run.subscribe(subscriber)));
  }
}

function answered(
  request: { readonly raw?: object } & object,
  handler: string,
  next: CallHandler,
): Observable<unknown> {
  const opened = requestRunOf(request.raw ?? request); // Fastify's are around Node's
  if (opened === undefined) return next.handle();
  opened.run.setTag("nest.handler", handler);
  return next.handle().pipe(tap({ error: (error: unknown) => opened.caught(error) }));
}
