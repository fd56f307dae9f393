import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LogMetric, LogParam, LogTag, type PulseErrorCode, TrackedExperiment } from "../src/index.js";
import { createTestTracker } from "../src/testing/index.js";
import { query } from "./support/database.js";
import { tempFolder } from "./support/folders.js";
import { values } from "./support/runs.js";

const hostile = new Proxy(
  {},
  {
    ownKeys() {
      throw new Error("no keys");
    },
    getPrototypeOf: () => Object.prototype,
  },
);
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const circular: Record<string, unknown> = { n: 1 };
circular["self"] = circular;
const getters = {
  get boom(): number {
    throw new Error("getter");
  },
  n: 1,
};

@TrackedExperiment("Hostile")
class Hostile {
  @LogMetric
  @LogParam
  @LogTag(() => ({ given: hostile }))
  hand(value: unknown): unknown {
    return value;
  }

  @LogMetric("boom")
  read(): typeof getters {
    return getters;
  }
}

/** What a hostile value leaves behind: the call's result is the very value, its metrics, and the kinds of warnings. */
const cases: readonly (readonly [
  name: string,
  value: unknown,
  metrics: Record<string, number[]>,
  warnings: readonly PulseErrorCode[],
])[] = [
  ["a proxy that refuses to be listed", hostile, {}, ["CAPTURE_FAILED"]],
  ["a revoked proxy", revoked.proxy, {}, ["CAPTURE_FAILED"]],
  ["an object with a getter that throws", getters, { n: [1] }, ["CAPTURE_FAILED"]],
  ["a circular object", circular, { n: [1], "self.n": [1], "self.self.n": [1] }, ["CAPTURE_FAILED"]],
  ["a text of 10 MB", "x".repeat(10_000_000), {}, ["CAPTURE_FAILED", "NOTHING_FOUND", "VALUE_CUT"]],
  [
    "an object of a million numbers",
    Object.fromEntries(Array.from({ length: 1_000_000 }, (_, i) => [`k${i}`, i])),
    {},
    ["CAPTURE_FAILED", "CAPTURE_LIMIT"],
  ],
  ["a key with forbidden characters", { "acc@5": 1 }, { acc_5: [1] }, ["CAPTURE_FAILED", "INVALID_KEY"]],
];

for (const [name, value, metrics, expected] of cases) {
  test(`${name}: the call is unaffected, and each kind of problem is reported once`, async () => {
    const tracker = createTestTracker();
    assert.equal(
      tracker.run(() => new Hostile().hand(value)),
      value,
    );
    const run = tracker.onlyRun;
    assert.equal(run.status, "FINISHED");
    if (expected.includes("CAPTURE_LIMIT")) assert.equal(Object.keys(run.metrics).length, 50);
    else assert.deepEqual(values(run), metrics);
    // The tag holds a proxy that cannot be read: always one failed capture of its own.
    assert.deepEqual(Object.keys(tracker.stats().warnings).sort(), [...expected]);
    assert.ok(tracker.warnings.every((warning) => warning.startsWith("pulse-mlflow: ")));
  });
}

test("a chosen getter that throws fails the capture, not the call", async () => {
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Hostile().read()),
    getters,
  );
  assert.equal(tracker.onlyRun.status, "FINISHED");
  assert.match(tracker.warnings.join(), /Hostile\.read: capturing metrics failed: getter.*CAPTURE_FAILED/);
});

test("strict: the same problems throw a typed error", () => {
  const tracker = createTestTracker({ strict: true });
  assert.throws(() => tracker.run(() => new Hostile().read()), { code: "CAPTURE_FAILED" });
});

test("a logger that throws disturbs nobody", () => {
  const tracker = createTestTracker({
    logger: {
      warn() {
        throw new Error("logger");
      },
    },
  });
  assert.doesNotThrow(() => tracker.run(() => new Hostile().read()));
});

const folder = tempFolder("bad");

test("on a full disk the program goes on, warns once and keeps what was stored", async () => {
  const path = join(folder, "full.db");
  const program = fileURLToPath(new URL("fixtures/fills-disk.js", import.meta.url));
  // A limit on the size of files fails writes as a full disk does.
  const child = spawn("bash", ["-c", `ulimit -f 2000; exec "$0" "$@"`, process.execPath, program, `sqlite:///${path}`]);
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (data) => {
      output[stream] += data;
    });
  }
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, output.stderr);
  assert.equal(output.stdout.trim(), "did all its work");
  assert.equal(output.stderr.match(/\[(DISK_FULL|STORE_UNAVAILABLE)\]/g)?.length, 1, output.stderr);
  assert.match(output.stderr, /are kept in .*\[KEPT_FOR_LATER\]|could not be stored.*\[LOST_AT_EXIT\]/);
  assert.deepEqual(query(path, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
  assert.ok(Number(query(path, "SELECT count(*) AS n FROM metrics")[0]?.["n"]) > 1_000);
});
