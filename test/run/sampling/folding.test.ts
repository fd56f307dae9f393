import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createTracker, LogMetric, TrackedExperiment, TrackedRun, tracked } from "../../../src/index.js";
import { MemoryStore } from "../../../src/stores/memory-store.js";
import { createTestTracker, type TestRun } from "../../../src/testing/index.js";
import type { Tracker } from "../../../src/tracker.js";
import { assertBalanced, named, values } from "../../support/runs.js";
import { sleep } from "../../support/wait.js";

describe("maxRunsPerSecond", () => {
  test("a second's first calls are runs, the others one folded run with aggregates", async () => {
    @TrackedExperiment("Service", { params: { region: "eu" } })
    class Service {
      @TrackedRun({ maxRunsPerSecond: 2, params: ["ms"] })
      @LogMetric("ms")
      handle(ms: number): { ms: number } {
        if (ms < 0) throw new Error(`bad ${ms}`);
        return { ms };
      }
    }
    const tracker = createTestTracker();
    const service = new Service();
    const call = (ms: number): void => {
      try {
        tracker.run(() => service.handle(ms));
      } catch {}
    };
    for (let ms = 1; ms <= 102; ms++) call(ms);
    for (let i = 1; i <= 3; i++) call(-i);
    tracker.now += 1_000;
    call(1_000);
    const all = tracker.runs;
    assert.deepEqual(
      named(all, "Service.handle").map((run) => [run.params["ms"], run.status]),
      [
        ["1", "FINISHED"],
        ["2", "FINISHED"],
        ["-1", "FAILED"],
        ["1000", "FINISHED"],
      ],
    );
    const [folded] = named(all, "Service.handle (folded)");
    assert.ok(folded);
    assert.equal(folded.status, "FINISHED");
    assert.equal(folded.tags["pulse.folded"], "102");
    assert.deepEqual(folded.params, { region: "eu" });
    const { "ms.p50": p50, "ms.p95": p95, "ms.p99": p99, ...exact } = values(folded);
    assert.deepEqual(exact, { "ms.count": [100], "ms.mean": [52.5], "ms.min": [3], "ms.max": [102], errors: [2] });
    for (const [value, true_] of [
      [p50, 52],
      [p95, 97],
      [p99, 101],
    ] as const)
      assert.ok(Math.abs((value?.[0] ?? 0) - true_) <= true_ * 0.01 + 1, `${value} for ${true_}`);
    assert.equal(tracker.stats().folded, 102);
    assert.equal(tracker.stats().pending, 0);
    assertBalanced(tracker, 5);
  });

  test("the limit holds for all callers, and folded runs go below the common parent", async () => {
    const tracker = createTestTracker();
    const item = tracked((n: number) => n, { runName: "item", maxRunsPerSecond: 1, metrics: "n" });
    const job = tracked(
      () => {
        for (let n = 0; n < 3; n++) item(n);
      },
      { runName: "job" },
    );
    tracker.run(job);
    tracker.now += 1_000;
    tracker.run(() => [job(), job()]);
    await tracker.shutdown();
    const all = [...tracker.runs].sort((a, b) => a.startTime - b.startTime);
    const [first, second] = named(all, "job").map(({ id }) => id);
    const parents = (name: string) => named(all, name).map(({ parentId }) => parentId);
    assert.deepEqual(parents("item"), [first, second]);
    assert.deepEqual(parents("item (folded)"), [first, undefined]);
    assert.deepEqual(
      named(all, "item (folded)").map((run) => [values(run)["n.count"], values(run)["n.mean"], run.startTime]),
      [
        [[2], [1.5], 1_700_000_000_000],
        [[5], [6 / 5], 1_700_000_001_000],
      ],
    );
  });

  test("calls of several parents are folded into the experiment of their parents", async () => {
    const tracker = createTestTracker();
    const item = tracked((n: number) => n, { runName: "item", maxRunsPerSecond: 0 });
    for (let n = 0; n < 2; n++) tracker.withRun({ experiment: "Theirs" }, () => item(n));
    await tracker.shutdown();
    assert.deepEqual(
      named(tracker.runs, "item (folded)").map(({ experiment }) => experiment),
      ["Theirs"],
    );
  });

  test("what was recorded below folded calls is folded, too, name by name", async () => {
    const tracker = createTestTracker();
    const leaf = tracked((n: number) => n, { runName: "leaf", metrics: "n" });
    const fails = tracked(
      (n: number) => {
        if (n > 2) throw new Error(`bad ${n}`);
      },
      { runName: "fails" },
    );
    let late: Promise<unknown>[] = [];
    const outlives = tracked((n: number) => sleep(1).then(() => n), { runName: "late", metrics: "n" });
    const request = tracked(
      (n: number) => {
        late.push(outlives(n));
        leaf(n);
        try {
          fails(n);
        } catch {
          // the request answers all the same
        }
      },
      { experiment: "Service", runName: "request", maxRunsPerSecond: 1 },
    );
    for (let n = 1; n <= 5; n++) tracker.run(() => request(n));
    await Promise.all(late);
    late = [];
    await tracker.shutdown();
    const all = tracker.runs;
    const [one] = named(all, "request");
    const found = (name: string) =>
      named(all, name)
        .map((run) => [run.status, run.experiment, run.parentId])
        .sort();
    for (const name of ["leaf", "late"]) assert.deepEqual(found(name), [["FINISHED", "Service", one?.id]]);
    assert.deepEqual(found("fails"), [
      ["FAILED", "Service", undefined], // the first of the second that fails is a run of its own
      ["FINISHED", "Service", one?.id],
    ]);
    for (const [name, folded, errors] of [
      ["request (folded)", "4", 0],
      ["leaf (folded)", "4", 0],
      ["late (folded)", "4", 0],
      ["fails (folded)", "3", 2],
    ] as const) {
      const [run] = named(all, name);
      assert.deepEqual([name, run?.tags["pulse.folded"], run?.experiment], [name, folded, "Service"]);
      assert.deepEqual(values(run as TestRun)["errors"], [errors], name);
    }
    for (const name of ["leaf (folded)", "late (folded)"])
      assert.deepEqual(
        [values(named(all, name)[0] as TestRun)["n.count"], values(named(all, name)[0] as TestRun)["n.mean"]],
        [[4], [3.5]],
      );
    assert.equal(all.length, 4 + 4 + 1);
    assertBalanced(tracker, all.length);
  });

  test("the same holds when that experiment is configured by its id", async () => {
    const store = new MemoryStore();
    process.env["MLFLOW_EXPERIMENT_ID"] = "0";
    const tracker = createTracker({ store });
    delete process.env["MLFLOW_EXPERIMENT_ID"];
    const item = tracked((n: number) => n, { runName: "item", maxRunsPerSecond: 0 });
    for (let n = 0; n < 2; n++) tracker.withRun({}, () => item(n));
    await tracker.shutdown();
    assert.deepEqual(
      [...store.runs.values()].map(({ experimentId }) => experimentId),
      ["0", "0", "0"],
    );
    assert.equal(store.experiments.size, 1);
  });

  test("a failure that the call survives is no failed call, and neither is an abort", async () => {
    const tracker = createTestTracker();
    const attempt = tracked(
      () => {
        throw new Error("first try");
      },
      { runName: "attempt" },
    );
    const call = tracked(
      (abort: boolean) => {
        if (abort) throw new DOMException("stop", "AbortError");
        try {
          attempt();
        } catch {}
      },
      { runName: "call", maxRunsPerSecond: 0 },
    );
    for (const abort of [false, false, true])
      try {
        tracker.run(() => call(abort));
      } catch {}
    await tracker.shutdown();
    assert.deepEqual(
      tracker.runs.map((run) => [run.name, run.tags["pulse.folded"], values(run)]),
      [
        ["attempt", undefined, {}],
        ["call (folded)", "3", { errors: [0] }],
        ["attempt (folded)", "1", { errors: [1] }],
      ],
    );
  });

  test("withRun folds by experiment, run name and function, without one call's values", async () => {
    const tracker = createTestTracker();
    for (let i = 0; i < 3; i++)
      for (const runName of ["one", "two"])
        tracker.withRun({ runName, params: { id: i }, tags: { user: i }, maxRunsPerSecond: 1 }, (run) =>
          run.logMetric(runName, i),
        );
    await tracker.shutdown();
    assert.deepEqual(
      tracker.runs
        .filter(({ name }) => name.endsWith("(folded)"))
        .map((run) => [run.name, run.params, Object.hasOwn(run.tags, "user"), Object.keys(values(run)).sort()[0]]),
      [
        ["one (folded)", {}, false, "errors"],
        ["two (folded)", {}, false, "errors"],
      ],
    );
    assert.equal(named(tracker.runs, "one").length, 1);
  });

  test("too many names or functions in a second are folded together", async () => {
    const calls: Record<string, (tracker: Tracker, i: number) => void> = {
      "names of withRun": (tracker, i) =>
        tracker.withRun({ experiment: "Names", runName: `request ${i}`, maxRunsPerSecond: 1 }, (run) =>
          run.logMetric("i", i),
        ),
      "functions made for one call": (tracker, i) =>
        tracker.tracked((n: number) => n, {
          experiment: "Names",
          runName: `request ${i}`,
          maxRunsPerSecond: 1,
          metrics: "i",
        })(i),
      "keys made up": (tracker, i) =>
        tracker.withRun({ experiment: "Names", foldKey: `key ${i}`, maxRunsPerSecond: 1 }, (run) =>
          run.logMetric("i", i),
        ),
    };
    for (const [name, call] of Object.entries(calls)) {
      const most = name.startsWith("functions") ? 1_000 : 100;
      const tracker = createTestTracker();
      for (let second = 0; second < 3; second++) {
        for (let i = 0; i < 2 * most; i++) call(tracker, second * 10 * most + i);
        tracker.now += 1_000;
      }
      tracker.withRun({ experiment: "Another", runName: "not of those", maxRunsPerSecond: 1 }, () => undefined);
      await tracker.shutdown();
      const all = tracker.runs;
      const folded = all.filter(({ tags }) => Object.hasOwn(tags, "pulse.folded"));
      assert.equal(all.length - folded.length, 3 * (most + 1) + 1, name);
      assert.deepEqual(
        folded.map((run) => [run.name, run.tags["pulse.folded"], values(run)["i.count"]]),
        Array.from({ length: 3 }, () => ["others (folded)", String(most - 1), [most - 1]]),
        name,
      );
    }
  });

  test("names are forgotten after their second, so later ones are counted apart again", async () => {
    const tracker = createTestTracker();
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < 90; i++)
        tracker.withRun({ runName: `${second}, ${i}`, maxRunsPerSecond: 1 }, () => undefined);
      tracker.now += 1_000;
    }
    await tracker.shutdown();
    assert.equal(tracker.runs.length, 20 * 90);
  });

  test("foldKey decides what counts as one: names, methods of a class, functions", async () => {
    @TrackedExperiment("Keyed", { maxRunsPerSecond: 1, foldKey: "all", params: { team: "a" } })
    class Keyed {
      @LogMetric
      one(n: number): number {
        return n;
      }
      @LogMetric
      two(n: number): number {
        return n;
      }
    }
    const tracker = createTestTracker();
    const keyed = new Keyed();
    tracker.run(() => {
      for (let i = 0; i < 3; i++) {
        keyed.one(i);
        keyed.two(i);
        for (const user of ["eve", "bob"])
          tracker.withRun(
            { runName: `job of ${user} ${i}`, foldKey: "job", maxRunsPerSecond: 1, params: { user } },
            () => undefined,
          );
        tracked(() => i, { foldKey: "fn", maxRunsPerSecond: 1 })();
      }
    });
    await tracker.shutdown();
    assert.deepEqual(
      tracker.runs.map((run) => [run.name, run.tags["pulse.folded"]]).sort(),
      [
        ["Keyed.one", undefined],
        ["all (folded)", "5"],
        ["anonymous", undefined],
        ["fn (folded)", "2"],
        ["job (folded)", "5"],
        ["job of eve 0", undefined],
      ].sort(),
    );
    for (const foldKey of ["", 5, null])
      assert.throws(
        () => tracker.withRun({ foldKey: foldKey as never }, () => undefined),
        /foldKey must be a non-empty string/,
      );
  });

  test("a folded run that is open at the end is whole", async () => {
    const tracker = createTestTracker();
    tracker.withRun({ runName: "tick", maxRunsPerSecond: 0 }, (run) => run.logMetric("i", 1));
    await tracker.shutdown();
    const [run] = tracker.runs;
    assert.deepEqual(
      [run?.status, run?.tags["pulse.partial"], run?.tags["pulse.folded"]],
      ["FINISHED", undefined, "1"],
    );
  });

  test("the window closes by itself, withRun shares one by name, and 0 folds all", async () => {
    const tracker = createTestTracker();
    for (let i = 0; i < 3; i++)
      tracker.withRun({ runName: "tick", maxRunsPerSecond: 0 }, (run) => run.logMetric("i", i));
    await sleep(1_100);
    const all = tracker.runs;
    assert.deepEqual(
      all.map(({ name, status }) => [name, status]),
      [["tick (folded)", "FINISHED"]],
    );
    assert.deepEqual(values(all[0] as TestRun)["i.mean"], [1]);
  });
});
