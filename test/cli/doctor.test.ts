import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { obstacle } from "../../src/cli/target.js";
import { createTracker } from "../../src/index.js";
import { cli, leaveBehind, newState, root, server, setSomeAside } from "../support/cli-kit.js";
import { tempFolder } from "../support/folders.js";

test("doctor shows each setting with its origin, hides secrets and ends with advice", async () => {
  await server(
    () => undefined,
    async ({ url }) => {
      const env = {
        MLFLOW_TRACKING_URI: url.replace("//", "//u:url-secret@"),
        MLFLOW_TRACKING_TOKEN: "token-secret",
        MLFLOW_EXPERIMENT_NAME: "Sweep",
      };
      const well = await cli(newState(), ["doctor", "--write"], env);
      assert.equal(well.code, 0, well.out + well.err);
      assert.match(well.out, /experiment +Sweep +\(MLFLOW_EXPERIMENT_NAME\)/);
      assert.match(well.out, /auth +token \(hidden\) +\(MLFLOW_TRACKING_TOKEN\)/);
      assert.match(well.out, /ok +version +MLflow 3\.17\.2/);
      assert.match(well.out, /ok +dry write/);
      assert.match(well.out, /Nothing to do\./);
      assert.ok(!/url-secret|token-secret/.test(well.out + well.err), well.out);
    },
  );
  for (const [env, todo] of [
    [{ MLFLOW_TRACKING_URI: "http://127.0.0.1:1" }, /Check the address in the tracking URI/],
    [{ MLFLOW_TRACKING_URI: "gopher:x" }, /- Use http\(s\):\/\/.*NODE_OPTIONS="--import/],
    [{ MLFLOW_TRACKING_URI: "sqlite:////proc/none/x.db" }, /Make \/proc\/none writable/],
    [
      { MLFLOW_TRACKING_URI: "memory:", XDG_STATE_HOME: "/proc/none" },
      /Set `outbox\.folder` to a folder that can be created and written/,
    ],
  ] as const) {
    const { code, out } = await cli(newState(), ["doctor"], env);
    assert.equal(code, 2, out);
    assert.match(out, todo);
    assert.equal(JSON.parse((await cli(newState(), ["doctor", "--json"], env)).out).ok, false);
  }
  const state = newState();
  assert.equal((await cli(state, ["doctor"], { MLFLOW_TRACKING_URI: `sqlite:///${join(root, "none.db")}` })).code, 0);
  assert.ok(!existsSync(join(root, "none.db")));
});

test("doctor notices a disk without room for the database or the outbox", async () => {
  const made = join(root, "made.db");
  const tracker = createTracker({ trackingUri: `sqlite:///${made}` });
  tracker.withRun({}, () => undefined);
  await tracker.shutdown();
  for (const path of [join(root, "none.db"), made]) {
    const env = { MLFLOW_TRACKING_URI: `sqlite:///${path}` };
    const state = newState();
    const full = await cli(state, ["doctor"], env, ["bash", "-c", 'ulimit -f 100; exec "$0" "$@"']);
    assert.equal(full.code, 2, full.err);
    for (const [what, folder] of [
      ["store", root],
      ["outbox", join(state, "pulse-mlflow", "outbox")],
    ])
      assert.ok(
        full.out.includes(`${what}`) && full.out.includes(`Make room in ${folder}, or choose another folder.`),
        full.out,
      );
    assert.match(full.out, /BAD +outbox +\S+ cannot be written: EFBIG: file too large/);
    const well = await cli(state, ["doctor"], env);
    assert.equal(well.code, 0, well.out);
    assert.deepEqual(readdirSync(join(state, "pulse-mlflow", "outbox")), []);
  }
  assert.deepEqual(
    readdirSync(root).filter((name) => name.includes("doctor")),
    [],
  );
});

test("doctor inspects an mlruns folder and names one that is not used", async () => {
  const place = join(root, "with mlruns");
  const folder = join(place, "mlruns");
  const env = { MLFLOW_TRACKING_URI: folder };
  mkdirSync(place, { recursive: true });
  assert.match(
    (await cli(newState(), ["doctor"], env)).out,
    /ok +store +.*mlruns will be created by the first run\n.*note +file store +MLflow 3\.18/s,
  );
  assert.equal(existsSync(folder), false);
  const tracker = createTracker({ trackingUri: folder, durability: "memory" });
  tracker.startRun().end();
  await tracker.shutdown();
  assert.match((await cli(newState(), ["doctor"], env)).out, /ok +store +.*mlruns is an MLflow folder and writable/);
  writeFileSync(join(place, "file"), "");
  assert.equal(
    obstacle(pathToFileURL(join(place, "file", "mlruns")).href),
    undefined,
    "what cannot be looked at is no error",
  );
  const deep = { MLFLOW_TRACKING_URI: join(place, "not", "there", "yet", "mlruns") };
  assert.match((await cli(newState(), ["doctor"], deep)).out, /ok +store +.*mlruns will be created by the first run/);
  const { code, out } = await cli(newState(), ["doctor"], { MLFLOW_TRACKING_URI: join(place, "file") });
  assert.equal(code, 2);
  assert.match(out, /BAD +store +.*file is not a folder/);
});

test("doctor counts what waits and what is set aside for each URI, with advice", async () => {
  const state = newState();
  leaveBehind(state, "http://mlflow:5000", setSomeAside);
  leaveBehind(state, "http://other:5000?workspace=a b");
  const env = { MLFLOW_TRACKING_URI: "null:" };
  const { code, out } = await cli(state, ["doctor"], env);
  assert.equal(code, 2, out);
  assert.match(out, /note +kept +http:\/\/mlflow:5000: 1 change of 1 run waits\n/);
  assert.match(out, /note +kept +http:\/\/mlflow:5000: 3 changes of 1 run are set aside: The experiment is gone\./);
  assert.match(
    out,
    /- Deliver what waits for http:\/\/mlflow:5000: `npx pulse-mlflow sync --uri http:\/\/mlflow:5000`\.\n/,
  );
  assert.match(out, /Or throw it away: `npx pulse-mlflow discard --uri http:\/\/mlflow:5000 --set-aside`\.\n/);
  assert.match(out, /http:\/\/other:5000\?workspace=a b: 4 changes of 2 runs wait\n/);
  assert.match(out, /sync --uri 'http:\/\/other:5000\?workspace=a b'/);
  const one = await cli(state, ["doctor", "--uri", "http://127.0.0.1:1", "--json"], env);
  assert.deepEqual([one.code, JSON.parse(one.out).ok], [2, false]);
  assert.doesNotMatch(one.out, /mlflow:5000/);
  assert.match(one.out, /"origin": "--uri"/);
});

test("doctor names files and variables that look like configuration but are not read", async () => {
  const folder = tempFolder("strays", root);
  writeFileSync(join(folder, "pulse-mlflow.config.js"), "export default {}");
  const env = { MLFLOW_TRACKING_URL: "http://h", PULSE_MLFLOW: "offf", MLFLOW_TRACKING_URI: "memory:" };
  const { code, out } = await cli(newState(), [], env, ["sh", "-c", `cd "${folder}" && exec "$0" "$1" doctor`]);
  assert.equal(code, 2, out);
  assert.match(out, /configuration +pulse-mlflow\.config\.js is not read: settings are in pulse-mlflow\.config\.json/);
  assert.match(out, /environment +MLFLOW_TRACKING_URL is not known here; did you mean MLFLOW_TRACKING_URI\?/);
  assert.match(out, /tracking +PULSE_MLFLOW must be on or off/);
  assert.match(out, /file +none/);
});
