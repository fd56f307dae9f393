import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Random } from "./random.js";

/** What a proxy can do to a client that asks for a tunnel. */
export const CONNECT_FAULTS = ["connect-hang", "connect-trickle", "connect-502", "connect-reset"] as const;

type ConnectFault = (typeof CONNECT_FAULTS)[number];

/** What happens to the tunnels to one port. */
interface Tunnels {
  readonly seed: number;
  readonly kinds: readonly ConnectFault[];
  /** The share of tunnels that meet a fault. */
  rate: number;
  asked: number;
  readonly faults: ConnectFault[];
}

const TRICKLE_MS = 50;

/** An HTTP proxy that opens tunnels on 127.0.0.1, or does what proxies do instead. Clients of many servers share it. */
class ConnectProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #ports = new Map<number, Tunnels>();
  readonly #sockets = new Set<Duplex>();

  constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connect", (request, socket, head) => this.#connect(request, socket, head));
  }

  /**
   * Tunnels to the server at this address meet faults from now on; by the number of the tunnel, the same for the same
   * seed.
   */
  trouble(address: string, seed: number, rate: number, kinds: readonly ConnectFault[] = CONNECT_FAULTS): Tunnels {
    const tunnels: Tunnels = { seed, kinds, rate, asked: 0, faults: [] };
    this.#ports.set(Number(new URL(address).port), tunnels);
    return tunnels;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #connect({ url = "" }: IncomingMessage, client: Duplex, head: Buffer): void {
    const port = Number(url.split(":").at(-1));
    this.#hold(client);
    const fault = draw(this.#ports.get(port));
    if (fault === "connect-hang") return void client.resume();
    if (fault === "connect-trickle") return void trickle(client.resume());
    if (fault === "connect-502") return void client.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    if (fault === "connect-reset") return void client.destroy();
    const server: Socket = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      server.write(head);
      client.pipe(server).pipe(client);
    });
    this.#hold(server);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  }

  #hold(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket));
  }
}

function draw(tunnels: Tunnels | undefined): ConnectFault | undefined {
  if (tunnels === undefined) return undefined;
  const random = new Random(Math.imul(tunnels.seed, 0x9e3779b1) ^ Math.imul(++tunnels.asked, 0x85ebca6b));
  const [hit, which] = [random.next(), random.next()];
  const fault = hit < tunnels.rate ? tunnels.kinds[Math.floor(which * tunnels.kinds.length)] : undefined;
  if (fault) tunnels.faults.push(fault);
  return fault;
}

/** An answer that never ends, of which something always comes. */
function trickle(client: Duplex): void {
  client.write("HTTP/1.1 200 Connection established\r\nx-slow: ");
  const timer = setInterval(() => client.write("."), TRICKLE_MS);
  client.on("close", () => clearInterval(timer));
}

/** Starts one on a free port of 127.0.0.1. */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const server = createServer((_, response) => response.writeHead(405).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return new ConnectProxy(server);
}
