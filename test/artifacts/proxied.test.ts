import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Readable } from "node:stream";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ProxiedRepository } from "../../src/artifacts/proxied.js";
import { resolveConfig } from "../../src/config/resolve.js";
import type { ArtifactContent } from "../../src/contracts/artifact-repository.js";
import type { PulseConfig } from "../../src/tracker.js";
import { allOf, contentOf, someBytes } from "../support/contents.js";
import { type ArtifactFault, type FakeArtifacts, fakeArtifacts } from "../support/fake-artifacts.js";
import { type FakeS3, fakeS3 } from "../support/fake-s3.js";
import { scripted } from "../support/scripted-server.js";

const SIZES = { from: 40_000, size: 20_000 };
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

function repositoryAt(url: string, config: PulseConfig = {}): ProxiedRepository {
  const { server } = resolveConfig({ requestTimeoutMs: 5_000, ...config }, { HOME: "/nowhere" });
  const repository = new ProxiedRepository("1/r/artifacts", new URL(url), server, SIZES);
  closing.push(() => repository.close());
  return repository;
}

async function started(multipart = true): Promise<{ s3: FakeS3; server: FakeArtifacts }> {
  const s3 = await fakeS3();
  const server = await fakeArtifacts(s3, multipart);
  closing.push(
    () => s3.close(),
    () => server.close(),
  );
  return { s3, server };
}

/** Has the server do something else with PUTs of artifacts. */
function faultyPuts(server: FakeArtifacts, fault: ArtifactFault): void {
  server.fault = (method) => (method === "PUT" ? fault : undefined);
}

test("notices a server that answers 200 and stores nothing", async () => {
  const { server } = await started();
  faultyPuts(server, "forget");
  for (const content of [contentOf("x"), contentOf("")])
    await assert.rejects(repositoryAt(server.url).upload("f.txt", content), {
      code: "SERVER_ERROR",
      message: /has accepted f.txt, but the file is not there/,
    });
});

test("a server that has kept one file is trusted with the next up to 1 MiB", async () => {
  const { server } = await started(false);
  const repository = repositoryAt(server.url);
  await repository.upload("f.txt", contentOf("x"));
  faultyPuts(server, "forget");
  await repository.upload("g.txt", contentOf("x"));
  await assert.rejects(repository.upload("large.bin", contentOf(someBytes(1024 * 1024))), { code: "SERVER_ERROR" });
});

test("an upload in one piece reports its progress", async () => {
  const { server } = await started(false);
  const bytes = someBytes(500_000);
  const open = (start: number, end: number): Readable =>
    Readable.from([bytes.subarray(start, 200_000), bytes.subarray(200_000, 400_000), bytes.subarray(400_000, end)]);
  const told: number[] = [];
  await repositoryAt(server.url).upload(
    "f.bin",
    { size: bytes.length, open },
    { onProgress: (sent) => told.push(sent) },
  );
  assert.deepEqual(told, [200_000, 400_000, 500_000]);
});

test("an answer that only resembles MLflow's is not believed", async () => {
  const portal = await scripted(() => ({ body: "<html>Welcome to our wireless network</html>" }));
  closing.push(() => portal.close());
  const repository = repositoryAt(portal.url);
  await assert.rejects(repository.upload("f.txt", contentOf("x")), { code: "NO_MLFLOW" });
  await assert.rejects(repository.list(), { code: "NO_MLFLOW" });
});

test("asks the listing what became of an upload without an answer", async () => {
  const { server, s3 } = await started();
  for (const fault of ["late", "cut"] as const) {
    faultyPuts(server, fault);
    await repositoryAt(server.url).upload(`${fault}.txt`, contentOf(fault));
    assert.equal(String(s3.objects.get(`1/r/artifacts/${fault}.txt`)), fault);
  }
  faultyPuts(server, { status: 503, body: '{"error_code":"TEMPORARILY_UNAVAILABLE","message":"busy"}' });
  await assert.rejects(repositoryAt(server.url).upload("f.txt", contentOf("x")), {
    code: "SERVER_ERROR",
    message: /busy/,
  });
});

test("a file of the same length does not prove that an unanswered upload arrived", async () => {
  const { server, s3 } = await started();
  const repository = repositoryAt(server.url, { requestTimeoutMs: 1_000 });
  await repository.upload("f.txt", contentOf("one"));
  for (const fault of [
    { status: 503, body: '{"error_code":"TEMPORARILY_UNAVAILABLE","message":"busy"}' },
    { status: 504 },
  ]) {
    faultyPuts(server, fault);
    await assert.rejects(repository.upload("f.txt", contentOf("two")), { code: "SERVER_ERROR" });
  }
  faultyPuts(server, undefined);
  await repository.upload("f.txt", contentOf("two"));
  assert.equal(String(s3.objects.get("1/r/artifacts/f.txt")), "two");
});

test("an answer in words that MLflow does not use is checked", async () => {
  const { server, s3 } = await started();
  const repository = repositoryAt(server.url);
  await repository.upload("f.txt", contentOf("x"));
  faultyPuts(server, { status: 200, body: '{"status":"maintenance"}' });
  await assert.rejects(repository.upload("g.txt", contentOf("x")), { code: "NO_MLFLOW" });
  assert.equal(s3.objects.has("1/r/artifacts/g.txt"), false);
});

test("a request executed late does not undo a later file of the same name", async () => {
  const { server, s3 } = await started();
  const repository = repositoryAt(server.url, { requestTimeoutMs: 3_000 });
  const place = "1/r/artifacts/f.txt";
  faultyPuts(server, { status: 504 });
  await assert.rejects(repository.upload("f.txt", contentOf("old")), { code: "SERVER_ERROR" });
  const late = sleep(300).then(() => s3.objects.set(place, Buffer.from("old")));
  faultyPuts(server, undefined);
  await repository.upload("f.txt", contentOf("new"));
  await late;
  assert.equal(String(s3.objects.get(place)), "new");
});

test("a refusal says what to do", async () => {
  const { server } = await started();
  for (const [status, body, code] of [
    [401, "who are you", "UNAUTHORIZED"],
    [403, "Permission denied", "FORBIDDEN"],
    [400, '{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path"}', "REJECTED"],
    [502, "<html>Bad gateway</html>", "SERVER_ERROR"],
  ] as const) {
    server.fault = (method, path) => (method === "GET" && path.endsWith("artifacts") ? undefined : { status, body });
    await assert.rejects(repositoryAt(server.url).upload("f.txt", contentOf("x")), { code });
  }
});

test("uploads in parts send the object store nothing meant for the server", async () => {
  const { server, s3 } = await started();
  const config = { auth: { username: "me", password: "hunter2" }, headers: { "x-team": "blue" }, workspace: "w" };
  const bytes = someBytes(100_000);
  const repository = repositoryAt(server.url, config);
  await repository.upload("f.bin", contentOf(bytes));
  assert.equal(s3.seen.length, 5);
  for (const { headers } of s3.seen)
    for (const name of ["authorization", "x-team", "x-mlflow-workspace"]) assert.equal(headers[name], undefined);
  for (const { headers } of server.seen) {
    assert.match(String(headers.authorization), /^Basic /);
    assert.equal(headers["x-team"], "blue");
    assert.equal(headers["x-mlflow-workspace"], "w");
  }
  assert.ok(!server.seen.some(({ method }) => method === "PUT"));
  assert.ok((await allOf(await repository.read("f.bin"))).equals(bytes));
});

test("a file goes through the server when its object store cannot be reached", async () => {
  for (const partUrl of [
    () => "http://127.0.0.1:9/x",
    () => "ftp://127.0.0.1/x",
    (url: string) => url.replace("/runs/", "/elsewhere/"),
  ]) {
    const { server, s3 } = await started();
    server.partUrl = partUrl;
    const repository = repositoryAt(server.url);
    const states: unknown[] = [];
    for (const path of ["f.bin", "g.bin"])
      await repository.upload(path, contentOf(someBytes(100_000)), { onState: (state) => states.push(state) });
    assert.equal(s3.objects.size, 2);
    assert.equal(s3.uploads.size, 0, "what was begun was given up");
    assert.equal(server.seen.filter(({ path }) => path.includes("mpu/create")).length, 1);
    assert.equal(states.at(-1), undefined);
  }
});

test("an upload in parts starts again when its URLs have expired", async () => {
  const { server, s3 } = await started();
  let state: unknown;
  const options = { onState: (kept: unknown) => (state = kept ?? state) };
  s3.fault = ({ query }) => (query.get("partNumber") === "3" ? "cut" : undefined);
  await assert.rejects(repositoryAt(server.url).upload("f.bin", contentOf(someBytes(100_000)), options), {
    code: "STORE_UNAVAILABLE",
  });
  s3.fault = () => undefined;
  const hourAgo = { ...(state as object), began: Date.now() - 3_600_000 };
  const read: number[] = [];
  await repositoryAt(server.url).upload(
    "f.bin",
    contentOf(someBytes(100_000), (start) => read.push(start)),
    { ...options, state: hourAgo },
  );
  assert.equal(read.length, 5);
  assert.equal(s3.uploads.size, 0);
  for (const odd of [
    7,
    "x",
    {},
    { ...hourAgo, targets: [] },
    { ...hourAgo, size: 5 },
    { ...hourAgo, parts: [{ number: 99 }] },
  ])
    await repositoryAt(server.url).upload("f.bin", contentOf(someBytes(100_000)), { state: odd });
});

test("a hostile listing is refused", async () => {
  for (const name of ["../../etc/passwd", "/etc/passwd", "..", "a\\..\\..\\b", 7]) {
    const server = await scripted(({ url }) =>
      url.includes("artifacts?path=") ? { body: { files: [{ path: name, is_dir: false }] } } : undefined,
    );
    closing.push(() => server.close());
    await assert.rejects(repositoryAt(server.url).list(), { code: "REJECTED", message: /is not in that folder/ });
  }
});

test("a refused token is asked for again, and the file sent again", async () => {
  const { server, s3 } = await started();
  let asked = 0;
  const repository = repositoryAt(server.url, { auth: { token: () => `t${++asked}` } });
  server.fault = (method) =>
    method === "PUT" && server.seen.at(-1)?.headers.authorization === "Bearer t1" ? { status: 401 } : undefined;
  await repository.upload("f.txt", contentOf("text"));
  assert.equal(asked, 2);
  assert.equal(String(s3.objects.get("1/r/artifacts/f.txt")), "text");
});

test("the time limit is for standing still, not for the whole transfer", async () => {
  const { server, s3 } = await started();
  const bytes = someBytes(30_000);
  const slow: ArtifactContent = {
    size: bytes.length,
    open: () =>
      Readable.from(
        (async function* () {
          for (let i = 0; i < bytes.length; i += 5_000) {
            await sleep(250);
            yield bytes.subarray(i, i + 5_000);
          }
        })(),
      ),
  };
  await repositoryAt(server.url, { requestTimeoutMs: 900 }).upload("slow.bin", slow);
  assert.ok(s3.objects.get("1/r/artifacts/slow.bin")?.equals(bytes));
  const deaf = createServer((socket) => socket.pause().on("error", () => {}));
  deaf.listen(0, "127.0.0.1");
  await once(deaf, "listening");
  closing.push(() => deaf.close());
  const repository = repositoryAt(`http://127.0.0.1:${(deaf.address() as AddressInfo).port}`, {
    requestTimeoutMs: 500,
  });
  const began = performance.now();
  await assert.rejects(repository.upload("f.bin", contentOf(someBytes(39_000))), {
    code: "STORE_UNAVAILABLE",
    message: /for \d+ ms/,
  });
  assert.ok(performance.now() - began < 4_000);
  await assert.rejects(repository.read("f.bin"), { code: "STORE_UNAVAILABLE" });
});

test("a name that MLflow would mistake for another is refused before it is sent", async () => {
  const { server } = await started();
  for (const path of ["a%20b.txt", "%2e%2e/x", "d%41/x"])
    await assert.rejects(repositoryAt(server.url).upload(path, contentOf("x")), {
      code: "REJECTED",
      message: /use another name/,
    });
  assert.equal(server.seen.length, 0);
});
