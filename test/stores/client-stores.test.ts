import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import { createTracker, type TrackingStore } from "../../src/index.js";
import { type MlflowJs, mlflowJsStore, mlflowNpmStore } from "../../src/integrations/mlflow-js/index.js";
import { change, newRun, point, start } from "../../src/testing/contract-change.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { inherit } from "../support/inherit.js";
import Mlflow from "../support/mlflow-js-double.js";
import MLflow from "../support/mlflow-npm-double.js";
import { type Scripted, type Seen, scripted } from "../support/scripted-server.js";

const folder = tempFolder("clients");
const { log } = console;
console.log = (...values: unknown[]): void => {
  if (!String(values[0]).startsWith("{")) log(...values); // what npm mlflow prints is its own
};

const RUN = change("b".repeat(32), { experiment: { name: "X" }, create: start(), metrics: [point("m", 1, 0)] });
const MAKERS: Readonly<Record<string, (url: string, requestTimeoutMs?: number) => TrackingStore>> = {
  "mlflow-js": (url, requestTimeoutMs) => mlflowJsStore(new Mlflow(url), { requestTimeoutMs }),
  "npm mlflow": (url, requestTimeoutMs) =>
    mlflowNpmStore(new MLflow({ endpoint: url }), { experimentId: "7", requestTimeoutMs }),
};

async function outcomeOf(store: TrackingStore, given: RunChange = RUN): Promise<Outcome> {
  return (await store.apply([given]))[0] as Outcome;
}

const shown = (outcome: Outcome): string =>
  "error" in outcome ? `${outcome.kind} ${outcome.error.code}` : outcome.kind;

/** What becomes of a run whose batch is answered so; its experiment and creation are answered well. */
async function answered(maker: string, answer: (seen: Seen) => Scripted | undefined): Promise<Outcome> {
  const experiment = { body: { experiment: { experiment_id: "7", lifecycle_stage: "active" } } };
  const server = await scripted((seen) => {
    if (seen.url.includes("experiments/get")) return experiment;
    return seen.url.includes("runs/log-batch") ? answer(seen) : undefined;
  });
  try {
    return await outcomeOf((MAKERS[maker] as (url: string) => TrackingStore)(server.url));
  } finally {
    server.close();
  }
}

describe("answers through another client are understood", () => {
  const json = (error_code: string, message: string): unknown => ({ error_code, message });
  const html = "<html><body>Bad Gateway</body></html>";
  for (const [status, body, js, npm] of [
    [401, "You are not authenticated.", "away STORE_UNAVAILABLE", "away UNAUTHORIZED"],
    [401, json("UNAUTHENTICATED", "who are you"), "away UNAUTHORIZED", "away UNAUTHORIZED"],
    [403, "Permission denied", "away STORE_UNAVAILABLE", "denied FORBIDDEN"],
    [403, json("PERMISSION_DENIED", "not yours"), "denied FORBIDDEN", "denied FORBIDDEN"],
    [404, html, "away STORE_UNAVAILABLE", "away NO_MLFLOW"],
    [404, { detail: "Not Found" }, "away NO_MLFLOW", "away NO_MLFLOW"],
    [404, { message: "no Route matched with those values" }, "away NO_MLFLOW", "away NO_MLFLOW"],
    [400, { message: "Bad Request" }, "away NO_MLFLOW", "away NO_MLFLOW"],
    [408, { message: "Request Timeout" }, "away SERVER_ERROR", "away SERVER_ERROR"],
    [410, { message: "gone for good" }, "away NO_MLFLOW", "away NO_MLFLOW"],
    [422, { message: "field required" }, "away NO_MLFLOW", "away NO_MLFLOW"],
    [
      404,
      json("RESOURCE_DOES_NOT_EXIST", "Run with id=x not found"),
      "rejected RUN_NOT_FOUND",
      "rejected RUN_NOT_FOUND",
    ],
    [
      400,
      json("INVALID_PARAMETER_VALUE", "The run x must be in the 'active' state. Current state is deleted."),
      "rejected RUN_DELETED",
      "rejected RUN_DELETED",
    ],
    [
      400,
      json("BAD_REQUEST", "(sqlite3.IntegrityError) UNIQUE constraint failed: params.key"),
      "retry SERVER_ERROR",
      "retry SERVER_ERROR",
    ],
    [429, json("REQUEST_LIMIT_EXCEEDED", "slower"), "away SERVER_ERROR", "away SERVER_ERROR"],
    [500, json("INTERNAL_ERROR", "it broke"), "retry SERVER_ERROR", "retry SERVER_ERROR"],
    [502, html, "away STORE_UNAVAILABLE", "away SERVER_ERROR"],
    [503, json("TEMPORARILY_UNAVAILABLE", "database is locked"), "away SERVER_ERROR", "away SERVER_ERROR"],
    [200, "", "away STORE_UNAVAILABLE", "away NO_MLFLOW"],
    [200, html, "away STORE_UNAVAILABLE", "away NO_MLFLOW"],
    [200, { status: "maintenance" }, "away NO_MLFLOW", "away NO_MLFLOW"],
    [204, "", "away STORE_UNAVAILABLE", "away NO_MLFLOW"],
  ] as const)
    test(`${status} ${JSON.stringify(body).slice(0, 60)}`, async () => {
      assert.equal(shown(await answered("mlflow-js", () => ({ status, body }))), js, "mlflow-js");
      assert.equal(shown(await answered("npm mlflow", () => ({ status, body }))), npm, "npm mlflow");
    });

  for (const [maker, make] of Object.entries(MAKERS)) {
    test(`${maker}: a server that is absent or does not answer is away`, async () => {
      const away = await outcomeOf(make("http://127.0.0.1:1"));
      assert.ok(away.kind === "away" && away.error.retryable);
      assert.match(away.error.message, /^http:\/\/127\.0\.0\.1:1 was not reached by .*fetch failed/);
      const silent = await scripted(() => new Promise(() => {}));
      const late = await outcomeOf(make(silent.url, 50));
      silent.close();
      assert.ok(late.kind === "away" && late.error.code === "STORE_UNAVAILABLE");
      assert.match(late.error.message, /did not answer \S+ of (mlflow-js|npm mlflow) within 50 ms/);
    });

    if (maker === "npm mlflow")
      test("a missing experiment is reported, and so is a deleted one", async () => {
        for (const [status, body, code] of [
          [
            404,
            { error_code: "RESOURCE_DOES_NOT_EXIST", message: "No Experiment with id=7 exists" },
            "rejected EXPERIMENT_NOT_FOUND",
          ],
          [200, { experiment: { experiment_id: "7", lifecycle_stage: "deleted" } }, "rejected EXPERIMENT_DELETED"],
        ] as const) {
          const server = await scripted(({ url }) => (url.includes("experiments/get") ? { status, body } : undefined));
          assert.equal(shown(await outcomeOf(make(server.url))), code);
          server.close();
        }
      });

    test(`${maker}: a refusal before any success is about the login`, async () => {
      const server = await scripted(() => ({ status: 403, body: { error_code: "PERMISSION_DENIED", message: "no" } }));
      assert.equal(shown(await outcomeOf(make(server.url))), "away FORBIDDEN");
      server.close();
    });
  }

  test("no message and no address holds the URI password that mlflow-js reports", async () => {
    const store = mlflowJsStore(new Mlflow("http://me:hunter22@127.0.0.1:1/base/"));
    assert.equal(store.uri, "http://127.0.0.1:1/base");
    const away = await outcomeOf(store);
    assert.ok(away.kind === "away");
    assert.doesNotMatch(inspect(away.error, { depth: 10, showHidden: true }), /hunter22/);
  });
});

test("a run through mlflow-js takes the same calls and one check of the batch", async () => {
  const server = await FakeMlflow.start();
  assert.equal(
    (await outcomeOf(mlflowJsStore(new Mlflow(server.url)), { ...RUN, end: { status: "FINISHED", endTime: 3_000 } }))
      .kind,
    "done",
  );
  assert.deepEqual(
    server.calls
      .map((call) => call.replace(/.*mlflow\//, "").replace(/\?.*/, ""))
      .filter((call) => !call.startsWith("GET experiments/get-by-name")),
    ["POST experiments/create", "POST runs/create", "POST runs/log-batch", "GET runs/get", "POST runs/update"],
  );
  const [run] = server.runs.values();
  assert.deepEqual([run?.status, run?.endTime, run?.metrics.size], ["FINISHED", 3_000, 1]);
  server.close();
});

test("what is left at the end is kept under the client's address and delivered by us", async () => {
  const server = await FakeMlflow.start();
  const outbox = join(folder, "outbox");
  server.instead = () => ({ status: "maintenance" });
  const store = mlflowJsStore(new Mlflow(`${server.url}/`));
  const tracker = createTracker({
    store,
    experiment: "X",
    exitTimeoutMs: 100,
    outbox: { folder: outbox },
    logger: { warn: () => {} },
  });
  tracker.withRun({ runName: "waits" }, (run) => run.logMetric("m", 1));
  await tracker.shutdown();
  assert.equal(readdirSync(outbox).length, 1);
  server.instead = undefined;
  const { left, delivered } = await inherit(outbox, server.url);
  assert.deepEqual([left, delivered > 0], [[], true]);
  assert.deepEqual([...server.runs.values()].map(({ name, status }) => [name, status]), [["waits", "FINISHED"]]); // biome-ignore format: one run
  server.close();
});

test("clients that hide their address get a store that waits in memory only", async () => {
  const clients = new Mlflow("http://127.0.0.1:1");
  const [runClient, experimentClient] = [
    Object.create(clients.getRunClient()),
    Object.create(clients.getExperimentClient()),
  ];
  const store = mlflowJsStore({ runClient, experimentClient });
  assert.equal(store.uri, undefined);
  const outcome = await outcomeOf(store);
  assert.ok(outcome.kind === "away");
  assert.match(outcome.error.message, /^the server of mlflow-js was not reached/);
});

test("clients that lack optional methods store everything else", async () => {
  const server = await FakeMlflow.start();
  const [runs, experiments] = [new Mlflow(server.url).getRunClient(), new Mlflow(server.url).getExperimentClient()];
  const runClient = {
    baseUrl: server.url,
    createRun: runs.createRun.bind(runs),
    getRun: runs.getRun.bind(runs),
    updateRun: runs.updateRun.bind(runs),
    logBatch: runs.logBatch.bind(runs),
    searchRuns: runs.searchRuns.bind(runs),
  };
  const experimentClient = {
    getExperimentByName: experiments.getExperimentByName.bind(experiments),
    createExperiment: experiments.createExperiment.bind(experiments),
  };
  const store = mlflowJsStore({ runClient, experimentClient });
  const inputs = [
    { name: "d", digest: "1", sourceType: "local", source: "{}", schema: undefined, profile: undefined, tags: [] },
  ];
  const experiment = { name: "X", tags: [{ key: "team", value: "a" }] };
  const outcome = await outcomeOf(store, {
    ...RUN,
    runKey: newRun(),
    experiment,
    inputs,
    end: { status: "FINISHED", endTime: 3_000 },
  });
  assert.ok(outcome.kind === "done");
  assert.deepEqual(outcome.refused?.map(({ what, key }) => [what, key]), [["input", "d"]]); // biome-ignore format: one pair
  server.close();
});

test("a wrong client is reported with what is missing", () => {
  const loose = (value: unknown): MlflowJs => value as MlflowJs;
  const npm = mlflowNpmStore as (client: unknown, options?: unknown) => TrackingStore;
  for (const [make, message] of [
    [
      () => mlflowJsStore(loose(undefined)),
      /^mlflowJsStore: mlflow must be an Mlflow of mlflow-js, or \{ runClient, experimentClient \}; got undefined/,
    ],
    [() => mlflowJsStore(loose("http://127.0.0.1:5000")), /^mlflowJsStore: mlflow must be .*; got "http/],
    [
      () => mlflowJsStore(loose({ runClient: {}, experimentClient: {} })),
      /^mlflowJsStore: runClient must be a client with createRun, .*; got one without createRun, getRun/,
    ],
    [
      () => mlflowJsStore(new Mlflow("http://x"), { requestTimeoutMs: -1 }),
      /^mlflowJsStore: requestTimeoutMs must be a number of milliseconds above 0; got -1/,
    ],
    [
      () => mlflowJsStore(new Mlflow("ftp://x")),
      /the address of the client must be the URL of a server .*; got "ftp:\/\/x"/,
    ],
    [() => mlflowJsStore(new Mlflow(undefined as never)), /the address of the client must be .*; got undefined/],
    [
      () => npm(new MLflow({ endpoint: "nonsense" }), { experimentId: "1" }),
      /the address of the client must be .*; got "nonsense"/,
    ],
    [
      () => npm({}),
      /^mlflowNpmStore: client must be a client of the npm package mlflow, with Runs, Experiments and Metrics/,
    ],
    [
      () => npm(new MLflow({ endpoint: "http://x" })),
      /^mlflowNpmStore: experimentId must be the id of an experiment that exists, a text; got undefined/,
    ],
    [() => npm(new MLflow({ endpoint: "http://x" }), { experimentId: 1 }), /experimentId must be .*; got 1/],
  ] as const)
    assert.throws(make, { code: "INVALID_OPTION", message });
});
