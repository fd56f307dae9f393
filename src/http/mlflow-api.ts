import type { IncomingMessage } from "node:http";
import { systemClock } from "../base/clock.js";
import { MlflowError, messageOf, PulseError, type PulseErrorCode } from "../base/errors.js";
import { wellFormed } from "../base/text/keys.js";
import { REDACTED, shownText } from "../base/text/redact.js";
import { type Auth, HEADER_VALUE } from "../config/options.js";
import type { ServerSettings } from "../config/server.js";
import { addedFields, foreignFields } from "./answers.js";
import { Failure, failureSaid, withoutFields } from "./failure.js";
import { HttpClient, type HttpRequest, type HttpTransfer } from "./http-client.js";
import { objectIn } from "./json.js";
import type { TrackingApi } from "./tracking-api.js";
import type { HttpAnswer } from "./whole-answer.js";

const ROOT = "/api/2.0/mlflow/";
const MAX_SHOWN = 300;
/** How many sets of added fields are remembered. */
const MAX_ADDED = 100;
/** How long it is remembered that the server accepts the credentials. */
const ACCEPTED_MS = 10_000;
/** Shorter secrets might be ordinary words of a message. */
const MIN_SECRET = 4;
/** What a server reports about itself. */
export interface ServerFacts {
  /** MLflow's version, such as `3.17.2`. */
  readonly version: string | undefined;
  /** The answer of `server-info` (MLflow 3.10 and newer). */
  readonly info: Readonly<Record<string, unknown>> | undefined;
  /** How far the server's clock is ahead of ours, in milliseconds, from its Date header (to the second). */
  readonly clockSkewMs: number | undefined;
}

/**
 * MLflow's REST API. Each call is one request, whose answer is checked; each refusal is a `Failure` that says what to
 * do.
 */
export class MlflowApi implements TrackingApi {
  readonly client: HttpClient;
  /** The server's address without credentials. */
  readonly origin: string;
  readonly #settings: ServerSettings;
  readonly #auth: Auth | undefined;
  readonly #withheld: boolean;
  readonly #headers: Readonly<Record<string, string>>;
  /** Credentials that were sent. */
  readonly #secrets = new Set<string>();
  /** Sets of fields that a gateway adds to answers that are certainly MLflow's. */
  readonly #added = new Set<string>();
  #accepted: { readonly answer: Promise<boolean>; readonly until: number } | undefined;
  #token: Promise<string> | undefined;
  #facts: Promise<ServerFacts> | undefined;

  constructor(url: URL, settings: ServerSettings, userAgent: string) {
    const { username, password } = url;
    const bare = new URL(url);
    bare.username = "";
    bare.password = "";
    bare.search = "";
    bare.hash = "";
    this.origin = rootOf(bare);
    this.#settings = settings;
    this.#auth = username === "" ? settings.auth : { username: decode(username), password: decode(password) };
    this.#withheld = settings.withheld === true; // only known after reading `auth`
    this.client = new HttpClient(bare, settings);
    for (const value of Object.values(settings.headers)) this.#secret("", value);
    this.#headers = { accept: "application/json", "user-agent": userAgent };
  }

  post(
    call: string,
    body: string | object,
    done?: (foreign: string) => Promise<boolean>,
  ): Promise<Record<string, unknown>> {
    return this.#call(
      call,
      { method: "POST", path: ROOT + call, body: typeof body === "string" ? body : JSON.stringify(body, repaired) },
      done,
    );
  }

  get(call: string, query: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
    return this.#call(call, { method: "GET", path: `${ROOT}${call}?${new URLSearchParams(query)}` });
  }

  incomplete(call: string): Failure {
    return withoutFields(this.origin, call);
  }

  close(): void {
    this.client.close();
  }

  get login(): string {
    const auth = this.#auth;
    if (auth === undefined) return "requests without credentials";
    return "username" in auth ? `user ${JSON.stringify(auth.username)}` : "the configured token";
  }

  get #unaccepted(): string {
    if (this.#auth !== undefined) return `does not accept ${this.login}`;
    if (!this.#withheld) return "requires a login, but no credentials are configured for it";
    return "requires a login, and the environment's credentials are only sent to a server named by MLFLOW_TRACKING_URI or an option, but this one is named by pulse-mlflow.config.json: add a section for it to ~/.mlflow/credentials, or set the option auth";
  }

  /** Returns what the server reports about itself. Asks until it has answered once; never fails. */
  facts(): Promise<ServerFacts> {
    this.#facts ??= this.#ask();
    return this.#facts;
  }

  /**
   * Sends a request with credentials and returns the answer, whatever it is. After a 401, a token function is called
   * again. `moreMs`: additional time to allow, in milliseconds.
   */
  send(request: Pick<HttpRequest, "method" | "path" | "body">, moreMs: number = 0): Promise<HttpAnswer> {
    const timeoutMs = this.#settings.requestTimeoutMs + Math.round(moreMs);
    const until = performance.now() + timeoutMs;
    return this.#authorized(
      until,
      (secretHeaders) => this.client.send({ ...request, headers: this.#headers, secretHeaders, until, timeoutMs }),
      ({ status }) => status,
    );
  }

  /** Streams a large body or answer in the same way; continues as long as there is progress. */
  transfer(request: Omit<HttpTransfer, "headers" | "secretHeaders" | "idleMs">): Promise<IncomingMessage> {
    const { requestTimeoutMs } = this.#settings;
    const headers = {
      ...this.#headers,
      accept: "*/*",
      ...(request.body && { "content-type": "application/octet-stream" }),
    };
    return this.#authorized(
      performance.now() + requestTimeoutMs,
      (secretHeaders) => this.client.transfer({ ...request, headers, secretHeaders, idleMs: requestTimeoutMs }),
      (response) => {
        if (response.statusCode === 401) response.resume(); // not read, because the request is repeated
        return response.statusCode ?? 0;
      },
    );
  }

  async #authorized<Answer>(
    until: number,
    send: (secretHeaders: Readonly<Record<string, string>>) => Promise<Answer>,
    statusOf: (answer: Answer) => number,
  ): Promise<Answer> {
    for (let again = false; ; again = true) {
      const authorization = await this.#authorization(until);
      const used = this.#token;
      const secretHeaders = {
        ...this.#settings.headers,
        ...(authorization && { authorization }),
        ...(this.#settings.workspace && { "x-mlflow-workspace": this.#settings.workspace }),
      };
      const answer = await send(secretHeaders);
      const mayHelp = this.#auth !== undefined && "token" in this.#auth && typeof this.#auth.token === "function";
      if (statusOf(answer) !== 401 || again || !mayHelp) return answer;
      if (this.#token === used) this.#token = undefined; // otherwise another request has already asked for a new one
    }
  }

  async #call(
    call: string,
    request: Pick<HttpRequest, "method" | "path" | "body">,
    done?: (foreign: string) => Promise<boolean>,
  ): Promise<Record<string, unknown>> {
    const answer = await this.send(request);
    const json = objectIn(answer.text);
    if (answer.status >= 200 && answer.status < 300) {
      if (json === undefined)
        throw this.#away(
          "NO_MLFLOW",
          `answered ${request.path.split("?")[0]} with something that is not a JSON object`,
          answer,
        );
      const added = addedFields(call, json);
      if (added !== undefined && this.#added.size < MAX_ADDED) this.#added.add(added);
      const foreign = foreignFields(call, json);
      // The request may have been carried out earlier. That does not make the next answer like this one trustworthy.
      if (foreign !== undefined && !this.#added.has(foreign) && !(await done?.(foreign))) throw this.incomplete(call);
      return json;
    }
    const failure = this.failureOf(request, answer);
    throw failure.kind === "denied" && !(await this.#accepts()) ? new Failure("away", failure.error) : failure;
  }

  /** Whether the server accepts these credentials elsewhere. If so, a 403 concerns the named experiment or run. */
  #accepts(): Promise<boolean> {
    const now = performance.now();
    if (this.#accepted === undefined || now > this.#accepted.until) {
      const call = "experiments/search";
      const answer = this.send({ method: "POST", path: ROOT + call, body: '{"max_results":1}' })
        .then(({ status, text }) => status === 200 && foreignFields(call, objectIn(text) ?? { text }) === undefined)
        .catch(() => false)
        .then((yes) => {
          if (!yes) this.#accepted = undefined;
          return yes;
        });
      this.#accepted = { answer, until: now + ACCEPTED_MS };
    }
    return this.#accepted.answer;
  }

  /** Classifies an error answer. */
  failureOf(request: Pick<HttpRequest, "path" | "body">, answer: HttpAnswer): Failure {
    const json = objectIn(answer.text);
    const { path } = request;
    const { status } = answer;
    const errorCode = json?.["error_code"];
    if (typeof errorCode !== "string" || errorCode === "ENDPOINT_NOT_FOUND") return this.#foreign(request, answer);
    const message = typeof json?.["message"] === "string" ? json["message"] : "";
    const refused = { call: path.split("?")[0] as string, status, errorCode, message, shown: this.#shown(message) };
    return failureSaid(this.origin, refused, this.#retryAfter(answer));
  }

  /**
   * Classifies an answer that is not MLflow's: from a gateway, a login page, or a guard in front of it. The request
   * itself is fine.
   */
  #foreign({ path, body = "" }: Pick<HttpRequest, "path" | "body">, answer: HttpAnswer): Failure {
    const { status } = answer;
    const excerpt = this.#shown(plain(answer.text));
    const words = excerpt === "" ? "" : `: ${excerpt}`;
    if (status === 401) return this.#away("UNAUTHORIZED", `${this.#unaccepted}${words}`, answer);
    if (status === 403) {
      const todo = excerpt.includes("Invalid Host header")
        ? " Start the server with --allowed-hosts naming this host."
        : "";
      if (todo !== "" || excerpt.includes("Cross-origin request blocked"))
        return this.#away("FORBIDDEN", `answered 403${words}${todo}`, answer);
      const detail = `${this.origin} refuses ${path.split("?")[0]} to ${this.login} (403)${words}.`;
      return new Failure("denied", new MlflowError("FORBIDDEN", detail, "", 403, excerpt));
    }
    if (status === 413 && body.length > SMALL_BODY) {
      const detail = `${this.origin} or a proxy in front of it refuses ${path.split("?")[0]} as too large (413).`;
      return new Failure("rejected", new MlflowError("REJECTED", detail, "", 413));
    }
    if (status === 404) return this.#away("NO_MLFLOW", `has no ${path.split("?")[0]}`, answer);
    if (status === 408 || status === 429 || status >= 500)
      return this.#away("SERVER_ERROR", `answered ${status}${words}`, answer);
    if (status === 400 && WANTS_TLS.test(excerpt))
      return this.#away(
        "NO_MLFLOW",
        `speaks TLS${words}. Write ${this.origin.replace("http:", "https:")} in the tracking URI`,
        answer,
      );
    return this.#away("NO_MLFLOW", `answered ${status}${words}`, answer);
  }

  #away(code: PulseErrorCode, what: string, answer: HttpAnswer): Failure {
    const via = answer.redirectedTo === undefined ? "" : ` redirects to ${answer.redirectedTo}, which`;
    return new Failure(
      "away",
      new MlflowError(code, `${this.origin}${via} ${what}.`, "", answer.status),
      this.#retryAfter(answer),
    );
  }

  /** Returns Retry-After in milliseconds, given either in seconds or as a date. */
  #retryAfter({ headers }: HttpAnswer): number | undefined {
    const given = headers["retry-after"];
    if (given === undefined || !this.#settings.respectRetryAfter) return undefined;
    const ms = /^\d+$/.test(given) ? Number(given) * 1_000 : Date.parse(given) - systemClock.now();
    return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS) : undefined;
  }

  async #authorization(until: number): Promise<string | undefined> {
    const auth = this.#auth;
    if (auth === undefined) return undefined;
    if ("username" in auth)
      return this.#secret("Basic", Buffer.from(`${auth.username}:${auth.password}`).toString("base64"), auth.password);
    const { token } = auth;
    if (typeof token === "string") return this.#secret("Bearer", token);
    this.#token ??= Promise.resolve().then(token);
    const asked = this.#token;
    try {
      const value = await within(until - performance.now(), asked);
      if (typeof value !== "string" || value === "") throw new Error("it returned no token");
      if (!HEADER_VALUE.test(value)) throw new Error("it returned a token that does not fit into an HTTP header");
      return this.#secret("Bearer", value);
    } catch (error) {
      if (this.#token === asked) this.#token = undefined; // ask again next time
      const detail = `The token function of \`auth\` failed: ${messageOf(error)}.`;
      throw new Failure("away", new PulseError("UNAUTHORIZED", detail, error));
    }
  }

  #secret(scheme: string, value: string, ...others: string[]): string {
    for (const each of [value, ...others]) if (each.length >= MIN_SECRET) this.#secrets.add(each);
    return `${scheme} ${value}`;
  }

  /**
   * Makes a server's message safe to show: only its first line, because SQL with user values may follow, and without
   * credentials that it may repeat.
   */
  #shown(message: string): string {
    const [line = ""] = message.split("\n");
    let clean = shownText(line);
    for (const secret of this.#secrets) clean = clean.replaceAll(secret, REDACTED);
    return clean.length > MAX_SHOWN ? `${clean.slice(0, MAX_SHOWN)}...` : clean;
  }

  async #ask(): Promise<ServerFacts> {
    const ask = (path: string): Promise<HttpAnswer | undefined> =>
      this.send({ method: "GET", path }).catch(() => undefined);
    const [version, info] = await Promise.all([ask("/version"), ask("/api/3.0/mlflow/server-info")]);
    if (version === undefined || info === undefined) this.#facts = undefined; // ask again next time
    const date = Date.parse(version?.headers.date ?? "");
    return {
      version: version?.status === 200 ? /^\s*(\d+\.\d+[\w.]*)\s*$/.exec(version.text)?.[1] : undefined,
      info: info?.status === 200 ? objectIn(info.text) : undefined,
      clockSkewMs: Number.isNaN(date) ? undefined : date - systemClock.now(),
    };
  }
}

/** Returns the address of a server, always the same for the same server. */
export function rootOf(url: URL): string {
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

/** A body up to this many characters is never too large: a 413 for it is a gateway's error. */
const SMALL_BODY = 1_024;

/** How nginx, Go and Apache report that a port requires TLS. */
const WANTS_TLS = /plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server|plain HTTP to an SSL/i;

/** Longer waits are a mistake, or a maintenance window that may end early. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

/** Extracts the words of an HTML page or text. */
function plain(body: string): string {
  return body
    .slice(0, 4_000)
    .replace(/<(script|style|head)[\s\S]*?<\/\1>|<[^>]*>/gi, " ")
    .replace(/\s+/g, " ")
    .trim();
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it took longer than ${Math.round(ms)} ms`)), ms).unref();
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Replaces lone surrogates: MLflow silently loses such a text and everything after it. */
function repaired(_key: string, value: unknown): unknown {
  return typeof value === "string" ? wellFormed(value) : value;
}
