import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { reasonOf } from "../base/aborts.js";
import { PulseError } from "../base/errors.js";
import { isError } from "../base/text/text.js";

/** What is sent, of a known length; it is opened anew for each attempt. */
export interface Body {
  /** In bytes; `open` gives so many, or throws. */
  readonly length: number;
  /** `signal`: nobody wants them any more. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A request whose body, or whose answer, may be large. */
export interface Transfer {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly body?: Body | undefined;
  /** Most milliseconds without a byte in either direction. */
  readonly idleMs: number;
  /** What the receiver has to work through, where that is more than the body: bytes. */
  readonly handles?: number | undefined;
  /** Ends it: the promise is rejected with the signal's reason, an answer that has begun is cut off. */
  readonly signal?: AbortSignal | undefined;
  /** Whether the process lives until it is over. @default false */
  readonly hold?: boolean | undefined;
  /** Called when all of the body was sent: from then on nobody knows what became of it, until there is an answer. */
  readonly onSent?: (() => void) | undefined;
  /** Called when it is sent once more, over another connection; the server may have got it both times. */
  readonly onRepeat?: (() => void) | undefined;
}

/** Bytes in a millisecond. */
const SLOWEST_RECEIVER = 2 * 1024;
/**
 * How long a receiver may be silent after a body has ended, since it is still handing on or putting together so many
 * bytes: milliseconds.
 */
export const receiverMs = (bytes: number): number => bytes / SLOWEST_RECEIVER;
/** How often it is looked whether there was progress. */
const LOOK_MS = 1_000;

/**
 * Carries out a request: sends the body as fast as the other end takes it, and gives the answer as soon as it begins,
 * even if that is before the body's end. However long it takes, it goes on for as long as something comes or goes.
 * @throws what has ended it: the connection's error, that of reading the body, the signal's reason, or PulseError
 * `STORE_UNAVAILABLE`.
 */
export function transfer(name: string, begin: () => ClientRequest, options: Transfer): Promise<IncomingMessage> {
  const { body, handles = 0, idleMs, signal, hold = false, onSent } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(reasonOf(signal));
    const request = begin();
    let socket: Socket | undefined;
    let response: IncomingMessage | undefined;
    let allowedMs = idleMs;
    let bytes = -1;
    let since = performance.now();
    const ended = new AbortController();

    const over = (): void => {
      clearInterval(timer);
      ended.abort();
      signal?.removeEventListener("abort", aborted);
    };
    const fail = (error: unknown): void => {
      over();
      reject(error);
      request.destroy(isError(error) ? error : undefined);
    };
    const aborted = (): void => fail(signal && reasonOf(signal));
    signal?.addEventListener("abort", aborted);
    const look = (): void => {
      const now = performance.now();
      const seen = (socket?.bytesRead ?? 0) + (socket?.bytesWritten ?? 0);
      // What lies here unread waits for its reader, not for the other end.
      if (seen !== bytes || (response?.readableLength ?? 0) > 0) {
        bytes = seen;
        since = now;
      } else if (now - since >= allowedMs)
        fail(
          new PulseError(
            "STORE_UNAVAILABLE",
            `${name} has neither taken nor sent anything for ${Math.round(allowedMs)} ms.`,
          ),
        );
    };
    const timer = setInterval(look, Math.max(1, Math.min(LOOK_MS, idleMs / 4)));
    if (!hold) timer.unref();

    request.on("socket", (connected) => {
      socket = connected;
      if (hold) return void socket.ref();
      socket.unref();
      if (request.reusedSocket) return;
      socket.on("connectionAttempt", () => socket?.unref()).once("connect", () => socket?.unref());
    });
    const unanswered = (): void => fail(new Error("it closed the connection without an answer"));
    request.on("error", fail).on("close", unanswered);
    request.on("response", (answer) => {
      response = answer;
      request.off("close", unanswered);
      answer.on("close", () => {
        over();
        if (!request.writableEnded) request.destroy(); // refused before it had taken everything
      });
      resolve(answer);
    });
    if (body === undefined) return void request.end();
    const send = async (): Promise<void> => {
      for await (const chunk of body.open(ended.signal)) {
        if (response !== undefined || request.destroyed) return;
        if (!request.write(chunk)) await drained(request);
      }
      request.end();
      allowedMs = idleMs + receiverMs(Math.max(body.length, handles));
      since = performance.now();
      onSent?.();
    };
    send().catch((error: unknown) => {
      if (!ended.signal.aborted) fail(error);
    });
  });
}

function drained(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ["drain", "close", "response"]) request.off(event, done);
      resolve();
    };
    for (const event of ["drain", "close", "response"]) request.on(event, done);
  });
}
