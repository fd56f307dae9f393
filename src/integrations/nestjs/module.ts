import {
  ConfigurableModuleBuilder,
  type ConfigurableModuleCls,
  type DynamicModule,
  Inject,
  Module,
  type NestModule,
  type OnApplicationShutdown,
  Optional,
  type StreamableFile,
} from "@nestjs/common";
import { APP_INTERCEPTOR, HttpAdapterHost } from "@nestjs/core";
import { ExceptionsHandler } from "@nestjs/core/exceptions/exceptions-handler.js";
import { later, soon } from "../../base/detached.js";
import { shared } from "../../base/shared-state.js";
import { type Check, checkOptions } from "../../base/wrong-input.js";
import {
  createTracker,
  defaultTracker,
  type Installed,
  PulseError,
  registerResultKind,
  type Tracker,
} from "../../index.js";
import { trackRequests as ofExpress } from "../http/express.js";
import { trackRequests as ofFastify } from "../http/fastify.js";
import { REQUEST_CHECKS, requestRunOf } from "../http/request-run.js";
import { HandlerRuns } from "./handler-runs.js";
import type { MessageOptions, PulseMlflowOptions } from "./options.js";

/** The token of the tracker that the application records with; see `InjectTracker`. */
export const PULSE_TRACKER: unique symbol = Symbol.for("pulse-mlflow/tracker") as never;

const OPTIONS = Symbol.for("pulse-mlflow/options");

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
export const InjectTracker = (): PropertyDecorator & ParameterDecorator => Inject(PULSE_TRACKER);

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
const OR_FALSE = (value: unknown): boolean => value === false || isObject(value);
const CHECKS: Record<keyof PulseMlflowOptions, Check> = {
  config: ["an object, as configure() takes it", isObject],
  tracker: [
    "a tracker, as createTracker() makes it",
    (value) => typeof (value as Tracker | null)?.install === "function",
  ],
  requests: ["an object or false", OR_FALSE],
  messages: ["an object or false", OR_FALSE],
  shutdownTimeoutMs: ["a number, 0 or more", (value) => typeof value === "number" && value >= 0],
};

const { tracker: _, ...REQUESTS } = REQUEST_CHECKS;
const { experiment, tags, maxRunsPerSecond, sample, ignore } = REQUEST_CHECKS;
const MESSAGES: Record<keyof MessageOptions, Check> = { experiment, tags, maxRunsPerSecond, sample, ignore };

function check(user: string, options: PulseMlflowOptions): void {
  checkOptions(user, options, CHECKS);
  checkOptions(user, options.requests || {}, REQUESTS, { at: "requests" });
  checkOptions(user, options.messages || {}, MESSAGES, { at: "messages" });
}

const SIGNAL_MS = 100;

/** Trackers that the module has made, and hence ends. */
const made = new WeakSet<Tracker>();

function trackerOf(options: PulseMlflowOptions): Tracker {
  check("PulseMlflowModule", options);
  const { config, tracker } = options;
  if (config !== undefined && tracker !== undefined)
    throw new PulseError(
      "INVALID_OPTION",
      "PulseMlflowModule: config and tracker exclude each other; give one of them.",
    );
  if (tracker !== undefined || config === undefined) return tracker ?? defaultTracker();
  const own = createTracker(config);
  made.add(own);
  return own;
}

/**
 * Returns the interceptor of messages, if there may be any. It costs each request of a service, and Nest answers some a
 * little differently where there is an interceptor, so an application with HTTP has it only if it asks for it.
 */
function handlerRuns(
  { messages }: PulseMlflowOptions,
  tracker: Tracker,
  { httpAdapter }: Partial<HttpAdapterHost>,
): HandlerRuns | undefined {
  if (messages === false || (messages === undefined && httpAdapter)) return undefined;
  return new HandlerRuns(messages ?? {}, tracker);
}

/** Tells the runs of requests what failed: in guards, pipes, handlers and interceptors, before any filter answers. */
function watchErrors(): void {
  const { prototype } = ExceptionsHandler;
  if (watched.has(prototype)) return;
  watched.add(prototype);
  const { next } = prototype;
  prototype.next = function (error, host) {
    const request =
      host.getType() === "http" ? host.getArgByIndex<{ readonly raw?: object } | undefined>(0) : undefined;
    if (Object(request) === request) requestRunOf(request?.raw ?? (request as object))?.caught(error); // Fastify's have Node's
    Reflect.apply(next, this, [error, host]);
  };
}

/** A process may have several copies of Nest, and a program several of this module. */
const watched = shared("nest errors", () => new WeakSet<object>());

const Base: ConfigurableModuleCls<PulseMlflowOptions, "forRoot", "createPulseMlflowOptions"> =
  new ConfigurableModuleBuilder<PulseMlflowOptions>({ optionsInjectionToken: OPTIONS })
    .setClassMethodName("forRoot")
    .setFactoryMethodName("createPulseMlflowOptions")
    .setExtras({}, (definition) => ({
      ...definition,
      global: true,
      providers: [
        ...(definition.providers ?? []),
        { provide: PULSE_TRACKER, useFactory: trackerOf, inject: [OPTIONS] },
        { provide: APP_INTERCEPTOR, useFactory: handlerRuns, inject: [OPTIONS, PULSE_TRACKER, HttpAdapterHost] },
      ],
      exports: [PULSE_TRACKER],
    }))
    .build().ConfigurableModuleClass;

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
export class PulseMlflowModule extends Base implements NestModule, OnApplicationShutdown {
  readonly #options: PulseMlflowOptions;
  readonly #tracker: Tracker;
  readonly #host: HttpAdapterHost | undefined;
  readonly #installed: Installed | undefined;

  /** @internal */
  constructor(options: PulseMlflowOptions | undefined, tracker: Tracker, host?: HttpAdapterHost) {
    super();
    if (options === undefined)
      throw new PulseError("INVALID_OPTION", "PulseMlflowModule: import PulseMlflowModule.forRoot(), not the class.");
    check("PulseMlflowModule", options);
    this.#options = options;
    this.#tracker = tracker;
    this.#host = host;
    // Sockets, timers and Nest's own code run outside of any context that could name the tracker.
    this.#installed = tracker === defaultTracker() ? undefined : tracker.install();
  }

  static override forRoot(options: PulseMlflowOptions = {}): DynamicModule {
    check("PulseMlflowModule.forRoot", options);
    // biome-ignore lint/complexity/noThisInStatic: the module is the class that it is called on
    return super.forRoot(options);
  }

  /** @internal Nest calls it while an application with HTTP is set up, before its routes are. */
  configure(): void {
    const { requests = {} } = this.#options;
    if (requests === false) return;
    if (this.#host === undefined)
      throw new PulseError(
        "INVALID_OPTION",
        "PulseMlflowModule: there are two copies of @nestjs/core, that of the application and the one we found.",
      );
    const { httpAdapter } = this.#host;
    // The default tracker may change.
    const options = this.#installed === undefined ? requests : { ...requests, tracker: this.#tracker };
    if (httpAdapter.getType() === "fastify") ofFastify(httpAdapter.getInstance(), options, () => undefined);
    else httpAdapter.use(ofExpress(options));
  }

  /** @internal Called after those of other modules, which may still record. */
  async onApplicationShutdown(signal?: string): Promise<void> {
    const { shutdownTimeoutMs: timeoutMs = 5_000 } = this.#options;
    // The responses of callers who have just left tell so in the next turn of the event loop.
    await new Promise<void>((resolve) => void soon(resolve));
    const tracker = this.#tracker;
    // What cannot be delivered now is kept, and was warned about.
    await (made.has(tracker) ? tracker.shutdown({ timeoutMs }) : tracker.flush({ timeoutMs })).catch(() => undefined);
    this.#installed?.uninstall();
    // Nest then repeats the signal, which must find the process still there.
    if (signal !== undefined) later(() => undefined, SIGNAL_MS);
  }
}

// Called as functions: our build needs no dialect for them.
Module({})(PulseMlflowModule);
for (const [i, token] of [OPTIONS, PULSE_TRACKER, HttpAdapterHost].entries()) {
  Inject(token)(PulseMlflowModule, undefined, i);
  Optional()(PulseMlflowModule, undefined, i);
}

watchErrors();

// A call that returns a file lasts until the file is read.
shared("nest files", () =>
  registerResultKind<StreamableFile>({
    name: "StreamableFile",
    matches: (result) => "getStream" in result && "getHeaders" in result,
    follow(file, call) {
      call.follow(file.getStream());
      return file;
    },
  }),
);
