import assert from "node:assert/strict";
import { test } from "node:test";
import type { Outcome } from "../../src/contracts/tracking-store.js";
import type { HttpStore } from "../../src/stores/http/http-store.js";
import { change, start } from "../contract/store-contract.js";
import { scriptedStore } from "../support/http-stores.js";
import type { Scripted, Seen } from "../support/scripted-server.js";

const RUN = change("b".repeat(32), {
  experiment: { name: "Theirs" },
  create: start(),
  params: [{ key: "p", value: "1" }],
  end: { status: "FINISHED", endTime: 6 },
});
async function sent(store: HttpStore, given = RUN): Promise<Outcome> {
  return (await store.apply([given]))[0] as Outcome;
}

const DENIED = { status: 403, body: "Permission denied" };
const SEARCH = "experiments/search";

for (const call of ["experiments/get-by-name", "experiments/create", "runs/create", "runs/log-batch", "runs/update"])
  test(`a 403 on ${call} is the experiment's if the login works elsewhere`, async () => {
    for (const [search, kind] of [
      [{ body: {} }, "denied"],
      [{ body: { experiments: [{ experiment_id: "1" }], next_page_token: "x" } }, "denied"],
      [DENIED, "away"],
      [{ status: 401, body: "" }, "away"],
      [{ status: 500, body: "" }, "away"],
      [{ body: "<html>please log in</html>" }, "away"],
      [{ body: { status: "maintenance" } }, "away"],
    ] as const) {
      const missing = { status: 404, body: { error_code: "RESOURCE_DOES_NOT_EXIST", message: "" } };
      const { store } = await scriptedStore(({ url }) => {
        if (url.includes(SEARCH)) return search;
        if (url.includes(call)) return DENIED;
        return call === "experiments/create" && url.includes("get-by-name") ? missing : undefined;
      });
      const got = await sent(store);
      assert.equal(got.kind, kind, JSON.stringify(search));
      assert.equal("error" in got && got.error.code, "FORBIDDEN");
    }
  });

test("a denial says which experiment, where, to whom and what to do", async () => {
  const answer = ({ url }: Seen): Scripted | undefined => (url.includes(SEARCH) ? undefined : DENIED);
  for (const [more, whom] of [
    [{ auth: { username: "ann", password: "hunter22" } }, 'user "ann"'],
    [{ auth: { token: "hunter22" } }, "the configured token"],
    [{}, "requests without credentials"],
  ] as const) {
    const { store, server } = await scriptedStore(answer, more);
    const got = await sent(store);
    assert.match(
      "error" in got ? got.error.message : "",
      new RegExp(
        `^${server.url} does not let ${whom} write into experiment "Theirs" \\(403: Permission denied\\)\\. Ask for EDIT permission`,
      ),
    );
  }
});

test("whether the login works elsewhere is not asked for each request", async () => {
  const { store, server } = await scriptedStore(({ url }) => (url.includes(SEARCH) ? undefined : DENIED));
  const changes = Array.from({ length: 20 }, (_, i) => ({ ...RUN, experiment: { name: `X${i}` } }));
  for (let round = 0; round < 3; round++)
    for (const { kind } of await store.apply(changes)) assert.equal(kind, "denied");
  assert.equal(server.seen.filter(({ url }) => url.includes(SEARCH)).length, 1);
});

test("a denied experiment is asked for each time, and once allowed it is remembered", async () => {
  let denied = true;
  const { store, server } = await scriptedStore(({ url }) => (denied && !url.includes(SEARCH) ? DENIED : undefined));
  const asked = (): number => server.seen.filter(({ url }) => url.includes("get-by-name")).length;
  assert.equal((await sent(store)).kind, "denied");
  assert.equal((await sent(store)).kind, "denied");
  assert.equal(asked(), 2);
  denied = false;
  assert.equal((await sent(store)).kind, "done");
  assert.equal((await sent(store, { ...RUN, runKey: "c".repeat(32) })).kind, "done");
  assert.equal(asked(), 3);
});

test("a user who may not delete keeps a twin, and the run still ends", async () => {
  const runs = ["a", "9"].map((letter) => ({ info: { run_id: letter.repeat(32) } }));
  const { store, server } = await scriptedStore(({ url }) => {
    if (url.includes("runs/search")) return { body: { runs } };
    return url.includes("runs/delete") ? DENIED : undefined;
  });
  assert.equal((await sent(store, { ...RUN, attempted: true })).kind, "done");
  assert.ok(server.seen.some(({ url }) => url.includes("runs/delete")));
  assert.ok(server.seen.some(({ url }) => url.includes("runs/update")));
});

test("a denied experiment leaves the others alone", async () => {
  const { store } = await scriptedStore(({ url }) => (url.includes("experiment_name=Theirs") ? DENIED : undefined));
  const outcomes = await store.apply([RUN, { ...RUN, runKey: "c".repeat(32), experiment: { name: "Ours" } }]);
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ["denied", "done"],
  );
});
