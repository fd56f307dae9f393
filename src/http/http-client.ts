import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { PulseError } from "../base/errors.js";
import type { ServerSettings } from "../config/server.js";
import { Connections } from "./connections.js";
import { Failure } from "./failure.js";
import { type Connecting, KeepAliveTuner } from "./keep-alive-tuner.js";
import { type Transfer, transfer } from "./transfer.js";
import { unreachable } from "./unreachable.js";
import { type HttpAnswer, read } from "./whole-answer.js";
import { isCutOff, speaksNoTls, speaksTls } from "./wrong-scheme.js";

const MAX_REDIRECTS = 3;
/** Longer bodies, in bytes, get their own connection, whose cost is then negligible. */
const KEPT_UP_TO = 1024 * 1024;

/** A request. */
export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** Path and query, relative to the server's root. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that are only sent to this server. */
  readonly secretHeaders: Readonly<Record<string, string>>;
  /** The deadline, by `performance.now()`. */
  readonly until: number;
  /** The timeout that led to the deadline, for messages. */
  readonly timeoutMs: number;
}

/** A request whose body or answer is streamed. */
export interface HttpTransfer extends Transfer, Pick<HttpRequest, "path" | "headers" | "secretHeaders"> {
  readonly method: "GET" | "PUT";
}

/**
 * Node's HTTP client with what a service needs: timeouts, proxies, certificates, bounded answers, and the kind of
 * connection that suits the server.
 */
export class HttpClient {
  readonly choice: KeepAliveTuner = new KeepAliveTuner();
  readonly #base: URL;
  readonly #connections: Connections;
  readonly #proxy: URL | undefined;
  /** Whether there was ever an answer; then the scheme is right. */
  #answered = false;

  constructor(base: URL, settings: ServerSettings) {
    this.#base = base;
    this.#connections = new Connections(settings);
    this.#proxy = this.#connections.proxyTo(base);
  }

  /**
   * Sends a request and returns the whole answer, whatever its status.
   * @throws Failure `away` if there is no answer: no connection, no trusted certificate, or a timeout.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    let url = this.#at(request.path);
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#once(url, request).catch((error: unknown) =>
        this.#explained(url, error, request.until),
      );
      this.#answered = true;
      const next = redirectOf(answer, url);
      if (next === undefined || redirects === MAX_REDIRECTS)
        return this.#isServer(url) ? answer : { ...answer, redirectedTo: url.origin };
      // Without credentials the request would be pointless, and without the workspace, runs would go into another one.
      if (!this.#isServer(next) && Object.keys(request.secretHeaders).length > 0) {
        const detail = `${this.#shown} redirects to ${next.origin}. The configured credentials, headers and workspace are not sent there.`;
        throw new Failure(
          "away",
          new PulseError("NO_MLFLOW", `${detail} Set trackingUri to that address if you trust it.`),
        );
      }
      url = next;
    }
  }

  /**
   * Streams a body or an answer, and returns the answer when it starts. Long bodies get their own connection. Redirects
   * are only followed to the same server.
   * @throws Failure `away` if there is no answer, or the body could not be read.
   */
  async transfer(request: HttpTransfer): Promise<IncomingMessage> {
    let url = this.#at(request.path);
    for (let redirects = 0; ; redirects++) {
      const { method, body } = request;
      const headers = {
        ...request.headers,
        ...(this.#isServer(url) ? request.secretHeaders : {}),
        ...(body && { "content-length": String(body.length) }),
      };
      const how = (body?.length ?? 0) <= KEPT_UP_TO ? this.choice.next() : "fresh";
      const response = await this.#begin(url, request, { method, headers }, how);
      this.#answered = true;
      const next = redirectOf({ status: response.statusCode ?? 0, headers: response.headers }, url);
      if (next === undefined || redirects === MAX_REDIRECTS) return response;
      response.resume();
      if (!this.#isServer(next))
        throw new Failure("away", new PulseError("NO_MLFLOW", `${this.#shown} redirects to ${next.origin}.`));
      url = next;
    }
  }

  async #begin(
    url: URL,
    request: HttpTransfer,
    options: RequestOptions,
    how: Connecting,
    isSecond = false,
  ): Promise<IncomingMessage> {
    let sending: ClientRequest | undefined;
    const begin = (): ClientRequest => {
      sending = this.#connections.start(url, options, how);
      this.#measure(sending, url);
      return sending;
    };
    try {
      return await transfer(this.#shown, begin, request);
    } catch (error) {
      // The server had closed the kept connection, or a busy one drops new ones. Transfers are idempotent, so try again.
      if (isCutOff(error) && (sending?.reusedSocket || (options.method === "GET" && !isSecond))) {
        request.onRepeat?.();
        return this.#begin(url, request, options, "fresh", true);
      }
      throw this.#unreachable(error);
    }
  }

  /** Measures the cost of a request apart from the server's own work. */
  #measure(sending: ClientRequest, { protocol }: URL): void {
    let connecting = 0;
    sending.once("socket", (socket) => {
      if (sending.reusedSocket) return;
      const began = performance.now();
      socket.once(protocol === "https:" ? "secureConnect" : "connect", () => {
        connecting = performance.now() - began;
      });
    });
    sending.once("response", (response) => {
      const head = performance.now();
      response.once("end", () =>
        this.choice.measured(sending.reusedSocket ? "kept" : "fresh", connecting + performance.now() - head),
      );
    });
  }

  /**
   * Finds out whether a connection ended without an answer because of a wrong scheme, which the error itself does not
   * tell.
   */
  async #explained(url: URL, error: unknown, until: number): Promise<never> {
    const cause = error instanceof Failure ? error.error.cause : undefined;
    if (!this.#isServer(url) && error instanceof Failure) {
      const { error: why, afterMs } = error;
      const detail = why.message.replace(why.todo, "").replaceAll(this.#shown, url.origin).trim();
      throw new Failure(
        "away",
        new PulseError(why.code, `${this.#shown} redirects to ${url.origin}. ${detail}`, cause),
        afterMs,
      );
    }
    const mayBe = !this.#answered && url.protocol === "http:" && this.#proxy === undefined && isCutOff(cause);
    if (mayBe && (await speaksTls(url, until - performance.now()))) {
      const detail = `${this.#shown} cannot be reached: this port speaks TLS. Write https://${url.host} in the tracking URI.`;
      throw new Failure("away", new PulseError("NO_MLFLOW", detail, cause));
    }
    throw error;
  }

  close(): void {
    this.#connections.close();
  }

  /** Concatenated instead of resolved: a path starting with two slashes would name another host. */
  #at(path: string): URL {
    const [pathname = "", query = ""] = path.split("?");
    const url = new URL(this.#base);
    url.pathname = url.pathname.replace(/\/+$/, "") + pathname;
    url.search = query;
    return url;
  }

  /**
   * Whether a URL is on the server that the credentials are for. That includes the same host upgraded to TLS, both on
   * their default ports.
   */
  #isServer({ origin, protocol, hostname, port }: URL): boolean {
    const base = this.#base;
    const upgraded = base.protocol === "http:" && protocol === "https:" && base.port === "" && port === "";
    return origin === base.origin || (upgraded && hostname === base.hostname);
  }

  /**
   * The only place that sends requests, and so decides who sees credentials. Ends at `until`, however slowly the server
   * answers.
   */
  #once(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    const how = this.choice.next();
    const headers = this.#isServer(url) ? { ...request.headers, ...request.secretHeaders } : request.headers;
    return new Promise((resolve, reject) => {
      let started: ClientRequest | undefined;
      let connecting = 0;
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        reject(this.#unreachable(error));
      };
      const timer = setTimeout(() => {
        fail(new PulseError("STORE_UNAVAILABLE", `${this.#shown} did not answer within ${request.timeoutMs} ms.`));
        started?.destroy();
      }, request.until - performance.now()).unref();
      try {
        started = this.#start(url, request, headers, how);
      } catch (error) {
        return fail(error);
      }
      const sending = started;
      const unanswered = (): void => fail(new Error("it closed the connection without an answer"));
      sending.on("error", fail).on("close", unanswered);
      sending.on("socket", (socket) => {
        // Only callers that wait for delivery keep the process alive. Each address of a name gets a new handle.
        socket.unref();
        if (sending.reusedSocket) return;
        socket.on("connectionAttempt", () => socket.unref()).once("connect", () => socket.unref());
        const began = performance.now();
        socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
          connecting = performance.now() - began;
        });
      });
      sending.on("response", (response) => {
        sending.off("close", unanswered);
        const head = performance.now();
        read(response, (error, text) => {
          if (error) return fail(error);
          clearTimeout(timer);
          this.choice.measured(sending.reusedSocket ? "kept" : "fresh", connecting + performance.now() - head);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      });
      sending.end(request.body);
    });
  }

  #start(
    url: URL,
    { method, body }: HttpRequest,
    headers: Readonly<Record<string, string>>,
    how: Connecting,
  ): ClientRequest {
    const proxy = url.origin === this.#base.origin ? this.#proxy : this.#connections.proxyTo(url);
    const all =
      body === undefined
        ? headers
        : { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    return this.#connections.start(url, { method, headers: all }, how, proxy);
  }

  get #shown(): string {
    return this.#base.origin;
  }

  #unreachable(error: unknown): Failure {
    if (error instanceof Failure) return error;
    if (error instanceof PulseError) return new Failure("away", error);
    if (speaksNoTls(error) && this.#base.protocol === "https:") {
      const detail = `${this.#shown} cannot be reached: this port does not speak TLS. Write http://${this.#base.host} in the tracking URI.`;
      return new Failure("away", new PulseError("NO_MLFLOW", detail, error));
    }
    return new Failure(
      "away",
      unreachable(this.#shown, error, this.#proxy, this.#connections.uselessProxy(this.#base)),
    );
  }
}

function redirectOf({ status, headers }: Pick<HttpAnswer, "status" | "headers">, from: URL): URL | undefined {
  // Not 303, which changes the method: the body would be lost.
  if (![301, 302, 307, 308].includes(status) || headers.location === undefined) return undefined;
  const to = URL.canParse(headers.location, from.href) ? new URL(headers.location, from) : undefined;
  if (to) to.username = to.password = to.hash = "";
  return to?.protocol === "https:" || to?.protocol === "http:" ? to : undefined;
}
