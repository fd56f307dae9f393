import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import type { AgentOptions } from "node:https";
import type { ServerSettings } from "../../config/server.js";
import { messageOf, PulseError } from "../../errors.js";
import { type Connecting, ConnectionChoice } from "./connection-choice.js";
import { Failure } from "./failure.js";
import { proxyAddress, proxyFor } from "./proxy.js";
import { type Connected, connectThrough, moduleOf, type Target } from "./tunnel.js";
import { isCutOff, proxySpeaksNoTls, speaksNoTls, speaksTls } from "./wrong-scheme.js";

// Loaded at the first need: importing the package stays cheap for those who have no server.
const http = (): typeof import("node:http") => process.getBuiltinModule("node:http");
const https = (): typeof import("node:https") => process.getBuiltinModule("node:https");
const fs = (): typeof import("node:fs") => process.getBuiltinModule("node:fs");

/** uvicorn closes an idle connection after 5 s without saying so; a request must not meet that. */
const IDLE_MS = 3_000;
/** No answer we ask for is larger; what is, is none of MLflow's. */
const LARGEST_ANSWER = 16 * 1024 * 1024;
const LARGEST_ERROR = 64 * 1024;
const MOST_REDIRECTS = 3;

/** What is sent. */
export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** Path and query, from the server's root. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that only this very server may see. */
  readonly secretHeaders: Readonly<Record<string, string>>;
  /** When it has failed if it is not over, by `performance.now()`. */
  readonly until: number;
}

/** What came back. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Another server that has given it, to which the one that was asked has sent us. */
  readonly redirectedTo?: string | undefined;
}

interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized?: boolean;
}

/** Node's own client with what a service needs: time limits, proxies, certificates, bounded answers, and connections as the server likes them. */
export class HttpClient {
  readonly choice: ConnectionChoice = new ConnectionChoice();
  readonly #base: URL;
  readonly #settings: ServerSettings;
  readonly #agents = new Map<string, Agent>();
  readonly #proxy: URL | undefined;
  #material: TlsMaterial | undefined;
  /** Whether anything was ever answered: then the scheme is right. */
  #answered = false;

  constructor(base: URL, settings: ServerSettings) {
    this.#base = base;
    this.#settings = settings;
    this.#proxy = proxyFor(base, settings.env);
  }

  /**
   * Sends one request and gives the whole answer, whatever its status.
   * @throws Failure `away` when there is no answer: no connection, no certificate to trust, no end within the time limit.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    let url = this.#at(request.path);
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#once(url, request).catch((error: unknown) => this.#explained(url, error, request.until));
      this.#answered = true;
      const next = redirectOf(answer, url);
      if (next === undefined || redirects === MOST_REDIRECTS) return this.#isServer(url) ? answer : { ...answer, redirectedTo: url.origin };
      // Without credentials there is nothing to be had there, and without the workspace runs would go into another one.
      if (!this.#isServer(next) && Object.keys(request.secretHeaders).length > 0) {
        const detail = `${this.#shown} redirects to ${next.origin}, which is not given the configured credentials, headers and workspace.`;
        throw new Failure("away", new PulseError("NO_MLFLOW", `${detail} Set trackingUri to that address if it is yours.`));
      }
      url = next;
    }
  }

  /** Says of a connection that ended without an answer whether the scheme is wrong, which the error itself does not tell. */
  async #explained(url: URL, error: unknown, until: number): Promise<never> {
    const cause = error instanceof Failure ? error.error.cause : undefined;
    if (!this.#isServer(url) && error instanceof Failure) {
      const { error: why, afterMs } = error;
      const detail = why.message.replace(why.todo, "").replaceAll(this.#shown, url.origin).trim();
      throw new Failure("away", new PulseError(why.code, `${this.#shown} redirects to ${url.origin}. ${detail}`, cause), afterMs);
    }
    const mayBe = !this.#answered && url.protocol === "http:" && this.#proxy === undefined && isCutOff(cause);
    if (mayBe && (await speaksTls(url, until - performance.now()))) {
      const detail = `${this.#shown} cannot be reached: this port speaks TLS. Write https://${url.host} in the tracking URI.`;
      throw new Failure("away", new PulseError("NO_MLFLOW", detail, cause));
    }
    throw error;
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  /** Put together, not resolved: a path that begins with two slashes would name another host. */
  #at(path: string): URL {
    const [pathname = "", query = ""] = path.split("?");
    const url = new URL(this.#base);
    url.pathname = url.pathname.replace(/\/+$/, "") + pathname;
    url.search = query;
    return url;
  }

  /** Whether it is the server the credentials were given for, as the same host over TLS, both on their usual ports, still is. */
  #isServer({ origin, protocol, hostname, port }: URL): boolean {
    const base = this.#base;
    const upgraded = base.protocol === "http:" && protocol === "https:" && base.port === "" && port === "";
    return origin === base.origin || (upgraded && hostname === base.hostname);
  }

  /** The one place that sends, and so decides who sees credentials. However little the server says, it is over at `until`. */
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
        const { requestTimeoutMs } = this.#settings;
        fail(new PulseError("STORE_UNAVAILABLE", `${this.#shown} has not answered within ${requestTimeoutMs} ms.`));
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
        // Only who waits for delivery keeps the process alive. A name with several addresses gets a new handle for each.
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

  #start(url: URL, { method, body }: HttpRequest, headers: Readonly<Record<string, string>>, how: Connecting): ClientRequest {
    const proxy = url.origin === this.#base.origin ? this.#proxy : proxyFor(url, this.#settings.env);
    const options: RequestOptions = {
      method,
      headers: body === undefined ? headers : { ...headers, "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    };
    if (url.protocol === "https:") return https().request(url, { ...options, agent: this.#agent(how, "https:", proxy) });
    if (proxy === undefined) return http().request(url, { ...options, agent: this.#agent(how, "http:", undefined) });
    const { host, port, headers: login } = proxyAddress(proxy);
    return moduleOf(proxy).request({
      ...options,
      headers: { ...options.headers, host: url.host, ...login },
      host,
      port,
      path: url.href,
      agent: this.#agent(how, proxy.protocol, undefined),
    });
  }

  #agent(how: Connecting, protocol: string, tunnel: URL | undefined): Agent {
    const name = `${how} ${protocol} ${tunnel?.href ?? ""}`;
    let agent = this.#agents.get(name);
    if (agent === undefined) {
      const options = how === "kept" ? { keepAlive: true, timeout: IDLE_MS } : { keepAlive: false };
      agent = protocol === "http:" ? new (http().Agent)(options) : this.#secureAgent(options, tunnel);
      this.#agents.set(name, agent);
    }
    return agent;
  }

  #secureAgent(options: AgentOptions, tunnel: URL | undefined): Agent {
    const agent = new (https().Agent)({ ...options, ...this.#tlsMaterial() });
    if (tunnel === undefined) return agent;
    const { requestTimeoutMs } = this.#settings;
    Object.assign(agent, {
      createConnection: (target: Target, done: Connected): void => connectThrough(tunnel, target, requestTimeoutMs, done),
    });
    return agent;
  }

  #tlsMaterial(): TlsMaterial {
    if (this.#material === undefined) {
      const { ca, cert, key, insecure } = this.#settings.tls;
      const pem = (name: string, path: string | undefined): Buffer | undefined => {
        try {
          return path === undefined ? undefined : fs().readFileSync(path);
        } catch (error) {
          throw new PulseError("TLS_FAILED", `tls.${name} cannot be read: ${messageOf(error)}.`, error);
        }
      };
      const [trusted, own, ownKey] = [pem("ca", ca), pem("cert", cert), pem("key", key ?? cert)];
      this.#material = {
        ...(trusted && { ca: trusted }),
        ...(own && { cert: own }),
        ...(ownKey && { key: ownKey }),
        ...(insecure && { rejectUnauthorized: false }),
      };
    }
    return this.#material;
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
    const code = String((error as { code?: unknown } | null)?.code ?? "");
    const noTls = this.#proxy?.protocol === "https:" && speaksNoTls(error);
    const why = new PulseError(
      isTlsProblem(code) && !noTls ? "TLS_FAILED" : "STORE_UNAVAILABLE",
      `${this.#shown} cannot be reached${this.#proxy ? ` through the proxy ${this.#proxy.host}` : ""}: ${noTls ? proxySpeaksNoTls(this.#proxy as URL) : firstLine(error)}.`,
      error,
    );
    return new Failure("away", why);
  }
}

/** A connection error's own words; Node hides them behind an AggregateError when several addresses were tried. */
function firstLine(error: unknown): string {
  const inner = (error as AggregateError | undefined)?.errors?.[0] ?? error;
  return messageOf(inner).split("\n")[0] || String((error as { code?: unknown })?.code);
}

function isTlsProblem(code: string): boolean {
  return /CERT|SELF_SIGNED|ERR_TLS|ERR_SSL|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH/.test(code);
}

function redirectOf({ status, headers }: HttpAnswer, from: URL): URL | undefined {
  // Not 303, which asks for another method: what was sent would be lost.
  if (![301, 302, 307, 308].includes(status) || headers.location === undefined) return undefined;
  const to = URL.canParse(headers.location, from.href) ? new URL(headers.location, from) : undefined;
  if (to) to.username = to.password = to.hash = "";
  return to?.protocol === "https:" || to?.protocol === "http:" ? to : undefined;
}

/** Reads an answer to its end; of a long error only the beginning is kept, a long success is an error. */
function read(response: IncomingMessage, done: (error: unknown, text: string) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let over = false;
  const failed = (response.statusCode ?? 0) >= 300;
  const finish = (error?: unknown): void => {
    if (over) return;
    over = true;
    done(error, Buffer.concat(chunks).toString("utf8"));
  };
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (over) return;
    if (bytes <= (failed ? LARGEST_ERROR : LARGEST_ANSWER)) chunks.push(chunk);
    else {
      finish(failed ? undefined : new Error(`its answer is larger than ${LARGEST_ANSWER} bytes`));
      response.destroy();
    }
  });
  response.on("end", () => finish(response.complete ? undefined : new Error("its answer was cut off")));
  response.on("error", finish);
  response.on("close", () => finish(new Error("its answer was cut off")));
}
