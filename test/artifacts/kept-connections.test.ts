// Small files share connections, and a server that closes one without a word costs nothing but another attempt.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { ProxiedRepository } from "../../src/artifacts/proxied.js";
import { resolveConfig } from "../../src/config/resolve.js";

/** A proxy for artifacts that keeps what it gets; after each answer `then` may do something to the connection. */
async function proxy(then: (socket: Socket) => void) {
  const files = new Map<string, string>();
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    sockets.add(request.socket);
    const url = new URL(request.url ?? "", "http://x");
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      if (request.method === "PUT") files.set(url.pathname.split("/").at(-1) ?? "", body);
      const found = [...files].map(([path, text]) => ({ path, is_dir: false, file_size: text.length }));
      response.end(request.method === "PUT" ? "{}" : JSON.stringify({ files: found }), () => then(request.socket));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const { server: settings } = resolveConfig({ trackingUri: `http://127.0.0.1:${port}` }, {}, {});
  const repository = new ProxiedRepository("", new URL(`http://127.0.0.1:${port}`), settings);
  const upload = (name: string, text: string): Promise<void> =>
    repository.upload(name, {
      size: text.length,
      open: (start, end) => Readable.from([Buffer.from(text.slice(start, end))]),
    });
  return { files, sockets, upload };
}

test("many small files share a handful of connections", async () => {
  const { files, sockets, upload } = await proxy(() => undefined);
  for (let i = 0; i < 60; i++) await upload(`${i}.txt`, `text ${i}`);
  assert.equal(files.size, 60);
  assert.ok(sockets.size < 60, `${sockets.size} connections`);
});

test("every file arrives when the server closes the connection after each answer", async () => {
  const { files, upload } = await proxy((socket) => setImmediate(() => socket.destroy()));
  for (let i = 0; i < 60; i++) await upload(`${i}.txt`, `text ${i}`);
  assert.deepEqual([...files.values()].sort(), Array.from({ length: 60 }, (_, i) => `text ${i}`).sort());
});
