import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { systemClock } from "../../src/base/clock.js";
import { discard } from "../../src/cli/discard.js";
import { obstacle } from "../../src/cli/target.js";
import { itemsOf, type RunChange } from "../../src/contracts/tracking-store.js";
import { createTracker } from "../../src/index.js";
import type { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { change, start } from "../contract/store-contract.js";
import { execute } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { type ScriptedServer, type Seen, scripted } from "../support/scripted-server.js";

const root = tempFolder("cli");
const program = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function cli(
  state: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  within: readonly string[] = [],
): Promise<Ended> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(MLFLOW_|.*_proxy$)/i.test(name));
  const [command = "", ...rest] = [...within, process.execPath, program, ...args];
  const child = spawn(command, rest, {
    cwd: root,
    env: { ...Object.fromEntries(kept), HOME: root, XDG_STATE_HOME: state, ...env },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

let states = 0;
const newState = (): string => join(root, `state-${++states}`);

/** What a tracker that died has left for a server: one ended run and one open one. */
function leaveBehind(state: string, uri: string, more: (outbox: Outbox) => void = () => undefined): string {
  const outbox = new OutboxFolder(join(state, "pulse-mlflow/outbox"), uri).create(Date.now(), systemClock.id());
  const put = (given: RunChange, ended: boolean): void => {
    outbox.putRun(
      {
        key: given.runKey,
        experiment: given.experiment,
        parent: undefined,
        parentId: undefined,
        ids: undefined,
        ended,
      },
      1_000,
    );
    outbox.append(given, itemsOf(given), false);
  };
  put(
    change("a".repeat(32), {
      create: start(),
      metrics: [{ key: "m", value: 1, timestamp: 2, step: 0 }],
      end: { status: "FINISHED", endTime: 3 },
    }),
    true,
  );
  put(change("b".repeat(32), { create: start({ name: "left open" }) }), false);
  more(outbox);
  outbox.close();
  return outbox.path;
}

async function server(
  answer: (seen: Seen) => ReturnType<Parameters<typeof scripted>[0]>,
  body: (server: ScriptedServer) => Promise<void>,
): Promise<void> {
  const made = await scripted((seen) =>
    seen.url === "/version" ? { body: "3.17.2" } : seen.url.includes("runs/get?") ? RUNNING : answer(seen),
  );
  try {
    await body(made);
  } finally {
    made.close();
  }
}

const RUNNING = { body: { run: { info: { status: "RUNNING" }, data: { metrics: [{ key: "m", timestamp: 9_000 }] } } } };

test("status shows what is kept, where, how much, how old and who holds it", async () => {
  const state = newState();
  assert.match((await cli(state, ["status"])).out, /Nothing is kept in .*\.\n$/);
  const path = leaveBehind(state, "http://mlflow:5000");
  const live = new OutboxFolder(join(state, "pulse-mlflow/outbox"), "sqlite:////x.db").create(
    Date.now(),
    systemClock.id(),
  );
  writeFileSync(
    join(state, "pulse-mlflow/outbox", readdirSync(join(state, "pulse-mlflow/outbox"))[0] ?? "", "strange.db"),
    "no database ".repeat(500),
  );
  const { code, out } = await cli(state, ["status"]);
  assert.equal(code, 0);
  assert.match(
    out,
    /http:\/\/mlflow:5000\n.*changes +runs.*\n.*waiting\s+4\s+2\s+[\d.]+ KiB\s+.*ago\s+1\n {2}to deliver it: +npx pulse-mlflow sync --uri http:\/\/mlflow:5000\n/,
  );
  assert.match(out, /sqlite:\/\/\/\/x\.db\n.*\n.*held by a running program\s+\d/);
  assert.match(out, /cannot be read: of another version of this package, or damaged/);
  const json = JSON.parse((await cli(state, ["status", "--json"])).out);
  const boxes = json.uris.flatMap((uri: { outboxes: object[] }) => uri.outboxes);
  assert.deepEqual(boxes.map((box: { state: string; changes?: number }) => [box.state, box.changes]).sort(), [
    ["foreign", undefined],
    ["live", undefined],
    ["waiting", 4],
  ]);
  live.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

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

test("status and sync leave an outbox of a newer version alone and say so", async () => {
  await server(
    () => undefined,
    async ({ url }) => {
      const state = newState();
      const path = leaveBehind(state, url);
      execute(path, "PRAGMA user_version = 2");
      const before = readFileSync(path);
      assert.match(
        (await cli(state, ["status"])).out,
        /cannot be read: of another version of this package, or damaged/,
      );
      const { code, out } = await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url });
      assert.equal(code, 2, out);
      assert.match(out, /\.outbox is of another version of this package, or damaged; it was left alone/);
      assert.ok(readFileSync(path).equals(before));
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
      assert.match(well.out, /Nothing is to be done\./);
      assert.ok(!/url-secret|token-secret/.test(well.out + well.err), well.out);
    },
  );
  for (const [env, todo] of [
    [{ MLFLOW_TRACKING_URI: "http://127.0.0.1:1" }, /Check the address in the tracking URI/],
    [{ MLFLOW_TRACKING_URI: "gopher:x" }, /- Use http\(s\):\/\/.*NODE_OPTIONS="--import/],
    [{ MLFLOW_TRACKING_URI: "sqlite:////proc/none/x.db" }, /Make \/proc\/none writable/],
    [
      { MLFLOW_TRACKING_URI: "memory:", XDG_STATE_HOME: "/proc/none" },
      /Give `outbox\.folder` a folder that can be made and written/,
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

test("commands use the stores that a preloaded program registers", async () => {
  const program = join(root, "notes-store.mjs");
  const entry = fileURLToPath(new URL("../../src/index.js", import.meta.url));
  writeFileSync(
    program,
    `import { appendFileSync } from "node:fs";
    import { registerTrackingStore } from ${JSON.stringify(entry)};
    registerTrackingStore("wrong-notes", () => { throw new Error("no such notes"); });
    registerTrackingStore("notes", (uri) => ({
      uri,
      apply: async (changes) => changes.map((change) => {
        appendFileSync(uri.slice("notes:".length), change.runKey + "\\n");
        return { kind: "done", ids: { runId: change.runKey, experimentId: "0" } };
      }),
      close: async () => {},
      ...(uri.includes("plain") ? {} : {
        probe: async ({ write }) => [
          { what: "notes", verdict: write ? "bad" : "ok", detail: "looked\\u001b[31m at", todo: "Sharpen the pencil." },
        ],
      }),
    }));`,
  );
  const state = newState();
  const env = { MLFLOW_TRACKING_URI: `notes:${join(root, "notes.txt")}`, NODE_OPTIONS: `--import ${program}` };
  const path = leaveBehind(state, env.MLFLOW_TRACKING_URI);
  const { code, out, err } = await cli(state, ["sync"], env);
  assert.equal(code, 0, out + err);
  assert.ok(!existsSync(path));
  assert.equal(new Set(readFileSync(join(root, "notes.txt"), "utf8").trim().split("\n")).size, 2);

  assert.match((await cli(state, ["doctor"], env)).out, /ok +notes +looked at\n/);
  const bad = await cli(state, ["doctor", "--write"], env);
  assert.equal(bad.code, 2);
  assert.match(bad.out, /BAD +notes +looked at\n[\s\S]*- Sharpen the pencil\./);
  assert.match((await cli(state, ["doctor"], { ...env, MLFLOW_TRACKING_URI: "notes:plain" })).out, /note +store +notes:plain: this kind of store has no probe/); // biome-ignore format: one line
  assert.match(
    (await cli(state, ["doctor"], { MLFLOW_TRACKING_URI: "memory:" })).out,
    /note +store +memory: keeps nothing beyond this process/,
  );
  const wrong = (await cli(state, ["doctor"], { ...env, MLFLOW_TRACKING_URI: "wrong-notes:x" })).out;
  assert.match(
    wrong,
    /BAD +tracking URI +Tracking URI "wrong-notes:x" cannot be used: no such notes[\s\S]*- Mend what is said of tracking URI\./,
  );
  const unknown = await cli(state, ["sync"], { MLFLOW_TRACKING_URI: env.MLFLOW_TRACKING_URI });
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /there is no store for notes:; registerTrackingStore\(\) adds one/);
});

test("no command prints a URI's password or query, or a server's control sequence", async () => {
  for (const uri of ["http://me:hun#ter2@host", "postgres://me:hun/ter2@host/db", "http://127.0.0.1:1/?token=ter2"])
    for (const args of [["doctor"], ["doctor", "--json"], ["sync", "--timeout", "0"]]) {
      const { out, err } = await cli(newState(), args, { MLFLOW_TRACKING_URI: uri });
      assert.doesNotMatch(out + err, /hun|ter2/, `${args} ${uri}`);
    }
  await server(
    ({ url }) =>
      url.includes("runs/create") ? { status: 400, body: { error_code: "INVALID", message: "\x1b]0;x\x07no \x1b[31mway\u202e \u009b2J" } } : undefined, // biome-ignore format: one answer
    async ({ url }) => {
      const state = newState();
      leaveBehind(state, url);
      for (const args of [["sync"], ["sync", "--json"], ["status"], ["status", "--json"]]) {
        const { out, err } = await cli(state, args, { MLFLOW_TRACKING_URI: url });
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        assert.doesNotMatch(out + err, /[\0-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
        assert.match(out, /no way {1,2}\(INVALID\)/);
      }
    },
  );
});

test("wrong arguments are one line that says what there is, and exit code 1", async () => {
  for (const [args, message] of [
    [["nope"], /no command "nope"\. There are status, sync, doctor, discard/],
    [["sync", "--write"], /sync has no option --write; doctor has it/],
    [["sync", "--timeout", "soon"], /--timeout: expected a number of seconds, got "soon"/],
    [["status", "x"], /takes no further argument/],
    [["--frob"], /There is no option --frob\. There are --help, --version\./],
    [["stauts"], /no command "stauts"\. Did you mean status\? There are/],
    [
      ["sync", "--timeot", "5"],
      /no option --timeot\. Did you mean --timeout\? sync has --uri, --timeout, --watch, --json, --help/,
    ],
    [["sync", "-x"], /no option -x\. sync has/],
    [["sync", "--uri"], /--uri needs a value: --uri <tracking URI>/],
    [["sync", "--uri", "--watch"], /--uri needs a value/],
    [["sync", "--uri="], /--uri needs a value/],
    [["sync", "--timeout", "-5"], /--timeout: expected a number of seconds, got "-5"/],
    [["sync", "--uri", "a", "--uri", "b"], /--uri was given twice/],
    [["sync", "--json=yes"], /--json takes no value, got "yes"/],
    [["--watch"], /--watch needs a command before it: sync\./],
    [["discard", "--watch"], /discard has no option --watch; sync has it/],
    [["help", "snyc"], /Did you mean sync\?/],
    [
      ["sync", "--uri", "localhost:5000"],
      /"localhost:5000" \(from --uri\) has no scheme\. Did you mean "http:\/\/localhost:5000"\?/,
    ],
    [["status", "--uri", "~/mlruns"], /"~\/mlruns" \(from --uri\) begins with ~/],
  ] as const) {
    const { code, out, err } = await cli(newState(), args);
    assert.equal(code, 1, err);
    assert.equal(out, "");
    assert.match(err, message);
    assert.match(err, /^pulse-mlflow: .*\nRun `npx pulse-mlflow --help` for what there is\.\n$/);
  }
  for (const args of [["--help"], ["-h"], ["help"]]) {
    const { code, out } = await cli(newState(), args);
    assert.equal(code, 0);
    assert.match(out, /Exit codes/);
  }
  for (const args of [
    ["sync", "--help"],
    ["-h", "sync"],
    ["help", "sync"],
  ])
    assert.match(
      (await cli(newState(), args)).out,
      /^pulse-mlflow sync: delivers .*--timeout <seconds>.*Exit codes\n {2}0 nothing is left;/s,
    );
  for (const args of [["--version"], ["-v"], ["status", "-v"]]) {
    const built = spawnSync(process.execPath, ["dist/esm/cli/main.js", ...args], { encoding: "utf8" });
    assert.match(built.stdout, /^\d+\.\d+\.\d+\n$/, built.stderr);
  }
  assert.equal((await cli(newState(), [])).code, 1);
  assert.deepEqual(JSON.parse((await cli(newState(), ["nope", "--json"])).out).error.includes("nope"), true);
});

/** As on a machine where the optional dependency could not be installed. */
const withoutDriver = (): NodeJS.ProcessEnv => {
  const hook = join(root, "no-driver.cjs");
  writeFileSync(
    hook,
    `const { _load } = require("node:module");
    require("node:module")._load = function (name, ...more) {
      if (name === "@photostructure/sqlite" || name === "node:sqlite") throw new Error("Cannot find module");
      return _load.call(this, name, ...more);
    };
    const { getBuiltinModule } = process;
    process.getBuiltinModule = (name) => (name === "node:sqlite" ? undefined : getBuiltinModule(name));`,
  );
  return { NODE_OPTIONS: `--require ${hook}` };
};

const setSomeAside = (outbox: Outbox): void =>
  outbox.setAside("a".repeat(32), Number.MAX_SAFE_INTEGER, "The experiment is gone.", true);

test("an outbox whose maker was killed while making it is not shown", async () => {
  const state = newState();
  const path = leaveBehind(state, "http://127.0.0.1:1");
  rmSync(path);
  writeFileSync(path, "");
  const before = new Date(Date.now() - 60_000);
  utimesSync(path, before, before);
  const { code, out } = await cli(state, ["status"]);
  assert.equal(code, 0);
  assert.match(out, /^Nothing is kept in /);
});

test("without the SQLite driver commands say so and call no outbox damaged", async () => {
  const state = newState();
  leaveBehind(state, "http://127.0.0.1:1");
  const env = { ...withoutDriver(), MLFLOW_TRACKING_URI: "http://127.0.0.1:1" };
  const shown = await cli(state, ["status"], env);
  assert.equal(shown.code, 2, shown.err);
  assert.match(shown.out, /cannot be read without the SQLite driver/);
  assert.match(shown.out, /Run `npm install @photostructure\/sqlite@1` .*in the folder where the program runs/);
  assert.doesNotMatch(shown.out, /damaged|another version/);
  assert.match(JSON.parse((await cli(state, ["status", "--json"], env)).out).problem, /could not be loaded/);
  for (const args of [["sync"], ["discard", "--yes"]]) {
    const { code, err } = await cli(state, args, env);
    assert.equal(code, 1);
    assert.match(err, /npm install @photostructure\/sqlite@1/);
  }
  for (const uri of ["http://127.0.0.1:1", `sqlite:///${join(root, "none.db")}`]) {
    const { code, out } = await cli(newState(), ["doctor"], { ...env, MLFLOW_TRACKING_URI: uri });
    assert.equal(code, 2);
    assert.match(
      out,
      /BAD +SQLite driver +The SQLite driver @photostructure\/sqlite is at \S+ and could not be loaded: Cannot find module/,
    );
    assert.match(out, /- Run `npm install @photostructure\/sqlite@1`/);
  }
  assert.match(
    (await cli(newState(), ["doctor"], { ...env, MLFLOW_TRACKING_URI: "null:" })).out,
    /Nothing is to be done\./,
  );
});

test("doctor inspects an mlruns folder and names one that is not used", async () => {
  const place = join(root, "with mlruns");
  const folder = join(place, "mlruns");
  const env = { MLFLOW_TRACKING_URI: folder };
  mkdirSync(place, { recursive: true });
  assert.match(
    (await cli(newState(), ["doctor"], env)).out,
    /ok +store +.*mlruns is made at the first run\n.*note +file store +MLflow 3\.18/s,
  );
  assert.equal(existsSync(folder), false);
  const tracker = createTracker({ trackingUri: folder, durability: "memory" });
  tracker.startRun().end();
  await tracker.shutdown();
  assert.match(
    (await cli(newState(), ["doctor"], env)).out,
    /ok +store +.*mlruns is a folder of MLflow's and can be written/,
  );
  writeFileSync(join(place, "file"), "");
  assert.equal(
    obstacle(pathToFileURL(join(place, "file", "mlruns")).href),
    undefined,
    "what cannot be looked at is no error",
  );
  const deep = { MLFLOW_TRACKING_URI: join(place, "not", "there", "yet", "mlruns") };
  assert.match((await cli(newState(), ["doctor"], deep)).out, /ok +store +.*mlruns is made at the first run/);
  const { code, out } = await cli(newState(), ["doctor"], { MLFLOW_TRACKING_URI: join(place, "file") });
  assert.equal(code, 2);
  assert.match(out, /BAD +store +.*file is no folder/);
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

test("status and discard take one URI, as shown or as configured", async () => {
  const state = newState();
  leaveBehind(state, "http://mlflow:5000");
  leaveBehind(state, "notes:/a/b");
  for (const [uri, shown] of [
    ["http://mlflow:5000", "http://mlflow:5000"],
    ["http://mlflow:5000/", "http://mlflow:5000"],
    ["http://me:secret@mlflow:5000", "http://mlflow:5000"],
    ["notes:/a/b", "notes:/a/b"],
  ] as const) {
    const { uris } = JSON.parse((await cli(state, ["status", "--json", "--uri", uri])).out);
    assert.deepEqual(
      uris.map((each: { uri: string }) => each.uri),
      [shown],
      uri,
    );
  }
  assert.match(
    (await cli(state, ["status", "--uri", "http://none:1"])).out,
    /^Nothing is kept for http:\/\/none:1 in /,
  );
  const { out } = await cli(state, ["discard", "--uri", "notes:/a/b", "--yes", "--json"]);
  assert.equal(JSON.parse(out).changes, 4);
  assert.equal(JSON.parse((await cli(state, ["status", "--json"])).out).uris.length, 1);
});

test("discard lists, asks or refuses, and never touches an outbox in use", async () => {
  const state = newState();
  const folder = join(state, "pulse-mlflow/outbox");
  assert.match((await cli(state, ["discard"])).out, /^Nothing is kept that can be thrown away\.\n$/);
  const path = leaveBehind(state, "http://mlflow:5000", setSomeAside);
  const live = new OutboxFolder(folder, "http://live:1").create(Date.now(), systemClock.id());
  const newer = leaveBehind(state, "http://newer:1");
  execute(newer, "PRAGMA user_version = 2");
  const refused = await cli(state, ["discard"]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /discard asks before it throws anything away, and there is nobody to ask; add --yes/);
  assert.match(
    refused.out,
    /would be thrown away:\n {2}http:\/\/mlflow:5000: 4 changes of 2 runs, in \S+\.outbox\n1 outbox held by running programs will stay\./,
  );
  assert.equal((await cli(state, ["discard", "--json"])).code, 1);

  const aside = await cli(state, ["discard", "--set-aside", "--yes"]);
  assert.equal(aside.code, 0, aside.err);
  assert.match(aside.out, /3 changes of 1 run thrown away\.\n$/);
  const [left] = JSON.parse((await cli(state, ["status", "--json", "--uri", "http://mlflow:5000"])).out).uris[0]
    .outboxes;
  assert.deepEqual([left.changes, left.runs, left.changesSetAside], [1, 1, 0]);
  assert.match((await cli(state, ["discard", "--set-aside"])).out, /^Nothing is set aside that can be thrown away/);

  const all = await cli(state, ["discard", "--yes", "--json"]);
  assert.equal(all.code, 0, all.err);
  assert.deepEqual(JSON.parse(all.out), {
    changes: 1,
    runs: 1,
    artifacts: 0,
    artifactBytes: 0,
    outboxes: 1,
    live: 1,
    foreign: [newer],
    missed: [],
  });
  assert.deepEqual([existsSync(path), existsSync(live.path), existsSync(newer)], [false, true, true]);
  live.close();
});

test("discard does what the answer says", async () => {
  const state = newState();
  const path = leaveBehind(state, "http://mlflow:5000");
  const before = process.env["XDG_STATE_HOME"];
  process.env["XDG_STATE_HOME"] = state;
  try {
    for (const [answer, code] of [
      [false, 2],
      [true, 0],
    ] as const) {
      const said: string[] = [];
      const out = { write: (text: string) => said.push(text) > 0 } as unknown as NodeJS.WritableStream;
      const ask = async (question: string): Promise<boolean> => said.push(question) > 0 && answer;
      assert.equal(
        await discard({ out, err: out, json: false, ask }, { uri: undefined, setAside: false, yes: false }),
        code,
      );
      assert.match(
        said.join(""),
        answer ? /\? \[y\/N\] 4 changes of 2 runs thrown away/ : /\? \[y\/N\] Nothing was thrown away/,
      );
      assert.equal(existsSync(path), !answer);
    }
  } finally {
    process.env["XDG_STATE_HOME"] = before;
  }
});

test("discarding a set-aside run does not orphan its children", async () => {
  const folder = new OutboxFolder(join(newState(), "pulse-mlflow/outbox"), "http://mlflow:5000");
  const outbox = folder.create(Date.now(), systemClock.id());
  const put = (key: string, parent: string | undefined): void => {
    outbox.putRun({ key, experiment: { name: "E" }, parent, parentId: undefined, ids: undefined, ended: true }, 1_000);
    outbox.append(change(key, { create: start({ parentKey: parent }) }), 1, false);
  };
  put("a".repeat(32), undefined);
  put("b".repeat(32), "a".repeat(32));
  setSomeAside(outbox);
  outbox.dropSetAside();
  assert.equal(outbox.find("a".repeat(32)), undefined);
  assert.equal(outbox.changes("b".repeat(32), 10).found[0]?.create?.parentKey, undefined);
  assert.equal(outbox.items, 1);
  outbox.close();
});

test("a damaged outbox breaks no command", async () => {
  const state = newState();
  const path = leaveBehind(state, "http://mlflow:5000");
  const bytes = readFileSync(path);
  bytes.fill(0xff, 4_096);
  writeFileSync(path, bytes);
  assert.match((await cli(state, ["status"])).out, /cannot be read: of another version of this package, or damaged/);
  assert.equal((await cli(state, ["discard", "--yes"])).code, 0);
  assert.ok(existsSync(path));
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

test("discard for one URI says what it keeps for others", async () => {
  const state = newState();
  leaveBehind(state, "http://other:5000");
  const { code, out } = await cli(state, ["discard", "--yes", "--uri", "http://this:5000"]);
  assert.equal(code, 0);
  assert.match(out, /Nothing is kept that can be thrown away\.\n/);
  assert.match(
    out,
    /For http:\/\/other:5000, something is kept, too: npx pulse-mlflow discard --uri http:\/\/other:5000/,
  );
});
