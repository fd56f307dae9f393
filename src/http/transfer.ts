import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { reasonOf } from "../base/aborts.js";
import { PulseError } from "../base/errors.js";
import { isError } from "../base/text/value-text.js";

/** A request body of known length, opened anew for each attempt. */
export interface Body {
  /** In bytes. `open` returns exactly this many, or throws. */
  readonly length: number;
  /** `signal` aborts when the bytes are no longer needed. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A request whose body or answer may be large. */
export interface Transfer {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly body?: Body | undefined;
  /** Maximum time without a byte in either direction, in milliseconds. */
  readonly idleMs: number;
  /** How many bytes the receiver has to process, if more than the body. */
  readonly handles?: number | undefined;
  /** Aborts the transfer: the promise rejects with the signal's reason, and an answer that has started is cut off. */
  readonly signal?: AbortSignal | undefined;
  /** Whether to keep the process alive until it is over. @default false */
  readonly hold?: boolean | undefined;
  /** Called when the whole body was sent. From then on the outcome is unknown until there is an answer. */
  readonly onSent?: (() => void) | undefined;
  /** Called when the request is repeated over another connection; the server may have received it twice. */
  readonly onRepeat?: (() => void) | undefined;
}

/** Bytes per millisecond. */
const SLOWEST_RECEIVER = 2 * 1024;
/**
 * How long a receiver may stay silent after the end of a body, in milliseconds, because it is still forwarding or
 * assembling that many bytes.
 */
export const receiverMs = (bytes: number): number => bytes / SLOWEST_RECEIVER;
/** How often progress is checked. */
const LOOK_MS = 1_000;

/**
 * Carries out a request: sends the body as fast as the other end accepts it, and returns the answer as soon as it
 * starts, even before the end of the body. Takes as long as needed while there is progress.
 * @throws the reason it ended: an error of the connection or of reading the body, the signal's reason, or PulseError
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
      // Unread data waits for its reader, not for the other end.
      if (seen !== bytes || (response?.readableLength ?? 0) > 0) {
        bytes = seen;
        since = now;
      } else if (now - since >= allowedMs)
        fail(
          new PulseError(
            "STORE_UNAVAILABLE",
            `${name} has neither accepted nor sent any data for ${Math.round(allowedMs)} ms.`,
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
        if (!request.writableEnded) request.destroy(); // refused before it had accepted everything
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
