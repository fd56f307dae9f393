import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { systemClock } from "../../src/base/clock.js";
import { isOff } from "../../src/config/off-switch.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { configure, createTracker } from "../../src/index.js";
import { MlrunsStore } from "../../src/stores/mlruns/mlruns-store.js";
import { openStore } from "../../src/stores/registry.js";
import { likelyAbsolute } from "../../src/stores/sql/database-file.js";
import { change, newRun, start } from "../../src/testing/contract-change.js";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { runFolders } from "../support/mlruns.js";
import { collectWarnings } from "../support/warnings.js";

const folder = tempFolder("config");
const program = fileURLToPath(new URL("../fixtures/configured.js", import.meta.url));

interface Said {
  readonly code: number | null;
  readonly out: Record<string, unknown>;
  readonly stderr: string;
}

/**
 * Runs the fixture with its configuration from file and environment only, in a folder that `prepare` may put something
 * into.
 */
function run(
  name: string,
  env: Record<string, string>,
  file?: object | string,
  prepare?: (folder: string) => void,
): Said {
  const cwd = tempFolder(name, folder);
  prepare?.(cwd);
  if (file !== undefined)
    writeFileSync(join(cwd, "pulse-mlflow.config.json"), typeof file === "string" ? file : JSON.stringify(file));
  const child = spawnSync(process.execPath, [program], {
    cwd,
    env: { PATH: process.env["PATH"] ?? "", USER: "tester", XDG_STATE_HOME: join(folder, "state"), ...env },
    encoding: "utf8",
  });
  return { code: child.status, out: { cwd, ...(child.stdout ? JSON.parse(child.stdout) : {}) }, stderr: child.stderr };
}

const runsIn = (path: string): Record<string, unknown>[] =>
  query(
    path,
    "SELECT r.run_uuid AS id, r.name, r.status, r.user_id AS user, e.name AS experiment FROM runs r JOIN experiments e USING (experiment_id)",
  );

const STORE_OPTIONS = { clock: systemClock, server: resolveConfig({}, {}).server };

test("without settings, runs go to mlflow.db in the working folder, into Default", () => {
  const { code, out, stderr } = run("plain", {});
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    runsIn(join(String(out["cwd"]), "mlflow.db")).map(({ experiment, status, user }) => [experiment, status, user]),
    [["Default", "FINISHED", "tester"]],
  );
});

test("./mlruns is the default only where MLflow itself would take it", () => {
  const ALLOWED = { MLFLOW_ALLOW_FILE_STORE: "true" };
  const holds = (cwd: string): void => {
    new MlrunsStore(join(cwd, "mlruns"), { clock: systemClock }).applySync([
      change(newRun(), { create: start({ name: "older" }) }),
    ]);
  };
  const both = (cwd: string): void => {
    holds(cwd);
    writeFileSync(join(cwd, "mlflow.db"), "");
  };
  const artifacts = (cwd: string): void =>
    void mkdirSync(join(cwd, "mlruns", "1", "a".repeat(32), "artifacts"), { recursive: true });
  for (const [prepare, env, inFolder, said] of [
    [holds, ALLOWED, true, undefined],
    [holds, { MLFLOW_ALLOW_FILE_STORE: "1" }, true, undefined],
    [
      holds,
      {},
      false,
      /The folder mlruns here holds experiments, but runs go to mlflow\.db beside it\. `mlflow migrate-filestore --source mlruns --target sqlite:\/\/\/mlflow\.db` .*MLFLOW_ALLOW_FILE_STORE=true/,
    ],
    [holds, { MLFLOW_ALLOW_FILE_STORE: "false" }, false, /mlflow migrate-filestore/],
    [both, ALLOWED, false, /mlflow migrate-filestore .* made that database.* set trackingUri: "mlruns"\./],
    [artifacts, ALLOWED, false, undefined],
    [undefined, ALLOWED, false, undefined],
  ] as const) {
    const { code, out, stderr } = run("mlruns", env as Record<string, string>, undefined, prepare);
    assert.equal(code, 0, stderr);
    const cwd = String(out["cwd"]);
    assert.equal(
      runFolders(join(cwd, "mlruns")).length,
      (prepare === holds || prepare === both ? 1 : 0) + (inFolder ? 1 : 0),
    );
    assert.equal(existsSync(join(cwd, "mlflow.db")) && runsIn(join(cwd, "mlflow.db")).length === 1, !inFolder);
    if (said === undefined) assert.equal(stderr, "");
    else assert.match(stderr, said);
    assert.ok(stderr.trim().split("\n").length <= 1, stderr);
  }
  const named = run("named", { MLFLOW_TRACKING_URI: "sqlite:///mlflow.db" }, undefined, holds);
  assert.equal(named.stderr, "", "who has said where runs go is told nothing");
});

test("MLflow's environment variables count, and the file wins over them", () => {
  const path = join(folder, "env.db");
  const env = { MLFLOW_TRACKING_URI: `sqlite:///${path}`, MLFLOW_EXPERIMENT_NAME: "FromEnv" };
  assert.equal(run("env", env).code, 0);
  assert.equal(runsIn(path)[0]?.["experiment"], "FromEnv");
  const other = join(folder, "file.db");
  assert.equal(run("file", env, { trackingUri: `sqlite:///${other}`, experiment: "FromFile" }).code, 0);
  assert.equal(runsIn(other)[0]?.["experiment"], "FromFile");
  assert.equal(run("id", { MLFLOW_TRACKING_URI: `sqlite:///${path}`, MLFLOW_EXPERIMENT_ID: "0" }).code, 0);
  assert.equal(runsIn(path)[1]?.["experiment"], "Default");
});

test("MLFLOW_RUN_ID: the first top-level run resumes that run and ends it", () => {
  const path = join(folder, "resume.db");
  const MLFLOW_TRACKING_URI = `sqlite:///${path}`;
  run("first", { MLFLOW_TRACKING_URI });
  const [first] = runsIn(path);
  const { out } = run("second", { MLFLOW_TRACKING_URI, MLFLOW_RUN_ID: String(first?.["id"]) });
  assert.equal(out["id"], first?.["id"]);
  assert.deepEqual(
    runsIn(path).map(({ id, status }) => [id, status]),
    [[first?.["id"], "FINISHED"]],
  );
  const unknown = run("unknown", { MLFLOW_TRACKING_URI, MLFLOW_RUN_ID: "f".repeat(32) });
  assert.equal(unknown.code, 0);
  assert.match(unknown.stderr, /RUN_NOT_FOUND/);
});

test("MLFLOW_RUN_ID is used once, not again by later trackers, threads or children", () => {
  const fixture = fileURLToPath(new URL("../fixtures/resumes.js", import.meta.url));
  const id = "f".repeat(32);
  const env = { PATH: process.env["PATH"] ?? "", XDG_STATE_HOME: join(folder, "state"), MLFLOW_RUN_ID: id };
  const { stdout, stderr } = spawnSync(process.execPath, [fixture], { cwd: folder, env, encoding: "utf8" });
  const { untouched, first, left, named, ...others } = JSON.parse(stdout || "{}");
  assert.deepEqual([untouched, first, left, named], [id, id, undefined, "e".repeat(32)], stderr);
  assert.deepEqual(Object.keys(others), ["beside", "second", "configured", "child", "worker"]);
  for (const [name, other] of Object.entries(others))
    assert.ok(/^[0-9a-f]{32}$/.test(String(other)) && other !== id, `${name}: ${other}`);
});

test("PULSE_MLFLOW=off: functions stay as they are, and nothing is written", () => {
  const { code, out, stderr } = run("off", { PULSE_MLFLOW: "off" });
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    { ...out, cwd: "", id: "" },
    {
      cwd: "",
      id: "",
      value: 1,
      same: true,
      current: false,
      serverId: "DISABLED",
      logExperiment: "DISABLED",
      files: [],
    },
  );
});

test("all spellings of no, and only those, switch tracking off", () => {
  for (const text of ["off", "OFF", " off\n", "0", "false", "False", "no", "NO "])
    assert.equal(isOff({ PULSE_MLFLOW: text }), true, text);
  for (const text of ["", "on", "1", "true", "yes", "offline", "00", undefined])
    assert.equal(isOff({ PULSE_MLFLOW: text }), false, text);
});

test("a variable that resembles a tracking URI's is reported if none is set", () => {
  const said =
    /MLFLOW_TRACKING_URL is not read; did you mean MLFLOW_TRACKING_URI\? No tracking URI is set, .* sqlite:\/\/\/mlflow\.db\. \[INVALID/;
  assert.match(run("stray", { MLFLOW_TRACKING_URL: "http://127.0.0.1:5000" }).stderr, said);
  const set = { trackingUri: `sqlite:///${join(folder, "set.db")}` };
  assert.equal(run("stray", { MLFLOW_TRACKING_URL: "http://127.0.0.1:5000" }, set).stderr, "");
  assert.equal(run("stray", { MLFLOW_RUN_NAME: "x", MLFLOW_TRACKING_AUTH: "y" }).stderr, "");
});

test("wrong settings in the environment warn once and never break the user's call", () => {
  for (const [env, file, expected] of [
    [
      { MLFLOW_TRACKING_URI: "postgresql://me:secret@host" },
      undefined,
      /Nothing is stored until this is fixed: .*"postgresql:\/\/\[redacted\]@host" \(from MLFLOW_TRACKING_URI\): PostgreSQL is reached through a server, not directly: start `mlflow server --backend-store-uri "postgresql:.*sqlite:\/\/\/relative\.db.*INVALID_TRACKING_URI/,
    ],
    [
      { MLFLOW_TRACKING_URI: "~/mlruns" },
      undefined,
      /Tracking URI "~\/mlruns" \(from MLFLOW_TRACKING_URI\) begins with ~, which only a shell/,
    ],
    [
      {},
      { trackingUri: "http//x" },
      /Tracking URI "http\/\/x" \(from pulse-mlflow\.config\.json\) is not a URL\. Did you mean "http:\/\/x"/,
    ],
    [
      { MLFLOW_HTTP_REQUEST_TIMEOUT: "soon" },
      undefined,
      /Nothing is stored until this is fixed: MLFLOW_HTTP_REQUEST_TIMEOUT: expected/,
    ],
    [
      { MLFLOW_TRACKING_URI: "gopher:x" },
      undefined,
      /there is no store for gopher:; registerTrackingStore\(\) adds one/,
    ],
    [
      {},
      { trakingUri: "x" },
      /pulse-mlflow\.config\.json: there is no option "trakingUri"\. Did you mean "trackingUri"\?/,
    ],
    [{}, "{ not json", /could not be read as JSON: line 1, column 3\..*INVALID_CONFIG/],
    [{}, '{\n  // where\n  "experiment": "x" }', /could not be read as JSON: line 2, column 3: JSON has no comments\./],
    [{}, "", /could not be read as JSON: it is empty; write \{\} for no settings\./],
    [
      {},
      '{ "experiment": "x"',
      /could not be read as JSON: it ends too early|could not be read as JSON: line 1, column 20/,
    ],
    [{}, { store: {} }, /pulse-mlflow\.config\.json: store can only be set in code, with configure\(\)\./],
    [
      { MLFLOW_TRACKING_INSECURE_TLS: "maybe" },
      undefined,
      /MLFLOW_TRACKING_INSECURE_TLS: expected true, false, 1 or 0, got "maybe"\./,
    ],
  ] as const) {
    const { code, out, stderr } = run("wrong", env as Record<string, string>, file);
    assert.equal(code, 0, stderr);
    assert.equal(out["value"], 1);
    assert.match(stderr, expected);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
    assert.deepEqual((out["stats"] as { rejected: number }).rejected > 0, true);
  }
});

test("a removed working folder does not break the user's call", () => {
  const { code, out, stderr } = run("gone", { LEAVE: "1" });
  assert.equal(code, 0, stderr);
  assert.equal(out["value"], 1);
  assert.match(stderr, /is relative, and the working folder was removed; give an absolute path.*INVALID_TRACKING_URI/);
});

test("configure and createTracker throw errors that name option, expected and given", () => {
  const anyConfigure = configure as (config: unknown) => void;
  for (const [config, message] of [
    [
      { trackingUri: "file://host/x" },
      /names the host "host"; a local folder has three slashes\. Did you mean "file:\/\/\/host\/x"/,
    ],
    [{ trackingUri: "sqlite://oops.db" }, /sqlite:\/\/oops\.db" names no database file/],
    [{ trackingUri: 5 }, /: trackingUri must be a non-empty string; got 5/],
    [{ exitTimeoutMs: -1 }, /: exitTimeoutMs must be a number of milliseconds from 0 to 2147483647; got -1/],
    [{ outsideRun: "maybe" }, /: outsideRun must be "warn", "throw" or "ignore"; got "maybe"/],
    [{ unknown: 1 }, /: there is no option "unknown"\. There are trackingUri/],
    ["sqlite:///x.db", /: options must be an object; got "sqlite:\/\/\/x\.db"/],
  ] as const) {
    assert.throws(() => anyConfigure(config), { name: "PulseError", message });
    assert.throws(() => createTracker(config as object), { name: "PulseError", message });
  }
});

test("every documented URI opens or says what it needs instead", () => {
  const options = STORE_OPTIONS;
  assert.equal(openStore("memory:", options).uri, "memory:");
  assert.equal(openStore("null:", options).uri, "null:");
  assert.equal(openStore("sqlite:///a/b.db", options).uri, `sqlite:///${join(process.cwd(), "a/b.db")}`);
  assert.equal(openStore("sqlite:////a/b.db", options).uri, "sqlite:////a/b.db");
  const mlruns = pathToFileURL(join(process.cwd(), "mlruns")).href;
  for (const uri of [
    "mlruns",
    "./mlruns",
    "mlruns/",
    "file:mlruns",
    "file:./mlruns",
    "FILE:mlruns",
    mlruns,
    `${mlruns}/`,
  ])
    assert.equal(openStore(uri, options).uri, mlruns, uri);
  for (const uri of [
    "/a b/c",
    "/a%20b/c",
    "file:/a b/c",
    "file:/a%20b/c",
    "file:///a%20b/c",
    "file://localhost/a%20b/c",
  ])
    assert.equal(openStore(uri, options).uri, "file:///a%20b/c", uri);
  assert.equal(openStore("/100%", options).uri, "file:///100%25");
  for (const uri of [
    "http://",
    "https:x",
    "file:",
    "file://host/x",
    "file:///x?y",
    "postgresql://u:p@h/db",
    "databricks",
    "databricks://profile",
    "sqlite:///:memory:",
    "",
  ]) {
    assert.throws(() => openStore(uri, options), { code: "INVALID_TRACKING_URI" }, uri);
  }
});

test("a near miss of a tracking URI is answered with the likely one", () => {
  for (const [uri, message] of [
    [
      "databricks",
      /"databricks": Databricks profiles are not supported\. Use the workspace's own URL.* MLFLOW_TRACKING_TOKEN/,
    ],
    ["databricks://profile", /: Databricks profiles are not supported\. .* https:\/\/<workspace host>/],
    ["databricks-uc", /: Unity Catalog holds models, not runs/],
    ["uc:http://localhost:8080", /: Unity Catalog holds models, not runs/],
    [
      "mysql+pymysql://h/db",
      /: MySQL is reached through a server, not directly: start `mlflow server --backend-store-uri "mysql\+pymysql:/,
    ],
    ["mssql://h/db", /: Microsoft SQL Server is reached through a server/],
    ["postgres://h/db", /: PostgreSQL is reached through a server/],
    ["s3://bucket/runs", /: s3: stores files, not runs\. .*--artifacts-destination s3:/],
    ["localhost:5000", /"localhost:5000" has no scheme\. Did you mean "http:\/\/localhost:5000"\?/],
    ["127.0.0.1:5000", /Did you mean "http:\/\/127\.0\.0\.1:5000"\?/],
    ["127.0.0.1", /Did you mean "http:\/\/127\.0\.0\.1"\?/],
    ["[::1]:5000", /Did you mean "http:\/\/\[::1\]:5000"\?/],
    ["//mlflow.example.com:5000/team", /Did you mean "http:\/\/mlflow\.example\.com:5000\/team"\?/],
    ["localhost", /Did you mean "http:\/\/localhost"\?/],
    ["http:/localhost:5000", /is not the URL of a server\. Did you mean "http:\/\/localhost:5000"\?/],
    ["https:mlflow.example.com", /Did you mean "https:\/\/mlflow\.example\.com"\?/],
    ["htp://localhost:5000", /no store for htp:.* Did you mean "http:\/\/localhost:5000"\?/],
    ["sqllite:///x.db", /Did you mean "sqlite:\/\/\/x\.db"\?/],
    ["sqlite:x.db", /names no database file\. Did you mean "sqlite:\/\/\/x\.db"\?/],
    ["sqlite://x.db", /Did you mean "sqlite:\/\/\/x\.db"\?/],
    ["sqlite:/a/x.db", /Did you mean "sqlite:\/\/\/\/a\/x\.db"\?/],
    ["sqlite::memory:", /Did you mean "memory:"\?/],
    ["mlflow.db", /"mlflow\.db" has no scheme\. Did you mean "sqlite:\/\/\/mlflow\.db"\?/],
    ["/a/mlflow.sqlite3", /Did you mean "sqlite:\/\/\/\/a\/mlflow\.sqlite3"\?/],
    [
      " http://localhost:5000",
      /begins or ends with a space or a quotation mark\. Did you mean "http:\/\/localhost:5000"\?/,
    ],
    ["'memory:'", /quotation mark\. Did you mean "memory:"\?/],
    ["memry:", /Did you mean "memory:"\?/],
    ["gopher:x", /no store for gopher:; registerTrackingStore\(\) adds one\. Use http/],
    ["~/mlruns", /begins with ~, which only a shell expands\. Did you mean "\/.*\/mlruns"/],
    [
      "mlflow.example.com/team",
      /no such folder \(write "\.\/mlflow\.example\.com\/team" for a new one\)\. Did you mean "http:\/\/mlflow/,
    ],
    ["sqlite//x.db", /has no scheme|has no colon/],
    ["gopher//x", /has no colon after its scheme\. Did you mean "gopher:\/\/x"/],
    ["C:\\mlruns", /is a Windows path/],
    ["\\\\server\\mlruns", /is a Windows path/],
    ["file:C:/mlruns", /is a Windows path/],
    ["file:///C:/mlruns", /is a Windows path/],
    ["//host/share", /begins with two slashes\. Did you mean "http:\/\/host\/share"/],
    ["$HOME/mlruns", /begins with a variable, which only a shell expands/],
  ] as const)
    assert.throws(() => openStore(uri, STORE_OPTIONS), { code: "INVALID_TRACKING_URI", message }, uri);
});

test("three slashes before a folder of the root warn once and suggest four", () => {
  const { logger, warnings: said } = collectWarnings();
  createTracker({ trackingUri: "sqlite:///tmp/none/x.db", strict: true, logger });
  assert.equal(said.length, 1);
  assert.match(
    String(said[0]),
    /^pulse-mlflow: Tracking URI "sqlite:\/\/\/tmp\/none\/x\.db" with three slashes is the relative path .*\/tmp\/none\/x\.db, .* Write "sqlite:\/\/\/\/tmp\/none\/x\.db" with four slashes .*, or "sqlite:\/\/\/\.\/tmp\/none\/x\.db" if/,
  );
  for (const path of ["./tmp/x.db", "/tmp/x.db", "mlflow.db", "no-such-folder/x.db", "../tmp/x.db"])
    assert.equal(likelyAbsolute(`sqlite:///${path}`), undefined, path);
});

test("no error shows the password of a malformed URI, or takes part of it as host", () => {
  for (const uri of [
    "http://me:hun#ter2@host",
    "http://me:hun/ter2@host",
    "http://me:hun?ter2@host",
    "http://me:1/ter2@host",
    "http://me:12#ter2@host:5000",
    "http://me:1?ter2@host",
    "http:/me:ter2@host:x",
    "http:me:ter2@host",
    "postgres://me:hun#ter2@host/db",
    "postgresql+psycopg2://me:hun ter2@host/db",
    "me:ter2@host",
    "://me:ter2@host",
    "./me:ter2@host",
    "gopher://host?token=ter2",
    "sqlite:///x.db?key=ter2",
    "http://h:x?token=ter2",
  ]) {
    assert.throws(
      () => openStore(uri, STORE_OPTIONS),
      (error: Error & { code: string; cause?: unknown }) =>
        error.code === "INVALID_TRACKING_URI" && !/hun|ter2/.test(error.message + String(error.cause)),
      uri,
    );
  }
  const { code, out, stderr } = run("wrong", { MLFLOW_TRACKING_URI: "http://me:hun#ter2@host" });
  assert.equal(code, 0);
  assert.match(stderr, /INVALID_TRACKING_URI/);
  assert.doesNotMatch(JSON.stringify(out) + stderr, /hun|ter2/);
  for (const uri of ["http://host:5000/team%40x", "http://host/team@x"])
    assert.equal(openStore(uri, STORE_OPTIONS).uri, uri);
  assert.throws(() => openStore("http://host:5000/team@x", STORE_OPTIONS), /@ in a path, as %23 %2F %3F %40/);
});

test("a file may begin with a byte order mark, and half a login is reported", () => {
  const { out, stderr } = run("marked", {}, `\ufeff${JSON.stringify({ experiment: "Marked" })}`);
  assert.equal(runsIn(join(String(out["cwd"]), "mlflow.db"))[0]?.["experiment"], "Marked", stderr);
  const half = resolveConfig(
    { trackingUri: "http://h" },
    { MLFLOW_TRACKING_USERNAME: "me", MLFLOW_TRACKING_URI: "http://h", HOME: folder },
  );
  assert.equal(half.server.auth, undefined);
  assert.match(
    String(half.server.problem?.message),
    /^MLFLOW_TRACKING_USERNAME is set but MLFLOW_TRACKING_PASSWORD is not, so no credentials/,
  );
});

test("a switch that means neither on nor off is reported, and tracking is on", () => {
  const { stderr, out } = run("switch", { PULSE_MLFLOW: "offf" });
  assert.match(stderr, /PULSE_MLFLOW must be on or off .*, got "offf": tracking is on\. \[INVALID_CONFIG\]/);
  assert.equal(runsIn(join(String(out["cwd"]), "mlflow.db")).length > 0, true);
});

test("meaningless environment variables are reported", () => {
  const { server } = resolveConfig({}, { MLFLOW_TRACKING_TOKEN: "a\nb", HOME: folder });
  assert.throws(
    () => server.auth,
    /MLFLOW_TRACKING_TOKEN: expected a string that fits into an HTTP header, without line breaks/,
  );
  assert.throws(
    () => resolveConfig({}, { MLFLOW_HTTP_REQUEST_TIMEOUT: "abc" }),
    /MLFLOW_HTTP_REQUEST_TIMEOUT: .*seconds above 0, got "abc"/,
  );
  assert.equal(resolveConfig({}, { MLFLOW_HTTP_REQUEST_TIMEOUT: "2.5" }).server.requestTimeoutMs, 2_500);
  assert.throws(() => createTracker({ auth: { token: "a\nb" } }), /createTracker: auth must be/);
});
