import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MlflowClient } from "../../src/client/mlflow-client.js";
import { tempFolder } from "../support/folders.js";
import { type Scripted, type Seen, scripted } from "../support/scripted-server.js";

const run = (id: string, more: object = {}) => ({
  info: {
    run_id: id.repeat(32).slice(0, 32),
    run_name: id,
    experiment_id: "0",
    status: "FINISHED",
    start_time: 1,
    end_time: 9,
  },
  data: {},
  ...more,
});
const missing = (what: string): Scripted => ({
  status: 404,
  body: { error_code: "RESOURCE_DOES_NOT_EXIST", message: what },
});

/** A client on a server that answers as told, and what the server saw. */
async function reading(answer: (seen: Seen, count: number) => Scripted | undefined) {
  let count = 0;
  const server = await scripted((seen) => answer(seen, ++count));
  const client = new MlflowClient({ trackingUri: server.url });
  const close = async () => {
    await client.close();
    server.close();
  };
  return { client, server, close };
}

test("a program lives until its read is answered", async () => {
  const server = await scripted(async ({ url }) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return url.includes("runs/search") ? { body: { runs: [run("a")] } } : undefined;
  });
  const program = fileURLToPath(new URL("../fixtures/reads.js", import.meta.url));
  const child = spawn(process.execPath, [program, server.url], {
    cwd: tempFolder("reads"),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  server.close();
  assert.deepEqual([code, out.trim()], [0, "1 7"]);
});

test("a read is repeated while the server cannot answer, a change is not", async () => {
  const { client, server, close } = await reading((_, count) =>
    count < 3 ? { status: 503, body: "busy" } : { body: { runs: [run("a")] } },
  );
  assert.equal((await client.searchRuns({ experimentIds: ["0"] }).toArray()).length, 1);
  assert.equal(server.seen.length, 3);
  await close();
  const down = await reading(() => ({ status: 503, body: "busy" }));
  await assert.rejects(down.client.setTag("a".repeat(32), "k", "v"), {
    code: "SERVER_ERROR",
    message: /Try again later\.$/,
  });
  assert.equal(down.server.seen.length, 1);
  await assert.rejects(
    down.client.getRun("a".repeat(32)),
    (error: Error) => !/Recording|delivered/.test(error.message),
  );
  await down.close();
});

test("what a server refuses is refused, whatever its words", async () => {
  const id = "a".repeat(32);
  const gone = await reading(() => missing("There is no tag, run or experiment like that, says /price-tag."));
  const { client } = gone;
  assert.equal(await client.getExperimentByName("price-tag"), undefined);
  await assert.rejects(client.setTag(id, "k", "v"), { code: "RUN_NOT_FOUND" });
  await assert.rejects(client.deleteTag(id, "k"), { code: "RUN_NOT_FOUND" });
  await assert.rejects(client.setExperimentTag("7", "k", "v"), { code: "EXPERIMENT_NOT_FOUND" });
  await gone.close();
  const untagged = await reading(({ url }) =>
    url.includes("runs/get") ? { body: { run: run("a") } } : missing("no tag"),
  );
  await assert.rejects(untagged.client.deleteTag(id, "k"), { code: "REJECTED", message: /has no tag "k"/ });
  await untagged.close();
  for (const [status, error_code] of [
    [400, "BAD_REQUEST"],
    [409, "INVALID_STATE"],
  ] as const) {
    const refusing = await reading(() => ({ status, body: { error_code, message: "the name is taken" } }));
    await assert.rejects(refusing.client.renameExperiment("7", "taken"), { code: "REJECTED" });
    assert.equal(refusing.server.seen.length, 1);
    await refusing.close();
  }
});

test("a server that repeats itself ends a search", async () => {
  const { client, server, close } = await reading(({ url }) =>
    url.includes("experiments/search")
      ? { body: { experiments: [{ experiment_id: "0", name: "X" }], next_page_token: "again" } }
      : { body: { runs: [run("a")], next_page_token: "again" } },
  );
  const found = await client.searchRuns({ filter: "duration > 1" }).toArray();
  assert.equal(new Set(found.map(({ runId }) => runId)).size, 1);
  assert.ok(server.seen.length <= 6, `${server.seen.length} requests`);
  await close();
});

test("a server gets at most 50 comparisons in a query, and numbers it can read", async () => {
  const { client, server, close } = await reading(() => ({ body: { runs: [run("a")] } }));
  const values = Array.from({ length: 70 }, (_, i) => `v${i}`);
  const search = { experimentIds: ["0"] };
  const list = values.map((value) => `'${value}'`).join();
  await client.searchRuns({ ...search, filter: `tags.stage NOT IN (${list}) AND metrics.loss < 1e400` }).toArray();
  await client.searchRuns({ ...search, filter: "metrics.loss < 1e400 AND metrics.loss > -1e400" }).toArray();
  const filters = server.seen.map(({ body }) => JSON.parse(body).filter as string);
  assert.equal(filters[0]?.split(" AND ").length, 50);
  assert.equal(filters[1], "metric.`loss` < 1e400 AND metric.`loss` > -1e400");
  await close();
});

test("the last value of a summary is the one that the server shows", async () => {
  const points = [
    { key: "loss", value: 3, step: 0, timestamp: 5 },
    { key: "loss", value: "NaN", step: 0, timestamp: 5 },
  ];
  const { client, close } = await reading(({ url }) =>
    url.includes("get-history")
      ? { body: { metrics: points } }
      : { body: { run: run("a", { data: { metrics: [points[1]] } }) } },
  );
  const { loss } = await client.bestValues("a".repeat(32));
  assert.deepEqual([loss?.last.value, loss?.min?.value, loss?.count], [Number.NaN, 3, 2]);
  await close();
});

test("of several histories none is read after one has failed", async () => {
  const { client, server, close } = await reading(() => missing("no run"));
  await assert.rejects(
    client.getMetricHistories(
      Array.from({ length: 200 }, (_, i) => `${i}`),
      "loss",
    ),
    {
      code: "RUN_NOT_FOUND",
    },
  );
  assert.ok(server.seen.length <= 8, `${server.seen.length} requests`);
  await close();
});

test("a client that is closed while it reads says so", async () => {
  const { client, close } = await reading(() => ({ status: 503, body: "busy" }));
  const reads = client.getRun("a".repeat(32));
  reads.catch(() => undefined);
  await close();
  await assert.rejects(reads, { code: "CLOSED", message: /Make a new client/ });
});
