import type { CallHandler, ExecutionContext, NestInterceptor } from "@nestjs/common";
import { defer, Observable } from "rxjs";
import type { Tracker } from "../../index.js";
import { type SubscriptionOptions, trackedRun } from "../rxjs.js";
import type { MessageOptions } from "./options.js";

/** Opens the runs of messages. */
export class HandlerRuns implements NestInterceptor {
  readonly #messages: MessageOptions;
  readonly #tracker: Tracker;

  constructor(messages: MessageOptions, tracker: Tracker) {
    this.#messages = messages;
    this.#tracker = tracker;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const kind = context.getType();
    if (kind !== "rpc" && kind !== "ws") return next.handle();
    const handler = `${context.getClass().name}.${context.getHandler().name}`;
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
