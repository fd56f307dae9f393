import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { S3Repository } from "../../src/artifacts/s3.js";
import { xmlElements, xmlText } from "../../src/artifacts/s3-answers.js";
import { contentOf, someBytes } from "../support/contents.js";
import { BUCKET, type FakeS3, fakeS3 } from "../support/fake-s3.js";
import { tempFolder } from "../support/folders.js";
import { scripted } from "../support/scripted-server.js";

const SIZES = { from: 40_000, size: 20_000 };
const folder = tempFolder("s3");
const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

async function started(): Promise<FakeS3> {
  const s3 = await fakeS3();
  closing.push(() => s3.close());
  return s3;
}

function repositoryAt(
  env: NodeJS.ProcessEnv,
  more: Partial<ConstructorParameters<typeof S3Repository>[2]> = {},
  bucket = BUCKET,
): S3Repository {
  const repository = new S3Repository(bucket, "p", { env, requestTimeoutMs: 5_000, sizes: SIZES, ...more });
  closing.push(() => repository.close());
  return repository;
}

const fault = (code: string): string =>
  `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>It said ${code}.</Message></Error>`;

test("a refusal by S3 gets the right error, without the secret", async () => {
  const s3 = await started();
  for (const [status, s3Code, code] of [
    [400, "ExpiredToken", "UNAUTHORIZED"],
    [403, "InvalidAccessKeyId", "UNAUTHORIZED"],
    [403, "SignatureDoesNotMatch", "UNAUTHORIZED"],
    [403, "RequestTimeTooSkewed", "UNAUTHORIZED"],
    [403, "AccessDenied", "FORBIDDEN"],
    [403, "", "FORBIDDEN"],
    [404, "NoSuchBucket", "REJECTED"],
    [404, "NoSuchKey", "ARTIFACT_NOT_FOUND"],
    [400, "EntityTooLarge", "REJECTED"],
    [400, "RequestTimeout", "SERVER_ERROR"],
    [503, "SlowDown", "SERVER_ERROR"],
    [500, "InternalError", "SERVER_ERROR"],
    [429, "", "SERVER_ERROR"],
  ] as const) {
    s3.fault = () => ({ status, body: s3Code === "" ? "" : fault(s3Code) });
    await assert.rejects(repositoryAt(s3.env).upload("f.txt", contentOf("x")), (error: Error & { code?: string }) => {
      assert.equal(error.code, code, error.message);
      assert.match(error.message, new RegExp(s3Code));
      assert.ok(!error.message.includes(String(s3.env["AWS_SECRET_ACCESS_KEY"])) && !error.stack?.includes("wJalr"));
      return true;
    });
  }
});

test("a wrong secret is noticed, and a correct signature is accepted", async () => {
  const s3 = await started();
  const wrong = { ...s3.env, AWS_SECRET_ACCESS_KEY: "not this one" };
  await assert.rejects(repositoryAt(wrong).upload("f.txt", contentOf("x")), {
    code: "UNAUTHORIZED",
    message: /AWS_SECRET_ACCESS_KEY/,
  });
  await repositoryAt(s3.env).upload("f.txt", contentOf("x"));
  await assert.rejects(repositoryAt(s3.env, {}, "another").list(), { code: "REJECTED", message: /NoSuchBucket/ });
});

test("expired credentials are asked for again, once", async () => {
  const s3 = await started();
  const keys = {
    accessKeyId: String(s3.env["AWS_ACCESS_KEY_ID"]),
    secretAccessKey: String(s3.env["AWS_SECRET_ACCESS_KEY"]),
  };
  let asked = 0;
  const credentials = async () => ({ ...keys, sessionToken: `session-${++asked}` });
  s3.fault = ({ headers }) =>
    headers["x-amz-security-token"] === "session-1" ? { status: 400, body: fault("ExpiredToken") } : undefined;
  await repositoryAt(s3.env, { credentials }).upload("f.txt", contentOf("x"));
  assert.equal(asked, 2);
  s3.fault = () => ({ status: 400, body: fault("ExpiredToken") });
  await assert.rejects(repositoryAt(s3.env, { credentials }).upload("f.txt", contentOf("x")), { code: "UNAUTHORIZED" });
  assert.equal(asked, 4);
  s3.fault = () => undefined;
  const ending = repositoryAt(s3.env, {
    credentials: async () => ({ ...(await credentials()), expiration: new Date(Date.now() + 1_000) }),
  });
  for (let i = 0; i < 2; i++) await ending.list();
  assert.ok(asked >= 6);
  for (const bad of [
    () => ({}) as never,
    () => Promise.reject(new Error("no single sign-on")),
    () => undefined as never,
  ])
    await assert.rejects(repositoryAt(s3.env, { credentials: bad }).list(), { code: "UNAUTHORIZED" });
});

test("credentials and region come from the profile, or the error says what to set", async () => {
  const s3 = await started();
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, MLFLOW_S3_ENDPOINT_URL } = s3.env;
  mkdirSync(join(folder, ".aws"));
  writeFileSync(
    join(folder, ".aws/credentials"),
    `[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n[team]\naws_access_key_id=${id}\naws_secret_access_key = ${secret} \n`,
  );
  writeFileSync(
    join(folder, ".aws/config"),
    "[default]\nregion = us-west-1\n[profile team]\nregion = eu-central-1\ns3 =\n  region = nested\n",
  );
  const env = { MLFLOW_S3_ENDPOINT_URL, HOME: folder, AWS_PROFILE: "team" };
  await repositoryAt(env).upload("f.txt", contentOf("x"));
  assert.match(String(s3.seen.at(-1)?.headers.authorization), /\/eu-central-1\/s3\//);
  await assert.rejects(repositoryAt({ ...env, AWS_PROFILE: "" }).upload("f.txt", contentOf("x")), {
    code: "UNAUTHORIZED",
  });
  await assert.rejects(repositoryAt({ MLFLOW_S3_ENDPOINT_URL, HOME: "/nowhere" }).list(), {
    code: "UNAUTHORIZED",
    message:
      /There are no credentials for S3.*@aws-sdk\/credential-providers\. Check the credentials for S3 \(AWS_ACCESS_KEY_ID.*AWS_PROFILE[^M]*$/s,
  });
});

test("a bucket of another region is addressed in that region", async () => {
  const s3 = await started();
  s3.fault = ({ headers }) =>
    headers.authorization?.includes("/us-east-1/")
      ? { status: 301, headers: { "x-amz-bucket-region": "ap-south-1" } }
      : undefined;
  const repository = repositoryAt(s3.env);
  await repository.upload("f.txt", contentOf("x"));
  assert.equal(s3.seen.length, 2);
  await repository.list();
  assert.equal(s3.seen.length, 3);
});

test("AWS gets the bucket in the host name, unless its name has dots", async () => {
  const asked: string[] = [];
  const proxy = createServer().on("connect", ({ url }, socket) => {
    asked.push(String(url));
    socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  closing.push(() => proxy.close());
  const env = {
    https_proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: "a",
    AWS_SECRET_ACCESS_KEY: "b",
  };
  for (const [bucket, region] of [
    ["plain", "eu-west-3"],
    ["with.dots", "eu-west-3"],
    ["plain", "cn-north-1"],
  ] as const)
    await assert.rejects(repositoryAt({ ...env, AWS_REGION: region }, {}, bucket).list(), {
      code: "STORE_UNAVAILABLE",
      message: /502/,
    });
  assert.deepEqual(asked, [
    "plain.s3.eu-west-3.amazonaws.com:443",
    "s3.eu-west-3.amazonaws.com:443",
    "plain.s3.cn-north-1.amazonaws.com.cn:443",
  ]);
});

test("an upload that was completed without our knowing counts as done", async () => {
  const s3 = await started();
  const bytes = someBytes(100_000);
  let state: unknown;
  const options = { onState: (kept: unknown) => (state = kept) };
  s3.loses = ({ method, query }) => method === "POST" && query.has("uploadId");
  await assert.rejects(repositoryAt(s3.env).upload("f.bin", contentOf(bytes), options), { code: "STORE_UNAVAILABLE" });
  s3.loses = () => false;
  assert.ok(s3.objects.get("p/f.bin")?.equals(bytes));
  const read: number[] = [];
  await repositoryAt(s3.env).upload(
    "f.bin",
    contentOf(bytes, (start) => read.push(start)),
    { ...options, state },
  );
  assert.deepEqual(read, []);
  assert.equal(state, undefined);
});

test("waits for a store that takes long to join many bytes", async () => {
  const s3 = await started();
  const bytes = someBytes(20_000_000);
  s3.worksMs = ({ method, query }) => (method === "POST" && query.has("uploadId") ? 6_000 : 0);
  const sizes = { from: 1_000_000, size: 10_000_000 };
  await repositoryAt(s3.env, { requestTimeoutMs: 5_000, sizes }).upload("f.bin", contentOf(bytes));
  assert.equal(s3.seen.filter(({ query }) => query.has("uploadId") && !query.has("partNumber")).length, 1);
  assert.equal(s3.objects.get("p/f.bin")?.length, bytes.length);
});

test("an upload that S3 no longer knows starts again", async () => {
  const s3 = await started();
  const bytes = someBytes(100_000);
  const state = { uploadId: "long-gone", size: bytes.length, partSize: 20_000, parts: [{ number: 1, etag: "x" }] };
  await repositoryAt(s3.env).upload("f.bin", contentOf(bytes), { state });
  assert.ok(s3.objects.get("p/f.bin")?.equals(bytes));
});

test("a failed upload that nobody resumes leaves nothing behind", async () => {
  const s3 = await started();
  s3.fault = ({ query }) => (query.get("partNumber") === "4" ? { status: 503, body: fault("SlowDown") } : undefined);
  const content = contentOf(someBytes(100_000));
  await assert.rejects(repositoryAt(s3.env).upload("f.bin", content), { code: "SERVER_ERROR" });
  assert.equal(s3.uploads.size, 0);
  let state: unknown;
  const onState = (kept: unknown): void => {
    state = kept;
  };
  await assert.rejects(repositoryAt(s3.env).upload("f.bin", content, { onState }), { code: "SERVER_ERROR" });
  assert.equal(s3.uploads.size, 1);
  // Who gives it up says so with a signal.
  await assert.rejects(repositoryAt(s3.env).upload("f.bin", content, { state, signal: AbortSignal.abort() }), {
    name: "AbortError",
  });
  assert.equal(s3.uploads.size, 0);
});

test("a kept connection that the store closed costs only a new one", async () => {
  const s3 = await started();
  const repository = repositoryAt(s3.env);
  await repository.upload("f.txt", contentOf("x"));
  let cut = 0;
  s3.fault = () => (++cut === 1 ? "cut" : undefined);
  await repository.upload("g.txt", contentOf("y"));
  assert.equal(cut, 2);
  s3.fault = () => "cut";
  await assert.rejects(repositoryAt(s3.env).upload("h.txt", contentOf("z")), { code: "STORE_UNAVAILABLE" });
});

test("a hostile or endless listing is refused", async () => {
  const s3 = await started();
  const page = (content: string, next = ""): string =>
    `<ListBucketResult><IsTruncated>${next !== ""}</IsTruncated>${next && `<NextContinuationToken>${next}</NextContinuationToken>`}${content}</ListBucketResult>`;
  const object = (key: string): string => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`;
  for (const [body, code] of [
    [page(object("p/../x")), "REJECTED"],
    [page(object("elsewhere/x")), "REJECTED"],
    [page(object("/etc/passwd")), "REJECTED"],
    [page(object("p/a&#92;..&#92;b")), "REJECTED"],
    [page("", "again"), "SERVER_ERROR"],
    [page(object("p/x"), "again"), "SERVER_ERROR"],
    ["<html>not S3</html>", "SERVER_ERROR"],
  ] as const) {
    s3.fault = () => ({ status: 200, body });
    await assert.rejects(repositoryAt(s3.env).list(), { code });
  }
  let pages = 0;
  s3.fault = () => {
    const some = Array.from({ length: 2_000 }, (_, i) => object(`p/${pages}-${i}`)).join("");
    return { status: 200, body: page(some, `t${++pages}`) };
  };
  await assert.rejects(repositoryAt(s3.env).list(), { code: "REJECTED", message: /more than 100000 entries/ });
  assert.ok(pages < 60);
});

test("XML answers are read correctly and in bounded memory", () => {
  assert.equal(xmlText("<a><Key>1 &lt; 2 &amp;&#x26; &#39;3&apos;</Key></a>", "Key"), "1 < 2 && '3'");
  assert.equal(xmlText('<Key x="y">v</Key>', "Key"), "v");
  assert.equal(xmlText("<KeyCount>3</KeyCount><Key>v</Key>", "Key"), "v");
  assert.equal(xmlText('<!DOCTYPE x [<!ENTITY a "aaaa">]><Key>&a;&a;&#x110000;</Key>', "Key"), "&a;&a;&#x110000;");
  for (const odd of ["", "<Key>", "<Key", "</Key>", "<Key/>", "<Key >"]) assert.equal(xmlText(odd, "Key"), undefined);
  assert.deepEqual(xmlElements("<C>1</C><C>2</C><C>3", "C"), ["1", "2"]);
  const began = performance.now();
  xmlElements("<Contents".repeat(500_000), "Contents");
  xmlElements("<Contents >".repeat(500_000), "Contents");
  assert.ok(performance.now() - began < 2_000);
});

test("AWS_CA_BUNDLE makes a private certificate trusted, or it can go unchecked", async () => {
  const pem = (name: string): string => join(process.cwd(), "test/fixtures/tls", name);
  const listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
  const server = await scripted(() => ({ body: listing }), {
    key: readFileSync(pem("server.key")),
    cert: readFileSync(pem("server.pem")),
  });
  closing.push(() => server.close());
  const url = server.url.replace("127.0.0.1", "localhost");
  const env = { MLFLOW_S3_ENDPOINT_URL: url, AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };
  await assert.rejects(repositoryAt(env).list(), {
    code: "TLS_FAILED",
    message: /AWS_CA_BUNDLE; recording goes on meanwhile\.$/,
  });
  for (const trust of [{ AWS_CA_BUNDLE: pem("ca.pem") }, { MLFLOW_S3_IGNORE_TLS: "true" }])
    assert.deepEqual(await repositoryAt({ ...env, ...trust }).list(), []);
});
