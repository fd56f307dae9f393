import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cli, leaveBehind, newState, root, server, withoutDriver } from "../support/cli-kit.js";

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
  assert.match((await cli(state, ["doctor"], { ...env, MLFLOW_TRACKING_URI: "notes:plain" })).out, /note +store +notes:plain: this kind of store cannot be checked/); // biome-ignore format: one line
  assert.match(
    (await cli(state, ["doctor"], { MLFLOW_TRACKING_URI: "memory:" })).out,
    /note +store +memory: keeps nothing beyond this process/,
  );
  const wrong = (await cli(state, ["doctor"], { ...env, MLFLOW_TRACKING_URI: "wrong-notes:x" })).out;
  assert.match(
    wrong,
    /BAD +tracking URI +Tracking URI "wrong-notes:x" cannot be used: no such notes[\s\S]*- Fix the problem with tracking URI\./,
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
    [["--watch"], /--watch needs a command before it: sync, runs\./],
    [["discard", "--watch"], /discard has no option --watch; sync and runs have it/],
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
    assert.match(err, /^pulse-mlflow: .*\nRun `npx pulse-mlflow --help` for help\.\n$/);
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
  assert.match((await cli(newState(), ["doctor"], { ...env, MLFLOW_TRACKING_URI: "null:" })).out, /Nothing to do\./);
});

test("a damaged outbox breaks no command", async () => {
  const state = newState();
  const path = leaveBehind(state, "http://mlflow:5000");
  const bytes = readFileSync(path);
  bytes.fill(0xff, 4_096);
  writeFileSync(path, bytes);
  assert.match(
    (await cli(state, ["status"])).out,
    /cannot be read: written by another version of this package, or damaged/,
  );
  assert.equal((await cli(state, ["discard", "--yes"])).code, 0);
  assert.ok(existsSync(path));
});
