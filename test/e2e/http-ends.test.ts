import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { createRequire } from "node:module";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { pipeline, Readable } from "node:stream";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { currentRun, withFlush, withRun } from "../../src/index.js";
import { trackRequests as express, trackErrors } from "../../src/integrations/http/express.js";
import { trackRequests as fastify } from "../../src/integrations/http/fastify.js";
import { trackRequests as hono } from "../../src/integrations/http/hono.js";
import { trackRequests as koa } from "../../src/integrations/http/koa.js";
import { trackRequests as node } from "../../src/integrations/http/node.js";
import { createTestTracker, type TestTracker } from "../../src/testing/index.js";
import { collectGarbage } from "../support/heap.js";
import { FRAMEWORKS } from "./frameworks.js";

// biome-ignore lint/suspicious/noExplicitAny: the frameworks are installed for these tests only
type Any = any;
let from: (name: string) => Promise<Any>;

before(async () => {
  const { toolset } = await import(pathToFileURL(join(process.cwd(), "test/toolchains/install.mjs")).href);
  const require = createRequire(join(await toolset("http-frameworks", FRAMEWORKS), "index.js"));
  from = (name) => import(pathToFileURL(require.resolve(name)).href);
});

const servers = new Set<Server>();
after(() => {
  for (const server of servers) server.close().closeAllConnections();
});

async function listening(server: Server): Promise<number> {
  servers.add(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** Waits until so many runs are there and over; tells their statuses. */
async function statuses(tracker: TestTracker, count = 1) {
  while (tracker.runs.length < count || tracker.runs.some(({ status }) => status === "RUNNING")) await wait(2);
  return tracker.runs.map(({ status, tags }) => [status, ...(tags["error.message"] ? [tags["error.message"]] : [])]);
}

const asking = (what: string, ...headers: readonly string[]): string =>
  [`${what} HTTP/1.1`, "host: localhost", ...headers, "", ""].join("\r\n");
async function* failing() {
  yield "a";
  await wait(5);
  throw new Error("disk");
}

test("requests that wait for their turn end with the connection", async () => {
  const tracker = createTestTracker();
  const listener = node(
    (request, response) => setTimeout(() => response.end(), request.url === "/1" ? 60_000 : 1).unref(),
    {
      tracker,
    },
  );
  const socket = connect(await listening(createServer(listener)), "127.0.0.1");
  socket.write(asking("GET /1") + asking("GET /2"));
  while (tracker.runs.length < 2) await wait(2);
  socket.destroy();
  assert.deepEqual(await statuses(tracker, 2), [["KILLED"], ["KILLED"]]);
});

test("a response that nobody sends ends with the connection; an upgraded one in order", async () => {
  const tracker = createTestTracker();
  const handler = node(() => undefined, { tracker });
  const server = createServer().on("upgrade", (request: IncomingMessage, socket) => {
    // As libraries for WebSockets do: the framework gets a response that is never sent.
    handler(request, new ServerResponse(request));
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    socket.on("data", () => socket.end()).resume();
  });
  const socket = connect(await listening(server), "127.0.0.1");
  socket.write(asking("GET /", "connection: upgrade", "upgrade: websocket"));
  await once(socket, "data");
  socket.end("bye");
  assert.deepEqual(await statuses(tracker), [["FINISHED"]]);
});

test("HTTP/2: a stream that the caller or the program breaks", async () => {
  const tracker = createTestTracker();
  const listener = node(
    (request: Any, response: Any) => {
      if (request.url === "/broken") request.stream.destroy(new Error("mine"));
      else if (request.url === "/ok") response.end("ok");
    },
    { tracker },
  );
  const server = createHttp2Server(listener as never);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const cancelled = session.request({ ":path": "/cancelled" });
  while (tracker.runs.length < 1) await wait(2);
  cancelled.close(8);
  assert.deepEqual(await statuses(tracker, 1), [["KILLED"]]);
  session
    .request({ ":path": "/broken" })
    .on("error", () => undefined)
    .resume();
  assert.deepEqual((await statuses(tracker, 2))[1], ["FAILED", "mine"]);
  session.request({ ":path": "/ok" }).resume();
  assert.deepEqual((await statuses(tracker, 3))[2], ["FINISHED"]);
  session.destroy();
  server.close();
});

test("a body that fails is a failure, not a caller who left", async () => {
  const [{ default: Fastify }, { default: Koa }] = [await from("fastify"), await from("koa")];
  const servers: Record<string, (tracker: TestTracker) => Promise<Server> | Server> = {
    "node:http": (tracker) =>
      createServer(node((_, response) => pipeline(Readable.from(failing()), response, () => undefined), { tracker })),
    Fastify: async (tracker) => {
      const app = Fastify();
      app.register(fastify, { tracker });
      app.get("/", (_: Any, reply: Any) => reply.send(Readable.from(failing())));
      await app.ready();
      return app.server;
    },
    Koa: (tracker) => {
      const app = new Koa();
      app.silent = true;
      app.use(koa({ tracker }));
      app.use((context: Any) => {
        context.body = Readable.from(failing());
      });
      return createServer(app.callback());
    },
  };
  for (const [name, make] of Object.entries(servers)) {
    const tracker = createTestTracker();
    const port = await listening(await make(tracker));
    await assert.rejects(async () => (await fetch(`http://127.0.0.1:${port}/`)).text());
    assert.deepEqual(await statuses(tracker), [["FAILED", "disk"]], name);
  }
});

test("a caller who leaves is no failure, whatever the framework says of it", async () => {
  const { default: framework } = await from("express");
  const app = framework();
  const tracker = createTestTracker();
  app.use(express({ tracker }));
  app.post("/", framework.json(), (_: Any, response: Any) => response.send("ok"));
  app.use(trackErrors());
  app.use((_error: Error, _request: Any, response: Any, _next: Any) => response.status(500).send("no"));
  const socket = connect(await listening(createServer(app)), "127.0.0.1");
  socket.write(`${asking("POST /", "content-type: application/json", "content-length: 100")}{"a`);
  while (tracker.runs.length < 1) await wait(2);
  socket.destroy();
  assert.deepEqual(await statuses(tracker), [["KILLED"]]);

  const big = createTestTracker();
  const unread = connect(
    await listening(createServer(node((_, response) => response.end(Buffer.alloc(50e6)), { tracker: big }))),
    "127.0.0.1",
  );
  unread.write(asking("GET /"));
  await once(unread, "readable"); // and nothing is read
  unread.destroy();
  assert.deepEqual(await statuses(big), [["KILLED"]]);
});

test("a caller who left before a middleware was met, or while an error was answered", async () => {
  const { default: framework } = await from("express");
  const [outer, inner, other] = [createTestTracker(), createTestTracker(), createTestTracker()];
  const app = framework();
  const late = new Promise<void>((resolve) => {
    app.use((request: Any, _response: Any, next: () => void) => {
      request.on("close", () =>
        setTimeout(() => {
          next();
          resolve();
        }, 5),
      );
      request.resume();
      request.socket.once("close", () => request.destroy());
    });
  });
  app.use(express({ tracker: inner }));
  const socket = connect(await listening(createServer(node(app, { tracker: outer }))), "127.0.0.1");
  socket.write(asking("POST /", "content-length: 5"));
  while (outer.runs.length < 1) await wait(2);
  socket.destroy();
  await late;
  assert.deepEqual([await statuses(outer), inner.runs.length], [[["KILLED"]], 0]);

  const answering = framework();
  answering.use(express({ tracker: other }));
  answering.get("/", (_request: Any, _response: Any, next: Any) => next(new Error("not there")));
  answering.use(trackErrors());
  answering.use((_error: Error, _request: Any, response: Any, _next: Any) => {
    response.status(404).write("not ");
  });
  const half = connect(await listening(createServer(answering)), "127.0.0.1");
  half.write(asking("GET /", "upgrade: h2c", "connection: upgrade")); // which nobody does
  await once(half, "data");
  half.destroy();
  assert.deepEqual(await statuses(other), [["KILLED"]]);
});

test("an answer of 500 is a failure, also where its error is an abort", async () => {
  const { default: framework } = await from("express");
  const app = framework();
  const tracker = createTestTracker();
  app.use(express({ tracker }));
  const users = framework.Router();
  users.get("/err", (_request: Any, _response: Any, next: Any) => next(new DOMException("upstream", "AbortError")));
  app.use("/users", users);
  app.use(trackErrors());
  app.use((_error: Error, _request: Any, response: Any, _next: Any) => response.status(500).send("no"));
  await fetch(`http://127.0.0.1:${await listening(createServer(app))}/users/err`);
  assert.deepEqual(await statuses(tracker), [["FAILED", "upstream"]]);
  assert.equal(tracker.onlyRun.name, "GET /users/err"); // Express has forgotten where the router was
});

test("what a request emits is in its run, wherever its server was made", async () => {
  const [maker, tracker] = [createTestTracker(), createTestTracker()];
  const runs: unknown[] = [];
  const port = await maker.run(() =>
    withRun({ runName: "maker" }, () =>
      listening(
        createServer(
          node(
            (request, response) => {
              request.on("data", () => runs.push(currentRun()?.id));
              request.on("end", () => {
                runs.push(currentRun()?.id);
                response.end();
              });
            },
            { tracker },
          ),
        ),
      ),
    ),
  );
  await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "body" });
  await statuses(tracker);
  assert.deepEqual(runs, [tracker.onlyRun.id, tracker.onlyRun.id]);
});

test("requests that are injected have no connection, and end all the same", async () => {
  const { default: Fastify } = await from("fastify");
  const app = Fastify();
  const tracker = createTestTracker();
  app.register(fastify, { tracker });
  app.get("/users/:id", async (request: Any) => ({ id: request.params.id }));
  app.get("/boom", async () => {
    throw new RangeError("boom");
  });
  app.get("/stream", (_: Any, reply: Any) => reply.send(Readable.from(["a", "b"])));
  for (const url of ["/users/1", "/boom", "/stream"]) await app.inject({ method: "GET", url });
  assert.deepEqual(await statuses(tracker, 3), [["FINISHED"], ["FAILED", "boom"], ["FINISHED"]]);
  assert.equal(tracker.runs[0]?.metrics["http.response_bytes"]?.[0]?.value, 10);
});

test("options that are odd, and objects of tests, break no answer", async () => {
  for (const route of [() => Symbol("x"), () => ({}), () => Promise.resolve("/"), () => null, () => ""]) {
    const tracker = createTestTracker();
    const server = createServer(node((_, response) => response.end("a"), { tracker, route: route as never }));
    assert.equal(await (await fetch(`http://127.0.0.1:${await listening(server)}/`)).text(), "a");
    assert.deepEqual(await statuses(tracker), [["FINISHED"]]);
    assert.equal(tracker.onlyRun.name, "GET");
  }
  let passed = 0;
  const tracker = createTestTracker();
  const mock: Any = { end: () => undefined, write: () => undefined };
  express({ tracker })({ method: "GET", headers: {} } as Any, mock, () => passed++);
  assert.deepEqual([passed, tracker.runs.length], [1, 0]);

  const { default: Fastify } = await from("fastify");
  const app = Fastify();
  await assert.rejects(async () => app.register(fastify, { foo: 1 }), { code: "INVALID_OPTION" });
  const prefixed = Fastify();
  await prefixed.register(fastify, { prefix: "/api", logLevel: "warn" });
  for (const bad of [null, 1, [], "x", () => undefined])
    assert.throws(() => hono(bad as never), { code: "INVALID_OPTION" });
  const platform = {
    getRemainingTimeInMillis() {
      throw new Error("rem");
    },
  };
  assert.equal(await withFlush((_: object) => 1)(platform), 1);
});

test("Hono on web streams: answers stay the same objects, and each run ends", async () => {
  const { Hono } = await from("hono");
  const answers = new Map<string, () => Response>([
    ["text", () => new Response("x".repeat(1_000))],
    ["none", () => new Response(null, { status: 204 })],
    ["own", () => new (class Own extends Response {})("own", { headers: { "content-length": "3" } })],
    ["used", () => usedResponse],
  ]);
  const usedResponse = new Response("x");
  await usedResponse.text();
  for (const [name, make] of answers) {
    const tracker = createTestTracker();
    const app = new Hono();
    app.use(hono({ tracker }));
    app.use(hono({ tracker })); // the second one does nothing
    const made = make();
    app.get("/", () => made);
    const answer: Response = await app.request("/");
    assert.equal(answer, made, name);
    if (!answer.bodyUsed) await answer.text();
    assert.deepEqual(await statuses(tracker), [["FINISHED"]], name);
  }
  const tracker = createTestTracker();
  const app = new Hono();
  app.use(
    hono({
      tracker,
      when: (): boolean => {
        throw new Error("when");
      },
    }),
  );
  app.get("/", (context: Any) => context.text("x".repeat(1_000)));
  app.get("/never", () => new Promise(() => undefined));
  await app.request("/", { method: "HEAD" });
  assert.deepEqual(await statuses(tracker), [["FINISHED"]]);
  await app.request("/"); // and nobody reads it
  while (tracker.runs.some(({ status }) => status === "RUNNING")) {
    collectGarbage();
    await wait(2);
  }
  assert.deepEqual((await statuses(tracker, 2))[1], ["KILLED"]);
  const gone = new AbortController();
  void app.request("/never", { signal: gone.signal });
  while (tracker.runs.length < 3) await wait(2);
  gone.abort();
  assert.deepEqual((await statuses(tracker, 3))[2], ["KILLED"]);
});
