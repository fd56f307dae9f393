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
 * Sends requests to object stores, either signed or with presigned URLs. Uses the environment's TLS settings for S3
 * (`AWS_CA_BUNDLE`, `MLFLOW_S3_IGNORE_TLS`) and its proxies, but nothing that belongs to the tracking server: no
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
   * Sends a request and returns the answer when it starts, whatever its status.
   * @throws PulseError `STORE_UNAVAILABLE` or `TLS_FAILED` if there is none; an error of reading the body; the signal's
   * reason.
   */
  async send(request: ObjectRequest): Promise<IncomingMessage> {
    try {
      return await this.#once(request, "kept");
    } catch (error) {
      if (error instanceof PulseError || request.signal?.aborted) throw error;
      if (!(error as { reused?: unknown }).reused) throw this.#unreachable(request.url, error);
    }
    // The store had closed a kept connection, which says nothing about the request.
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

  /** Names only the origin, because a query may hold a signature. */
  #unreachable(url: URL, error: unknown): PulseError {
    const problem = unreachable(url.origin, error, this.#connections.proxyTo(url), this.#connections.uselessProxy(url));
    if (problem.code !== "TLS_FAILED") return problem;
    return new ObjectStoreError(
      problem.code,
      problem.message.replace(problem.todo, "").replace(TRUST, "").trim(),
      error,
    );
  }
}
