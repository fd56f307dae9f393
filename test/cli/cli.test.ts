import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/clock.js";
import { createTracker } from "../../src/index.js";
import type { Outbox } from "../../src/recorder/outbox/outbox.js";
import { OutboxFolder } from "../../src/recorder/outbox/outbox-folder.js";
import { itemsOf, type RunChange } from "../../src/stores/tracking-store.js";
import { change, start } from "../contract/store-contract.js";
import { execute } from "../support/database.js";
import { type ScriptedServer, type Seen, scripted } from "../support/scripted-server.js";

const root = mkdtempSync(join(tmpdir(), "pulse-cli-"));
const program = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
after(() => rmSync(root, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function cli(state: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, within: readonly string[] = []): Promise<Ended> {
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
      { key: given.runKey, experiment: given.experiment, parent: undefined, parentId: undefined, ids: undefined, ended },
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

test("status says what is kept, where, how much, how old, and by whom it is held", async () => {
  const state = newState();
  assert.match((await cli(state, ["status"])).out, /Nothing is kept in .*: everything recorded was delivered/);
  const path = leaveBehind(state, "http://mlflow:5000");
  const live = new OutboxFolder(join(state, "pulse-mlflow/outbox"), "sqlite:////x.db").create(Date.now(), systemClock.id());
  writeFileSync(
    join(state, "pulse-mlflow/outbox", readdirSync(join(state, "pulse-mlflow/outbox"))[0] ?? "", "strange.db"),
    "no database ".repeat(500),
  );
  const { code, out } = await cli(state, ["status"]);
  assert.equal(code, 0);
  assert.match(out, /http:\/\/mlflow:5000\n.*\n.*waiting\s+2\s+4\s+[\d.]+ KiB\s+.*ago\s+1/);
  assert.match(out, /sqlite:\/\/\/\/x\.db\n.*\n.*held by a running program\s+\d/);
  assert.match(out, /cannot be read: of another version, or damaged/);
  const json = JSON.parse((await cli(state, ["status", "--json"])).out);
  const boxes = json.uris.flatMap((uri: { outboxes: object[] }) => uri.outboxes);
  assert.deepEqual(boxes.map((box: { state: string; items?: number }) => [box.state, box.items]).sort(), [
    ["foreign", undefined],
    ["live", undefined],
    ["waiting", 4],
  ]);
  live.close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("sync delivers what dead trackers left, ends their open runs no earlier than their last metric, and removes the outbox", async () => {
  await server(
    () => undefined,
    async ({ url, seen }) => {
      const state = newState();
      const path = leaveBehind(state, url);
      const { code, out, err } = await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url, MLFLOW_TRACKING_TOKEN: "secret-token" });
      assert.equal(code, 0, out + err);
      assert.match(out, /^5 items delivered to http/);
      assert.match(err, /5 of \d items/);
      assert.ok(!existsSync(path));
      assert.ok(!(out + err).includes("secret-token"));
      const ends = seen.filter(({ url: path }) => path.includes("runs/update")).map(({ body }) => JSON.parse(body));
      assert.deepEqual(ends.map(({ status, end_time }) => [status, end_time]).sort(), [
        ["FAILED", 9_000],
        ["FINISHED", 3],
      ]);
      assert.match((await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url })).out, /^0 items delivered/);
    },
  );
});

test("sync goes to the configured URI only", async () => {
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

test("sync sets aside what the server refuses, says why, exits with 2, and tries it again the next time", async () => {
  let deleted = true;
  await server(
    ({ url }) =>
      deleted && url.includes("get-by-name") ? { body: { experiment: { experiment_id: "7", lifecycle_stage: "deleted" } } } : undefined,
    async ({ url }) => {
      const state = newState();
      leaveBehind(state, url);
      const first = await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url });
      assert.equal(first.code, 2, first.err);
      assert.match(first.out, /Set aside: run a{32}, 3 items: Experiment "Contract" was deleted\. Restore it/);
      const { out } = await cli(state, ["status"]);
      assert.match(out, /set aside: run b{32}, \d items: Experiment/);
      deleted = false;
      const second = await cli(state, ["sync", "--json"], { MLFLOW_TRACKING_URI: url });
      assert.equal(second.code, 0, second.out);
      assert.deepEqual([JSON.parse(second.out).left, JSON.parse(second.out).delivered], [0, 5]);
    },
  );
});

test("an outbox of a newer version is left alone, and status and sync say so", async () => {
  await server(
    () => undefined,
    async ({ url }) => {
      const state = newState();
      const path = leaveBehind(state, url);
      execute(path, "PRAGMA user_version = 2");
      const before = readFileSync(path);
      assert.match((await cli(state, ["status"])).out, /cannot be read: of another version, or damaged/);
      const { code, out } = await cli(state, ["sync"], { MLFLOW_TRACKING_URI: url });
      assert.equal(code, 2, out);
      assert.match(out, /\.outbox is of another version of this package, or none of its files; it was left alone/);
      assert.ok(readFileSync(path).equals(before));
    },
  );
});

test("sync with a server that is away gives up after --timeout and says what is left and why", async () => {
  const state = newState();
  leaveBehind(state, "http://127.0.0.1:1");
  const { code, out } = await cli(state, ["sync", "--timeout", "0.5"], { MLFLOW_TRACKING_URI: "http://127.0.0.1:1" });
  assert.equal(code, 2);
  assert.match(out, /5 items are left\. http:\/\/127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/);
});

test("doctor shows each setting with its origin, secrets hidden, and ends with what to do", async () => {
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
    [{ MLFLOW_TRACKING_URI: "memory:", XDG_STATE_HOME: "/proc/none" }, /Give `outbox\.folder` a folder that can be made and written/],
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

test("doctor finds a disk without room, for the database and for what waits", async () => {
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
      assert.ok(full.out.includes(`${what}`) && full.out.includes(`Make room in ${folder}, or choose another folder.`), full.out);
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

test("commands know the stores of a program that is loaded before them, and what these find out", async () => {
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

test("no command prints a password of the URI, its query, or a control sequence of a server's", async () => {
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
    [["nope"], /no command "nope"; there are status, sync, doctor/],
    [["sync", "--write"], /sync has no option --write/],
    [["sync", "--timeout", "soon"], /--timeout: expected a number of seconds, got "soon"/],
    [["status", "x"], /takes no further argument/],
    [["--frob"], /--frob/],
  ] as const) {
    const { code, out, err } = await cli(newState(), args);
    assert.equal(code, 1);
    assert.equal(out, "");
    assert.match(err, message);
  }
  assert.match((await cli(newState(), ["--help"])).out, /Exit codes/);
  assert.equal((await cli(newState(), [])).code, 1);
  assert.deepEqual(JSON.parse((await cli(newState(), ["nope", "--json"])).out).error.includes("nope"), true);
});
