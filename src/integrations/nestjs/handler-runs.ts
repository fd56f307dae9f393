import type { CallHandler, ExecutionContext, NestInterceptor } from "@nestjs/common";
import { defer, type MonoTypeOperatorFunction, Observable } from "rxjs";
import type { Tracker } from "../../index.js";
import { type SubscriptionOptions, trackedRun } from "../rxjs.js";
import type { MessageOptions } from "./options.js";

/** Opens the runs of messages. */
export class HandlerRuns implements NestInterceptor {
  readonly #messages: MessageOptions;
  readonly #tracker: Tracker;
  /** By handler: a program has as many as it is written with. */
  readonly #operators = new Map<string, MonoTypeOperatorFunction<unknown>>();

  constructor(messages: MessageOptions, tracker: Tracker) {
    this.#messages = messages;
    this.#tracker = tracker;
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const kind = context.getType();
    if (kind !== "rpc" && kind !== "ws") return next.handle();
    const handler = `${context.getClass().name}.${context.getHandler().name}`;
    let inRun = this.#operators.get(handler);
    if (inRun === undefined) {
      const options: SubscriptionOptions = {
        maxRunsPerSecond: 10,
        ...this.#messages,
        runName: handler,
        foldKey: handler,
        nest: "root", // a worker may have been started within a run, which is none of the message's business
      };
      inRun = trackedRun(options);
      this.#operators.set(handler, inRun);
    }
    // `handle` must be called in the run: Nest keeps the context it was called in.
    const run = inRun(defer(() => next.handle()));
    return new Observable((subscriber) => this.#tracker.run(() => run.subscribe(subscriber)));
  }
}
