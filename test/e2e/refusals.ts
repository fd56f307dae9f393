import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import type { Outcome, RunChange, StoredIds } from "../../src/contracts/tracking-store.js";
import { createTracker } from "../../src/index.js";
import { HttpStore } from "../../src/stores/http/http-store.js";
import { change, start } from "../contract/store-contract.js";
import { readRun } from "../support/rest.js";
import { collectWarnings } from "../support/warnings.js";

/** A real server and who may do everything there. */
export interface Subject {
  readonly url: string;
  readonly auth?: { readonly username: string; readonly password: string } | undefined;
}

let counter = 0;
const key = (): string => `e2e${(++counter).toString(16)}`.padStart(32, "0");
const point = (name: string, step = 0) => ({ key: name, value: 1, timestamp: 5_000, step });
const headersOf = ({ auth }: Subject): Record<string, string> =>
  auth ? { authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString("base64")}` } : {};

async function ask(subject: Subject, path: string, body: object): Promise<Record<string, never>> {
  const answer = await fetch(`${subject.url}/api/2.0/mlflow/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headersOf(subject) },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`);
  return (await answer.json()) as Record<string, never>;
}

function storeOf({ url, auth }: Subject): HttpStore {
  const { server } = resolveConfig({}, { HOME: "/nowhere" });
  return new HttpStore(new URL(url), { ...server, auth });
}

async function sent(store: HttpStore, given: RunChange): Promise<Outcome> {
  return (await store.apply([given]))[0] as Outcome;
}

function idsOf(outcome: Outcome): StoredIds {
  assert.equal(outcome.kind, "done", "error" in outcome ? outcome.error.message : "");
  return (outcome as { ids?: StoredIds }).ids as StoredIds;
}

/** What a real server refuses of a run's items, and what it says when it knows a run no more. */
export function refusals(name: string, subject: Subject): void {
  const read = (runId: string) => readRun(subject.url, runId, headersOf(subject));

  test(`${name}: refused items are set aside, everything else is stored`, async () => {
    const store = storeOf(subject);
    const metrics = Array.from({ length: 300 }, (_, i) => point(i === 123 ? "bad@key" : `m${i}`));
    const sourceTags = [
      { key: "mlflow.user", value: "me" },
      { key: "mlflow.runName", value: "of the environment" }, // two names are refused
    ];
    const got = await sent(
      store,
      change(key(), {
        experiment: { name: "Refusals" },
        create: start({ name: "part", sourceTags }),
        metrics: [...metrics, point("bad(key", Number.MAX_SAFE_INTEGER), point("m0", Number.MAX_SAFE_INTEGER)],
        params: [
          { key: "good", value: "1" },
          { key: "bad%param", value: "2" },
        ],
        end: { status: "FINISHED", endTime: 6_000 },
      }),
    );
    const run = await read(idsOf(got).runId);
    assert.deepEqual(
      (got.kind === "done" ? (got.refused ?? []) : [])
        .map(({ what, key: refused, items }) => `${what} ${refused} ${items}`)
        .sort(),
      ["metric bad(key 1", "metric bad@key 1", "param bad%param 1"],
    );
    assert.deepEqual([run?.name, run?.status, Object.keys(run?.metrics ?? {}).length], ["part", "FINISHED", 299]);
    assert.deepEqual(run?.params, { good: "1" });
    assert.deepEqual(run?.metrics["m0"]?.at(-1)?.[0], Number.MAX_SAFE_INTEGER);
    assert.equal(run?.tags["mlflow.user"], "me");
    for (const tag of ["bad_key", "bad_param"])
      assert.match(run?.tags[`pulse.refused.${tag}`] ?? "", /is not stored, http/);
    await store.close();
  });

  test(`${name}: a letter newer than its Python costs only itself and is counted`, async () => {
    const { logger, warnings } = collectWarnings();
    const tracker = createTracker({
      trackingUri: subject.url,
      auth: subject.auth,
      logger,
    });
    const run = tracker.startRun({
      experiment: "Refusals",
      runName: "new letters",
      params: { "\u{31350}p": 1, plain: 2 },
    });
    run.logMetric("\u{31350}m", 1);
    run.logMetric("last", 1, { step: Number.MAX_SAFE_INTEGER });
    run.logMetric("last", 2);
    run.setTag("\u{31350}t", "1");
    run.end();
    await tracker.shutdown({ timeoutMs: 60_000 });
    const { delivered, rejected, pending, dropped } = tracker.stats();
    const [id = ""] =
      (
        (await ask(subject, "runs/search", {
          experiment_ids: [await experimentId("Refusals")],
          filter: "tags.mlflow.runName = 'new letters'",
        })) as { runs?: { info: { run_id: string } }[] }
      ).runs?.map(({ info }) => info.run_id) ?? [];
    const stored = await read(id);
    const taken = [stored?.params, stored?.metrics, stored?.tags].filter((items) =>
      Object.keys(items ?? {}).some((each) => each.startsWith("\u{31350}")),
    );
    assert.deepEqual(
      { rejected, pending, dropped },
      { rejected: 3 - taken.length, pending: 0, dropped: 0 },
      warnings.join("\n"),
    );
    assert.equal(delivered + rejected, 8); // start, end, two params, three metrics, a tag
    assert.deepEqual([stored?.status, stored?.params["plain"], stored?.metrics["last"]?.length], ["FINISHED", "2", 2]);
  });

  async function experimentId(experiment: string): Promise<string> {
    const query = new URLSearchParams({ experiment_name: experiment });
    const answer = await fetch(`${subject.url}/api/2.0/mlflow/experiments/get-by-name?${query}`, {
      headers: headersOf(subject),
    });
    return ((await answer.json()) as { experiment: { experiment_id: string } }).experiment.experiment_id;
  }

  test(`${name}: a reused experiment id gets no run, and a lost run is made again`, async (t) => {
    const store = storeOf(subject);
    const [first, second] = [key(), key()];
    const ids = idsOf(
      await sent(store, change(first, { experiment: { name: "Moved" }, create: start({ name: "first" }) })),
    );
    await ask(subject, "experiments/update", { experiment_id: ids.experimentId, new_name: "Somebody else's" });
    const real = performance.now.bind(performance);
    t.mock.method(performance, "now", () => real() + 61_000);
    const next = idsOf(
      await sent(store, change(second, { experiment: { name: "Moved" }, create: start({ name: "second" }) })),
    );
    assert.notEqual(next.experimentId, ids.experimentId);
    assert.equal((await read(next.runId))?.experiment, "Moved");

    // The id of a run this server never had.
    const lost = change(key(), {
      experiment: { name: "Moved" },
      ids: { ...ids, runId: "0".repeat(32) },
      metrics: [point("m")],
      params: [{ key: "p", value: "1" }],
    });
    assert.equal((await sent(store, lost)).kind, "done");
    assert.equal(
      (await sent(storeOf(subject), { ...lost, metrics: [point("m", 1)], end: { status: "FAILED", endTime: 9_000 } }))
        .kind,
      "done",
    );
    const { runs = [] } = (await ask(subject, "runs/search", {
      experiment_ids: [next.experimentId],
      filter: "tags.`pulse.recreated` = '00000000000000000000000000000000'",
    })) as { runs?: { info: { run_id: string } }[] };
    assert.equal(runs.length, 1);
    const again = await read(runs[0]?.info.run_id ?? "");
    assert.deepEqual(
      [again?.experiment, again?.status, again?.startTime, again?.params, again?.metrics["m"]?.length],
      ["Moved", "FAILED", 5_000, { p: "1" }, 2],
    );
    await store.close();
  });
}

/** What basic auth forbids one user. */
export function denials(name: string, subject: Subject): void {
  test(`${name}: an experiment that is denied is denied alone`, async () => {
    const user = { username: "ann", password: "hunter2hunter2" };
    await ask(subject, "users/create", user);
    const { experiment_id: readable } = await ask(subject, "experiments/create", { name: "Read only" });
    const { experiment_id: hidden } = await ask(subject, "experiments/create", { name: "Hidden" });
    const grant = (resource_id: unknown, permission: string): Promise<unknown> =>
      ask(subject, "../../3.0/mlflow/users/permissions/grant", {
        username: user.username,
        resource_type: "experiment",
        resource_id,
        permission,
      });
    await grant(readable, "READ");
    await grant(hidden, "DENY");
    const store = storeOf({ ...subject, auth: user });
    const run = (experiment: RunChange["experiment"]): RunChange =>
      change(key(), { experiment, create: start(), metrics: [point("m")] });
    const changes = [{ name: "Read only" }, { name: "Hidden" }, { id: String(hidden) }, { name: "Her own" }].map(run);
    const outcomes = await store.apply(changes);
    assert.deepEqual(
      outcomes.map(({ kind }) => kind),
      ["denied", "denied", "denied", "done"],
    );
    for (const outcome of outcomes.slice(0, 3))
      assert.match(
        "error" in outcome ? `${outcome.error.code} ${outcome.error.message}` : "",
        /^FORBIDDEN http.* does not let user "ann" write into experiment /,
      );
    await ask(subject, "../../3.0/mlflow/users/permissions/revoke", {
      username: user.username,
      resource_type: "experiment",
      resource_id: readable,
    });
    await grant(readable, "EDIT");
    assert.equal((await sent(store, changes[0] as RunChange)).kind, "done");
    await store.close();
    const wrong = storeOf({ ...subject, auth: { ...user, password: "wrong-password" } });
    assert.equal((await sent(wrong, changes[0] as RunChange)).kind, "away");
    await wrong.close();
  });
}
