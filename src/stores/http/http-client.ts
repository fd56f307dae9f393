import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import type { AgentOptions } from "node:https";
import type { Duplex } from "node:stream";
import type { ServerSettings } from "../../config/server.js";
import { messageOf, PulseError } from "../../errors.js";
import { type Connecting, ConnectionChoice } from "./connection-choice.js";
import { Failure } from "./failure.js";
import { proxyAddress, proxyFor } from "./proxy.js";

// Loaded at the first need: importing the package stays cheap for those who have no server.
const http = (): typeof import("node:http") => process.getBuiltinModule("node:http");
const https = (): typeof import("node:https") => process.getBuiltinModule("node:https");
const tls = (): typeof import("node:tls") => process.getBuiltinModule("node:tls");
const moduleOf = ({ protocol }: URL): typeof import("node:http") | typeof import("node:https") =>
  protocol === "https:" ? https() : http();
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
}

/** What came back. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
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
    let secret: Readonly<Record<string, string>> = request.secretHeaders;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#once(url, request, { ...request.headers, ...secret });
      const next = redirectOf(answer, url);
      if (next === undefined || redirects === MOST_REDIRECTS) return answer;
      // Credentials are for the server they were given for; the same host over TLS, both on their usual ports, is still that server.
      const upgraded =
        next.hostname === url.hostname && url.protocol === "http:" && next.protocol === "https:" && url.port === "" && next.port === "";
      if (next.origin !== url.origin && !upgraded) secret = {};
      url = next;
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #at(path: string): URL {
    return new URL(this.#base.pathname.replace(/\/+$/, "") + path, this.#base);
  }

  #once(url: URL, request: HttpRequest, headers: Record<string, string>): Promise<HttpAnswer> {
    const how = this.choice.next();
    let started: ClientRequest;
    try {
      started = this.#start(url, request, headers, how);
    } catch (error) {
      return Promise.reject(this.#unreachable(error));
    }
    return new Promise((resolve, reject) => {
      let connecting = 0;
      const { requestTimeoutMs } = this.#settings;
      const late = new PulseError("STORE_UNAVAILABLE", `${this.#shown} has not answered within ${requestTimeoutMs} ms.`);
      const timer = setTimeout(() => started.destroy(late), requestTimeoutMs).unref();
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        reject(this.#unreachable(error));
      };
      started.on("error", fail);
      started.on("socket", (socket) => {
        // Only who waits for delivery keeps the process alive. A name with several addresses gets a new handle for each.
        socket.unref();
        if (started.reusedSocket) return;
        socket.on("connectionAttempt", () => socket.unref()).once("connect", () => socket.unref());
        const began = performance.now();
        socket.once(url.protocol === "https:" ? "secureConnect" : "connect", () => {
          connecting = performance.now() - began;
        });
      });
      started.on("response", (response) => {
        const head = performance.now();
        read(response, (error, text) => {
          clearTimeout(timer);
          if (error) return fail(error);
          this.choice.measured(started.reusedSocket ? "kept" : "fresh", connecting + performance.now() - head);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
      });
      started.end(request.body);
    });
  }

  #start(url: URL, { method, body }: HttpRequest, headers: Record<string, string>, how: Connecting): ClientRequest {
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
    // `createConnection` may also call back later, which its type does not say.
    const connect = (
      target: AgentOptions & { host?: string; port?: number | string },
      done: (error: Error | null, socket?: Duplex) => void,
    ): void => {
      const { host, port, headers: login } = proxyAddress(tunnel);
      const address = `${target.host}:${target.port}`;
      const request = moduleOf(tunnel).request({
        method: "CONNECT",
        host,
        port,
        path: address,
        headers: { host: address, ...login },
        agent: false,
        timeout: this.#settings.requestTimeoutMs,
      });
      request.on("timeout", () => request.destroy(new Error(`the proxy ${tunnel.host} has not answered`)));
      request.on("socket", (socket) => socket.unref());
      request.on("error", (error) => done(error));
      request.on("connect", (response, socket) => {
        if (response.statusCode !== 200) {
          socket.destroy();
          done(new Error(`the proxy ${tunnel.host} refused with status ${response.statusCode}`));
        } else done(null, tls().connect({ ...target, socket, servername: target.servername ?? target.host } as never));
      });
      request.end();
    };
    Object.assign(agent, { createConnection: connect });
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
    const code = String((error as { code?: unknown } | null)?.code ?? "");
    const why = new PulseError(
      isTlsProblem(code) ? "TLS_FAILED" : "STORE_UNAVAILABLE",
      `${this.#shown} cannot be reached${this.#proxy ? ` through the proxy ${this.#proxy.host}` : ""}: ${firstLine(error)}.`,
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
