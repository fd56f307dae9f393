import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stats } from "../../src/index.js";
import { FakeMlflow, type FakeRun } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { inherit } from "../support/inherit.js";
import { until } from "../support/wait.js";

const root = tempFolder("service-test");

/** What a shutdown may wait for a server that is away, and what a busy machine may need beside it. */
const EXIT_TIMEOUT_MS = 3_000;
const SLACK_MS = 3_000;
const START_MS = 20_000;

/** What the example prints with `--json`, as far as it is looked at. */
interface Outcome {
  readonly calls: Readonly<Record<"made" | "scored" | "fallback" | "unknown" | "broken", number>>;
  readonly stats: Stats;
  readonly waiting: { readonly values: number; readonly outboxBytes: number };
  readonly stored?: {
    readonly own: number;
    readonly calls: number;
    readonly unfinished: number;
    readonly failures: readonly { readonly message: string; readonly users: readonly string[] }[];
    readonly folded: readonly Readonly<Record<"calls" | "errors" | "p50" | "p99", number>>[];
  };
  readonly kept?: string;
}

let folders = 0;

class Service {
  /** Where it makes its folders. */
  readonly folder: string = join(root, String(++folders));
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  #output = "";
  #errors = "";

  constructor(args: readonly string[], trackingUri?: string) {
    mkdirSync(this.folder);
    const kept = Object.entries(process.env).filter(([name]) => !/^(MLFLOW_|PULSE_|.*_proxy$)/i.test(name));
    const env = { ...Object.fromEntries(kept), TMPDIR: this.folder, TEMP: this.folder, TMP: this.folder };
    this.#child = spawn(process.execPath, [join(process.cwd(), "build/examples/service/main.js"), ...args], {
      cwd: this.folder,
      env: trackingUri === undefined ? env : { ...env, MLFLOW_TRACKING_URI: trackingUri },
      timeout: 60_000,
      killSignal: "SIGKILL",
    });
    this.#child.stdout?.on("data", (data) => {
      this.#output += data;
    });
    this.#child.stderr?.on("data", (data) => {
      this.#errors += data;
    });
    this.#ended = once(this.#child, "close");
  }

  /** Asks it to end, and gives what it says when it has, and how long that took. */
  async terminate(): Promise<{ outcome: Outcome; ms: number }> {
    const asked = performance.now();
    this.#child.kill("SIGTERM");
    const outcome = JSON.parse(await this.output()) as Outcome;
    return { outcome, ms: performance.now() - asked };
  }

  /** Everything it has printed when it has ended well. */
  async output(): Promise<string> {
    const [code, signal] = await this.#ended;
    assert.deepEqual([code, signal], [0, null], this.#errors);
    return this.#output;
  }
}

/** Waits until a server has the first folded run: the service is in the middle of its work. */
async function underLoad(server: FakeMlflow): Promise<void> {
  const folded = (): boolean => server.named("Scorer.score (folded)").some(({ status }) => status !== "RUNNING");
  await until("a folded run has come", folded, { everyMs: 20, withinMs: START_MS });
  await sleep(300);
}

/** What a server has of a service: all of its runs are over, and every call is in one. */
function assertStored(server: FakeMlflow, { calls, stats }: Outcome): void {
  const runs = [...server.runs.values()].filter(({ deleted }) => !deleted);
  const folded = runs.filter(({ tags }) => tags.has("pulse.folded"));
  const own = runs.filter(({ tags }) => !tags.has("pulse.folded"));
  assert.equal(new Set(runs.map(({ tags }) => tags.get("pulse.run_key"))).size, runs.length);
  assert.deepEqual([own.length + folded.length, stats.folded], [stats.runs, sum(folded.map(foldedCalls))]);
  assert.equal(own.length + sum(folded.map(foldedCalls)), calls.made);
  const failed = own.filter(({ status }) => status === "FAILED").length;
  assert.equal(failuresIn(folded.map(errorsOf), failed), calls.fallback + calls.broken);
  assert.ok(
    own.every(
      ({ status, params }) =>
        /^(FINISHED|FAILED)$/.test(status) && params.has("user") && params.get("model") === "toy-1",
    ),
  );
  // The process ends, but no call of these was cut short.
  assert.deepEqual(new Set(folded.map(({ status }) => status)), new Set(["FINISHED"]));
  assert.ok(folded.every(({ tags }) => !tags.has("pulse.partial")));
}

const foldedCalls = ({ tags }: FakeRun): number => Number(tags.get("pulse.folded"));
const errorsOf = ({ metrics }: FakeRun): number =>
  Number([...metrics.values()].find(({ key }) => key === "errors")?.value);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How many calls failed: those that are folded, and those that are runs of their own. */
const failuresIn = (errors: readonly number[], ownFailures: number): number => sum(errors) + ownFailures;

describe("the service example", () => {
  test("accounts for every call, also during an outage, and cleans up", async () => {
    const service = new Service(["--seconds", "4", "--json"]);
    const { calls, stats, stored, waiting, kept } = JSON.parse(await service.output()) as Outcome;
    const { made, scored, fallback, unknown, broken } = calls;
    assert.ok(made > 100, `${made} calls`);
    assert.equal(scored + fallback + unknown + broken, made);
    assert.ok(stored);
    assert.equal(stored.calls, made);
    assert.equal(stored.own + stored.folded.length, stats.runs);
    assert.equal(sum(stored.folded.map((run) => run.calls)), stats.folded);
    assert.ok(stored.folded.length >= 4 && stats.runs < 100, `${stats.runs} runs`);
    assert.deepEqual([stats.pending, stats.dropped, stats.rejected, kept], [0, 0, 0, undefined]);
    assert.deepEqual(Object.keys(stats.warnings), ["STORE_UNAVAILABLE"]);
    assert.ok(waiting.values > 20 && waiting.outboxBytes > 0, JSON.stringify(waiting));
    for (const run of stored.folded)
      assert.ok(run.calls < 100 || (run.p50 >= 1 && run.p99 >= run.p50), JSON.stringify(run));
    const failed = sum(stored.failures.map(({ users }) => users.length));
    assert.equal(
      failuresIn(
        stored.folded.map(({ errors }) => errors),
        failed,
      ),
      fallback + broken,
    );
    assert.equal(stored.unfinished, 0);
    assert.deepEqual(readdirSync(service.folder), []);
  });

  test("prints a summary for people", async () => {
    const text = await new Service(["--seconds", "2", "--rate", "500"]).output();
    for (const line of [/MLflow goes away/, /MLflow is back/, /folded +calls +errors +ms\.p50 +ms\.p99/, /^Lost: 0$/m])
      assert.match(text, line);
    const [, stored, made] = /Calls in these runs: ([\d,]+) of ([\d,]+)/.exec(text) ?? [];
    assert.ok(made !== undefined && stored === made, text);
  });

  test("ends in order after SIGTERM under load, with everything on the server", async () => {
    const server = await FakeMlflow.start();
    try {
      const service = new Service(["--seconds", "60", "--json"], server.url);
      await underLoad(server);
      const { outcome, ms } = await service.terminate();
      assert.ok(ms < SLACK_MS, `${ms} ms`);
      assert.deepEqual([outcome.stats.pending, outcome.stats.dropped, outcome.kept], [0, 0, undefined]);
      assert.deepEqual(readdirSync(service.folder), []);
      assertStored(server, outcome);
    } finally {
      server.close();
    }
  });

  test("keeps what an absent server has not taken, and the next program delivers it", async () => {
    const server = await FakeMlflow.start();
    try {
      const service = new Service(["--seconds", "60", "--json"], server.url);
      await underLoad(server);
      server.down();
      await sleep(1_000);
      const { outcome, ms } = await service.terminate();
      assert.ok(ms < EXIT_TIMEOUT_MS + SLACK_MS, `${ms} ms`);
      assert.ok(outcome.stats.pending > 0 && outcome.stats.dropped === 0);
      await server.up();
      const { delivered, held, left, warnings } = await inherit(String(outcome.kept), server.url);
      assert.deepEqual({ held, left }, { held: [], left: [] }, warnings.join("\n"));
      assert.ok(delivered >= outcome.stats.pending, `${delivered} of ${outcome.stats.pending}`);
      assertStored(server, outcome);
    } finally {
      server.close();
    }
  });
});
