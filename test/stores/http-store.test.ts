import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import { KeepAliveTuner } from "../../src/http/keep-alive-tuner.js";
import type { DatasetInput, PulseError } from "../../src/index.js";
import type { HttpStore } from "../../src/stores/http/http-store.js";
import { change, start } from "../contract/store-contract.js";
import { scriptedStore } from "../support/http-stores.js";
import { wellBehaved } from "../support/scripted-server.js";

const RUN = change("b".repeat(32), {
  experiment: { name: "X" },
  create: start(),
  metrics: [{ key: "m", value: 1, timestamp: 5, step: 0 }],
});
const ENDED: RunChange = { ...RUN, end: { status: "FINISHED", endTime: 6 } };

async function outcome(store: HttpStore, given: RunChange = ENDED): Promise<Outcome> {
  return (await store.apply([given]))[0] as Outcome;
}

const codeOf = (given: Outcome): string => ("error" in given ? given.error.code : given.kind);

test("a short run is three requests, and the experiment is asked for once", async () => {
  const { store, server } = await scriptedStore(() => undefined);
  assert.equal((await outcome(store)).kind, "done");
  assert.deepEqual(
    server.seen.map(({ url }) => url.replace(/.*mlflow\//, "").replace(/\?.*/, "")),
    ["experiments/get-by-name", "runs/create", "runs/log-batch", "runs/update"],
  );
  await outcome(store, { ...ENDED, runKey: "c".repeat(32) });
  assert.equal(server.seen.length, 7);
});

test("only MLflow's own refusal of a change sets it aside", async () => {
  const json = (error_code: string, message = "no"): unknown => ({ error_code, message });
  for (const [status, body, kind, code] of [
    [400, json("INVALID_PARAMETER_VALUE"), "rejected", "REJECTED"],
    [400, json("BAD_REQUEST", "UNIQUE constraint failed: params.key"), "retry", "SERVER_ERROR"],
    [400, "<html>bad gateway rules</html>", "away", "NO_MLFLOW"],
    [401, "You are not authenticated.", "away", "UNAUTHORIZED"],
    [401, json("UNAUTHENTICATED"), "away", "UNAUTHORIZED"],
    [403, "Permission denied", "denied", "FORBIDDEN"],
    [403, json("PERMISSION_DENIED"), "denied", "FORBIDDEN"],
    [403, "Cross-origin request blocked", "away", "FORBIDDEN"],
    [403, json("FEATURE_DISABLED"), "away", "FORBIDDEN"],
    [403, "Invalid Host header - possible DNS rebinding attack detected", "away", "FORBIDDEN"],
    [404, "<html>not here</html>", "away", "NO_MLFLOW"],
    [404, json("RESOURCE_DOES_NOT_EXIST"), "rejected", "RUN_NOT_FOUND"],
    [404, json("ENDPOINT_NOT_FOUND"), "away", "NO_MLFLOW"],
    [429, "slow down", "away", "SERVER_ERROR"],
    [500, json("INTERNAL_ERROR"), "retry", "SERVER_ERROR"],
    [500, json("FEATURE_DISABLED"), "away", "FORBIDDEN"],
    [500, "oops", "away", "SERVER_ERROR"],
    [502, "<html>502</html>", "away", "SERVER_ERROR"],
    [503, json("TEMPORARILY_UNAVAILABLE"), "away", "SERVER_ERROR"],
    [504, "", "away", "SERVER_ERROR"],
    [200, "<html>please log in</html>", "away", "NO_MLFLOW"],
    [200, "[]", "away", "NO_MLFLOW"],
    [200, "", "away", "NO_MLFLOW"],
    [303, "", "away", "NO_MLFLOW"],
  ] as const) {
    const { store } = await scriptedStore(({ url }) => (url.includes("log-batch") ? { status, body } : undefined));
    const got = await outcome(store);
    assert.deepEqual([got.kind, codeOf(got)], [kind, code], `${status} ${JSON.stringify(body)}`);
  }
});

test("a success without its required fields is not believed", async () => {
  for (const [path, body] of [
    ["get-by-name", {}],
    ["get-by-name", { experiment: { experiment_id: 7 } }],
    ["runs/create", {}],
    ["runs/create", { run: { info: { run_id: null } } }],
    ["runs/create", { run: [] }],
    ["runs/update", {}],
    ["runs/update", { run_info: "yes" }],
  ] as const) {
    const { store } = await scriptedStore(({ url }) => (url.includes(path) ? { body } : undefined));
    assert.equal(codeOf(await outcome(store)), "NO_MLFLOW", `${path} ${JSON.stringify(body)}`);
  }
});

test("Retry-After is kept in seconds and as a date, unless it is switched off", async () => {
  const date = new Date(Date.now() + 20_000).toUTCString();
  for (const [header, respect, least, most] of [
    ["7", true, 7_000, 7_000],
    [date, true, 15_000, 20_000],
    ["7", false, undefined, undefined],
    ["soon", true, undefined, undefined],
    ["99999999", true, 300_000, 300_000],
  ] as const) {
    const { store } = await scriptedStore(() => ({ status: 429, headers: { "retry-after": header }, body: "" }), {
      respectRetryAfter: respect,
    });
    const got = await outcome(store);
    assert.equal(got.kind, "away");
    const { afterMs } = got as { afterMs?: number };
    if (least === undefined) assert.equal(afterMs, undefined);
    else assert.ok(afterMs !== undefined && afterMs >= least && afterMs <= (most ?? 0), `${header}: ${afterMs}`);
  }
});

test("hostile answers do no harm: endless, deep, of wrong types, with prototype keys", async () => {
  const deep = `${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`;
  for (const body of [
    Buffer.alloc(10 * 1024 * 1024, "x"),
    deep,
    "[".repeat(100_000),
    '{"error_code":{"toString":1},"message":[1]}',
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"error_code":"__proto__","message":"x"}',
    "null",
    "\u0000\uFFFF",
  ])
    for (const status of [200, 400, 500]) {
      const { store } = await scriptedStore(({ url }) => (url.includes("runs/create") ? { status, body } : undefined));
      const got = await outcome(store);
      assert.notEqual(got.kind, "done");
      assert.ok("error" in got && got.error.message.length < 1_000);
      assert.equal(({} as { polluted?: number }).polluted, undefined);
    }
  const { store } = await scriptedStore(() => ({ body: Buffer.alloc(20 * 1024 * 1024, "x") }));
  assert.match(((await outcome(store)) as { error: PulseError }).error.message, /larger than/);
});

test("an error quotes a server without control sequences and credentials", async () => {
  const auth = { username: "me", password: "hunter2" };
  for (const body of [
    {
      error_code: "INVALID_\x1b[2JSTATE",
      message: "\x1b]0;x\x07no \x1b[31mhun\x1b[0mter2\u202e at https://me:a#b@host\nsecond line",
    },
    "<p>\x1b[31mhun\x1b[0mter2\u009b2J</p>",
  ])
    for (const status of [400, 401, 403, 500]) {
      const { store } = await scriptedStore(({ url }) => (url.includes("runs/create") ? { status, body } : undefined), {
        auth,
      });
      const { error } = (await outcome(store)) as unknown as {
        error: PulseError & { serverMessage: string; errorCode: string };
      };
      const seen = error.message + error.serverMessage + error.errorCode;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      assert.doesNotMatch(seen, /[\x00-\x1f\x7f-\x9f\u202e]|ter2|a#b/);
    }
});

test("an unanswered request ends after requestTimeoutMs", async () => {
  const { store } = await scriptedStore(
    ({ url }) => (url.includes("runs/create") ? (new Promise(() => undefined) as never) : undefined),
    {
      requestTimeoutMs: 150,
    },
  );
  const got = await outcome(store);
  assert.equal(codeOf(got), "STORE_UNAVAILABLE");
  assert.match((got as { error: PulseError }).error.message, /within 150 ms/);
});

test("a body too large for a proxy is sent in smaller ones", async () => {
  const sizes: number[] = [];
  const { store } = await scriptedStore(({ url, body }) => {
    if (!url.includes("log-batch")) return undefined;
    sizes.push(body.length);
    return body.length > 100_000 ? { status: 413, body: "<html>too large</html>" } : { body: {} };
  });
  const params = Array.from({ length: 90 }, (_, i) => ({ key: `p${i}`, value: "x".repeat(5_000) }));
  assert.equal((await outcome(store, { ...ENDED, params })).kind, "done");
  assert.ok(sizes.filter((size) => size <= 100_000).length > 4, String(sizes));
});

test("a 413 for a small request is a gateway's mistake and waited for", async () => {
  for (const call of ["experiments/get-by-name", "runs/create", "runs/log-batch", "runs/update"]) {
    const { store } = await scriptedStore(({ url }) =>
      url.includes(call) ? { status: 413, body: "<html>too large</html>" } : undefined,
    );
    const got = await outcome(store, { ...ENDED, params: [{ key: "p", value: "1" }] });
    assert.equal(got.kind, "away", call);
  }
});

const dataset = (name: string, profile = "{}"): DatasetInput => ({
  name,
  digest: "d1",
  sourceType: "local",
  source: "{}",
  schema: undefined,
  profile,
  tags: [],
});

test("a dataset that the server never takes costs nothing else of its run", async () => {
  for (const [what, status, body] of [
    ["is refused", 400, { error_code: "INVALID_PARAMETER_VALUE", message: "No." }],
    ["is too large for a proxy", 413, "<html>too large</html>"],
    ["is not known by an old server", 404, "<html>not found</html>"],
  ] as const) {
    const { store, server } = await scriptedStore(({ url, body: sent }) => {
      if (!url.includes("log-inputs")) return undefined;
      return status === 404 || sent.includes("bad") ? { status, body } : { body: {} };
    });
    const got = await outcome(store, { ...ENDED, inputs: [dataset("bad", "x".repeat(2_000)), dataset("good")] });
    assert.equal(got.kind, "done", what);
    const refused = got.kind === "done" ? (got.refused ?? []) : [];
    assert.deepEqual(
      refused.map(({ what: kind, key, items }) => [kind, key, items]),
      status === 404
        ? [
            ["input", "bad", 1],
            ["input", "good", 1],
          ]
        : [["input", "bad", 1]],
    );
    const ends = server.seen.filter(({ url, body: sent }) => url.includes("runs/update") && sent.includes("FINISHED"));
    assert.equal(ends.length, 1, what);
  }
});

test("a gateway's 404 for everything says nothing about datasets", async () => {
  let broken = false;
  const { store } = await scriptedStore(({ url }) => {
    broken ||= url.includes("log-inputs");
    return broken ? { status: 404, body: "<html>not found</html>" } : undefined;
  });
  assert.equal((await outcome(store, { ...ENDED, inputs: [dataset("a")] })).kind, "away");
});

test("an old server that knows no colon in keys gets an underscore", async () => {
  const { store, server } = await scriptedStore(({ url, body }) =>
    url.includes("log-batch") && body.includes('"a:b"')
      ? {
          status: 400,
          body: {
            error_code: "INVALID_PARAMETER_VALUE",
            message: "Invalid metric name: 'a:b'. Names may only contain ...",
          },
        }
      : undefined,
  );
  assert.equal(
    (await outcome(store, { ...ENDED, metrics: [{ key: "a:b", value: 1, timestamp: 5, step: 0 }] })).kind,
    "done",
  );
  assert.equal(
    JSON.parse(server.seen.filter(({ url }) => url.includes("log-batch")).at(-1)?.body ?? "").metrics[0].key,
    "a_b",
  );
});

test("values that a server would silently corrupt are not sent", async () => {
  const { store, server } = await scriptedStore(() => undefined);
  const good = { key: "m", value: 1, timestamp: 5, step: 0 };
  const bad = [1.5, Number.NaN, 2 ** 60].flatMap((number) => [
    { ...good, timestamp: number },
    { ...good, step: number },
  ]);
  const got = await outcome(store, { ...ENDED, metrics: [good, ...bad, { ...bad[0], key: "other" } as typeof good] });
  assert.deepEqual(
    got.kind === "done" && got.refused?.map(({ what, key, items, error }) => [what, key, items, error.code]),
    [
      ["metric", "m", 6, "INVALID_VALUE"],
      ["metric", "other", 1, "INVALID_VALUE"],
    ],
  );
  const sent = server.seen.filter(({ url }) => url.includes("log-batch")).map(({ body }) => JSON.parse(body));
  assert.deepEqual(sent[0].metrics, [good]);
  assert.deepEqual(
    sent[0].tags.map(({ key }: { key: string }) => key),
    ["pulse.refused.m", "pulse.refused.other"],
  );
  const metrics = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e300].map((value, step) => ({
    key: "m",
    value,
    timestamp: 5,
    step,
  }));
  await outcome(store, { ...ENDED, metrics, tags: [{ key: "half", value: "\uD800" }] });
  const body = JSON.parse(
    server.seen.find(({ url, body: text }) => url.includes("log-batch") && text.includes("half"))?.body ?? "{}",
  );
  assert.deepEqual(
    body.metrics.map((metric: { value: unknown }) => metric.value),
    ["NaN", "Infinity", "-Infinity", 0, 1e300],
  );
  assert.equal(body.tags[0].value, "\uFFFD");
  const half = {
    name: "a\uD800",
    digest: "\uDC00",
    sourceType: "local",
    source: "s\uD800",
    schema: "c\uD800",
    profile: undefined,
  };
  await outcome(store, { ...ENDED, inputs: [{ ...half, tags: [{ key: "k\uD800", value: "v\uD800" }] }] });
  const { datasets } = JSON.parse(server.seen.find(({ url }) => url.includes("log-inputs"))?.body ?? "{}");
  assert.deepEqual(datasets, [
    {
      dataset: { name: "a\uFFFD", digest: "\uFFFD", source_type: "local", source: "s\uFFFD", schema: "c\uFFFD" },
      tags: [{ key: "k\uFFFD", value: "v\uFFFD" }],
    },
  ]);
});

test("an experiment made by others meanwhile is used, a deleted one refused", async () => {
  let asked = 0;
  const missing = { status: 404, body: { error_code: "RESOURCE_DOES_NOT_EXIST", message: "" } };
  const raced = await scriptedStore((seen) => {
    if (seen.url.includes("get-by-name")) return asked++ === 0 ? missing : undefined;
    return seen.url.includes("experiments/create")
      ? { status: 400, body: { error_code: "RESOURCE_ALREADY_EXISTS", message: "" } }
      : undefined;
  });
  assert.equal((await outcome(raced.store)).kind, "done");
  const gone = await scriptedStore((seen) =>
    seen.url.includes("get-by-name")
      ? { body: { experiment: { experiment_id: "7", lifecycle_stage: "deleted" } } }
      : undefined,
  );
  assert.equal(codeOf(await outcome(gone.store)), "EXPERIMENT_DELETED");
});

test("a repeated creation is looked up, and all but the smallest id are deleted", async () => {
  const ids = ["c", "a", "b"].map((letter) => letter.repeat(32));
  const { store, server } = await scriptedStore(({ url }) =>
    url.includes("runs/search") ? { body: { runs: ids.map((run_id) => ({ info: { run_id } })) } } : undefined,
  );
  const got = await outcome(store, { ...RUN, attempted: true });
  assert.equal(got.kind === "done" && got.ids?.runId, "a".repeat(32));
  assert.equal(server.seen.filter(({ url }) => url.includes("runs/create")).length, 0);
  assert.deepEqual(
    server.seen.filter(({ url }) => url.includes("runs/delete")).map(({ body }) => JSON.parse(body).run_id[0]),
    ["b", "c"],
  );
});

test("a run that was created twice loses its twin before its end is sent", async () => {
  const order: string[] = [];
  let searches = 0;
  const { store } = await scriptedStore(({ url, body }) => {
    order.push(url.replace(/.*runs\//, ""));
    if (url.includes("runs/delete")) assert.equal(JSON.parse(body).run_id, "9".repeat(32));
    if (!url.includes("runs/search")) return undefined;
    return {
      body:
        searches++ === 0 ? {} : { runs: [{ info: { run_id: "9".repeat(32) } }, { info: { run_id: "a".repeat(32) } }] },
    };
  });
  assert.equal((await outcome(store, { ...ENDED, attempted: true })).kind, "done");
  assert.deepEqual(order.slice(1), ["search", "create", "log-batch", "search", "delete", "update"]);
});

test("a twin found after the end is deleted at close, despite a first failure", async () => {
  const twin = "9".repeat(32);
  let late = false;
  let failures = 2;
  const deleted: string[] = [];
  const { store } = await scriptedStore(({ url, body }) => {
    if (url.includes("runs/update")) late = true;
    if (url.includes("runs/search"))
      return {
        body: late ? { runs: ["a".repeat(32), twin].map((run_id) => ({ info: { run_id, status: "RUNNING" } })) } : {},
      };
    if (!url.includes("runs/delete")) return undefined;
    if (failures-- > 0) return { status: 500, body: "not now" };
    deleted.push(JSON.parse(body).run_id);
    return { body: {} };
  });
  assert.equal((await outcome(store, { ...ENDED, attempted: true })).kind, "done");
  assert.deepEqual([store.unsettled, deleted], [true, []]);
  await store.close();
  assert.deepEqual([store.unsettled, [...new Set(deleted)]], [false, [twin]]); // a slow machine looks more than once
});

test("connections are kept or made anew by what each costs on this server", () => {
  const trapped = new KeepAliveTuner();
  for (let i = 0; i < 20; i++) trapped.measured(trapped.next(), trapped.next() === "fresh" ? 1 : 41);
  assert.equal(trapped.better, "fresh");
  const dear = new KeepAliveTuner();
  for (let i = 0; i < 20; i++) {
    const how = dear.next();
    dear.measured(how, how === "fresh" ? 30 : 0.2);
  }
  assert.equal(dear.better, "kept");
  // The server moves behind a proxy that sends answers whole: now and then the other way is tried, and wins.
  for (let i = 0; i < 3_000; i++) {
    const how = trapped.next();
    trapped.measured(how, how === "fresh" ? 3 : 0.2);
  }
  assert.equal(trapped.better, "kept");
});

test("a run has a page", async () => {
  const { store, server } = await scriptedStore(wellBehaved);
  assert.equal(store.runUrl({ runId: "r", experimentId: "7" }), `${server.url}/#/experiments/7/runs/r`);
});
