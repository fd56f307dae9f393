import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { cli, leaveBehind, newState, server } from "../support/cli-kit.js";

test("sync delivers what dead trackers left, ends their runs and removes the outbox", async () => {
  await server(
    () => undefined,
    async ({ url, seen }) => {
      const state = newState();
      const path = leaveBehind(state, url);
      const { code, out, err } = await cli(state, ["sync"], {
        MLFLOW_TRACKING_URI: url,
        MLFLOW_TRACKING_TOKEN: "secret-token",
      });
      assert.equal(code, 0, out + err);
      assert.match(out, /^5 changes delivered to http/);
      assert.match(err, /5 of \d changes/);
      assert.ok(!existsSync(path));
      assert.ok(!(out + err).includes("secret-token"));
      const ends = seen.filter(({ url: path }) => path.includes("runs/update")).map(({ body }) => JSON.parse(body));
      assert.deepEqual(ends.map(({ status, end_time }) => [status, end_time]).sort(), [
        ["FAILED", 9_000],
        ["FINISHED", 3],
      ]);
      assert.match((await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url })).out, /^0 changes delivered/);
    },
  );
});

test("sync sends only to the configured URI", async () => {
  await server(
    () => undefined,
    async ({ url, seen }) => {
      const state = newState();
      const path = leaveBehind(state, "http://other:1");
      assert.equal((await cli(state, ["sync", "--json"], { MLFLOW_TRACKING_URI: url })).code, 0);
      assert.equal(seen.length, 0);
      assert.ok(existsSync(path));
    },
  );
});

test("sync sets refused changes aside, exits with 2 and tries them again next time", async () => {
  let deleted = true;
  await server(
    ({ url }) =>
      deleted && url.includes("get-by-name")
        ? { body: { experiment: { experiment_id: "7", lifecycle_stage: "deleted" } } }
        : undefined,
    async ({ url }) => {
      const state = newState();
      leaveBehind(state, url);
      const first = await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url });
      assert.equal(first.code, 2, first.err);
      assert.match(first.out, /Set aside: run a{32}, 3 changes: Experiment "Contract" was deleted\. Restore it/);
      const { out } = await cli(state, ["status"]);
      assert.match(out, /set aside: run b{32}, \d changes: Experiment/);
      deleted = false;
      const second = await cli(state, ["sync", "--json"], { MLFLOW_TRACKING_URI: url });
      assert.equal(second.code, 0, second.out);
      assert.deepEqual([JSON.parse(second.out).left, JSON.parse(second.out).delivered], [0, 5]);
    },
  );
});

test("sync gives up on an absent server after --timeout and says what is left", async () => {
  const state = newState();
  leaveBehind(state, "http://127.0.0.1:1");
  const { code, out } = await cli(state, ["sync", "--timeout", "0.5"], { MLFLOW_TRACKING_URI: "http://127.0.0.1:1" });
  assert.equal(code, 2);
  assert.match(out, /5 changes of 2 runs are left\. http:\/\/127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/);
});

test("sync names what waits for other URIs, and --uri delivers it", async () => {
  await server(
    () => undefined,
    async ({ url, seen }) => {
      const state = newState();
      const path = leaveBehind(state, url);
      const plain = await cli(state, ["sync"]);
      assert.equal(plain.code, 2, plain.err);
      assert.match(
        plain.out,
        /^0 changes delivered to sqlite:.*\nFor http:\S+: 4 changes of 2 runs wait\. Deliver with: npx pulse-mlflow sync --uri http:\S+\n$/,
      );
      assert.deepEqual(JSON.parse((await cli(state, ["sync", "--json"])).out).others[0].changes, 4);
      const elsewhere = { MLFLOW_TRACKING_URI: "http://127.0.0.1:1", MLFLOW_TRACKING_TOKEN: "not-for-it" };
      const { code, out } = await cli(state, ["sync", "--uri", url], elsewhere);
      assert.equal(code, 0, out);
      assert.match(out, /^5 changes delivered to http/);
      assert.ok(!existsSync(path));
      assert.ok(seen.every(({ headers }) => headers.authorization === undefined));
      leaveBehind(state, url);
      assert.equal((await cli(state, ["sync", "--uri", url], { MLFLOW_TRACKING_TOKEN: "for-it" })).code, 0);
      assert.equal(seen.at(-1)?.headers.authorization, "Bearer for-it");
    },
  );
});
