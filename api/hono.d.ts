// integrations/http/hono.d.ts
import { type RequestOptions } from "./request-run.js";
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
        readonly matchedRoutes: readonly {
            readonly path: string;
        }[];
    };
    readonly env: unknown;
    readonly error: Error | undefined;
    res: Response;
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
export declare function trackRequests(options?: HonoOptions): (context: HonoContext, next: () => Promise<void>) => Promise<void>;
export {};

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
