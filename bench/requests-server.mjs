// A service for requests.mjs, beside the packages of its framework. Arguments: `express` or `nest`, and who watches it:
// nobody (`plain`), we (`pulse`), or OpenTelemetry (`otel`, with its packages in the folder of OTEL_MODULES).
import { createRequire } from "node:module";
import { join } from "node:path";

const [framework, watcher] = process.argv.slice(2);
const require = createRequire(import.meta.url);

// Before the framework loads `http`.
if (watcher === "otel") {
  const from = createRequire(join(process.env.OTEL_MODULES, "index.js"));
  const { registerInstrumentations } = from("@opentelemetry/instrumentation");
  const { HttpInstrumentation } = from("@opentelemetry/instrumentation-http");
  const { BatchSpanProcessor } = from("@opentelemetry/sdk-trace-base");
  const { NodeTracerProvider } = from("@opentelemetry/sdk-trace-node");
  // Nothing is sent, as our tracking URI `null:` sends nothing: the cost is that of recording.
  const exporter = { export: (_spans, done) => done({ code: 0 }), shutdown: async () => undefined };
  const spanProcessors = [new BatchSpanProcessor(exporter, { maxQueueSize: 100_000 })];
  new NodeTracerProvider({ spanProcessors }).register();
  registerInstrumentations({ instrumentations: [new HttpInstrumentation()] });
}

const find = (id) => ({ id, name: `user ${id}`, roles: ["reader", "writer"] });
const requests = { experiment: "Service" };
const config = { trackingUri: "null:" };
let stats = () => undefined;

async function express() {
  const framework = require("express");
  const app = framework();
  if (watcher === "pulse") {
    const pulse = require("pulse-mlflow");
    pulse.configure(config);
    stats = pulse.stats;
    app.use(require("pulse-mlflow/express").trackRequests(requests));
  }
  app.get("/users/:id", (request, response) => response.json(find(request.params.id)));
  return require("node:http").createServer(app);
}

async function nest() {
  const { Controller, Get, Module, Param } = require("@nestjs/common");
  const { NestFactory } = require("@nestjs/core");
  class Users {
    find(id) {
      return find(id);
    }
  }
  Param("id")(Users.prototype, "find", 0);
  Get(":id")(Users.prototype, "find", Object.getOwnPropertyDescriptor(Users.prototype, "find"));
  Controller("users")(Users);
  class App {}
  const pulse =
    watcher === "pulse" ? [require("pulse-mlflow/nestjs").PulseMlflowModule.forRoot({ config, requests })] : [];
  Module({ imports: pulse, controllers: [Users] })(App);
  const app = await NestFactory.create(App, { logger: false });
  if (watcher === "pulse") stats = () => require("pulse-mlflow").defaultTracker().stats();
  await app.init();
  return app.getHttpServer();
}

const server = await (framework === "nest" ? nest() : express());
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
// The time of the processor since the last question, in microseconds.
let before = process.cpuUsage();
process.on("message", () => {
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  process.send({ cpu: user + system, stats: stats() });
});
