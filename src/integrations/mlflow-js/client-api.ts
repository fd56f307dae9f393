import { MlflowError, PulseError } from "../../base/errors.js";
import { foreignFields } from "../../http/answers.js";
import { Failure, withoutFields } from "../../http/failure.js";
import type { TrackingApi } from "../../http/tracking-api.js";

/** The fields of a request, as in MLflow's REST API. */
export type Fields = Readonly<Record<string, never>>;

/** Stands for an answer that the client does not return, and which may have been anything. */
export const UNSEEN: object = {};

/** A client's calls by the name of MLflow's call. Each returns MLflow's answer, or `UNSEEN`. */
type ClientCalls = Readonly<Record<string, (fields: Fields) => unknown>>;

/** A user's MLflow client, as stores use it. */
export interface ForeignClient {
  /** The client's name, for messages. */
  readonly name: string;
  /** The server's address without credentials; undefined if the client does not reveal it. */
  readonly origin: string | undefined;
  readonly calls: ClientCalls;
  /** Classifies an error thrown by a call. */
  failure(error: unknown, call: string, origin: string): Failure;
}

/** MLflow's API, called through a user's client object. */
export class ClientApi implements TrackingApi {
  readonly origin: string;
  readonly #client: ForeignClient;
  readonly #timeoutMs: number;
  /** Whether the server has accepted a request. If so, a refusal is about the request, not the login. */
  #accepted = false;

  constructor(client: ForeignClient, timeoutMs: number) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.origin = client.origin ?? `the server of ${client.name}`;
  }

  get login(): string {
    return `the client ${this.#client.name}`;
  }

  async post(
    call: string,
    body: string | object,
    done?: (foreign: string) => Promise<boolean>,
  ): Promise<Record<string, unknown>> {
    const answer = await this.#send(call, (typeof body === "string" ? JSON.parse(body) : body) as Fields);
    // A gateway may have answered in the server's place: if the answer is not visible, the result is checked.
    if (answer === UNSEEN) {
      if (done !== undefined && !(await done(""))) throw this.incomplete(call);
      return answer;
    }
    const foreign = foreignFields(call, answer);
    if (foreign !== undefined && !(await done?.(foreign))) throw this.incomplete(call);
    return answer;
  }

  get(call: string, query: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
    return this.#send(call, query as unknown as Fields);
  }

  lacks(call: string): boolean {
    return this.#client.calls[call] === undefined;
  }

  incomplete(call: string): Failure {
    return withoutFields(this.origin, call);
  }

  /** Does nothing: the client belongs to the user. */
  close(): void {}

  async #send(call: string, fields: Fields): Promise<Record<string, unknown>> {
    const send = this.#client.calls[call];
    if (send === undefined) {
      const what = `${this.#client.name} has no call ${call}`;
      throw new Failure("rejected", new MlflowError("REJECTED", `${what}.`, "INVALID_PARAMETER_VALUE", 400, what));
    }
    let answer: unknown;
    try {
      answer = await this.#within(
        call,
        Promise.resolve().then(() => send(fields)),
      );
    } catch (error) {
      const failure = error instanceof Failure ? error : this.#client.failure(error, call, this.origin);
      if (failure.kind === "denied" && !this.#accepted) throw new Failure("away", failure.error);
      if (failure.kind === "rejected") this.#accepted = true;
      throw failure;
    }
    if (typeof answer !== "object" || answer === null || Array.isArray(answer)) throw this.incomplete(call);
    this.#accepted = true;
    return answer as Record<string, unknown>;
  }

  /**
   * Limits the time of a request, since the clients have no limit. A late result is handled like any request without
   * an answer.
   */
  #within<T>(call: string, request: Promise<T>): Promise<T> {
    const { name } = this.#client;
    return new Promise((resolve, reject) => {
      const late = (): void => {
        const detail = `${this.origin} did not answer ${call} of ${name} within ${this.#timeoutMs} ms.`;
        reject(new Failure("away", new PulseError("STORE_UNAVAILABLE", detail)));
      };
      const timer = setTimeout(late, this.#timeoutMs).unref();
      request.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
