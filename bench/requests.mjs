// What a run per request adds to the time of the processor, in Express and Nest, beside OpenTelemetry's instrumentation
// of HTTP. Beyond ten requests a second runs are folded, so nearly all of these are.
import { fork } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, cpSync, mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toolset } from "../test/toolchains/install.mjs";
import { interleave, median, mustEqual, report } from "./lib.mjs";

const ROUNDS = 15;
const WARMUP = 4;
const REQUESTS = 3_000;
const SOCKETS = 16;

const home = await toolset("bench-requests", {
  "@nestjs/common": "11.2.10",
  "@nestjs/core": "11.2.10",
  "@nestjs/platform-express": "11.2.10",
  express: "5.3.0",
  "reflect-metadata": "0.2.2",
  rxjs: "7.8.2",
});
// The newest that runs on Node 20.
const otel = await toolset("bench-otel", {
  "@opentelemetry/api": "1.9.1",
  "@opentelemetry/instrumentation": "0.223.0",
  "@opentelemetry/instrumentation-http": "0.223.0",
  "@opentelemetry/sdk-trace-base": "2.12.0",
  "@opentelemetry/sdk-trace-node": "2.12.0",
});
const work = join(home, "../work");
rmSync(work, { recursive: true, force: true });
const root = fileURLToPath(new URL("..", import.meta.url));
const ours = join(work, "node_modules/pulse-mlflow");
mkdirSync(ours, { recursive: true });
for (const each of ["dist", "package.json"]) cpSync(join(root, each), join(ours, each), { recursive: true });
const server = join(work, "requests-server.mjs");
copyFileSync(new URL("requests-server.mjs", import.meta.url), server);

const children = [];
process.on("exit", () => {
  for (const child of children) child.kill();
});

/** Starts a server; gives what sends it requests and returns the microseconds that each of them took. */
async function contender(framework, watcher) {
  const child = fork(server, [framework, watcher], { env: { ...process.env, OTEL_MODULES: otel } });
  children.push(child);
  const [{ port }] = await once(child, "message");
  const sockets = await Promise.all(
    Array.from({ length: SOCKETS }, async () => {
      const socket = connect(port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    }),
  );
  const used = async () => {
    child.send("");
    return (await once(child, "message"))[0];
  };
  return {
    child,
    used,
    async round() {
      await used();
      await Promise.all(sockets.map((socket, i) => ask(socket, i)));
      return (await used()).cpu / REQUESTS;
    },
  };
}

/** Sends the requests of one socket, one after the other. */
function ask(socket, first) {
  return new Promise((resolve, reject) => {
    let id = first;
    let text = "";
    const send = () => socket.write(`GET /users/${id} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    const got = (data) => {
      text += data;
      if (!text.endsWith("}")) return;
      if (!text.startsWith("HTTP/1.1 200") || !text.includes(`"id":"${id}"`)) reject(new Error(text));
      text = "";
      id += SOCKETS;
      if (id < REQUESTS) return send();
      socket.off("data", got);
      resolve();
    };
    socket.on("data", got);
    send();
  });
}

for (const [framework, name] of [
  ["express", "Express"],
  ["nest", "Nest"],
]) {
  const all = {};
  for (const watcher of ["plain", "pulse", "otel"]) all[watcher] = await contender(framework, watcher);
  const rounds = Object.fromEntries(Object.entries(all).map(([watcher, { round }]) => [watcher, round]));
  const times = await interleave(rounds, { rounds: ROUNDS, warmup: WARMUP });
  const added = (watcher) => median(times[watcher].map((time, i) => time - times.plain[i]));
  const { stats } = await all.pulse.used();
  const requests = (ROUNDS + WARMUP) * REQUESTS;
  mustEqual(`${name}: requests recorded`, stats.folded > requests / 2, true);
  for (const { child } of Object.values(all)) {
    child.kill();
    await once(child, "exit");
  }
  const [us, them] = [added("pulse"), added("otel")];
  const without = median(times.plain);
  report({
    measurement: `requests: CPU that a folded run adds in ${name}`,
    ...{ unit: "µs", ours: us, peer: without, beside: "a request without", judged: us, bar: 50, atMost: true },
    note: `${stats.folded} of ${requests} requests were folded`,
  });
  report({
    measurement: `requests: beside OpenTelemetry in ${name}`,
    ...{
      unit: "µs",
      ours: us,
      peer: them,
      beside: "added by its instrumentation",
      judged: them / us,
      times: true,
      bar: 1,
    },
  });
}
