// The peers of `http`: a real server, and clients that send MLflow's requests over Node's own http and do nothing
// else.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const START_MS = 120_000;

/**
 * Brings up `mlflow server` over SQLite in `folder`, with further arguments; it also ends when this process is killed.
 */
export async function startServer(python, folder, ...more) {
  const port = await freePort();
  const peer = fileURLToPath(new URL("../test/e2e/peer.py", import.meta.url));
  const args = [
    "--host",
    "127.0.0.1",
    "--port",
    port,
    "--workers",
    "2",
    "--backend-store-uri",
    `sqlite:///${folder}/mlflow.db`,
    ...more,
  ];
  const { PYTHONPATH: _path, PYTHONHOME: _home, ...kept } = process.env;
  const env = {
    ...kept,
    DO_NOT_TRACK: "true",
    MLFLOW_DISABLE_TELEMETRY: "true",
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: "false",
  };
  const child = spawn(python, [peer, "server", ...args], {
    cwd: folder,
    env,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      log = (log + text).slice(-20_000);
    });
  }
  child.stdin.on("error", () => {});
  const ended = once(child, "close");
  const stop = async () => {
    child.stdin.end(); // peer.py then kills its whole process group
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + START_MS; Date.now() < deadline && child.exitCode === null; await sleep(100)) {
    const healthy = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (healthy) return { url, stop };
  }
  await stop();
  throw new Error(`mlflow server did not start:\n${log}`);
}

/** Starts an S3 server with an empty bucket. */
export async function startS3(python, folder, bucket) {
  const port = await freePort();
  const child = spawn(python, ["-m", "moto.server", "-H", "127.0.0.1", "-p", port], { cwd: folder, stdio: "ignore" });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "close");
  const stop = async () => {
    kill();
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + START_MS; Date.now() < deadline && child.exitCode === null; await sleep(100)) {
    const made = await fetch(`${url}/${bucket}`, { method: "PUT", signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    );
    if (made?.ok) return { url, stop };
  }
  await stop();
  throw new Error("moto did not start");
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return String(port);
}

/** A client with up to `width` requests in flight, on keep-alive connections or a new one for each request. */
export function rawClient(url, { width, keepAlive }) {
  const { hostname, port } = new URL(url);
  const agent = keepAlive
    ? new Agent({ keepAlive: true, maxSockets: width, timeout: 4_000 })
    : new Agent({ keepAlive: false });

  function post(path, body) {
    const text = JSON.stringify(body);
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const call = request(
        { hostname, port, agent, method: "POST", path: `/api/2.0/mlflow/${path}`, headers },
        (response) => {
          let answer = "";
          response.setEncoding("utf8").on("data", (chunk) => {
            answer += chunk;
          });
          response.on("error", reject).on("end", () => {
            if (response.statusCode === 200) resolve(answer);
            else reject(new Error(`${path}: ${response.statusCode} ${answer}`));
          });
        },
      );
      call.on("error", reject).end(text);
    }).then(JSON.parse);
  }

  return {
    name: `raw client, ${keepAlive ? "kept" : "fresh"} connections, ${width} at a time`,
    post,
    /** Calls `work` with 0 to `count - 1`, `width` of them at once. */
    async each(count, work) {
      let next = 0;
      const lane = async () => {
        while (next < count) await work(next++);
      };
      await Promise.all(Array.from({ length: width }, lane));
    },
    close: () => agent.destroy(),
  };
}

export async function createExperiment({ post }, name) {
  return (await post("experiments/create", { name })).experiment_id;
}

async function startRun({ post }, experiment_id, run_name) {
  const tags = [
    { key: "mlflow.user", value: "bench" },
    { key: "mlflow.source.name", value: "raw-http.mjs" },
    { key: "mlflow.source.type", value: "LOCAL" },
  ];
  const { run } = await post("runs/create", { experiment_id, run_name, start_time: Date.now(), tags });
  return run.info.run_id;
}

const endRun = ({ post }, run_id) => post("runs/update", { run_id, status: "FINISHED", end_time: Date.now() });

/** Sends canonical runs in the three requests that a short run needs. */
export function rawRuns(client, experiment, count) {
  return client.each(count, async (i) => {
    const run_id = await startRun(client, experiment, "canonical");
    const timestamp = Date.now();
    await client.post("runs/log-batch", {
      run_id,
      params: [{ key: "lr", value: "0.1" }],
      metrics: [
        { key: "loss", value: i / 3, timestamp, step: 0 },
        { key: "accuracy", value: i / 7, timestamp, step: 0 },
      ],
    });
    await endRun(client, run_id);
  });
}

/** Sends `runs` runs of `values` metrics each in batches of 1000; the batches of one run are sequential. */
export function rawMetrics(client, experiment, { runs, values, keys }) {
  return client.each(runs, async () => {
    const run_id = await startRun(client, experiment, "long");
    for (let i = 0; i < values; ) {
      const metrics = [];
      const timestamp = Date.now();
      for (const end = Math.min(i + 1_000, values); i < end; i++) {
        metrics.push({ key: keys[i % keys.length], value: i / 3, timestamp, step: Math.floor(i / keys.length) });
      }
      await client.post("runs/log-batch", { run_id, metrics });
    }
    await endRun(client, run_id);
  });
}

/** Returns what the server has in an experiment; `history` counts every stored value instead of the latest ones. */
export async function contentsOf(url, experiment, history = false) {
  const api = `${url}/api/2.0/mlflow`;
  const get = async (path, query, init) => {
    const response = await fetch(`${api}/${path}?${new URLSearchParams(query)}`, init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const { experiment_id } = (await get("experiments/get-by-name", { experiment_name: experiment })).experiment;
  const body = JSON.stringify({ experiment_ids: [experiment_id], max_results: 50_000 });
  const found = await get("runs/search", {}, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const counts = { runs: 0, ended: 0, params: 0, metrics: 0 };
  for (const { info, data } of found.runs ?? []) {
    counts.runs++;
    if (info.status === "FINISHED" && info.end_time > 0) counts.ended++;
    counts.params += data.params?.length ?? 0;
    for (const { key } of data.metrics ?? []) {
      if (history) counts.metrics += await stored(get, info.run_id, key);
      else counts.metrics++;
    }
  }
  return counts;
}

async function stored(get, run_id, metric_key) {
  let count = 0;
  let page_token = "";
  do {
    const page = await get("metrics/get-history", {
      run_id,
      metric_key,
      max_results: "25000",
      ...(page_token && { page_token }),
    });
    count += page.metrics?.length ?? 0;
    page_token = page.next_page_token ?? "";
  } while (page_token !== "");
  return count;
}
