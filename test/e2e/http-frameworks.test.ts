import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { createRequire } from "node:module";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { createTracker, currentRun, tracked } from "../../src/index.js";
import { trackRequests as express, trackErrors } from "../../src/integrations/http/express.js";
import { trackRequests as fastify } from "../../src/integrations/http/fastify.js";
import { trackRequests as hono } from "../../src/integrations/http/hono.js";
import { trackRequests as koa } from "../../src/integrations/http/koa.js";
import { trackRequests as node } from "../../src/integrations/http/node.js";
import type { RequestOptions } from "../../src/integrations/http/request-run.js";
import { createTestTracker, type TestTracker } from "../../src/testing/index.js";
import { tempFolder } from "../support/folders.js";
import { FRAMEWORKS } from "./frameworks.js";
import { Peer } from "./peer.js";

// biome-ignore lint/suspicious/noExplicitAny: the frameworks are installed for this test only
type Any = any;
let modules = "";
let from: (name: string) => Promise<Any>;

before(async () => {
  const { toolset } = await import(pathToFileURL(join(process.cwd(), "test/toolchains/install.mjs")).href);
  modules = await toolset("http-frameworks", FRAMEWORKS);
  const require = createRequire(join(modules, "index.js"));
  from = (name) => import(pathToFileURL(require.resolve(name)).href);
});

const logSeen = (): void => currentRun()?.logMetric("seen", 1);
async function* chunks() {
  for (let i = 0; i < 3; i++) {
    logSeen();
    yield Buffer.from("0123456789");
    await wait(1);
  }
}
/** A body that only ends when nobody wants it any more. */
async function* endless() {
  for (;;) {
    yield Buffer.alloc(1_000, "x");
    await wait(1);
  }
}

/** The same application in each framework; undefined options: without us. */
type Application = (options: RequestOptions | undefined) => Promise<Server>;

const ofExpress =
  (name: string): Application =>
  async (options) => {
    const { default: framework } = await from(name);
    const app = framework();
    if (options) app.use(express(options));
    app.use(framework.json());
    const users = framework.Router();
    users.get("/:id", (request: Any, response: Any) => {
      logSeen();
      response.json({ id: request.params.id });
    });
    app.use("/users", users);
    app.post("/echo", (request: Any, response: Any) => {
      logSeen();
      response.json(request.body);
    });
    app.get("/boom", () => {
      logSeen();
      throw new RangeError("boom");
    });
    app.get("/denied", (_: Any, response: Any) => response.status(403).send("no"));
    app.get("/stream", (_: Any, response: Any) => Readable.from(chunks()).pipe(response));
    app.get("/endless", (_: Any, response: Any) => {
      const body = Readable.from(endless());
      body.pipe(response);
      response.on("close", () => body.destroy());
    });
    if (options) app.use(trackErrors());
    // Express knows it by its four parameters.
    app.use((error: Error, _request: Any, response: Any, _next: Any) => response.status(500).send(error.message));
    return createServer(app);
  };

const applications: Record<string, Application> = {
  "Express 5": ofExpress("express"),
  "Express 4": ofExpress("express-4"),
  Fastify: async (options) => {
    const { default: framework } = await from("fastify");
    const app = framework();
    if (options) app.register(fastify, options);
    app.get("/users/:id", async (request: Any) => {
      logSeen();
      return { id: request.params.id };
    });
    app.post("/echo", async (request: Any) => {
      logSeen();
      return request.body;
    });
    app.get("/boom", async () => {
      logSeen();
      throw new RangeError("boom");
    });
    app.get("/denied", (_: Any, reply: Any) => reply.code(403).send("no"));
    app.get("/stream", (_: Any, reply: Any) => reply.send(Readable.from(chunks())));
    app.get("/endless", (_: Any, reply: Any) => reply.send(Readable.from(endless())));
    await app.ready();
    return app.server;
  },
  Koa: async (options) => {
    const [{ default: Koa }, { default: Router }] = [await from("koa"), await from("@koa/router")];
    const [app, router] = [new Koa(), new Router()];
    app.silent = true;
    if (options) app.use(koa(options));
    router.get("/users/:id", (context: Any) => {
      logSeen();
      context.body = { id: context.params.id };
    });
    router.post("/echo", async (context: Any) => {
      const body = await Readable.from(context.req).toArray();
      logSeen();
      context.body = JSON.parse(Buffer.concat(body as Buffer[]).toString());
    });
    router.get("/boom", () => {
      logSeen();
      throw new RangeError("boom");
    });
    router.get("/denied", (context: Any) => {
      context.status = 403;
      context.body = "no";
    });
    router.get("/stream", (context: Any) => {
      context.body = Readable.from(chunks());
    });
    router.get("/endless", (context: Any) => {
      context.body = Readable.from(endless());
    });
    app.use(router.routes());
    return createServer(options ? (node(app.callback(), options) as never) : app.callback());
  },
  Hono: async (options) => {
    const [{ Hono }, { getRequestListener }] = [await from("hono"), await from("@hono/node-server")];
    const app = new Hono();
    if (options) app.use(hono(options as never));
    app.get("/users/:id", (context: Any) => {
      logSeen();
      return context.json({ id: context.req.param("id") });
    });
    app.post("/echo", async (context: Any) => {
      const body = await context.req.json();
      logSeen();
      return context.json(body);
    });
    app.get("/boom", () => {
      logSeen();
      throw new RangeError("boom");
    });
    app.onError((error: Error, context: Any) => context.text(error.message, 500));
    app.get("/denied", (context: Any) => context.text("no", 403));
    app.get("/stream", (context: Any) => context.body(Readable.toWeb(Readable.from(chunks()))));
    app.get("/endless", (context: Any) => context.body(Readable.toWeb(Readable.from(endless()))));
    return createServer(getRequestListener(app.fetch));
  },
  "node:http": async (options) => {
    const handler = async (request: IncomingMessage, response: ServerResponse) => {
      const { url = "" } = request;
      if (url.startsWith("/users/")) {
        logSeen();
        response.end(JSON.stringify({ id: url.slice(7) }));
      } else if (url === "/echo") {
        const body = await Readable.from(request).toArray();
        logSeen();
        response.end(Buffer.concat(body as Buffer[]));
      } else if (url === "/boom") {
        logSeen();
        response.writeHead(500).end("boom");
      } else if (url === "/denied") response.writeHead(403).end("no");
      else if (url === "/stream") Readable.from(chunks()).pipe(response);
      else if (url === "/endless") {
        const body = Readable.from(endless());
        body.pipe(response);
        response.on("close", () => body.destroy());
      } else response.writeHead(404).end();
    };
    const route = ({ url = "" }: IncomingMessage) =>
      url.startsWith("/users/") ? "/users/:id" : url === "/none" ? undefined : url;
    return createServer(options ? node(handler, { ...options, route }) : handler);
  },
};

const servers = new Set<Server>();
after(() => {
  for (const server of servers) server.close().closeAllConnections();
});

async function listening(server: Server): Promise<number> {
  servers.add(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return (server.address() as AddressInfo).port;
}

/** Waits until so many runs are there and over. */
async function over(tracker: TestTracker, count: number) {
  while (tracker.runs.length < count || tracker.runs.some(({ status }) => status === "RUNNING")) await wait(2);
  return tracker.runs;
}

/** Sends bytes over a connection of its own, and gives what comes until its end. */
async function raw(port: number, ...parts: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const got: Buffer[] = [];
  socket.on("data", (data) => got.push(data)).on("error", () => undefined);
  for (const part of parts) socket.write(part);
  await once(socket, "close");
  return Buffer.concat(got).toString();
}
const asking = (what: string, ...headers: readonly string[]): string =>
  [`${what} HTTP/1.1`, "host: localhost", "connection: close", ...headers, "", ""].join("\r\n");

for (const [name, application] of Object.entries(applications))
  test(`${name}: each request is a run, with its route, status and end`, async () => {
    const tracker = createTestTracker();
    const port = await listening(await application({ experiment: "Service", tracker }));
    const at = `http://127.0.0.1:${port}`;
    const ask = async (path: string, init?: RequestInit) => {
      const count = tracker.runs.length;
      const answer = await fetch(at + path, init);
      await answer.arrayBuffer();
      await over(tracker, count + 1);
    };
    await ask("/users/7");
    await ask("/echo", { method: "POST", body: '{"a":1}', headers: { "content-type": "application/json" } });
    await ask("/boom");
    await ask("/stream");
    await ask("/denied");
    await ask("/none");
    await ask("/users/7", { method: "HEAD" });
    const gone = new AbortController();
    const reader = (await fetch(`${at}/endless`, { signal: gone.signal })).body?.getReader();
    await reader?.read();
    gone.abort();
    const boom = name === "node:http" ? "HttpError" : "RangeError";
    assert.deepEqual(
      (await over(tracker, 8)).map((run) => [
        run.name,
        run.status,
        run.metrics["http.status"]?.[0]?.value,
        run.metrics["seen"]?.length,
        run.tags["error.type"] ?? run.tags["pulse.partial"],
      ]),
      [
        ["GET /users/:id", "FINISHED", 200, 1, undefined],
        ["POST /echo", "FINISHED", 200, 1, undefined],
        ["GET /boom", "FAILED", 500, 1, boom],
        ["GET /stream", "FINISHED", 200, 3, undefined],
        ["GET /denied", "FINISHED", 403, undefined, undefined],
        ["GET", "FINISHED", 404, undefined, undefined],
        ["HEAD /users/:id", "FINISHED", 200, 1, undefined],
        ["GET /endless", "KILLED", undefined, undefined, "true"],
      ],
    );
    const bytes = tracker.runs.map(({ metrics }) => metrics["http.response_bytes"]?.[0]?.value);
    // Three chunks with their marks, and the last mark.
    assert.deepEqual([bytes[0], bytes[1], bytes[3], bytes[6]], [10, 7, 3 * (10 + 5) + 5, 0]);
    assert.equal(bytes[4], name === "node:http" ? 2 + 5 + 5 : 2);
    assert.ok(tracker.runs.every(({ metrics }) => (metrics["http.duration_ms"]?.[0]?.value ?? -1) >= 0));
    assert.deepEqual(tracker.warnings, []);
  });

for (const [name, application] of Object.entries(applications))
  test(`${name}: answers are byte for byte what they were`, async () => {
    const [plain, with_] = [await application(undefined), await application({ tracker: createTestTracker() })];
    const ports = [await listening(plain), await listening(with_)];
    const body = '{"a":[1,2,3]}';
    const long = `content-length: ${body.length}`;
    for (const request of [
      asking("GET /users/7"),
      asking("GET /users/%E2%82%AC?x=1"),
      asking("HEAD /users/7"),
      asking("OPTIONS /users/7"),
      `${asking("POST /echo", "content-type: application/json", long)}${body}`,
      `${asking("POST /echo", "content-type: application/json", "content-length: 3")}{"a`,
      asking("GET /boom"),
      asking("GET /denied", "accept: text/plain", "if-none-match: *"),
      asking("GET /stream"),
      asking("GET /none"),
      asking("TRACE /none"),
      "GET / HTTP/1.1\r\n\r\n",
    ]) {
      const [before_, now] = await Promise.all(
        ports.map(async (port) => (await raw(port, request)).replace(/^date: .*\r\n/im, "")),
      );
      // Express shows the stack to developers, which has other lines.
      assert.equal(now, before_, request.split("\r\n")[0]);
    }
  });

for (const [name, application] of Object.entries(applications))
  test(`${name}: of 1,000 requests at once none is mixed with another`, async () => {
    const tracker = createTestTracker();
    const port = await listening(await application({ experiment: "Service", tracker, maxRunsPerSecond: 5_000 }));
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => (await fetch(`http://127.0.0.1:${port}/users/${i}`)).json()),
    );
    assert.deepEqual(
      answers.map((each) => (each as { id: string }).id),
      Array.from({ length: 1_000 }, (_, i) => `${i}`),
    );
    const runs = await over(tracker, 1_000);
    assert.equal(runs.length, 1_000);
    assert.deepEqual(
      new Set(runs.map(({ name, status, metrics }) => `${name} ${status} ${metrics["seen"]?.length}`)),
      new Set(["GET /users/:id FINISHED 1"]),
    );
  });

/** A server on `node:http` with this handler. */
async function serving(handler: (request: IncomingMessage, response: ServerResponse) => unknown, options = {}) {
  const tracker = createTestTracker();
  const server = createServer(node(handler, { tracker, ...options }));
  const port = await listening(server);
  return { tracker, server, port };
}

test("requests are folded by default, and the first that fails is a run of its own", async () => {
  const { tracker, port } = await serving((request, response) => {
    response.statusCode = request.url === "/fails" ? 503 : 200;
    response.end();
  });
  for (let i = 0; i < 40; i++) await (await fetch(`http://127.0.0.1:${port}/${i === 30 ? "fails" : i}`)).text();
  while (tracker.stats().folded < 29) await wait(2);
  tracker.now += 1_000;
  const runs = await over(tracker, 12);
  assert.deepEqual(
    runs.map(({ name, status }) => `${name} ${status}`),
    [...Array(10).fill("GET FINISHED"), "GET FAILED", "request (folded) FINISHED"],
  );
  const folded = runs.at(-1);
  assert.deepEqual([folded?.tags["pulse.folded"], folded?.metrics["http.status.count"]?.[0]?.value], ["29", 29]);
});

test("options: which requests are tracked, what fails, whose headers are believed", async () => {
  const parent = "0123456789abcdef0123456789abcdef";
  const answer = (_: IncomingMessage, response: ServerResponse) => response.writeHead(404).end();
  const given = { when: ({ url }: IncomingMessage) => url !== "/health", failFrom: 400, tags: { team: "ml" } };
  for (const trustHeaders of [true, false]) {
    const { tracker, port } = await serving(answer, { ...given, trustHeaders, runName: "call", experiment: "API" });
    await fetch(`http://127.0.0.1:${port}/health`);
    await fetch(`http://127.0.0.1:${port}/x`, {
      headers: { baggage: `a=1,pulse.run=${parent};p=1`, traceparent: `00-${parent}-0123456789abcdef-01` },
    });
    const [run, ...others] = await over(tracker, 1);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [run?.experiment, run?.status, run?.tags["error.message"], run?.tags["team"], run?.parentId],
      ["API", "FAILED", "HTTP 404", "ml", trustHeaders ? parent : undefined],
    );
  }
  for (const wrong of [
    { failFrom: "x" },
    { maxRuns: 1 },
    { when: 1 },
    { tracker: {} },
    { ignore: [() => 1] },
    { tags: [] },
  ])
    assert.throws(() => express(wrong as never), { code: "INVALID_OPTION" });
  assert.throws(() => node("no handler" as never), { code: "INVALID_OPTION" });
});

test("runs opened while a request is answered are its children", async () => {
  const tracker = createTestTracker();
  const work = tracked(async (n: number) => ({ n }), { runName: "work", metrics: "n" });
  const port = await tracker.withRun({ runName: "main" }, () =>
    listening(
      createServer(
        node(async (_, response) => {
          await work(3);
          response.end();
        }, {}),
      ),
    ),
  );
  await tracker.run(async () => (await fetch(`http://127.0.0.1:${port}`)).text());
  const runs = await over(tracker, 3);
  const idOf = (name: string) => runs.find((run) => run.name === name)?.id;
  assert.deepEqual(
    runs.map(({ name, parentId }) => [name, parentId]),
    [
      ["main", undefined],
      ["GET", undefined],
      ["work", idOf("GET")],
    ],
  );
});

test("handlers that fail after the answer, never answer, or whose caller never reads", async () => {
  const thrown: unknown[] = [];
  const onRejection = (error: unknown): unknown => thrown.push(error);
  const others = process.listeners("unhandledRejection"); // the test runner's
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", onRejection);
  const { tracker, port } = await serving(async ({ url }, response) => {
    if (url === "/late") {
      response.end("ok");
      await once(response, "close");
      throw new Error("late");
    }
    if (url === "/never") throw new Error("never answered");
    if (url === "/unread") for (let i = 0; i < 100; i++) response.write(Buffer.alloc(100_000));
    if (url === "/unchanged") response.writeHead(304, { etag: '"1"' }).end();
  });
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/late`)).text(), "ok");
  assert.match(await raw(port, asking("GET /unchanged")), /^HTTP\/1\.1 304/);
  const left: Socket[] = ["/never", "/unread"].map((path) => {
    const socket = connect(port, "127.0.0.1").on("error", () => undefined);
    socket.write(asking(`GET ${path}`));
    return socket.pause();
  });
  while (tracker.runs.length < 4 || thrown.length < 2) await wait(2);
  for (const socket of left) socket.destroy();
  const runs = await over(tracker, 4);
  process.off("unhandledRejection", onRejection);
  for (const other of others) process.on("unhandledRejection", other);
  assert.deepEqual(thrown.map((error) => (error as Error).message).sort(), ["late", "never answered"]);
  assert.deepEqual(runs.map(({ status, tags }) => [status, tags["error.message"] ?? tags["pulse.partial"]]).sort(), [
    ["FAILED", "never answered"],
    ["FINISHED", undefined],
    ["FINISHED", undefined],
    ["KILLED", "true"],
  ]);
});

test("pipelined requests, an upgraded socket and a double next are answered", async () => {
  const { tracker, server, port } = await serving(({ url }, response) => {
    setTimeout(() => response.end(url), url === "/1" ? 20 : 1);
  });
  server.on("upgrade", (_, socket) => socket.end("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhi"));
  const two = await raw(port, "GET /1 HTTP/1.1\r\nhost: x\r\n\r\n", asking("GET /2"));
  assert.match(two, /\/1HTTP\/1\.1 200 OK[\s\S]*\/2$/);
  const upgraded = await raw(port, "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n");
  assert.match(upgraded, /^HTTP\/1\.1 101[\s\S]*hi$/);
  assert.deepEqual(
    (await over(tracker, 2)).map(({ status }) => status),
    ["FINISHED", "FINISHED"],
  );
  const { default: framework } = await from("express");
  const app = framework();
  const twice = createTestTracker();
  app.use(express({ tracker: twice }));
  app.use((_request: Any, _response: Any, next: () => void) => {
    next();
    next();
  });
  let calls = 0;
  app.get("/", (_: Any, response: Any) => {
    if (++calls === 1) response.send("once");
  });
  app.use(trackErrors());
  const answer = await fetch(`http://127.0.0.1:${await listening(createServer(app))}/`);
  assert.equal(await answer.text(), "once");
  assert.equal((await over(twice, 1))[0]?.status, "FINISHED");
});

test("the middlewares fit the frameworks' own types", () => {
  const folder = tempFolder("types");
  symlinkSync(modules, join(folder, "node_modules"));
  writeFileSync(
    join(folder, "program.ts"),
    `import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import Koa from "koa";
import { createServer } from "node:http";
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { trackErrors, trackRequests as ofExpress } from "pulse-mlflow/express";
import { trackRequests as ofFastify } from "pulse-mlflow/fastify";
import { trackRequests as ofHono } from "pulse-mlflow/hono";
import { trackRequests } from "pulse-mlflow/http";
import { trackRequests as ofKoa } from "pulse-mlflow/koa";
const koa = new Koa().use(ofKoa({ experiment: "S" }));
express().use(ofExpress({ experiment: "S" }), trackErrors());
Fastify().register(ofFastify, { experiment: "S" });
new Hono().use(ofHono({ when: ({ url }) => url !== "/health" })).use("*", ofHono());
createServer(trackRequests(koa.callback(), { route: ({ url }) => url }));
createServer(trackRequests(express()));
createHttp2Server(trackRequests((request: Http2ServerRequest, response: Http2ServerResponse) => response.end(request.url)));
// @ts-expect-error: there is no such option
ofExpress({ experimnet: "S" });
`,
  );
  const options = {
    ...{ strict: true, module: "nodenext", target: "es2022", noEmit: true, skipLibCheck: true, types: ["node"] },
    paths: {
      "pulse-mlflow/http": [`${process.cwd()}/dist/esm/integrations/http/node.d.ts`],
      "pulse-mlflow/*": [`${process.cwd()}/dist/esm/integrations/http/*.d.ts`],
    },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["program.ts"] }));
  const tsc = join(process.cwd(), "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  assert.equal(stdout, "");
});

test("HTTP/2, and options that throw", async () => {
  const tracker = createTestTracker();
  const fails = () => assert.fail("mine");
  const handler = node((_, response) => response.end("hello"), { tracker, when: fails, route: fails });
  const server = createHttp2Server(handler as never);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const warned = new Promise((resolve) => process.once("warning", resolve));
  const stream = client.request({ ":path": "/" });
  assert.equal(Buffer.concat(await Readable.from(stream).toArray()).toString(), "hello");
  const [run] = await over(tracker, 1);
  assert.deepEqual([run?.name, run?.status, run?.metrics["http.status"]?.[0]?.value], ["GET", "FINISHED", 200]);
  assert.match(String(await warned), /option when of trackRequests failed: .*mine/);
  client.close();
  server.close();
});

test("the runs of requests are read from a database by MLflow's own client", async (t) => {
  const file = join(tempFolder("requests"), "mlflow.db");
  const tracker = createTracker({ trackingUri: `sqlite:///${file}` });
  const application = applications["Express 5"] as Application;
  const port = await listening(await application({ experiment: "Service", tracker }));
  for (const path of ["/users/1", "/boom", "/none"]) await (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  while (tracker.stats().runs < 3) await wait(2);
  await tracker.shutdown();
  const peer = await Peer.start("newest");
  t.after(() => peer.close());
  const { runs } = await peer.dump(`sqlite:///${file}`);
  assert.deepEqual(
    runs.map(({ run_name, status, metrics, tags }) => [run_name, status, metrics["http.status"], tags["http.route"]]),
    [
      ["GET /users/:id", "FINISHED", 200, "/users/:id"],
      ["GET /boom", "FAILED", 500, "/boom"],
      ["GET", "FINISHED", 404, undefined],
    ],
  );
});
