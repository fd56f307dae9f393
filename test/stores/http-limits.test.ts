import assert from "node:assert/strict";
import dns from "node:dns";
import type { Socket } from "node:net";
import { after, test } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import type { ServerSettings } from "../../src/config/server.js";
import type { Outcome } from "../../src/contracts/tracking-store.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import { change, start } from "../contract/store-contract.js";
import { flood, type RawServer, rawServer, trickle } from "../support/raw-server.js";
import { scripted } from "../support/scripted-server.js";
import { until } from "../support/wait.js";

const { server: settings } = resolveConfig({}, {});
const RUN = change("b".repeat(32), {
  experiment: { name: "X" },
  create: start(),
  end: { status: "FINISHED", endTime: 6 },
});
const closing: (() => unknown)[] = [];
after(async () => {
  for (const close of closing) await close();
});

function storeAt(url: string, more: Partial<ServerSettings> = {}): HttpStore {
  const store = new HttpStore(new URL(url), { ...settings, requestTimeoutMs: 150, ...more });
  closing.push(() => store.close());
  return store;
}

async function raw(serve: (socket: Socket, request: string) => void): Promise<RawServer> {
  const server = await rawServer(serve);
  closing.unshift(() => server.close());
  return server;
}

async function sent(store: HttpStore): Promise<Outcome> {
  return (await store.apply([RUN]))[0] as Outcome;
}

const text = (outcome: Outcome): string =>
  "error" in outcome ? `${outcome.kind} ${outcome.error.message}` : outcome.kind;

/** Waits until the client has let go of its connections. */
const letGo = ({ open }: RawServer): Promise<void> => until("all connections are closed", () => open.size === 0);

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n";

for (const [what, serve] of Object.entries<(socket: Socket) => void>({
  nothing: () => undefined,
  "101 Switching Protocols": (socket) =>
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
  "101 that names no protocol": (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
  "a head that trickles": (socket) => trickle(socket, `${OK}x: `, "y"),
  "headers that trickle": (socket) => trickle(socket, OK, "x: y\r\n"),
  "1xx answers that trickle": (socket) => trickle(socket, "", "HTTP/1.1 102 Processing\r\n\r\n"),
  "103 answers that trickle": (socket) => trickle(socket, "", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"),
  "a body that trickles": (socket) => trickle(socket, `${OK}\r\n`, "x"),
  "chunks that trickle": (socket) =>
    trickle(socket, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
  "the body of a redirect that trickles": (socket) =>
    trickle(socket, "HTTP/1.1 307 Moved\r\nlocation: /x\r\ncontent-length: 1000\r\n\r\n", "x"),
  "a redirect each time, late": (socket) =>
    setTimeout(() => socket.end("HTTP/1.1 307 Moved\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"), 60),
}))
  test(`a request and its connection end by requestTimeoutMs: ${what}`, async () => {
    const server = await raw(serve);
    const store = storeAt(`http://127.0.0.1:${server.port}`);
    assert.match(text(await sent(store)), /^away .*(did not answer within 150 ms|without an answer|answered 101)/);
    await letGo(server);
  });

for (const [what, serve] of Object.entries<(socket: Socket) => void>({
  "says nothing": () => undefined,
  "trickles its answer": (socket) => trickle(socket, "HTTP/1.1 200 OK\r\nx: ", "y"),
  "sends 1xx answers": (socket) => trickle(socket, "", "HTTP/1.1 102 Processing\r\n\r\n"),
  "switches protocols": (socket) =>
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
  "connects to nobody": (socket) => socket.write("HTTP/1.1 200 OK\r\n\r\n"),
  "closes the connection": (socket) => socket.end(),
  refuses: (socket) => socket.end("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n"),
}))
  test(`a request through a proxy ends with its connection: the proxy ${what}`, async () => {
    const server = await raw(serve);
    const store = storeAt("https://mlflow.invalid", { env: { HTTPS_PROXY: `http://127.0.0.1:${server.port}` } });
    assert.match(text(await sent(store)), /^away .*(did not answer|refused with status|hang up|closed)/);
    await letGo(server);
  });

test("a TLS handshake, name look-up or token without an end ends a request in time", async (t) => {
  const silent = await raw(() => undefined);
  assert.match(text(await sent(storeAt(`https://127.0.0.1:${silent.port}`))), /within 150 ms/);
  await letGo(silent);
  const never = new Promise<string>(() => undefined);
  assert.match(text(await sent(storeAt("http://127.0.0.1:1", { auth: { token: () => never } }))), /took longer/);
  t.mock.method(dns, "lookup", () => undefined);
  assert.match(text(await sent(storeAt("http://mlflow.invalid"))), /within 150 ms/);
});

test("endless headers are not read to their end", async () => {
  let bytes = 0;
  const server = await raw((socket) =>
    flood(socket, OK, `${"x".repeat(50)}: ${"y".repeat(10_000)}\r\n`, (more) => {
      bytes += more;
    }),
  );
  // The limit of time is out of reach: what ends it is how much came.
  assert.match(
    text(await sent(storeAt(`http://127.0.0.1:${server.port}`, { requestTimeoutMs: 600_000 }))),
    /^away .*(Overflow|overflow)/,
  );
  await letGo(server);
  // What was written but not read lies in the buffers of the machine, which may be tens of MiB.
  assert.ok(bytes < 128 * 1024 * 1024, `${bytes} bytes`);
});

test("a timed-out request leaves nothing behind: the next one asks again", async () => {
  let dead = true;
  let asked = 0;
  const server = await scripted(({ url }) => {
    if (dead) return new Promise(() => undefined);
    return url === "/version" ? { body: "3.1.0" } : undefined;
  });
  closing.unshift(() => server.close());
  const token = (): Promise<string> => (++asked === 1 ? new Promise(() => undefined) : Promise.resolve("t"));
  const store = storeAt(server.url, { auth: { token } });
  assert.match(text(await sent(store)), /took longer/);
  assert.match(text(await sent(store)), /within 150 ms/);
  assert.equal((await store.api.facts()).version, undefined);
  dead = false;
  assert.equal(text(await sent(store)), "done");
  assert.equal((await store.api.facts()).version, "3.1.0");
});
