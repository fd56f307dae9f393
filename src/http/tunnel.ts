import type { AgentOptions } from "node:https";
import type { Duplex } from "node:stream";
import { proxyAddress } from "./proxy.js";
import { proxySpeaksNoTls, speaksNoTls } from "./wrong-scheme.js";

/** The destination of a connection. */
export type Target = AgentOptions & { host?: string; port?: number | string };

/** Receives a connection, or an error; called once. */
export type Connected = (error: Error | null, socket?: Duplex) => void;

/** Returns Node's HTTP client for a URL. */
export function moduleOf({ protocol }: URL): typeof import("node:http") | typeof import("node:https") {
  return process.getBuiltinModule(protocol === "https:" ? "node:https" : "node:http");
}

/**
 * Connects over TLS through a proxy. Used as an agent's `createConnection`, which may also be asynchronous, although
 * its type does not say so.
 */
export function connectThrough(proxy: URL, target: Target, withinMs: number, done: Connected): void {
  const { host, port, headers: login } = proxyAddress(proxy);
  const address = `${target.host}:${target.port}`;
  const request = moduleOf(proxy).request({
    method: "CONNECT",
    host,
    port,
    path: address,
    headers: { host: address, ...login },
    agent: false,
  });
  // Limits the total time: an idle timeout would never end a proxy that trickles.
  const late = (): unknown => request.destroy(new Error(`the proxy ${proxy.host} did not answer`));
  const timer = setTimeout(late, withinMs).unref();
  request.on("socket", (socket) => socket.unref());
  request.on("error", (error) => done(speaksNoTls(error) ? new Error(proxySpeaksNoTls(proxy)) : error));
  request.on("close", () => {
    clearTimeout(timer);
    done(new Error(`the proxy ${proxy.host} closed the connection`));
  });
  request.on("connect", (response, socket) => {
    clearTimeout(timer);
    if (response.statusCode === 200) {
      const servername = target.servername ?? target.host;
      done(null, process.getBuiltinModule("node:tls").connect({ ...target, socket, servername } as never));
    } else {
      socket.destroy();
      done(new Error(`the proxy ${proxy.host} refused with status ${response.statusCode}`));
    }
  });
  request.end();
}
