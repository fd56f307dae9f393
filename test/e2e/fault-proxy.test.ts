import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, createServer, type IncomingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CONNECT_FAULTS, startConnectProxy } from "../support/connect-proxy.js";
import { Denial } from "../support/fault-denial.js";
import { startFaultProxy } from "../support/fault-proxy.js";
import { drawFault, FAULTS, type FaultKind } from "../support/fault-schedule.js";

/** What a client sees: an answer, or why there is none. */
interface Seen {
  readonly status?: number | undefined;
  readonly headers?: IncomingHttpHeaders;
  readonly body?: string;
  readonly error?: string | undefined;
}

const TRUTH = JSON.stringify({ run: { info: { run_id: "a" } } });

/** The bodies that reached the server. */
const acted: string[] = [];
const server = createServer((incoming, response) => {
  let body = "";
  incoming.setEncoding("utf8").on("data", (text: string) => {
    body += text;
  });
  incoming.on("end", () => {
    acted.push(body);
    response.setHeader("Content-Type", "application/json");
    response.end(incoming.url === "/empty" ? "{}" : TRUTH);
  });
}).listen(0, "127.0.0.1");
await once(server, "listening");
const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(() => server.close());

let posts = 0;
async function post(
  url: string,
  path = "/create",
  agent: Agent | false = false,
  signal: AbortSignal = AbortSignal.timeout(60_000),
): Promise<Seen & { acted: () => boolean }> {
  const id = `post ${posts++}`;
  const seen = await new Promise<Seen>((resolve) => {
    const failed = (error: Error): void => resolve({ error: (error as NodeJS.ErrnoException).code });
    request(url + path, { method: "POST", agent, signal }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
      response.on("error", failed);
    })
      .on("error", failed)
      .on("close", () => setImmediate(resolve, { error: "closed" }))
      .end(id);
  });
  return { ...seen, acted: () => acted.includes(id) };
}

/** Who meets a black hole gives up once it has: how fast that is depends on the machine. */
function onceFaulty({ faults }: Awaited<ReturnType<typeof startFaultProxy>>): AbortSignal {
  const [giveUp, before] = [new AbortController(), faults.length];
  const timer = setInterval(() => {
    if (faults.length === before) return;
    clearInterval(timer);
    giveUp.abort();
  }, 5);
  return giveUp.signal;
}

const start = (options: object) => startFaultProxy({ target, seed: 1, rate: 1, refuseMs: 300, dripMs: 1, ...options });

const html = /^<html>/;
const json = (code: string): RegExp => new RegExp(`"error_code":"${code}"`);
/** By kind: the status or the error's code, the body, and whether the server acts before the client knows. */
const EXPECTED: Record<FaultKind, [seen: number | string, body: RegExp | undefined, acted: boolean]> = {
  refuse: ["ECONNRESET", undefined, false],
  "reset-before": ["ECONNRESET", undefined, false],
  "reset-after": ["ECONNRESET", undefined, true],
  "black-hole": ["ABORT_ERR", undefined, false],
  "black-hole-after": ["ABORT_ERR", undefined, true],
  "slow-drip": [200, /^\{"run"/, true],
  "429": [429, /Too many/, false],
  "429-date": [429, /Too many/, false],
  "500": [500, html, false],
  "500-json": [500, json("INTERNAL_ERROR"), false],
  "502": [502, html, false],
  "503": [503, /upstream/, false],
  "503-after-commit": [503, json("TEMPORARILY_UNAVAILABLE"), true],
  "504": [504, html, false],
  truncated: ["ECONNRESET", undefined, true],
  "wrong-type": [200, html, true],
  "missing-fields": [200, /^\{\}$/, true],
  "401": [401, /token/, false],
  "late-504": [504, html, false],
  "late-reset": ["ECONNRESET", undefined, false],
  maintenance: [200, /^\{"status":"maintenance"\}$/, false],
  "maintenance-page": [200, html, false],
  // Node's client ends a connection whose protocol changes unasked, and says neither what came nor what is wrong.
  "101": ["closed", undefined, false],
};

test("clients see each fault as intended, on fresh and on kept connections", async () => {
  const agent = new Agent({ keepAlive: true });
  await Promise.all(
    FAULTS.map(async (kind) => {
      const [expected, body, actedFirst] = EXPECTED[kind];
      const proxy = await start({ kinds: [kind] });
      try {
        for (const how of [false, agent] as const) {
          const seen = await post(
            proxy.url,
            "/create",
            how,
            kind.startsWith("black-hole") ? onceFaulty(proxy) : undefined,
          );
          assert.equal(seen.status ?? seen.error, expected, kind);
          if (body !== undefined) assert.match(String(seen.body), body, kind);
          if (kind === "black-hole-after") await proxy.settled(); // nobody is told when the server has acted
          assert.equal(seen.acted(), actedFirst, kind);
          if (kind === "429") assert.equal(seen.headers?.["retry-after"], "1");
          if (kind === "429-date")
            assert.ok(Math.abs(Date.parse(String(seen.headers?.["retry-after"])) - Date.now()) < 2_000);
          if (kind === "refuse") {
            assert.equal((await post(proxy.url)).error, "ECONNREFUSED");
            await sleep(400);
          }
          await proxy.settled();
          assert.equal(seen.acted(), actedFirst || kind.startsWith("late-"), kind);
        }
        const injected = { kind, method: "POST", path: "/create" };
        assert.deepEqual(proxy.faults, [injected, injected]);
        proxy.calm();
        assert.equal((await post(proxy.url, "/create", agent)).body, TRUTH);
      } finally {
        await proxy.close();
      }
    }),
  );
  agent.destroy();
});

test("an answer without fields misses none", async () => {
  const proxy = await start({ kinds: ["missing-fields"] });
  assert.equal((await post(proxy.url, "/empty")).body, "{}");
  assert.deepEqual(proxy.faults, []);
  await proxy.close();
});

test("the same seed gives the same faults, and a higher rate only adds some", async () => {
  const draw = (seed: number, rate: number) =>
    Array.from({ length: 400 }, (_, i) => drawFault(seed, i, rate, FAULTS).kind);
  const some = draw(7, 0.25);
  assert.deepEqual(draw(7, 0.25), some);
  assert.notDeepEqual(draw(8, 0.25), some);
  const more = draw(7, 0.5);
  for (const [i, kind] of some.entries()) assert.ok(kind === undefined || kind === more[i]);
  const share = some.filter((kind) => kind !== undefined).length / some.length;
  assert.ok(share > 0.18 && share < 0.32, String(share));
  assert.deepEqual(new Set(draw(7, 1)), new Set(FAULTS));

  const kinds: FaultKind[] = ["401", "502", "reset-before", "reset-after", "truncated"];
  const faults = [];
  for (let i = 0; i < 2; i++) {
    const proxy = await start({ seed: 11, rate: 0.5, kinds });
    for (let n = 0; n < 30; n++) await post(proxy.url, `/${n}`);
    assert.equal(proxy.requests, 30);
    faults.push(proxy.faults.map(({ kind, path }) => `${kind} ${path}`));
    await proxy.close();
  }
  assert.ok((faults[0]?.length ?? 0) > 5);
  assert.deepEqual(faults[0], faults[1]);
});

test("an outage refuses until it is over, and answers can be late or missing", async () => {
  const proxy = await start({ rate: 0 });
  assert.equal((await post(proxy.url)).body, TRUTH);
  const waiting = post(proxy.url);
  proxy.delayMs = 60;
  await waiting;
  const started = performance.now();
  assert.equal((await post(proxy.url)).body, TRUTH);
  assert.ok(performance.now() - started > 55);

  proxy.silent = true;
  const lost = await post(proxy.url, "/create", false, AbortSignal.timeout(50));
  assert.deepEqual([lost.error, lost.acted()], ["ABORT_ERR", false]);
  const held = post(proxy.url);
  await sleep(20);
  await proxy.down();
  assert.equal((await held).error, "ECONNRESET");
  assert.equal((await post(proxy.url)).error, "ECONNREFUSED");
  await proxy.up();
  proxy.calm();
  assert.equal((await post(proxy.url)).body, TRUTH);
  await proxy.close();
  assert.equal((await post(proxy.url)).error, "ECONNREFUSED");
  assert.deepEqual(proxy.faults, []);
});

/** Asks for a tunnel: the status, or what came instead, or nothing within a moment. */
async function tunnel(proxy: string, address: string): Promise<number | string | undefined> {
  const { host } = new URL(address);
  const asking = request(proxy, { method: "CONNECT", path: host, agent: false });
  const seen = new Promise<number | string | undefined>((resolve) => {
    asking
      .on("connect", ({ statusCode }) => resolve(statusCode))
      .on("error", (error) => resolve((error as NodeJS.ErrnoException).code));
    setTimeout(() => resolve(undefined), 300);
  });
  asking.end();
  const what = await seen;
  asking.destroy();
  return what;
}

test("each server's tunnels fail as they are told to", async () => {
  const proxy = await startConnectProxy();
  const seen = [];
  for (const kind of CONNECT_FAULTS) {
    const { faults } = proxy.trouble(target, 1, 1, [kind]);
    seen.push([kind, await tunnel(proxy.url, target), faults.length]);
  }
  assert.deepEqual(seen, [
    ["connect-hang", undefined, 1],
    ["connect-trickle", undefined, 1],
    ["connect-502", 502, 1],
    ["connect-reset", "ECONNRESET", 1],
  ]);
  proxy.trouble(target, 1, 0);
  assert.equal(await tunnel(proxy.url, target), 200);
  proxy.close();
});

test("exactly the denied experiment is refused, by name, ids and its runs' ids", async () => {
  const denial = new Denial("mine");
  const json = (body: object): Buffer => Buffer.from(JSON.stringify(body));
  const answer = (body: object) => ({ status: 200, headers: {}, body: json(body) });
  denial.learn(
    "/experiments/get-by-name?experiment_name=mine",
    json({}),
    answer({ experiment: { experiment_id: "7", name: "mine" } }),
  );
  denial.learn(
    "/experiments/get-by-name?experiment_name=other",
    json({}),
    answer({ experiment: { experiment_id: "8", name: "other" } }),
  );
  for (const [run_id, experiment_id] of [
    ["a", "7"],
    ["b", "8"],
  ])
    denial.learn("/runs/create", json({ experiment_id }), answer({ run: { info: { run_id, experiment_id } } }));
  const calls = (name: string, id: string, run: string): [string, Buffer][] => [
    [`/experiments/get-by-name?experiment_name=${name}`, json({})],
    ["/runs/search", json({ experiment_ids: [id] })],
    [`/runs/get?run_id=${run}`, json({})],
    ["/experiments/create", json({ name })],
    ["/runs/create", json({ experiment_id: id })],
    ["/runs/log-batch", json({ run_id: run })],
    [`/mlflow-artifacts/artifacts?path=${id}%2F${run}%2Fartifacts`, json({})],
    [`/mlflow-artifacts/artifacts/${id}/${run}/artifacts/mine.txt`, Buffer.from("text")],
  ];
  const refused = (what: Denial["denied"], ...about: [string, string, string]): boolean[] => {
    denial.denied = what;
    return calls(...about).map((call) => denial.denies(...call));
  };
  const [no, yes] = [Array(8).fill(false), Array(8).fill(true)];
  assert.deepEqual(refused("everything", "mine", "7", "a"), yes);
  assert.deepEqual(refused("writing", "mine", "7", "a"), [false, false, false, true, true, true, false, true]);
  assert.deepEqual(refused(undefined, "mine", "7", "a"), no);
  assert.deepEqual(refused("everything", "other", "8", "b"), no);
  denial.forget();
  assert.deepEqual(refused("everything", "mine", "7", "a"), [true, false, true, true, false, true, false, false]);
});
