// What a selector does not find is said, once, with what there is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, LogParam, LogTag, TrackedExperiment } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

// biome-ignore lint/suspicious/noExplicitAny: what no compiler would let through
type Any = any;

/** The warnings of some calls with these options. */
function told(fn: (...args: Any[]) => unknown, options: object, ...calls: readonly unknown[][]): readonly string[] {
  const tracker = createTestTracker();
  const made = tracker.tracked(fn, { runName: "train", ...options } as object);
  for (const args of calls) made(...args);
  return tracker.warnings.map((text) => text.replace(/^pulse-mlflow: | \[NOTHING_FOUND\]$/g, ""));
}

const RESULT = { loss: 0.5, val: { acc: 0.9 }, name: "x", none: null, missing: undefined, empty: [] };

test("a path that finds nothing is reported once, with the fields and a guess", () => {
  function train(): object {
    return RESULT;
  }
  assert.deepEqual(told(train, { metrics: "los" }, [], []), [
    'train: metric path "los" found nothing; the result has loss, val.acc, name, none, missing, empty. Did you mean "loss"? Write "los?" if it may be missing.',
  ]);
  assert.deepEqual(told(train, { metrics: { a: "val.ac", b: "loss" } }, []), [
    'train: metric path "val.ac" found nothing; the result has loss, val.acc, name, none, missing, empty. Did you mean "val.acc"? Write "val.ac?" if it may be missing.',
  ]);
  assert.deepEqual(told(train, { metrics: "name" }, []), [
    'train: metric path "name" leads to the string "x", not a number. Fix the path.',
  ]);
  assert.deepEqual(told(train, { metrics: "val" }, []), [
    'train: metric path "val" leads to an object, not a number. Fix the path.',
  ]);
  assert.deepEqual(told(train, { metrics: { a: () => "text" } }, []), [
    'train: the selector for "a" returned the string "text", not a number.',
  ]);
});

test("a text under a secret's name is not shown", () => {
  const login = (): object => ({ password: "hunter2hunter2" });
  for (const text of told(login, { metrics: { a: "password", password: () => "hunter2hunter2" } }, []))
    assert.doesNotMatch(text, /hunter2/);
});

test("empty and optional fields are not mistakes", () => {
  assert.deepEqual(
    told(() => RESULT, { metrics: ["none", "missing", "empty", "none.deeper", "los?", "val.los?"] }, []),
    [],
  );
  assert.deepEqual(
    told(() => null, { metrics: "loss" }, []),
    [],
  );
  assert.deepEqual(
    told(() => ({ loss: 1 }), { metrics: { a: () => undefined } }, []),
    [],
  );
});

test("an optional path is a metric under its own name where it exists", async () => {
  const tracker = createTestTracker();
  tracker.tracked(() => RESULT, { metrics: ["loss?", "val.acc?"] } as object)();
  const [run] = tracker.runs;
  assert.deepEqual(run && values(run), { loss: [0.5], "val.acc": [0.9] });
});

test("a missing result, list field, step or tag is reported too", () => {
  const nothing = (): undefined => undefined;
  assert.match(told(nothing, { metrics: "loss" }, [])[0] ?? "", /found nothing; the result is undefined/);
  const list = (): object[] => [{ loss: 1 }, { loss: 2 }];
  assert.match(
    told(list, { metrics: "los" }, [])[0] ?? "",
    /the first element of the result has loss\. Did you mean "loss"/,
  );
  class Trainer {
    @LogMetric("loss", { step: "nope" } as Any)
    @LogTag("stag" as Any)
    train(): object {
      return { loss: 1, stage: "a" };
    }
  }
  const tracker = createTestTracker();
  tracker.withRun({}, () => new Trainer().train());
  assert.equal(tracker.warnings.length, 2);
  assert.ok(tracker.warnings.some((text) => /Trainer\.train: step path "nope" found nothing/.test(text)));
  assert.ok(
    tracker.warnings.some((text) => /Trainer\.train: tag path "stag" found nothing.*Did you mean "stage"/.test(text)),
  );
});

test("a path with brackets is answered with the same path in dots", () => {
  const result = (): object => ({ history: [{ loss: 1 }] });
  assert.match(
    told(result, { metrics: "history[0].loss" }, [])[0] ?? "",
    /metric path "history\[0\]\.loss" found nothing: indexes and names are written with dots, as in "history\.0\.loss"\.$/,
  );
});

test("paths that find nothing in an argument are reported, unless it was not given", () => {
  function train(_cfg?: unknown, _lr?: unknown): void {}
  const options = { params: ["_cfg.lrr", "3", "_lr"] };
  assert.deepEqual(told(train, options, [{ lr: 1, epochs: 2 }]), [
    'train: param path "_cfg.lrr" found nothing; argument _cfg has _cfg.lr, _cfg.epochs. Did you mean "_cfg.lr"? Write "_cfg.lrr?" if it may be missing.',
    'train: param path "3" found nothing; there are 2 arguments, counted from 0.',
  ]);
  assert.deepEqual(told(train, { params: ["_cfg.lr", "_lr"] }, []), []);
  assert.deepEqual(told(train, { params: ["_cfg.lrr?", "3?"] }, [{ lr: 1 }]), []);
});

test("strict: a path that finds nothing throws, and the run ends", async () => {
  const tracker = createTestTracker({ strict: true });
  const train = tracker.tracked(() => ({ loss: 1 }), { metrics: "los" as Any });
  assert.throws(() => train(), { code: "NOTHING_FOUND" });
  assert.equal(tracker.runs[0]?.status, "FINISHED");
});

test("a bare @LogMetric that finds no number says so, whatever the result is", async () => {
  class Model {
    readonly weights = [1];
  }
  const results: [unknown, RegExp][] = [
    [undefined, /there is nothing to log: it returned undefined\. Return the values, or null if there are none\./],
    ["text", /no number was found: it returned the string "text"\. Say what to log/],
    [new Model(), /it returned an instance of Model/],
    [[[1], [2]], /it returned a list/],
    [{ name: "x" }, /it returned an object/],
    [
      {
        get accuracy() {
          return 1;
        },
      },
      /whose accuracy is a getter, which are not run/,
    ],
  ];
  for (const [result, expected] of results) {
    const tracker = createTestTracker({ strict: true });
    @TrackedExperiment("Bare")
    class Trainer {
      @LogMetric
      train(): unknown {
        return result;
      }
    }
    tracker.run(() => new Trainer().train());
    assert.equal(tracker.warnings.length, 1);
    assert.match(tracker.warnings[0] ?? "", /^pulse-mlflow: Trainer\.train: /);
    assert.match(tracker.warnings[0] ?? "", expected);
  }
  for (const nothing of [undefined, null, [], {}, new Map()]) {
    const tracker = createTestTracker();
    tracker.run(() => tracker.tracked(() => nothing, { metrics: (r: unknown) => r })());
    assert.deepEqual(tracker.warnings, []);
  }
});

test("a bare @LogParam takes the fields of data classes, but not of services", async () => {
  class Config {
    lr = 0.1;
    name = "a";
    readonly started = new Date(0);
    readonly tags = ["x"];
    nested = { epochs: 3 };
    describe(): string {
      return this.name;
    }
  }
  class Service {
    readonly lr = 0.5;
    readonly cache = new Map();
  }
  @TrackedExperiment("Data")
  class Trainer {
    @LogParam
    train(_config: Config, _epochs: number): void {}

    @LogParam
    serve(_service: Service): void {}
  }
  const tracker = createTestTracker();
  tracker.run(() => {
    const trainer = new Trainer();
    trainer.train(new Config(), 2);
    trainer.train({ lr: 0.2, name: "plain" } as Config, 3);
    trainer.serve(new Service());
  });
  assert.deepEqual(
    tracker.runs.map((run) => run.params),
    [{ lr: "0.1", name: "a", "nested.epochs": "3", _epochs: "2" }, { lr: "0.2", name: "plain", _epochs: "3" }, {}],
  );
  assert.equal(tracker.warnings.length, 1);
  assert.match(
    tracker.warnings[0] ?? "",
    /Trainer\.serve: no param was found: the first argument is an instance of Service\. Say what to log/,
  );
});

test("options in the selector's place are answered with where they belong", () => {
  const loss = (): object => ({ loss: 1 });
  const options = { aggregate: "mean", prefix: "train/" } as const;
  assert.throws(() => LogMetric({ everyN: 2, ...options } as Any), {
    code: "INVALID_OPTION",
    message:
      'LogMetric: options come after the selector, as in @LogMetric(undefined, { everyN: 2, aggregate: "mean", prefix: "train/" }); got {"everyN":2,"aggregate":"mean","prefix":"train/"}.',
  });
  const [first] = told(loss, { metrics: options }, []);
  assert.match(
    first ?? "",
    /"mean" found nothing; .* If that was meant as an option: options come after the selector, as in @LogMetric\(undefined, \{ agg/,
  );
  // Paths all the same where they lead somewhere, or where another key is no option.
  assert.deepEqual(
    told(() => ({ mean: 1, s: 2 }), { metrics: { aggregate: "mean", step: "s" } }, []),
    [],
  );
  assert.doesNotMatch(told(loss, { metrics: { loss: "loss", step: "los" } }, [])[0] ?? "", /option/);
});

test("values that come later are named, and no getter is run to find out", () => {
  let ran = 0;
  const cursor = {
    subscribe: () => undefined,
    forEach: () => undefined,
    get next() {
      return ++ran;
    },
  };
  for (const result of [cursor, { ...Object.create(cursor), pipe: () => undefined }])
    told(() => result, { metrics: "loss" }, []);
  assert.equal(ran, 0);
  assert.match(told(() => cursor, { metrics: "loss" }, []).join(), /"pulse-mlflow\/rxjs" is imported/);
});
