import assert from "node:assert/strict";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { resolveConfig } from "../../src/config/resolve.js";
import { configure, createTracker, logExperiment, shutdown } from "../../src/index.js";
import type { PulseConfig } from "../../src/tracker.js";
import { tempFolder } from "../support/folders.js";
import { scripted } from "../support/scripted-server.js";
import { collectWarnings } from "../support/warnings.js";

const home = tempFolder("credentials");
const file = join(home, ".mlflow/credentials");
mkdirSync(join(home, ".mlflow"));

function write(text: string, mode = 0o600): void {
  writeFileSync(file, text);
  chmodSync(file, mode);
}

afterEach(() => rmSync(file, { force: true }));

const [A, B, C] = ["http://a:5000", "https://b", "http://c:5000"];
const ENV = { HOME: home, MLFLOW_TRACKING_TOKEN: "env", MLFLOW_TRACKING_CLIENT_CERT_PATH: "env.pem" };
const given = (name: string): PulseConfig => ({
  auth: { token: name },
  headers: { "x-key": name },
  tls: { ca: "ca.pem", cert: `${name}.pem` },
});
const GIVEN = { token: "given", header: "given", cert: "given.pem" };
const FILE = { token: "file", header: "file", cert: "file.pem" };
const FROM_ENV = { token: "env", header: undefined, cert: "env.pem" };
const NOTHING = { token: undefined, header: undefined, cert: undefined };

function secrets(options: PulseConfig, env: NodeJS.ProcessEnv, stored: PulseConfig, callUri?: string): object {
  const { auth, headers, tls } = resolveConfig(options, env, stored, callUri).server;
  return { token: auth && "token" in auth ? auth.token : auth?.username, header: headers["x-key"], cert: tls.cert };
}

for (const [title, options, env, stored, callUri, expected] of [
  ["options go to the tracker's own server", { trackingUri: A, ...given("given") }, {}, {}, undefined, GIVEN],
  ["options go to the environment's server", given("given"), { MLFLOW_TRACKING_URI: A }, {}, undefined, GIVEN],
  [
    "options go to a call's server if it is the same",
    { trackingUri: A, ...given("given") },
    {},
    {},
    `${A}/behind/a/path`,
    GIVEN,
  ],
  ["options do not go to a call's other server", { trackingUri: A, ...given("given") }, {}, {}, B, NOTHING],
  [
    "options do not go to another port or scheme",
    { trackingUri: A, ...given("given") },
    {},
    {},
    "https://a:5000",
    NOTHING,
  ],
  ["options without a tracking URI do not go to a call's server", given("given"), {}, {}, A, NOTHING],
  ["the file's go to the server it names", {}, {}, { trackingUri: A, ...given("file") }, undefined, FILE],
  [
    "the file's do not go to a server that code names",
    { trackingUri: B },
    {},
    { trackingUri: A, ...given("file") },
    undefined,
    NOTHING,
  ],
  ["the file's go to the configured server when it names none", { trackingUri: B }, {}, given("file"), undefined, FILE],
  ["the file's do not go to a call's other server", {}, {}, { trackingUri: A, ...given("file") }, B, NOTHING],
  [
    "options win over the file's",
    { trackingUri: A, ...given("given") },
    {},
    { trackingUri: A, ...given("file") },
    undefined,
    GIVEN,
  ],
  [
    "a call to the file's server takes the file's, not the options",
    { trackingUri: B, ...given("given") },
    {},
    { trackingUri: A, ...given("file") },
    A,
    FILE,
  ],
  ["the environment's go to its own server", {}, { ...ENV, MLFLOW_TRACKING_URI: A }, {}, undefined, FROM_ENV],
  [
    "the environment's go to a server that code names",
    { trackingUri: B },
    { ...ENV, MLFLOW_TRACKING_URI: A },
    {},
    undefined,
    FROM_ENV,
  ],
  ["the environment's do not go to a server that a file names", {}, ENV, { trackingUri: A }, undefined, NOTHING],
  [
    "the environment's go to a file's server that is also the environment's",
    {},
    { ...ENV, MLFLOW_TRACKING_URI: `${A}/` },
    { trackingUri: A },
    undefined,
    FROM_ENV,
  ],
  [
    "the environment's do not go to a call's other server",
    { trackingUri: B },
    { ...ENV, MLFLOW_TRACKING_URI: A },
    {},
    C,
    NOTHING,
  ],
  [
    "the environment's go to a call's server that is the environment's",
    { trackingUri: B },
    { ...ENV, MLFLOW_TRACKING_URI: A },
    {},
    A,
    FROM_ENV,
  ],
] as const) {
  test(`credentials: ${title}`, () => {
    assert.deepEqual(secrets(options, env, stored, callUri), expected);
  });
}

test("`ca` is no credential and also applies to another server", () => {
  const { tls } = resolveConfig({ trackingUri: A, ...given("given") }, {}, {}, B).server;
  assert.deepEqual(tls, { ca: "ca.pem", insecure: undefined });
});

test("a section of the user's own file is for the server it names only", () => {
  write(
    `[mlflow]\nmlflow_tracking_username = general\nmlflow_tracking_password = p\n[${B}]\nmlflow_tracking_token = for-b\n[ ${C}/ ]\nmlflow_tracking_username = for-c\nmlflow_tracking_password: p=w\n`,
  );
  const env = { HOME: home };
  const token = (options: PulseConfig, stored: PulseConfig, callUri?: string, more = {}) =>
    (secrets(options, { ...env, ...more }, stored, callUri) as { token: unknown }).token;
  assert.equal(token({ trackingUri: A }, {}), "general");
  assert.equal(token({ trackingUri: A }, {}, B), "for-b");
  assert.equal(token({}, { trackingUri: B }), "for-b");
  assert.equal(token({}, { trackingUri: A }), undefined);
  assert.equal(token({ trackingUri: C }, {}), "for-c");
  assert.equal(token({ trackingUri: C }, {}, "https://c:5000"), undefined);
  assert.equal(token({ trackingUri: C }, {}, undefined, { MLFLOW_TRACKING_USERNAME: "env" }), "env");
  assert.equal(token({ trackingUri: A }, {}, C, { MLFLOW_TRACKING_USERNAME: "env" }), "for-c");
  const { auth, problem } = resolveConfig({ trackingUri: C }, env, {}).server;
  assert.deepEqual(auth, { username: "for-c", password: "p=w" });
  assert.equal(problem, undefined);
});

test("a credentials file that others can read warns once, where it is used", async () => {
  write(`[mlflow]\nmlflow_tracking_username = u\nmlflow_tracking_password = p\n`, 0o640);
  const before = process.env["HOME"];
  process.env["HOME"] = home;
  try {
    for (const [trackingUri, expected] of [
      ["http://127.0.0.1:1", 1],
      ["memory:", 0],
    ] as const) {
      const { logger, warnings } = collectWarnings();
      const tracker = createTracker({
        trackingUri,
        exitTimeoutMs: 0,
        durability: "memory",
        logger,
      });
      await tracker.shutdown();
      assert.equal(
        warnings.filter((text) => /credentials can be read by other users.*chmod 600/.test(text)).length,
        expected,
      );
    }
  } finally {
    process.env["HOME"] = before;
  }
});

test("logExperiment sends a server none of another's credentials", async () => {
  const [a, b] = [await scripted(() => undefined), await scripted(() => undefined)];
  configure({
    trackingUri: a.url,
    auth: { token: "very-secret" },
    headers: { "x-key": "very-secret" },
    logger: { warn: () => undefined },
  });
  try {
    await logExperiment({ experiment: "E", trackingUri: b.url });
    await logExperiment({ experiment: "E", trackingUri: a.url });
    assert.ok(a.seen.length > 0 && b.seen.length > 0);
    for (const { headers } of a.seen)
      assert.deepEqual([headers.authorization, headers["x-key"]], ["Bearer very-secret", "very-secret"]);
    assert.ok(!JSON.stringify(b.seen).includes("very-secret"));
  } finally {
    await shutdown();
    for (const server of [a, b]) server.close();
  }
});

test("logExperiment says what is wrong with its own URI", async () => {
  await assert.rejects(
    logExperiment({ experiment: "E", trackingUri: "" }),
    /logExperiment: trackingUri must be a non-empty string/,
  );
});
