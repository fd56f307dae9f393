import type { ClientRequest, IncomingMessage } from "node:http";
import { PulseError } from "../base/errors.js";
import { Connections } from "../http/connections.js";
import type { Connecting } from "../http/keep-alive-tuner.js";
import { type Transfer, transfer } from "../http/transfer.js";
import { TRUST, unreachable } from "../http/unreachable.js";
import { ObjectStoreError } from "./object-store-error.js";

/** A request to an object store. */
export interface ObjectRequest extends Omit<Transfer, "idleMs"> {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Speaks to object stores, signed or by URLs that are signed already: with the environment's TLS settings for S3
 * (`AWS_CA_BUNDLE`, `MLFLOW_S3_IGNORE_TLS`) and proxies, and nothing of what belongs to the tracking server: no
 * credentials, headers or client certificate.
 */
export class ObjectStoreClient {
  readonly #connections: Connections;
  readonly #idleMs: number;

  constructor(env: NodeJS.ProcessEnv, requestTimeoutMs: number) {
    const insecure = /^(true|1)$/i.test(env["MLFLOW_S3_IGNORE_TLS"] ?? "");
    this.#connections = new Connections({
      tls: { ca: env["AWS_CA_BUNDLE"] || undefined, insecure },
      env,
      requestTimeoutMs,
    });
    this.#idleMs = requestTimeoutMs;
  }

  /**
   * Carries out a request and gives the answer when it begins, whatever its status.
   * @throws PulseError `STORE_UNAVAILABLE` or `TLS_FAILED` when there is none; what reading the body, or the signal,
   * gave.
   */
  async send(request: ObjectRequest): Promise<IncomingMessage> {
    try {
      return await this.#once(request, "kept");
    } catch (error) {
      if (error instanceof PulseError || request.signal?.aborted) throw error;
      if (!(error as { reused?: unknown }).reused) throw this.#unreachable(request.url, error);
    }
    // The store had closed a connection that was kept, which says nothing of the request.
    return this.#once(request, "fresh").catch((error: unknown) => {
      throw request.signal?.aborted ? error : this.#unreachable(request.url, error);
    });
  }

  close(): void {
    this.#connections.close();
  }

  async #once(request: ObjectRequest, how: Connecting): Promise<IncomingMessage> {
    const { url, method, body } = request;
    const headers = { ...request.headers, ...(body && { "content-length": String(body.length) }) };
    let began: ClientRequest | undefined;
    const begin = (): ClientRequest => {
      began = this.#connections.start(url, { method, headers }, how);
      return began;
    };
    try {
      return await transfer(url.host, begin, { ...request, idleMs: this.#idleMs });
    } catch (error) {
      if (began?.reusedSocket && typeof error === "object" && error !== null) Object.assign(error, { reused: true });
      throw error;
    }
  }

  /** Names the origin only: a query may hold a signature. */
  #unreachable(url: URL, error: unknown): PulseError {
    const told = unreachable(url.origin, error, this.#connections.proxyTo(url), this.#connections.uselessProxy(url));
    if (told.code !== "TLS_FAILED") return told;
    return new ObjectStoreError(told.code, told.message.replace(told.todo, "").replace(TRUST, "").trim(), error);
  }
}
