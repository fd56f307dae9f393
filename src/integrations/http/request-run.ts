import type { IncomingMessage, ServerResponse } from "node:http";
import { finished } from "node:stream";
import { shared } from "../../base/shared-state.js";
import { type Check, checkOptions } from "../../base/wrong-input.js";
import { type ErrorClass, type Run, startRun, type Tracker } from "../../index.js";

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
  readonly #options: RequestOptions;
  readonly #method: string;
  readonly #begun = performance.now();
  #error: { readonly error: unknown } | undefined;

  constructor(method: string, headers: Readonly<Record<string, unknown>>, options: RequestOptions) {
    const { experiment, runName = "request", tags, sample, maxRunsPerSecond = 10, ignore, tracker } = options;
    const parentRunId = options.trustHeaders ? runOf(headers["baggage"]) : undefined;
    const nest = "root";
    const start = tracker === undefined ? startRun : (given: Parameters<typeof startRun>[0]) => tracker.startRun(given);
    this.#options = options;
    this.#method = method;
    this.run = start({ experiment, runName, tags, sample, maxRunsPerSecond, ignore, parentRunId, nest });
  }

  enter<R>(fn: () => R): R {
    return this.run.enter(fn);
  }

  /** Remembers the error that the answer is about. */
  caught(error: unknown): void {
    this.#error ??= { error };
  }

  /** Ends the run with the status of the answer; `left`: the caller was gone before it was sent. */
  end(status: number, bytes: number | undefined, left: boolean): void {
    const { run } = this;
    const { failFrom = 500 } = this.#options;
    const route = asked(() => this.route?.());
    run.rename(route === undefined ? this.#method : `${this.#method} ${route}`);
    run.setTag("http.method", this.#method);
    if (route !== undefined) run.setTag("http.route", route);
    run.logMetrics({
      "http.duration_ms": performance.now() - this.#begun,
      ...(left ? {} : { "http.status": status }),
      ...(bytes === undefined ? {} : { "http.response_bytes": bytes }),
    });
    if (this.#error !== undefined && (left || status >= failFrom)) run.fail(this.#error.error);
    else if (left) {
      run.setTag("pulse.partial", "true");
      run.end("KILLED");
    } else if (status >= failFrom) run.fail({ name: "HttpError", message: `HTTP ${status}` });
    else run.end();
  }
}

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
  const { when, route } = options;
  if (when !== undefined && asked(() => when(request)) === false) return undefined;
  const opened = new RequestRun(request.method ?? "GET", request.headers, options);
  open.set(request, opened);
  if (route !== undefined) opened.route = () => route(request);
  const sent = countBytes(response);
  finished(response, (error) => {
    open.delete(request);
    const hasNoBody = request.method === "HEAD" || response.statusCode === 204 || response.statusCode === 304;
    opened.end(response.statusCode, hasNoBody ? 0 : sent(), error?.code === "ERR_STREAM_PREMATURE_CLOSE");
  });
  return opened;
}

/** What was already said of options that fail: each request would say it again. */
const said = new Set<string>();
const MOST_SAID = 20;

/** Asks a function of the program, whose mistakes must not break an answer. */
function asked<R>(ask: () => R): R | undefined {
  try {
    return ask();
  } catch (error) {
    const text = `pulse-mlflow: an option of trackRequests failed: ${String(error)}`;
    if (said.has(text) || said.size >= MOST_SAID) return undefined;
    said.add(text);
    process.emitWarning(text);
    return undefined;
  }
}

/** Counts the bytes of an answer's body as it is written. */
function countBytes(response: ServerResponse): () => number {
  let bytes = 0;
  let isEnding = false; // HTTP/2 writes what it ends with
  const count = (chunk: unknown, encoding: unknown): void => {
    if (typeof chunk === "string")
      bytes += Buffer.byteLength(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : undefined);
    else if (ArrayBuffer.isView(chunk)) bytes += chunk.byteLength;
  };
  const { write, end } = response;
  response.write = function (this: ServerResponse, ...args: unknown[]) {
    if (!isEnding) count(args[0], args[1]);
    return Reflect.apply(write, this, args) as boolean;
  };
  response.end = function (this: ServerResponse, ...args: unknown[]) {
    if (!isEnding) count(args[0], args[1]);
    isEnding = true;
    return Reflect.apply(end, this, args) as ServerResponse;
  } as typeof end;
  return () => bytes;
}

/** Reads the id of a run from the header `baggage`, if it is one. */
function runOf(baggage: unknown): string | undefined {
  return /(?:^|,)\s*pulse\.run\s*=\s*([0-9a-f]{32})\s*(?:[,;]|$)/.exec(String(baggage ?? ""))?.[1];
}
