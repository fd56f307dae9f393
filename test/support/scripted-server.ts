import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createSecureServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What a scripted server answers; JSON unless it is a text. */
export interface Scripted {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

export interface ScriptedServer {
  readonly url: string;
  readonly seen: Seen[];
  close(): void;
}

const EXPERIMENT = { experiment: { experiment_id: "7", name: "X", lifecycle_stage: "active" } };

/** The answers of a server where everything is well. */
export function wellBehaved({ url, body }: Seen): Scripted {
  if (url.includes("get-by-name")) return { body: EXPERIMENT };
  if (url.includes("runs/create")) return { body: { run: { info: { run_id: "a".repeat(32), experiment_id: "7" } } } };
  if (url.includes("runs/update"))
    return { body: { run_info: { run_id: JSON.parse(body).run_id, experiment_id: "7" } } };
  return { body: {} };
}

/** An HTTP server on 127.0.0.1 that answers as told; undefined is what a well-behaved one answers. */
export async function scripted(
  answer: (seen: Seen) => Scripted | undefined | Promise<Scripted | undefined>,
  tls?: ServerOptions,
): Promise<ScriptedServer> {
  const seen: Seen[] = [];
  const listener: RequestListener = (request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", async () => {
      const one: Seen = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
      seen.push(one);
      const { status = 200, headers = {}, body: text = "" } = (await answer(one)) ?? wellBehaved(one);
      const json = typeof text !== "string" && !Buffer.isBuffer(text);
      response.writeHead(status, { "content-type": json ? "application/json" : "text/html", ...headers });
      response.end(json ? JSON.stringify(text) : text);
    });
  };
  const server = tls ? createSecureServer(tls, listener) : createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
