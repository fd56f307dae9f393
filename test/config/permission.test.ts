import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { resolveConfig } from "../../src/config/resolve.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("permission");
const program = fileURLToPath(new URL("../fixtures/permitted.js", import.meta.url));
const flag = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";

test("what Node's permissions hide counts as missing and causes no error", () => {
  const cwd = join(folder, "hidden");
  mkdirSync(cwd);
  writeFileSync(join(cwd, "pulse-mlflow.config.json"), "{ not json");
  const build = dirname(dirname(dirname(program)));
  const args = [flag, `--allow-fs-read=${build}/`, `--allow-fs-read=${process.cwd()}/node_modules/`, program];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    encoding: "utf8",
    env: { HOME: folder, PATH: process.env["PATH"] },
  });
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), {
    byDefault: 4,
    rejected: 0,
    configured: 6,
    created: 7,
    logExperiment: "STORE_UNAVAILABLE",
  });
  assert.ok(!/INVALID_CONFIG|REJECTED/.test(stderr), stderr);
  assert.match(stderr, new RegExp(`Nothing can be written to ${folder}.*\\[OUTBOX_FAILED\\]`));
  const driver = Number.parseInt(process.versions.node, 10) < 24; // Node's own needs no right
  assert.match(
    stderr,
    driver
      ? /could not be loaded: Access to this API has been restricted; start Node with --allow-addons.*\[DRIVER_MISSING\]/
      : /mlflow\.db: the database cannot be opened .*\[NOT_WRITABLE\]/,
  );
  assert.deepEqual(readdirSync(cwd), ["pulse-mlflow.config.json"]);
});

test("an unreadable configuration file is an error that says what to do", () => {
  const cwd = join(folder, "unreadable");
  mkdirSync(join(cwd, "pulse-mlflow.config.json"), { recursive: true });
  const before = process.cwd();
  process.chdir(cwd);
  try {
    assert.throws(
      () => resolveConfig({}, {}),
      /pulse-mlflow\.config\.json cannot be read: EISDIR.*Make it readable, or remove it\.$/,
    );
  } finally {
    process.chdir(before);
  }
});
