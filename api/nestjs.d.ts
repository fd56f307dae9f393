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

// integrations/nestjs/index.d.ts
export { InjectTracker, PULSE_TRACKER, PulseMlflowModule } from "./module.js";
export type { MessageOptions, PulseMlflowOptions } from "./options.js";

// integrations/nestjs/module.d.ts
import { type ConfigurableModuleCls, type DynamicModule, type NestModule, type OnApplicationShutdown } from "@nestjs/common";
import type { PulseMlflowOptions } from "./options.js";
/** The token of the tracker that the application records with; see `InjectTracker`. */
export declare const PULSE_TRACKER: unique symbol;
/**
 * A decorator of a constructor's parameter or a field that injects the tracker.
 * @example
 * ```ts
 * import { Module } from "@nestjs/common";
 * import type { Tracker } from "pulse-mlflow";
 * import { InjectTracker } from "pulse-mlflow/nestjs";
 *
 * class Health {
 *   constructor(readonly tracker: Tracker) {}
 *   recorded = () => this.tracker.stats().metrics;
 * }
 * InjectTracker()(Health, undefined, 0); // constructor(@InjectTracker() readonly tracker: Tracker), where your dialect has it
 * Module({ providers: [Health] })(class {});
 * ```
 */
export declare const InjectTracker: () => PropertyDecorator & ParameterDecorator;
declare const Base: ConfigurableModuleCls<PulseMlflowOptions, "forRoot", "createPulseMlflowOptions">;
/**
 * Makes runs of the requests and messages of a Nest application (11 and 12, on Express and Fastify), and delivers them
 * when it ends. Import it once, in the root module: `PulseMlflowModule.forRoot(options)`, or `forRootAsync` with
 * `useFactory`, `useClass` or `useExisting` as other modules have it.
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value, while the application is created.
 * @example
 * ```ts
 * import { Module } from "@nestjs/common";
 * import { PulseMlflowModule } from "pulse-mlflow/nestjs";
 *
 * class AppModule {}
 * Module({
 *   imports: [PulseMlflowModule.forRoot({ config: { trackingUri: "memory:" }, requests: { experiment: "Service" } })],
 * })(AppModule); // @Module({ … }) class AppModule {}, where your dialect has it
 * ```
 */
export declare class PulseMlflowModule extends Base implements NestModule, OnApplicationShutdown {
    static forRoot(options?: PulseMlflowOptions): DynamicModule;
}
export {};

// integrations/nestjs/options.d.ts
import type { PulseConfig, Tracker } from "../../index.js";
import type { RequestOptions } from "../http/request-run.js";
/** Options of the runs that messages of microservices and gateways become. */
export interface MessageOptions {
    /** The experiment of the runs. @default the configured one, else "Default" */
    readonly experiment?: string | undefined;
    /** Tags of the runs. @default none */
    readonly tags?: Readonly<Record<string, unknown>> | undefined;
    /** How many messages per second and handler become runs; the others are folded into one run. @default 10 */
    readonly maxRunsPerSecond?: number | undefined;
    /** The share of messages that are recorded, from 0 to 1. Failed ones always are. @default 1 */
    readonly sample?: number | undefined;
    /** Errors that are no failures; see the option of the decorators. @default none */
    readonly ignore?: RequestOptions["ignore"];
}
/** Options of `PulseMlflowModule`. */
export interface PulseMlflowOptions {
    /**
     * Settings of a tracker that the module makes. It is the default one while the application lives, and is shut down
     * with it. @default the default tracker, as `configure()` or the environment set it up
     */
    readonly config?: PulseConfig | undefined;
    /** A tracker of yours instead, which is the default one while the application lives, and is flushed at its end. */
    readonly tracker?: Tracker | undefined;
    /** The runs of HTTP requests; `false` for none. @default one for each request, at most ten per second */
    readonly requests?: Omit<RequestOptions, "tracker"> | false | undefined;
    /**
     * The runs of messages of microservices and gateways; `false` for none.
     * @default one for each message, at most ten per second and handler; none in an application with HTTP
     */
    readonly messages?: MessageOptions | false | undefined;
    /**
     * How long the end of the application waits for delivery, in milliseconds. What is left then is kept, and delivered
     * later. @default 5000
     */
    readonly shutdownTimeoutMs?: number | undefined;
}
