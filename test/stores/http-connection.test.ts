import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import type { Outcome } from "../../src/contracts/tracking-store.js";
import { proxyFor } from "../../src/http/proxy.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import type { PulseConfig } from "../../src/tracker.js";
import { change, start } from "../contract/store-contract.js";
import { tempFolder } from "../support/folders.js";
import { BYPASSED, BYPASSED_BESIDES, TARGETS } from "../support/no-proxy.js";
import { type Scripted, type ScriptedServer, type Seen, scripted } from "../support/scripted-server.js";

const folder = tempFolder("connection");
const tlsFolder = join(process.cwd(), "test/fixtures/tls");
const pem = (name: string): string => join(tlsFolder, name);
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

type Answer = (seen: Seen) => Scripted | undefined;

async function server(answer: Answer = () => undefined, tls?: Parameters<typeof scripted>[1]): Promise<ScriptedServer> {
  const made = await scripted(answer, tls);
  closing.push(() => made.close());
  return made;
}

async function sent(url: string, config: PulseConfig = {}, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const store = new HttpStore(
    new URL(url),
    resolveConfig({ requestTimeoutMs: 20_000, ...config }, { HOME: folder, ...env }).server,
  );
  const run = change("b".repeat(32), { create: start(), end: { status: "FINISHED", endTime: 6 } });
  const [outcome] = await store.apply([run]);
  await store.close();
  return outcome as Outcome;
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const text = (outcome: Outcome): string =>
  "error" in outcome ? `${outcome.error.code} ${outcome.error.message}` : outcome.kind;

test("credentials come from where Python's client has them, in its order", async () => {
  mkdirSync(join(folder, ".mlflow"));
  writeFileSync(
    join(folder, ".mlflow/credentials"),
    "[other]\nmlflow_tracking_username = wrong\n[mlflow]\nmlflow_tracking_username = filed\nmlflow_tracking_password = p=w d\n",
  );
  const pair = { MLFLOW_TRACKING_USERNAME: "me", MLFLOW_TRACKING_PASSWORD: "hunter2" };
  const nowhere = { HOME: join(folder, "nobody") };
  for (const [config, env, expected] of [
    [{}, nowhere, undefined],
    [{}, {}, basic("filed", "p=w d")],
    [{}, { MLFLOW_TRACKING_PASSWORD: "env" }, basic("filed", "env")],
    [{}, { ...pair, MLFLOW_TRACKING_TOKEN: "t" }, basic("me", "hunter2")],
    [{}, { ...nowhere, MLFLOW_TRACKING_TOKEN: "t", MLFLOW_TRACKING_USERNAME: "half" }, "Bearer t"],
    [{ auth: { username: "ü", password: "ß" } }, pair, basic("ü", "ß")],
    [{ auth: { token: "opt" } }, pair, "Bearer opt"],
    [{ auth: { token: async () => "asked" } }, pair, "Bearer asked"],
  ] as const) {
    const { url, seen } = await server();
    assert.equal((await sent(url, config, env)).kind, "done");
    for (const { headers } of seen) assert.equal(headers.authorization, expected);
  }
  const { url, seen } = await server();
  await sent(url.replace("//", "//in%40url:p%3Aw@"), {}, pair);
  assert.equal(seen[0]?.headers.authorization, basic("in@url", "p:w"));
});

test("a token function is asked again, once, when the server refuses its token", async () => {
  let valid = 2;
  let asked = 0;
  const { url } = await server(({ headers }) =>
    headers.authorization === `Bearer ${valid}` ? undefined : { status: 401, body: "expired" },
  );
  const auth = { token: () => String(++asked) };
  assert.equal((await sent(url, { auth })).kind, "done");
  assert.equal(asked, 2);
  valid = -1;
  assert.match(text(await sent(url, { auth })), /^UNAUTHORIZED .*does not accept the configured token/);
  assert.equal(asked, 4);
  for (const token of [
    () => Promise.reject(new Error("vault is sealed")),
    () => "a\r\nX: y",
    () => "\u20ac",
    () => 5 as never,
    () => new Promise<string>(() => undefined),
  ])
    assert.match(
      text(await sent(url, { auth: { token }, requestTimeoutMs: 100 })),
      /^UNAUTHORIZED The token function of `auth` failed/,
    );
});

test("extra headers and the workspace are sent, but no empty workspace header", async () => {
  const { url, seen } = await server();
  await sent(url, { headers: { "X-Team": "pulse" }, workspace: "ws" });
  assert.deepEqual([seen[0]?.headers["x-team"], seen[0]?.headers["x-mlflow-workspace"]], ["pulse", "ws"]);
  await sent(url, {}, { MLFLOW_WORKSPACE: "env" });
  await sent(url);
  assert.deepEqual(
    [seen.at(-1)?.headers["x-mlflow-workspace"], seen.some(({ headers }) => headers["x-mlflow-workspace"] === "env")],
    [undefined, true],
  );
});

test("a redirect keeps method and body, but no credentials for another origin", async () => {
  const target = await server();
  const elsewhere = target.url.replace("127.0.0.1", "localhost");
  const secrets: PulseConfig[] = [{ auth: { token: "secret" } }, { headers: { "x-key": "k" } }, { workspace: "w" }];
  for (const to of ["", target.url, elsewhere, target.url.replace("http:", ""), target.url.replace("//", "//me:pw@")])
    for (const config of [{}, ...secrets] as PulseConfig[]) {
      target.seen.length = 0;
      const first = await server(({ url }) =>
        url.startsWith("/moved")
          ? undefined
          : { status: 307, headers: { location: to === "" ? `/moved${url}` : `${to}${url}` }, body: "" },
      );
      const outcome = await sent(first.url, config, { HOME: join(folder, "nobody") });
      if (to !== "" && secrets.includes(config)) {
        assert.match(
          text(outcome),
          new RegExp(`^NO_MLFLOW .* redirects to ${new URL(to, "http://x").origin}\\. .*Set trackingUri to`),
        );
        assert.equal(outcome.kind, "away");
        assert.equal(target.seen.length, 0);
        continue;
      }
      assert.equal(outcome.kind, "done");
      const seen = to === "" ? first.seen.filter(({ url }) => url.startsWith("/moved")) : target.seen;
      assert.ok(seen.length >= 3);
      for (const { headers, method, body } of seen) {
        assert.equal(headers.authorization, config.auth && "Bearer secret");
        assert.equal(headers["x-key"], config.headers?.["x-key"]);
        assert.equal(headers["x-mlflow-workspace"], config.workspace);
        if (method === "POST") assert.ok(body.startsWith("{"));
      }
    }
  const loop = await server((seen) => ({ status: 302, headers: { location: seen.url }, body: "" }));
  assert.match(text(await sent(loop.url)), /^NO_MLFLOW .*answered 302/);
  assert.ok(loop.seen.length <= 5);
});

test("requests go to the address's host only, whatever its path", async () => {
  const other = await server();
  const { url, seen } = await server();
  const { host } = new URL(other.url);
  for (const path of [
    `//${host}`,
    `///${host}/`,
    `/\\${host}`,
    `/a/..//${host}`,
    `/@${host}`,
    `//me:pw@${host}`,
    "/a%2f..%2f",
    "/?x=//y",
  ]) {
    seen.length = 0;
    assert.equal((await sent(url + path, { auth: { token: "secret" } })).kind, "done", path);
    assert.equal(seen.length, 3, path);
    for (const { headers } of seen) assert.equal(headers.host, new URL(url).host);
  }
  assert.equal(other.seen.length, 0);
});

test("an unknown certificate is an error unless its authority or insecure is given", async () => {
  const tls = { key: readFileSync(pem("server.key")), cert: readFileSync(pem("server.pem")) };
  const { url, seen } = await server(undefined, tls);
  const refused = await sent(url, { auth: { token: "secret" } });
  assert.equal(refused.kind, "away");
  assert.match(text(refused), /^TLS_FAILED .*tls\.ca or MLFLOW_TRACKING_SERVER_CERT_PATH/);
  assert.equal(seen.length, 0);
  assert.equal((await sent(url, { tls: { ca: pem("ca.pem") } })).kind, "done");
  assert.equal((await sent(url, {}, { MLFLOW_TRACKING_SERVER_CERT_PATH: pem("ca.pem") })).kind, "done");
  assert.equal((await sent(url, {}, { MLFLOW_TRACKING_INSECURE_TLS: "true" })).kind, "done");
  assert.match(text(await sent(url, { tls: { ca: pem("nowhere.pem") } })), /nowhere\.pem/);
  assert.throws(() => resolveConfig({}, { MLFLOW_TRACKING_INSECURE_TLS: "1", MLFLOW_TRACKING_SERVER_CERT_PATH: "x" }), {
    code: "INVALID_CONFIG",
  });
});

test("a server that asks for a client's certificate gets it", async () => {
  const own = {
    key: readFileSync(pem("server.key")),
    cert: readFileSync(pem("server.pem")),
    ca: readFileSync(pem("ca.pem")),
  };
  const { url } = await server(undefined, { ...own, requestCert: true, rejectUnauthorized: true });
  const ca = pem("ca.pem");
  assert.equal((await sent(url, { tls: { ca } })).kind, "away");
  assert.equal((await sent(url, { tls: { ca, cert: pem("client-with-key.pem") } })).kind, "done");
});

test("NO_PROXY exempts what it exempts for Python's client, addresses by their ranges", () => {
  for (const [entries, targets] of [...BYPASSED, ...BYPASSED_BESIDES]) {
    const env = { http_proxy: "http://p:1", no_proxy: entries };
    assert.equal(
      TARGETS.filter((target) => proxyFor(new URL(`http://${target}`), env) === undefined).join(" "),
      targets,
      entries,
    );
  }
});

test("a scheme that does not fit the port is called that, not a certificate problem", async () => {
  const plain = await server();
  const secure = await server(undefined, {
    key: readFileSync(pem("server.key")),
    cert: readFileSync(pem("server.pem")),
  });
  const [no, yes] = [plain.url.replace("http:", "https:"), secure.url.replace("https:", "http:")];
  const noTls = text(await sent(no));
  assert.ok(
    noTls.startsWith(
      `NO_MLFLOW ${no} cannot be reached: this port does not speak TLS. Write ${plain.url} in the tracking URI.`,
    ),
    noTls,
  );
  const tls = text(await sent(yes));
  assert.ok(
    tls.startsWith(
      `NO_MLFLOW ${yes} cannot be reached: this port speaks TLS. Write ${secure.url} in the tracking URI.`,
    ),
    tls,
  );
  for (const said of [
    "The plain HTTP request was sent to HTTPS port",
    "Client sent an HTTP request to an HTTPS server.",
  ]) {
    const front = await server(() => ({ status: 400, body: `<html><body>${said}</body></html>` }));
    assert.ok(
      text(await sent(front.url)).includes(`Write ${front.url.replace("http:", "https:")} in the tracking URI.`),
    );
  }
  const proxy = plain.url.replace("http:", "https:");
  for (const target of [plain.url, secure.url]) {
    const outcome = text(await sent(target, {}, { https_proxy: proxy, http_proxy: proxy }));
    assert.match(outcome, /^STORE_UNAVAILABLE .* through the proxy .*: the proxy does not speak TLS; write http:\/\//);
  }
});

test("NO_PROXY and the proxy variables mean what they mean elsewhere", () => {
  const env = {
    HTTP_PROXY: "http://p:1",
    https_proxy: "q:2",
    NO_PROXY: "localhost,.corp.example, *.wild.example,10.0.0.1:5000 ::1",
  };
  for (const [target, proxy] of [
    ["http://mlflow:5000", "http://p:1/"],
    ["https://mlflow", "http://q:2/"],
    ["http://localhost:5000", undefined],
    ["http://a.corp.example", undefined],
    ["http://corp.example", undefined],
    ["http://notcorp.example", "http://p:1/"],
    ["http://x.wild.example", undefined],
    ["http://10.0.0.1:5000", undefined],
    ["http://10.0.0.1:5001", "http://p:1/"],
    ["http://[::1]:5000", undefined],
  ] as const)
    assert.equal(proxyFor(new URL(target), env)?.href, proxy, target);
  assert.equal(proxyFor(new URL("http://x"), { http_proxy: "http://p:1", no_proxy: "*" }), undefined);
  assert.equal(proxyFor(new URL("http://x"), { ALL_PROXY: "http://all:3" })?.href, "http://all:3/");
  assert.equal(proxyFor(new URL("http://x"), { HTTP_PROXY: "socks5://p:1" }), undefined);
});

test("a proxy gets the whole URL, over TLS only host and port", async () => {
  const asked: string[] = [];
  const authorizations = new Set<string | undefined>();
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    authorizations.add(request.headers["proxy-authorization"]);
    fetch(String(request.url), {
      method: String(request.method),
      ...(request.method === "POST" && { body: request as never, duplex: "half" }),
    })
      .then(async (answer) => response.writeHead(answer.status).end(await answer.text()))
      .catch(() => response.destroy());
  });
  proxy.on("connect", (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    authorizations.add(request.headers["proxy-authorization"]);
    const [host, port] = String(request.url).split(":");
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  closing.push(() => {
    proxy.close();
    proxy.closeAllConnections();
  });
  const address = `http://user:pw@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const plain = await server();
  assert.equal((await sent(plain.url, {}, { HTTP_PROXY: address })).kind, "done");
  assert.ok(asked.includes(`POST ${plain.url}/api/2.0/mlflow/runs/create`), asked.join("\n"));
  asked.length = 0;
  const secure = await server(undefined, {
    key: readFileSync(pem("server.key")),
    cert: readFileSync(pem("server.pem")),
  });
  assert.equal(
    (await sent(secure.url, { tls: { ca: pem("ca.pem") }, auth: { token: "t" } }, { HTTPS_PROXY: address })).kind,
    "done",
  );
  assert.equal(secure.seen[0]?.headers.authorization, "Bearer t");
  assert.deepEqual([...new Set(asked)], [`CONNECT ${secure.url.replace("https://", "")}`]);
  assert.deepEqual([...authorizations], [basic("user", "pw")]);
  assert.match(
    text(await sent("http://127.0.0.1:9", {}, { HTTP_PROXY: "http://user:pw@127.0.0.1:1" })),
    /^STORE_UNAVAILABLE .*through the proxy 127\.0\.0\.1:1: /,
  );
});

test("no message and no address contains a credential", async () => {
  const secret = "hunter2-very-secret";
  const leaky: Answer = ({ headers }) => ({ status: 401, body: `bad ${headers.authorization} for ${secret.length}` });
  const { url } = await server(leaky);
  const withUser = url.replace("//", `//me:${secret}@`);
  const outcomes = [
    await sent(withUser),
    await sent(url, { auth: { token: secret } }),
    await sent(`http://me:${secret}@127.0.0.1:1`),
    await sent("http://127.0.0.1:1", {}, { HTTP_PROXY: `http://me:${secret}@127.0.0.1:1` }),
  ];
  for (const outcome of outcomes) {
    assert.equal(outcome.kind, "away");
    assert.ok(!text(outcome).includes(secret), text(outcome));
    assert.ok(!text(outcome).includes(Buffer.from(`me:${secret}`).toString("base64")), text(outcome));
  }
  const store = new HttpStore(new URL(withUser), resolveConfig({}, {}).server);
  assert.equal(store.uri, url);
});

test("measuring decides whether connections are kept or made anew", async () => {
  const used = new WeakMap<object, number>();
  // As MLflow on plain HTTP: the body of an answer comes 40 ms after its head, except on a new connection.
  const trap = createServer((request, response) => {
    const before = used.get(request.socket) ?? 0;
    used.set(request.socket, before + 1);
    request.resume().on("end", () => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 2 }).flushHeaders();
      setTimeout(() => response.end("{}"), before === 0 ? 0 : 40);
    });
  });
  trap.listen(0, "127.0.0.1");
  await once(trap, "listening");
  closing.push(() => {
    trap.close();
    trap.closeAllConnections();
  });
  const secure = await server(undefined, {
    key: readFileSync(pem("server.key")),
    cert: readFileSync(pem("server.pem")),
  });
  for (const [url, better] of [
    [`http://127.0.0.1:${(trap.address() as AddressInfo).port}`, "fresh"],
    [secure.url, "kept"],
  ] as const) {
    const store = new HttpStore(new URL(url), resolveConfig({ tls: { ca: pem("ca.pem") } }, { HOME: folder }).server);
    for (let i = 0; i < 12; i++) await store.api.post("runs/log-batch", {});
    assert.equal(store.api.client.choice.better, better, url);
    await store.close();
  }
});
