import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";

/** A server below HTTP: what it does with a connection, and what was written to and ended on it. */
export interface RawServer {
  readonly port: number;
  /** Connections that are open. */
  readonly open: Set<Socket>;
  close(): void;
}

/** Listens on 127.0.0.1; `serve` gets each connection once something was sent on it. */
export async function rawServer(serve: (socket: Socket, request: string) => void): Promise<RawServer> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
    socket.once("data", (data) => serve(socket, data.toString("latin1")));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    open,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Writes a text, then a part of another again and again, for as long as the connection is open. */
export function trickle(socket: Socket, first: string, again: string): void {
  socket.write(first);
  const timer = setInterval(() => socket.write(again), 10);
  socket.on("close", () => clearInterval(timer));
}

/** Writes the same text as fast as it is taken; tells how many bytes that were. */
export function flood(socket: Socket, first: string, again: string, written: (bytes: number) => void): void {
  socket.write(first);
  const more = (): void => {
    while (!socket.destroyed && socket.write(again)) written(again.length);
  };
  socket.on("drain", more);
  more();
}
