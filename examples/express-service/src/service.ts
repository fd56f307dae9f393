import { once } from "node:events";
import { createServer, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A listener of requests on a port, which can be closed without breaking an answer off. */
export class Service {
  readonly #server;
  readonly #open = new Set<ServerResponse>();

  constructor(listener: RequestListener) {
    this.#server = createServer((request, response) => {
      this.#open.add(response);
      response.once("close", () => this.#open.delete(response));
      listener(request, response);
    });
  }

  /** Returns the address. Port 0 is any that is free. */
  async listen(port: number): Promise<string> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Stops accepting requests; resolves when those under way are answered. */
  async close(): Promise<void> {
    this.#server.close();
    // Otherwise these connections are kept alive for a next request, and closing waits for it.
    for (const response of this.#open) if (!response.headersSent) response.setHeader("connection", "close");
    await once(this.#server, "close");
  }
}
