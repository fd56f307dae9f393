// integrations/http/node.d.ts
/// <reference types="node" />
import type { IncomingMessage, ServerResponse } from "node:http";
import { type RequestOptions } from "./request-run.js";
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
export declare function trackRequests(handler: RequestHandler, options?: RequestOptions): RequestHandler;
/** The same around a listener of other types, such as those of HTTP/2. */
export declare function trackRequests<L extends (request: never, response: never) => unknown>(handler: L, options?: RequestOptions): (...args: Parameters<L>) => unknown;

// integrations/http/request-run.d.ts
/// <reference types="node" />
import type { IncomingMessage } from "node:http";
import { type ErrorClass, type Tracker } from "../../index.js";
/** Options of the runs that requests become. */
export interface RequestOptions {
    /** The experiment of the runs. @default the configured one, else "Default" */
    readonly experiment?: string | undefined;
    /**
     * The name of the runs at first, by which they are folded. At its end a run is called after the method and the route,
     * such as `GET /users/:id`. @default "request"
     */
    readonly runName?: string | undefined;
    /** Tags of the runs. @default none */
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    /**
     * How many requests per second become runs; the others are folded into one run, as calls are by the option of the
     * decorators. @default 10
     */
    readonly maxRunsPerSecond?: number | undefined;
    /** The share of requests that are recorded, from 0 to 1. Failed ones always are. @default 1 */
    readonly sample?: number | undefined;
    /**
     * Returns the route of a request when it has been answered: a template such as `/users/:id`, so that few names are
     * made. @default the framework's; with `node:http` alone there is none, and runs are called after the method
     */
    readonly route?: ((request: IncomingMessage) => string | undefined) | undefined;
    /** Whether a request is tracked. @default every request */
    readonly when?: ((request: IncomingMessage) => boolean) | undefined;
    /** From which status on a request has failed. @default 500 */
    readonly failFrom?: number | undefined;
    /** Errors that are no failures; see the option of the decorators. @default none */
    readonly ignore?: readonly (ErrorClass | string)[] | ((error: unknown) => boolean) | undefined;
    /**
     * Whether a run may become the child of the one that the caller names in its header `baggage`: `pulse.run=` and the
     * run's id. Only for callers that you trust. @default false
     */
    readonly trustHeaders?: boolean | undefined;
    /** @default the tracker that is active where the request arrives */
    readonly tracker?: Tracker | undefined;
}
