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
