import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Scorer, UnknownUser } from "./scorer.js";

/** `GET /score?user=1&basket=9.90` over HTTP. It knows nothing about tracking. */
export class ScoringService {
  /** How the calls of the scorer ended. */
  readonly calls = { made: 0, scored: 0, fallback: 0, unknown: 0, broken: 0 };
  readonly #scorer: Scorer;
  readonly #server: Server;

  constructor(scorer: Scorer) {
    this.#scorer = scorer;
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Returns the address. */
  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Stops accepting requests; resolves when those under way are answered. */
  async close(): Promise<void> {
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer({ url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const query = new URL(url ?? "/", "http://localhost").searchParams;
    const request = { user: Number(query.get("user")), basket: Number(query.get("basket")) };
    this.calls.made++;
    try {
      const score = await this.#scorer.score(request);
      this.calls[score.by === "model" ? "scored" : "fallback"]++;
      this.#send(response, 200, score);
    } catch (error) {
      const unknown = error instanceof UnknownUser;
      this.calls[unknown ? "unknown" : "broken"]++;
      this.#send(response, unknown ? 404 : 500, { error: String(error) });
    }
  }

  #send(response: ServerResponse, status: number, body: object): void {
    // Otherwise the connection is kept alive for a next request, and closing waits for it
    if (!this.#server.listening) response.setHeader("connection", "close");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}
