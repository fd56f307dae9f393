import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/base/clock.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import { trackerOn } from "../../src/tracker.js";
import { wellBehaved } from "../support/scripted-server.js";
import { until } from "../support/wait.js";

const ANSWER_MS = 5;
const TIMEOUT_MS = 150;

/** A server that counts what is under way, and answers or does not. */
class Counting {
  underWay = 0;
  /** How many were under way when each request came, itself included. */
  readonly depths: number[] = [];
  answered = 0;
  stands: (underWay: number) => boolean = () => false;
  readonly #server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    this.depths.push(++this.underWay);
    response.on("close", () => this.underWay--);
    await sleep(ANSWER_MS);
    if (this.stands(this.underWay) || response.destroyed) return;
    this.answered++;
    const { body: answer = {} } = wellBehaved({
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
      body,
    });
    response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function started() {
  const server = new Counting();
  const url = await server.start();
  const store = new HttpStore(new URL(url), resolveConfig({ requestTimeoutMs: TIMEOUT_MS }, {}).server);
  // Counted where requests begin and end for the client: a server hears late that one was given up.
  const apply = store.apply.bind(store);
  let underWay = 0;
  const calls: number[] = [];
  store.apply = (changes) => {
    calls.push(++underWay);
    return apply(changes).finally(() => underWay--);
  };
  const config = { durability: "memory", exitTimeoutMs: 60_000, logger: { warn: () => {} } } as const;
  // Short waits, but long enough for the server to notice that a request was given up
  const tracker = trackerOn(store, config, { ...systemClock, random: () => 0.2 });
  after(async () => {
    await tracker.shutdown();
    server.close();
  });
  const record = (runs: number): void => {
    for (let i = 0; i < runs; i++) tracker.withRun({ experiment: "X" }, (run) => run.logMetric("m", i));
  };
  return { server, tracker, record, calls };
}

const most = (list: readonly number[]): number => Math.max(0, ...list);

test("a server that stands still gets one request at a time, more as it answers", async () => {
  const { server, tracker, record, calls } = await started();
  record(40);
  await tracker.flush();
  const usual = most(calls);
  assert.ok(usual > 1, "several are under way where all is well");

  server.stands = () => true;
  const before = calls.length;
  record(120);
  await until("it is probed", () => calls.length >= before + usual + 6, { everyMs: 2 });
  const probes = calls.slice(before + usual);
  assert.equal(most(probes), 1, `under way while it stands still: ${calls.slice(before)}`);

  server.stands = () => false;
  const from = calls.length;
  await tracker.flush();
  const back = (): number[] => calls.slice(from);
  assert.ok(most(back().slice(0, 6)) <= 2, `under way once it answers: ${back().slice(0, 30)}`);
  // A slow machine keeps it from answering in time now and then.
  for (let round = 0; round < 50 && most(back()) < usual; round++) {
    record(40);
    await tracker.flush();
  }
  assert.equal(most(back()), usual, "as many as before in the end");
  assert.equal(tracker.stats().pending, 0);
});

test("a server that stands above two requests soon gets one or two at a time", async () => {
  const { server, tracker, record } = await started();
  server.stands = (underWay) => underWay > 2;
  record(60);
  await tracker.flush();
  const { pending, dropped, rejected } = tracker.stats();
  assert.deepEqual({ pending, dropped, rejected }, { pending: 0, dropped: 0, rejected: 0 });
  const inVain = server.depths.length - server.answered;
  assert.ok(inVain < server.depths.length / 3, `${inVain} of ${server.depths.length} requests had no answer`);
});
