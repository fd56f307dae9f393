import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { after, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { DynamicModule, INestApplication } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ExpressAdapter } from "@nestjs/platform-express";
import { FastifyAdapter } from "@nestjs/platform-fastify";
import { DocumentBuilder, SwaggerModule } from "@nestjs/swagger";
import { PULSE_TRACKER, PulseMlflowModule, type PulseMlflowOptions } from "pulse-mlflow/nestjs";
import { PulseMlflowTestingModule, type PulseMlflowTestingOptions } from "pulse-mlflow/nestjs/testing";
import { createTestTracker, type TestRun, type TestTracker } from "pulse-mlflow/testing";
import { applicationOf } from "./app.js";

const adapters = { Express: ExpressAdapter, Fastify: FastifyAdapter };
const applications = new Set<INestApplication>();
after(async () => {
  for (const app of applications) {
    app.getHttpServer().closeAllConnections();
    await app.close();
  }
});

async function serve(platform: keyof typeof adapters, pulse: readonly DynamicModule[]) {
  const app = await NestFactory.create(applicationOf(pulse), new adapters[platform]() as ExpressAdapter, {
    logger: false,
  });
  applications.add(app);
  const document = SwaggerModule.createDocument(app, new DocumentBuilder().setTitle("Lessons").build());
  SwaggerModule.setup("docs", app, document);
  await app.listen(0, "127.0.0.1");
  return { app, port: (app.getHttpServer().address() as AddressInfo).port };
}

async function tracked(platform: keyof typeof adapters, options: PulseMlflowTestingOptions = {}) {
  const served = await serve(platform, [PulseMlflowTestingModule.forRoot(options)]);
  const tracker = served.app.get<TestTracker>(PULSE_TRACKER);
  const at = `http://127.0.0.1:${served.port}`;
  /** Waits until so many requests are there, and no run is open. */
  const over = async (count: number): Promise<readonly TestRun[]> => {
    const requests = () => tracker.runs.filter(({ metrics }) => metrics["http.duration_ms"]);
    while (requests().length < count || tracker.runs.some(({ status }) => status === "RUNNING")) await wait(2);
    return requests();
  };
  return { ...served, tracker, at, over };
}

async function raw(port: number, request: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const got: Buffer[] = [];
  socket
    .on("error", () => undefined)
    .on("data", (data) => {
      got.push(data);
      if (String(data).endsWith("\r\n0\r\n\r\n")) socket.end(); // Nest keeps the connection of events open
    });
  socket.write(request);
  await once(socket, "close");
  return Buffer.concat(got).toString();
}
const asking = (what: string, ...headers: readonly string[]): string =>
  [`${what} HTTP/1.1`, "host: localhost", "connection: close", ...headers, "", ""].join("\r\n");
const json = { method: "POST", headers: { "content-type": "application/json" } };

for (const platform of ["Express", "Fastify"] as const)
  describe(platform, () => {
    test("each request is a run: what guards, pipes, handlers and filters do is in it", async () => {
      const { at, tracker, over } = await tracked(platform, { requests: { experiment: "Service" } });
      let count = 0;
      const ask = async (path: string, init?: RequestInit) => {
        const answer = await fetch(at + path, init);
        const text = await answer.text();
        await over(++count);
        return text;
      };
      assert.equal(await ask("/lessons/7?q=x"), '{"id":7,"same":false,"q":"x"}');
      assert.equal(await ask("/lessons", { ...json, body: '{"epochs":2}' }), '{"data":{"loss":0.5}}');
      await ask("/lessons", { ...json, body: '{"epochs":99}' });
      await ask("/lessons/secret/key");
      await ask("/lessons/x");
      await ask("/boom");
      await ask("/unavailable");
      await ask("/tea");
      await ask("/guarded");
      await ask("/none");
      assert.equal(await ask("/observable"), JSON.stringify({ loss: 1 / 3 }));
      assert.match(await ask("/events"), /data: {"n":3}/);
      assert.equal((await ask("/file")).length, 30);
      for (const path of ["/ticks", "/endless"]) {
        const gone = new AbortController();
        const reader = (await fetch(at + path, { signal: gone.signal })).body?.getReader();
        await reader?.read();
        gone.abort();
        await over(++count);
      }
      const found = (await over(count)).map((run) => [
        run.name,
        run.status,
        run.metrics["http.status"]?.[0]?.value,
        run.metrics["seen"]?.length ?? 0,
        run.tags["error.type"] ?? run.tags["pulse.partial"],
      ]);
      assert.deepEqual(found, [
        ["GET /lessons/:id", "FINISHED", 200, 1, undefined],
        ["POST /lessons", "FINISHED", 201, 2, undefined],
        ["POST /lessons", "FINISHED", 400, 1, undefined],
        ["GET /lessons/secret/key", "FINISHED", 403, 1, undefined],
        ["GET /lessons/:id", "FINISHED", 400, 1, undefined],
        ["GET /boom", "FAILED", 500, 1, "RangeError"],
        ["GET /unavailable", "FAILED", 503, 0, "HttpException"],
        ["GET /tea", "FINISHED", 418, 1, undefined],
        ["GET /guarded", "FAILED", 500, 0, "EvalError"],
        ["GET", "FINISHED", 404, 0, undefined],
        ["GET /observable", "FINISHED", 200, 0, undefined],
        ["GET /events", "FINISHED", 200, 3, undefined],
        ["GET /file", "FINISHED", 200, 0, undefined],
        ["GET /ticks", "KILLED", undefined, 0, "true"],
        ["GET /endless", "KILLED", undefined, 0, "true"],
      ]);
      // The learner's method joins the run of the request.
      const created = tracker.runs.find(({ name }) => name === "POST /lessons");
      assert.deepEqual(
        created?.metrics["loss"]?.map(({ value }) => value),
        [1, 1 / 2],
      );
      const below = tracker.runs.filter(({ parentId }) => parentId !== undefined);
      const nameOf = (id: string | undefined) => tracker.runs.find((run) => run.id === id)?.name;
      assert.deepEqual(
        below.map((run) => [
          nameOf(run.parentId),
          run.name,
          run.experiment,
          run.status,
          ...(run.metrics["loss"] ?? run.metrics["seen"] ?? run.metrics["id"] ?? []).map(({ value }) => value),
        ]),
        [
          ["GET /lessons/:id", "LessonsController.find", "Service", "FINISHED", 1],
          ["GET /observable", "Learner.watch", "PulseMetaLearning", "FINISHED", 1, 1 / 2, 1 / 3],
          ["GET /file", "file", "Service", "FINISHED", 1, 1, 1],
        ],
      );
      assert.deepEqual(tracker.warnings, []);
    });

    test("answers are byte for byte what they were, and so is the document", async () => {
      const both = [await serve(platform, []), await tracked(platform)];
      const post = (body: string) =>
        `${asking("POST /lessons", "content-type: application/json", `content-length: ${body.length}`)}${body}`;
      for (const request of [
        asking("GET /lessons/7"),
        asking("GET /lessons/7?q=%E2%82%AC", "accept: text/plain"),
        asking("HEAD /lessons/7"),
        asking("OPTIONS /lessons/7"),
        asking("GET /lessons/x"),
        asking("GET /lessons/secret/key"),
        post('{"epochs":3}'),
        post('{"epochs":"3"}'),
        post('{"epochs":'),
        asking("GET /boom"),
        asking("GET /unavailable"),
        asking("GET /tea"),
        asking("GET /none"),
        asking("GET /observable"),
        asking("GET /events", "accept: text/event-stream"),
        asking("GET /refused-events", "accept: text/event-stream"),
        asking("GET /guarded"),
        asking("GET /file"),
        asking("GET /docs-json"),
        asking("GET /docs-yaml"),
        "GET / HTTP/1.1\r\n\r\n",
      ]) {
        const [plain, ours] = await Promise.all(
          both.map(async ({ port }) => (await raw(port, request)).replace(/^date: .*\r\n/im, "")),
        );
        assert.equal(ours, plain, request.split("\r\n")[0]);
        assert.notEqual(plain, "");
      }
    });

    test("of 1,000 requests at once none is mixed with another", async () => {
      const { at, over, tracker } = await tracked(platform);
      const answers = await Promise.all(
        Array.from({ length: 1_000 }, async (_, i) => (await fetch(`${at}/lessons/${i}`)).json()),
      );
      assert.deepEqual(
        answers,
        answers.map((_, id) => ({ id, same: false })),
      );
      const runs = await over(1_000);
      assert.deepEqual(
        new Set(runs.map(({ name, status, metrics }) => `${name} ${status} ${metrics["seen"]?.length}`)),
        new Set(["GET /lessons/:id FINISHED 1"]),
      );
      const ids = tracker.runs.flatMap(({ metrics }) => metrics["id"]?.map(({ value }) => value) ?? []);
      assert.deepEqual(
        ids.sort((a, b) => a - b),
        answers.map((_, i) => i),
      );
    });

    test("requests are folded as usual, can be left out, and take what the option says", async () => {
      const folding = await tracked(platform, { requests: { maxRunsPerSecond: 1 } });
      await Promise.all(Array.from({ length: 20 }, () => fetch(`${folding.at}/none`).then((r) => r.text())));
      const folded = () => folding.tracker.runs.map(({ tags }) => Number(tags["pulse.folded"] ?? 1));
      while (folded().reduce((sum, each) => sum + each, 0) < 20) await wait(2);
      assert.ok(Math.max(...folded()) > 1);

      const without = await tracked(platform, { requests: false });
      await fetch(`${without.at}/lessons/7`).then((r) => r.text());
      await fetch(`${without.at}/boom`).then((r) => r.text());
      assert.deepEqual(
        without.tracker.runs.map(({ name, parentId }) => [name, parentId]),
        [["LessonsController.find", undefined]],
      );
      const some = await tracked(platform, { requests: { when: ({ url }) => url !== "/none", failFrom: 404 } });
      await fetch(`${some.at}/none`).then((r) => r.text());
      await fetch(`${some.at}/other`).then((r) => r.text());
      assert.deepEqual(
        (await some.over(1)).map(({ status, tags }) => [status, tags["error.message"]]),
        [["FAILED", "Cannot GET /other"]],
      );
    });

    test("a body that cannot be parsed is a run on Fastify, and comes before us on Express", async () => {
      const { at, over, tracker } = await tracked(platform);
      assert.equal((await fetch(`${at}/lessons`, { ...json, body: '{"epochs":' })).status, 400);
      await fetch(`${at}/none`).then((r) => r.text());
      await over(platform === "Fastify" ? 2 : 1);
      const names = tracker.runs.map(({ name }) => name);
      assert.deepEqual(names, platform === "Fastify" ? ["POST /lessons", "GET"] : ["GET"]);
    });

    test("two applications with trackers of their own, at once", async () => {
      const [a, b] = [await tracked(platform), await tracked(platform)];
      await Promise.all([a, b, a].map(({ at }) => fetch(`${at}/lessons/1`).then((r) => r.text())));
      assert.deepEqual([(await a.over(2)).length, (await b.over(1)).length], [2, 1]);
    });
  });

test("bad options are one clear message", async () => {
  const start = async (options: object) =>
    NestFactory.create(applicationOf([PulseMlflowModule.forRoot(options as PulseMlflowOptions)]), {
      logger: false,
      abortOnError: false,
    });
  for (const [options, message] of [
    [{ request: {} }, /PulseMlflowModule.*request.*requests/s],
    [{ requests: true }, /requests must be an object or false/],
    [{ requests: { failFrom: "500" } }, /failFrom/],
    [{ messages: 5 }, /messages/],
    [{ tracker: {} }, /tracker/],
    [{ config: { trackingURI: "x" } }, /trackingUri/],
    [{ messages: { sampel: 1 } }, /sampel/],
    [{ config: {}, tracker: createTestTracker() }, /config and tracker exclude each other/],
  ] as const)
    await assert.rejects(start(options), message, String(message));
  await assert.rejects(
    NestFactory.create(applicationOf([PulseMlflowModule as never]), { logger: false, abortOnError: false }),
    /import PulseMlflowModule\.forRoot\(\)/,
  );
  assert.doesNotThrow(() => createTestTracker());
});
