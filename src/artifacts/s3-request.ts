import type { IncomingMessage } from "node:http";
import { part } from "../base/loading.js";
import type { Body } from "../http/transfer.js";
import { type HttpAnswer, wholeAnswer } from "../http/whole-answer.js";
import type { AwsSettings } from "./aws-settings.js";
import { ObjectStoreClient } from "./object-store.js";
import { encoded } from "./paths.js";
import { S3Error, xmlText } from "./s3-answers.js";

/** A request to a bucket. */
export interface S3Request {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** If it is missing, the request is for the bucket itself. */
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly hold?: boolean;
  /** How many bytes the store has to process beside the body. */
  readonly handles?: number;
  /** What was requested, for messages. */
  readonly what: string;
}

/** Error codes that new credentials may fix. */
const STALE = new Set([
  "ExpiredToken",
  "ExpiredTokenException",
  "TokenRefreshRequired",
  "InvalidAccessKeyId",
  "InvalidToken",
]);
const REGION = /^[a-z0-9-]{1,40}$/;

/**
 * A bucket in S3 or a compatible store. Signs requests (SigV4, unsigned payload) and sends them with Node's own client.
 */
export class S3Bucket {
  readonly name: string;
  readonly #settings: AwsSettings;
  readonly #client: ObjectStoreClient;
  /** The signer's cache of keys derived from the secret. */
  readonly #derived = new Map<string, ArrayBuffer>();
  #region: string | undefined;

  constructor(name: string, settings: AwsSettings, env: NodeJS.ProcessEnv, requestTimeoutMs: number) {
    this.name = name;
    this.#settings = settings;
    this.#client = new ObjectStoreClient(env, requestTimeoutMs);
  }

  /**
   * Sends a request and returns the successful answer when it starts. Expired credentials are renewed once, and a
   * bucket in another region is asked there.
   * @throws PulseError; an `S3Error` if S3 refuses
   */
  async open(request: S3Request): Promise<IncomingMessage> {
    for (let again = 0; ; again++) {
      const response = await this.#send(request);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return response;
      const answer = await wholeAnswer(response);
      const error = new S3Error(`s3://${this.name}`, request.what, answer);
      const helps = STALE.has(error.s3Code) ? this.#settings.renew() : this.#moved(answer);
      if (again > 0 || !helps) throw error;
    }
  }

  /** Does the same and returns the whole answer. */
  async ask(request: S3Request): Promise<HttpAnswer> {
    const answer = await wholeAnswer(await this.open(request));
    // S3 starts a long answer with 200 and may fail afterwards.
    if (request.method === "POST" && /^\s*(?:<\?[^>]*\?>\s*)?<Error>/.test(answer.text))
      throw new S3Error(`s3://${this.name}`, request.what, { ...answer, status: 500 });
    return answer;
  }

  close(): void {
    this.#client.close();
  }

  /** Remembers the region of a bucket if an answer names it; returns whether it is a different one. */
  #moved({ status, headers, text }: HttpAnswer): boolean {
    if (status !== 301 && status !== 307 && status !== 400) return false;
    const region = String(headers["x-amz-bucket-region"] ?? xmlText(text, "Region") ?? "");
    if (!REGION.test(region) || region === (this.#region ?? this.#settings.region)) return false;
    this.#region = region;
    return true;
  }

  async #send({
    method,
    key,
    query = {},
    headers = {},
    body,
    signal,
    hold = false,
    handles,
  }: S3Request): Promise<IncomingMessage> {
    const region = this.#region ?? this.#settings.region;
    const url = this.#url(region, key, query);
    const { accessKeyId, secretAccessKey, sessionToken } = await this.#settings.credentials();
    const { AwsV4Signer } = part("aws4fetch") as typeof import("aws4fetch");
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: { ...headers },
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      service: "s3",
      region,
      cache: this.#derived,
    });
    const signed = await signer.sign();
    const bytes = typeof body === "string" ? Buffer.from(body) : undefined;
    const sent = bytes ? { length: bytes.length, open: () => once(bytes) } : (body as Body | undefined);
    return this.#client.send({
      url,
      method,
      headers: Object.fromEntries(signed.headers),
      body: sent,
      signal,
      hold,
      handles,
    });
  }

  /**
   * With a custom endpoint, or a name with dots (which no certificate matches), the bucket is in the path; on AWS it is
   * otherwise in the host name.
   */
  #url(region: string, key: string | undefined, query: Readonly<Record<string, string>>): URL {
    const endpoint = this.#settings.endpoint;
    const amazon = `s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
    const path = key === undefined ? "" : encoded(key);
    const address =
      endpoint !== undefined || this.name.includes(".")
        ? `${endpoint ?? `https://${amazon}`}/${encoded(this.name)}/${path}`
        : `https://${this.name}.${amazon}/${path}`;
    const url = new URL(address);
    url.search = Object.entries(query)
      .map(([name, value]) => `${encodeURIComponent(name)}=${encoded(value).replaceAll("/", "%2F")}`)
      .join("&");
    return url;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes;
}
