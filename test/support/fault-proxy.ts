import { once, setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { type Answer, DENIED, falseAnswer, hasFields } from "./fault-answers.js";
import type { Denial } from "./fault-denial.js";
import { type Draw, drawFault, FAULTS, type FaultKind } from "./fault-schedule.js";

interface FaultProxyOptions {
  /** The server behind it, as `http://127.0.0.1:5000`. */
  readonly target: string;
  readonly seed: number;
  /** The share of requests that meet a fault, from 0 to 1. */
  readonly rate: number;
  /** @default every kind */
  readonly kinds?: readonly FaultKind[];
  /**
   * So many requests about files meet a fault, of two about one, even when everything else works: most come late.
   * @default as the rate says
   */
  readonly fileFaults?: number | undefined;
  /** How long the port stays closed after `refuse`. @default 200 */
  readonly refuseMs?: number;
  /** The pause before each byte of `slow-drip`. @default 5 */
  readonly dripMs?: number;
  /** What `Retry-After` says, in seconds. @default 1 */
  readonly retryAfter?: number;
  /** Has clients come over TLS. */
  readonly tls?: ServerOptions | undefined;
  /** What the client has no permission for. */
  readonly denial?: Denial | undefined;
}

interface Injected {
  readonly kind: FaultKind;
  readonly method: string;
  readonly path: string;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: Buffer;
}

/** The share of requests about files that meet a fault, while some are to. */
const FILE_RATE = 0.5;
const MAX_BODY = 2 * 1024 * 1024;
/** What a client sends at once, before it hears of the first failure. */
const NOTICE_MS = 200;
const LATE_MS = { least: 100, most: 500 };
const HOP_BY_HOP = ["connection", "keep-alive", "transfer-encoding", "content-length", "expect", "host"];

/** The server acts before the client sees what is wrong. */
const AFTER: readonly FaultKind[] = ["reset-after", "black-hole-after", "503-after-commit", "wrong-type"];

/** Stands between a client and a server, and does to requests what networks, gateways and servers do to them. */
class FaultProxy {
  readonly url: string;
  /** What was injected so far, in the order in which it took effect. */
  readonly faults: Injected[] = [];
  /** The share of requests that meet a fault. */
  rate: number;
  /** How often a request was refused for a missing permission. */
  denials = 0;
  /** Milliseconds by which every answer is late. */
  delayMs = 0;
  /** Whether requests vanish: the connection stays open, the server never sees them. */
  silent = false;

  readonly #options: FaultProxyOptions;
  readonly #server: Server | SecureServer;
  readonly #port: number;
  readonly #closing = new AbortController();
  readonly #forwarding = new Set<Promise<unknown>>();
  #target: string;
  #fileFaults: number;
  /** When each client (header `x-client`) first asked since the server was replaced. */
  #met: Map<unknown, number> | undefined;
  #requests = 0;
  #refusals = 0;
  #isDown = false;
  #portChange: Promise<void> = Promise.resolve();

  constructor(options: FaultProxyOptions, server: Server | SecureServer) {
    this.#options = options;
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    this.url = `${options.tls ? "https" : "http"}://127.0.0.1:${this.#port}`;
    this.rate = options.rate;
    this.#target = options.target;
    this.#fileFaults = options.fileFaults ?? 0;
    setMaxListeners(0, this.#closing.signal);
    server.on("clientError", (_error, socket) => socket.destroy());
    server.on("request", (incoming, response) => {
      response.on("error", () => {});
      // Whatever fails here is a client that went away, a server that is not there, or `close`.
      this.#serve(incoming, response).catch(() => incoming.socket.destroy());
    });
  }

  /** How many requests came. */
  get requests(): number {
    return this.#requests;
  }

  /**
   * From now on everything works, but for missing permissions and what files are to meet; requests in a black hole stay
   * there.
   */
  calm(): void {
    this.rate = 0;
    this.delayMs = 0;
    this.silent = false;
  }

  /**
   * Another server is behind it; what is on its way still goes to the one before. What each client sends at first is
   * reset.
   */
  replace(target: string): void {
    this.#target = target;
    this.#met = new Map();
  }

  /** Begins an outage: connections end and new ones are refused. */
  async down(): Promise<void> {
    this.#isDown = true;
    await this.#setPort();
    this.#server.closeAllConnections();
  }

  /** Ends the outage. */
  async up(): Promise<void> {
    this.#isDown = false;
    await this.#setPort();
  }

  /** Resolves when nothing is on its way to the server, not even late. */
  async settled(): Promise<void> {
    while (this.#forwarding.size > 0) await Promise.allSettled(this.#forwarding);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#setPort();
    this.#server.closeAllConnections();
    await this.settled();
  }

  /** Opens or closes the port as the state asks for; one change after the other, because opening takes time. */
  #setPort(): Promise<void> {
    this.#portChange = this.#portChange.then(async () => {
      const open = !this.#isDown && this.#refusals === 0 && !this.#closing.signal.aborted;
      if (open === this.#server.listening) return;
      if (open) await listen(this.#server, this.#port);
      else this.#server.close();
    });
    return this.#portChange;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const isFile = this.#fileFaults > 0 && incoming.url?.includes("/mlflow-artifacts/") === true;
    const rate = isFile ? FILE_RATE : this.rate;
    const { kind, degree } = drawFault(this.#options.seed, this.#requests++, rate, this.#options.kinds ?? FAULTS);
    if (isFile && kind !== undefined) this.#fileFaults--;
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length <= MAX_BODY) chunks.push(chunk);
    }
    if (length > MAX_BODY) return void response.writeHead(413).end("Larger than what the fault proxy keeps.");
    if (this.silent) return;
    if (this.#isFirst(incoming)) return void incoming.socket.destroy();
    const exchange = { request: incoming, response, body: Buffer.concat(chunks) };
    if (this.#options.denial?.denies(incoming.url ?? "", exchange.body)) {
      this.denials++;
      return this.#send(response, DENIED);
    }
    if (kind === undefined) await this.#send(response, await this.#forward(exchange));
    else await this.#inject({ kind, degree }, exchange);
  }

  /** Whether a client cannot have heard yet that the server was replaced. */
  #isFirst({ headers }: IncomingMessage): boolean {
    const client = headers["x-client"];
    const first = this.#met?.get(client) ?? performance.now();
    this.#met?.set(client, first);
    return this.#met !== undefined && performance.now() - first < NOTICE_MS;
  }

  async #inject({ kind, degree }: Draw & { kind: FaultKind }, exchange: Exchange): Promise<void> {
    const { request: incoming, response } = exchange;
    const { retryAfter = 1, dripMs = 5 } = this.#options;
    const instead = falseAnswer(kind, retryAfter);
    const injected = { kind, method: incoming.method ?? "", path: incoming.url ?? "" };

    // These change the true answer, and are no fault where there is nothing to change.
    if (kind === "slow-drip" || kind === "truncated" || kind === "missing-fields") {
      const truth = await this.#forward(exchange);
      if (kind === "missing-fields" ? !hasFields(truth) : truth.body.length === 0) return this.#send(response, truth);
      this.faults.push(injected);
      if (kind === "truncated") return this.#sendHalf(response, truth);
      return this.#send(response, instead ?? truth, kind === "slow-drip" ? dripMs : undefined);
    }

    this.faults.push(injected);
    if (AFTER.includes(kind)) await this.#forward(exchange);
    if (kind.startsWith("late-"))
      this.#forward(exchange, LATE_MS.least + degree * (LATE_MS.most - LATE_MS.least)).catch(() => {});
    if (kind.startsWith("black-hole")) return;
    if (kind === "101")
      return void incoming.socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      );
    if (instead !== undefined) return this.#send(response, instead);
    // Closed first: a client that connects again at once must be refused.
    if (kind === "refuse") await this.#closePort(this.#options.refuseMs ?? 200);
    if (incoming.socket instanceof TLSSocket) incoming.socket.destroy();
    else incoming.socket.resetAndDestroy();
  }

  async #closePort(ms: number): Promise<void> {
    this.#refusals++;
    const reopen = async (): Promise<void> => {
      await this.#pause(ms).catch(() => {});
      this.#refusals--;
      await this.#setPort();
    };
    await this.#setPort();
    void reopen();
  }

  #pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#closing.signal });
  }

  #forward(exchange: Exchange, afterMs = 0): Promise<Answer> {
    const target = this.#target;
    const work = (async () => {
      if (afterMs > 0) await this.#pause(afterMs);
      const answer = await ask(target, exchange, this.#closing.signal);
      this.#options.denial?.learn(exchange.request.url ?? "", exchange.body, answer);
      return answer;
    })();
    this.#forwarding.add(work);
    const done = (): unknown => this.#forwarding.delete(work);
    work.then(done, done);
    return work;
  }

  async #begin(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
    if (this.delayMs > 0) await this.#pause(this.delayMs);
    // MLflow's server keeps connections without saying for how long.
    response.removeHeader("connection");
    response.writeHead(status, { ...headers, "content-length": body.length });
  }

  async #send(response: ServerResponse, whole: Answer, dripMs?: number): Promise<void> {
    await this.#begin(response, whole);
    if (dripMs !== undefined) {
      for (const byte of whole.body) {
        if (response.destroyed) return;
        response.write(Buffer.of(byte));
        await this.#pause(dripMs);
      }
      response.end();
    } else response.end(whole.body);
  }

  async #sendHalf(response: ServerResponse, whole: Answer): Promise<void> {
    await this.#begin(response, whole);
    response.write(whole.body.subarray(0, whole.body.length >> 1), () => response.socket?.end());
  }
}

function ask(target: string, { request: incoming, body }: Exchange, signal: AbortSignal): Promise<Answer> {
  const headers = Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
  const { method = "GET", url = "/" } = incoming;
  return new Promise((resolve, reject) => {
    const length = body.length > 0 || method !== "GET" ? { "content-length": body.length } : {};
    // A connection for each request: one that the server has meanwhile closed would be a fault of nobody's making.
    request(new URL(url, target), { method, headers: { ...headers, ...length }, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", reject);
      response.on("end", () => {
        const kept = Object.entries(response.headers).filter(([name]) => !HOP_BY_HOP.includes(name));
        resolve({ status: response.statusCode ?? 502, headers: Object.fromEntries(kept), body: Buffer.concat(chunks) });
      });
    })
      .on("error", reject)
      .end(body);
  });
}

/** Takes the port again; until now somebody else's outgoing connection may have been on it. */
async function listen(server: Server | SecureServer, port: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    server.listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || tries === 100) throw error;
      await sleep(20);
    }
  }
}

/** Starts a proxy on a free port of 127.0.0.1; the same seed gives the same fault to the same request number. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const server = options.tls ? createSecureServer(options.tls) : createServer();
  await listen(server, 0);
  return new FaultProxy(options, server);
}
