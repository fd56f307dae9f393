// Files uploaded through a real MLflow server's proxy, compared with bare PUTs of the same bytes: many small ones,
// one large one, and one to an S3 (moto's) without the proxy; and the cost of a call that logs a text compared with
// one that logs a metric. What arrived is counted by listing it.
import { createReadStream, statSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { AwsV4Signer } from "aws4fetch";
import { createTracker } from "pulse-mlflow";
import { environments, stackEnvironment } from "../scripts/python.mjs";
import { interleave, median, mustEqual, report, seconds, temporaryFolder } from "./lib.mjs";
import { startS3, startServer } from "./raw-http.mjs";

const SMALL = { count: 1_000, bytes: 1_000 };
/** The size of the large file. Set `LARGE_MB` for a larger one. */
const LARGE_MB = Number(process.env.LARGE_MB ?? 256);
const CALLS = 5_000;
const WIDTH = 8;
const ROUNDS = 3;
const FLUSH = { timeoutMs: 600_000 };

const KEYS = { accessKeyId: "testing", secretAccessKey: "testing", region: "us-east-1" };
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 4;
const CHUNK_BYTES = 256 * 1024;
const BUCKET = "artifacts";

const made = await environments();
if (made === undefined) {
  for (const name of ["text", "small", "large", "S3"])
    report({ measurement: `files: ${name}`, skipped: "no python3 of version 3.10 or newer" });
  process.exit();
}
const folder = temporaryFolder();
let number = 0;
await compareCalls();
await proxied();
await onS3();

/** Files through the server. */
async function proxied() {
  const server = await startServer(made.newest.python, folder);
  const tracker = trackerOf(server);
  const agent = new Agent({ keepAlive: true, maxSockets: WIDTH, timeout: 4_000 });
  const put = (path, length, body) =>
    send(new URL(`${server.url}/api/2.0/mlflow-artifacts/artifacts/${path}`), { method: "PUT", agent }, length, body);
  try {
    await compareSmall(server, tracker, put);
    const stream = (key, length, path) => put(key, length, createReadStream(path, { highWaterMark: CHUNK_BYTES }));
    await compareLarge("", server, tracker, stream, "a bare PUT");
  } finally {
    await tracker.shutdown(FLUSH);
    agent.destroy();
    await server.stop();
  }
}

/** A large file uploaded directly to the place that a server names. */
async function onS3() {
  const { python } = await stackEnvironment();
  const s3 = await startS3(python, folder, BUCKET);
  const { accessKeyId, secretAccessKey, region } = KEYS;
  const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_DEFAULT_REGION: region };
  Object.assign(process.env, keys, { MLFLOW_S3_ENDPOINT_URL: s3.url });
  const server = await startServer(
    python,
    temporaryFolder(),
    "--no-serve-artifacts",
    "--default-artifact-root",
    `s3://${BUCKET}`,
  );
  const tracker = trackerOf(server);
  const ask = async (method, key, length, body) => {
    const headers = { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" };
    const signer = new AwsV4Signer({ ...KEYS, service: "s3", method, url: `${s3.url}/${BUCKET}/${key}`, headers });
    const signed = await signer.sign();
    return send(signed.url, { method, headers: Object.fromEntries(signed.headers) }, length, body);
  };
  // A single PUT would not be comparable: the S3 stand-in spends most of its time joining parts.
  const inParts = async (key, length, path) => {
    const { text } = await ask("POST", `${key}?uploads=`, 0, Buffer.alloc(0));
    const upload = `uploadId=${/<UploadId>(.*?)</.exec(text)[1]}`;
    const tags = [];
    let next = 0;
    const lane = async () => {
      while (next * PART_BYTES < length) {
        const start = next++ * PART_BYTES;
        const end = Math.min(start + PART_BYTES, length);
        const number = start / PART_BYTES + 1;
        const body = createReadStream(path, { start, end: end - 1, highWaterMark: CHUNK_BYTES });
        const answer = await ask("PUT", `${key}?partNumber=${number}&${upload}`, end - start, body);
        tags.push({ number, tag: answer.headers.etag });
      }
    };
    await Promise.all(Array.from({ length: PARTS_AT_ONCE }, lane));
    tags.sort((a, b) => a.number - b.number);
    const parts = tags.map(({ number, tag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${tag}</ETag></Part>`);
    const all = Buffer.from(
      `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`,
    );
    await ask("POST", `${key}?${upload}`, all.length, all);
  };
  try {
    await compareLarge("on S3, ", server, tracker, inParts, "a bare upload in parts");
  } finally {
    await tracker.shutdown(FLUSH);
    await server.stop();
    await s3.stop();
  }
}

function trackerOf({ url }) {
  return createTracker({
    trackingUri: url,
    experiment: "Files",
    exitTimeoutMs: 60_000,
    outbox: { folder: join(folder, "outbox") },
  });
}

function send(url, { method, headers, agent }, length, body) {
  return new Promise((resolve, reject) => {
    // A large file uses a new connection, since the server may just have closed an idle one.
    const kept = body instanceof Uint8Array ? agent : false;
    const call = request(url, { method, agent: kept, headers: { ...headers, "content-length": length } });
    call.on("error", reject).on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => {
        if (response.statusCode === 200) resolve({ text, headers: response.headers });
        else reject(new Error(`${method} ${url.pathname}: ${response.statusCode}`));
      });
    });
    if (body instanceof Uint8Array) call.end(body);
    else body.on("error", reject).pipe(call);
  });
}

async function listed({ url }, run) {
  const answer = await fetch(`${url}/api/2.0/mlflow/artifacts/list?run_id=${run}`);
  return (await answer.json()).files ?? [];
}

/** Measures the calls themselves, each with its own run as in `overhead`; storing continues in the background. */
async function compareCalls() {
  const tracker = createTracker({ trackingUri: "null:" });
  const text = "x".repeat(1_000);
  const contenders = {
    text: tracker.tracked(() => text, { runName: "text", artifacts: "report.md" }),
    metric: tracker.tracked(() => 0.5, { runName: "metric", metrics: "loss" }),
  };
  const times = { text: [], metric: [] };
  for (let round = -5; round < ROUNDS; round++)
    for (const [who, call] of Object.entries(contenders)) {
      const before = performance.now();
      for (let i = 0; i < CALLS; i++) call();
      if (round >= 0) times[who].push(((performance.now() - before) * 1_000) / CALLS);
      await tracker.flush(FLUSH);
    }
  await tracker.shutdown();
  const [ours, peer] = [median(times.text), median(times.metric)];
  report({
    measurement: "files: a call that logs 1 kB",
    unit: "µs",
    ours,
    peer,
    beside: "one that logs a metric",
    judged: ours / peer,
    times: true,
    bar: 3,
    atMost: true,
  });
}

async function compareSmall(server, tracker, put) {
  const bytes = Buffer.alloc(SMALL.bytes, "x");
  const ours = async () => {
    const run = tracker.startRun();
    for (let i = 0; i < SMALL.count; i++) run.logBytes(bytes, `f${i}.bin`);
    const id = await run.serverId();
    run.end();
    await tracker.flush(FLUSH);
    mustEqual("small files", (await listed(server, id)).length, SMALL.count);
  };
  const raw = async () => {
    const folder = `raw${number++}`;
    let next = 0;
    const lane = async () => {
      while (next < SMALL.count) await put(`${folder}/f${next++}.bin`, bytes.length, bytes);
    };
    await Promise.all(Array.from({ length: WIDTH }, lane));
  };
  const times = await interleave({ ours: () => seconds(ours), raw: () => seconds(raw) }, { rounds: ROUNDS, warmup: 1 });
  const [mine, peer] = [times.ours, times.raw].map((each) => SMALL.count / median(each));
  report({
    measurement: `files: ${SMALL.count} of 1 kB`,
    unit: "/s",
    ours: mine,
    peer,
    beside: `bare PUTs, ${WIDTH} at a time`,
    judged: mine / peer,
    times: true,
    bar: 0.8,
  });
}

/** Measures one large file; `where` names the place in the report. */
async function compareLarge(where, server, tracker, bare, beside) {
  const path = join(folder, "large.bin");
  writeFileSync(path, "");
  const part = Buffer.alloc(1 << 20, "x");
  for (let i = 0; i < LARGE_MB; i++) writeFileSync(path, part, { flag: "a" });
  const { size } = statSync(path);
  const delays = { ours: [], raw: [] };
  let most = 0;
  const watched = (who, work) => async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const before = process.memoryUsage().rss;
    const timer = setInterval(() => {
      if (who === "ours") most = Math.max(most, process.memoryUsage().rss - before);
    }, 50);
    delay.enable();
    const took = await seconds(work);
    delay.disable();
    clearInterval(timer);
    delays[who].push(delay.percentile(99) / 1e6);
    return took;
  };
  const ours = async () => {
    const run = tracker.startRun();
    run.logArtifact(path);
    const id = await run.serverId();
    run.end();
    await tracker.flush(FLUSH);
    mustEqual("the large file", (await listed(server, id))[0]?.file_size, size);
  };
  const raw = () => bare(`raw${number++}/large.bin`, size, path);
  const times = await interleave(
    { ours: watched("ours", ours), raw: watched("raw", raw) },
    { rounds: ROUNDS, warmup: 1 },
  );
  const [mine, peer] = [times.ours, times.raw].map((each) => LARGE_MB / median(each));
  report({
    measurement: `files: ${where}one of ${LARGE_MB} MB`,
    unit: "MB/s",
    ours: mine,
    peer,
    beside,
    judged: mine / peer,
    times: true,
    bar: 0.8,
  });
  const [late, lateRaw] = [delays.ours, delays.raw].map(median);
  report({
    measurement: `files: ${where}loop delay p99`,
    unit: "ms",
    ours: late,
    peer: lateRaw,
    beside,
    judged: late / lateRaw,
    times: true,
    bar: 2,
    atMost: true,
  });
  report({
    measurement: `files: ${where}growth of memory`,
    unit: "MiB",
    ours: most / 2 ** 20,
    peer: LARGE_MB,
    beside: "the file",
    judged: most / 2 ** 20,
    bar: 100,
    atMost: true,
  });
}
