import { errorMonitor } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { shared } from "../../base/shared-state.js";
import { shortText } from "../../base/text/value-text.js";
import { type Check, checkOptions } from "../../base/wrong-input.js";
import { type ErrorClass, type Run, type StartOptions, startRun, type Tracker } from "../../index.js";

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

const isErrorName = (value: unknown): boolean =>
  typeof value === "string" || (typeof value === "function" && typeof value.prototype === "object");

/** @internal */
export const REQUEST_CHECKS: Record<keyof RequestOptions, Check> = {
  experiment: ["a non-empty string", (value) => typeof value === "string" && value.trim() !== ""],
  runName: ["a text", (value) => typeof value === "string" && value !== ""],
  tags: ["a record", (value) => typeof value === "object" && value !== null && !Array.isArray(value)],
  maxRunsPerSecond: ["a whole number, 0 or more", (value) => Number.isSafeInteger(value) && (value as number) >= 0],
  sample: ["a number from 0 to 1", (value) => typeof value === "number" && value >= 0 && value <= 1],
  route: ["a function", (value) => typeof value === "function"],
  when: ["a function", (value) => typeof value === "function"],
  failFrom: [
    "a status from 100 to 600",
    (value) => Number.isSafeInteger(value) && Number(value) >= 100 && Number(value) <= 600,
  ],
  ignore: [
    "a list of error classes and names, or a function",
    (value) => typeof value === "function" || (Array.isArray(value) && value.every(isErrorName)),
  ],
  trustHeaders: ["true or false", (value) => typeof value === "boolean"],
  tracker: [
    "a tracker, as createTracker() makes it",
    (value) => typeof (value as Tracker | null)?.startRun === "function",
  ],
};

/** @internal @throws PulseError `INVALID_OPTION` naming the option, what is expected and what was got. */
export function checkRequestOptions(user: string, options: RequestOptions): void {
  checkOptions(user, options, REQUEST_CHECKS);
}

/** The runs of requests that are being answered. */
const open = shared("requests", () => new WeakMap<object, RequestRun>());

/** @internal The run of a request, from its arrival until its answer is sent or its caller is gone. */
export class RequestRun {
  readonly run: Run;
  /** Tells the route's template, as far as it is known by now. */
  route: (() => string | undefined) | undefined;
  /** Tells whether the caller has gone: what fails because of that is no fault of the program. */
  isGone: (() => boolean) | undefined;
  readonly #options: RequestOptions;
  readonly #method: string;
  readonly #begun = performance.now();
  /** What the handlers threw, and what broke the body of the answer. */
  #error: { readonly error: unknown } | undefined;
  #broken: { readonly error: unknown } | undefined;

  constructor(method: string, baggage: unknown, options: RequestOptions) {
    const { tracker } = options;
    this.#options = options;
    this.#method = method;
    let given = startOptions.get(options);
    if (given === undefined) {
      const { experiment, runName = "request", tags, sample, maxRunsPerSecond = 10, ignore } = options;
      given = Object.freeze({ experiment, runName, tags, sample, maxRunsPerSecond, ignore, nest: "root" });
      startOptions.set(options, given);
    }
    const parentRunId = options.trustHeaders ? runOf(baggage) : undefined;
    if (parentRunId !== undefined) given = { ...given, parentRunId };
    this.run = tracker === undefined ? startRun(given) : tracker.startRun(given);
  }

  enter<R>(fn: () => R): R {
    return this.run.enter(fn);
  }

  /** Whether a handler has failed. */
  get hasError(): boolean {
    return this.#error !== undefined;
  }

  /** Remembers the error that the answer is about. */
  caught(error: unknown): void {
    if (this.isGone?.() !== true) this.#error ??= { error };
  }

  /** Remembers why the answer could not be sent to its end. */
  broke(error: unknown): void {
    if (this.isGone?.() !== true) this.#broken ??= { error };
  }

  /**
   * Ends the run with the status of the answer, if one was sent, and the bytes of its body, if they are known. `left`:
   * the caller was gone before it was sent, or before any of it was if it is `"unanswered"`.
   */
  end(status: number | undefined, bytes: number | undefined, left: boolean | "unanswered"): void {
    const { run } = this;
    const { failFrom = 500 } = this.#options;
    const route = asked("route", () => {
      const given: unknown = this.route?.();
      if (given === undefined || given === null || given === "") return undefined;
      if (typeof given !== "string") throw new TypeError("it must return a text");
      return given;
    });
    run.rename(route === undefined ? this.#method : `${this.#method} ${route}`);
    run.setTag("http.method", this.#method);
    if (route !== undefined) run.setTag("http.route", route);
    run.logMetric("http.duration_ms", performance.now() - this.#begun);
    if (!left && status !== undefined) run.logMetric("http.status", status);
    if (bytes !== undefined) run.logMetric("http.response_bytes", bytes);
    const hasFailed = status !== undefined && status >= failFrom;
    const isHandlers = left === "unanswered" || (!left && (hasFailed || status === undefined));
    const failure = (isHandlers ? this.#error : undefined) ?? (left ? this.#broken : undefined);
    // An answer of 500 is a failure of the service, also where the error was that something else was aborted.
    if (failure !== undefined) run.fail(failure.error, "FAILED");
    else if (left) {
      run.setTag("pulse.partial", "true");
      run.end("KILLED");
    } else if (hasFailed) run.fail({ name: "HttpError", message: `HTTP ${status}` });
    else run.end();
  }
}

/** What is the same for all runs of the same options: options that are frozen are only checked once. */
const startOptions = new WeakMap<RequestOptions, StartOptions>();

/** @internal Returns the run of a request of Node's that is being answered. */
export const requestRunOf = (request: object): RequestRun | undefined => open.get(request);

/** @internal Opens the run of a request of Node's, unless it has one or is not to be tracked. It ends with the answer. */
export function openRequest(
  request: IncomingMessage,
  response: ServerResponse,
  options: RequestOptions,
): RequestRun | undefined {
  const known = open.get(request);
  if (known !== undefined) return known;
  // The objects of a test may be neither.
  if (typeof request?.emit !== "function" || typeof response?.on !== "function") return undefined;
  // The caller has left while another middleware was at work: nothing would tell the end.
  if (response.destroyed || response.writableFinished || connectionOf(request)?.destroyed) return undefined;
  const { when, route } = options;
  if (when !== undefined && asked("when", () => when(request)) === false) return undefined;
  const opened = new RequestRun(request.method ?? "GET", request.headers?.["baggage"], options);
  open.set(request, opened);
  if (route !== undefined) opened.route = () => route(request);
  new Exchange(request, response, opened);
  return opened;
}

/** A stream of HTTP/2, which a request and its answer share. */
interface Http2Stream {
  readonly aborted: boolean;
  readonly rstCode?: number;
  readonly errored?: unknown;
}

/** The connection of a request, or its stream in one of HTTP/2. Requests that are injected have none. */
function connectionOf(request: IncomingMessage): { readonly destroyed?: boolean } | undefined {
  return request.httpVersionMajor >= 2 ? (request as { stream?: { destroyed?: boolean } }).stream : request.socket;
}

/** What is being answered on each connection. */
const onSocket = new WeakMap<object, Set<Exchange>>();
const byResponse = new WeakMap<object, Exchange>();

// One function each for all of them: a function of its own for each request would cost more than the rest.
function responseClosed(this: object): void {
  byResponse.get(this)?.end();
}
function socketClosed(this: object): void {
  for (const exchange of onSocket.get(this) ?? []) exchange.end();
}

/** A request of Node's with its answer, which ends the run. */
class Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #opened: RequestRun;
  readonly #socket: IncomingMessage["socket"] | undefined;
  readonly #stream: Http2Stream | undefined;
  readonly #before: number;
  /** Whether nothing else is answered on the connection meanwhile. */
  #alone = true;
  #over = false;

  constructor(request: IncomingMessage, response: ServerResponse, opened: RequestRun) {
    this.#request = request;
    this.#response = response;
    this.#opened = opened;
    this.#stream = request.httpVersionMajor >= 2 ? (request as { stream?: Http2Stream }).stream : undefined;
    this.#socket = this.#stream === undefined ? request.socket : undefined;
    this.#before = this.#socket?.bytesWritten ?? 0;
    opened.isGone = () => this.#isGone;
    byResponse.set(response, this);
    response.on("close", responseClosed);
    this.#watchSocket();
    // A body arrives in the context of the connection.
    const { emit } = request;
    const inRun = function (this: unknown, ...args: unknown[]): unknown {
      return opened.enter(() => Reflect.apply(emit, this, args));
    };
    Object.defineProperty(request, "emit", { value: inRun, writable: true, configurable: true });
  }

  /** A response that waits for its turn, or was never sent, does not tell that the connection has closed. */
  #watchSocket(): void {
    const socket = this.#socket;
    if (typeof socket?.once !== "function") return;
    let exchanges = onSocket.get(socket);
    if (exchanges === undefined) {
      exchanges = new Set();
      onSocket.set(socket, exchanges);
      socket.once("close", socketClosed);
    }
    exchanges.add(this);
    if (exchanges.size > 1) for (const each of exchanges) each.#alone = false;
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    const [response, opened] = [this.#response, this.#opened];
    // At once: entries of weak maps that live on are expensive for the garbage collector.
    open.delete(this.#request);
    byResponse.delete(response);
    if (this.#socket) onSocket.get(this.#socket)?.delete(this);
    if ((this.#request as { upgrade?: boolean }).upgrade === true && !response.headersSent) {
      opened.end(undefined, undefined, Boolean(this.#socket?.errored)); // the connection has become something else
      return;
    }
    const error = response.errored ?? this.#stream?.errored;
    const left = !this.#isSent;
    opened.isGone = undefined;
    if (left && error !== undefined && error !== null) opened.broke(error);
    opened.end(response.statusCode, this.#bytes, left && !response.headersSent ? "unanswered" : left);
  }

  get #isSent(): boolean {
    const { writableFinished, writableEnded } = this.#response;
    if (this.#stream) return writableEnded && !this.#stream.aborted && !this.#stream.rstCode;
    // Requests that are injected have no connection, and their answers never count as finished.
    if (typeof this.#socket?.bytesWritten !== "number") return writableEnded;
    // Node also tells the end of an answer that a broken connection has cut.
    return writableFinished && !this.#socket.errored;
  }

  get #isGone(): boolean {
    const { aborted, destroyed, complete } = this.#request;
    return aborted || (destroyed && !complete) || this.#stream?.aborted === true || this.#socket?.destroyed === true;
  }

  /** The size of the body: as announced, else what went over the connection. */
  get #bytes(): number | undefined {
    const { statusCode } = this.#response;
    if (this.#request.method === "HEAD" || statusCode === 204 || statusCode === 304) return 0;
    const announced = Number(this.#response.getHeader?.("content-length") ?? Number.NaN);
    if (!Number.isNaN(announced) && this.#isSent) return announced;
    const written = this.#socket?.bytesWritten;
    const head = (this.#response as { _header?: string | null })._header?.length ?? 0;
    return typeof written === "number" && this.#alone ? Math.max(0, written - this.#before - head) : undefined;
  }
}

/** @internal Notes the error of a body that is a stream of Node's: frameworks only break the connection then. */
export function noteStream(body: unknown, opened: RequestRun): void {
  const stream = body as Readable | null | undefined;
  if (typeof stream?.pipe === "function" && typeof stream.on === "function")
    stream.on(errorMonitor, (error) => opened.broke(error));
}

/** What was already said of options that fail: each request would say it again. */
const said = new Set<string>();
const MOST_SAID = 20;

/** @internal Asks a function of the program, whose mistakes must not break an answer. */
export function asked<R>(option: string, ask: () => R): R | undefined {
  try {
    return ask();
  } catch (error) {
    const text = `pulse-mlflow: option ${option} of trackRequests failed: ${shortText(error)}`;
    if (said.has(text) || said.size >= MOST_SAID) return undefined;
    said.add(text);
    process.emitWarning(text);
    return undefined;
  }
}

/** Reads the id of a run from the header `baggage`, if it is one. */
function runOf(baggage: unknown): string | undefined {
  return /(?:^|,)\s*pulse\.run\s*=\s*([0-9a-f]{32})\s*(?:[,;]|$)/.exec(String(baggage ?? ""))?.[1];
}
