// Parameter decorators, which only the legacy dialect has.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LogMetric, LogParam, TrackedExperiment, TrackedRun, tracked } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

interface Options {
  lr: number;
  optimizer: { name: string; betas: number[] };
}

test("a decorated parameter is logged under the given name, else under its own", async () => {
  class Trainer {
    @TrackedRun
    train(@LogParam lr: number, @LogParam("n") epochs: number, _seed: number, @LogParam() label: string): number {
      return lr * epochs * label.length;
    }
  }
  const tracker = createTestTracker();
  assert.equal(
    tracker.run(() => new Trainer().train(0.5, 2, 7, "x")),
    1,
  );
  assert.deepEqual(tracker.onlyRun.params, { lr: "0.5", n: "2", label: "x" });
});

test("paths lead into the argument, functions get all, objects become their fields", async () => {
  class Trainer {
    @TrackedRun
    train(
      @LogParam(["lr", "optimizer.name"]) options: Options,
      @LogParam({ second: "optimizer.betas.1", count: (args: unknown[]) => args.length }) again: Options,
      @LogParam("whole") whole: Options,
    ): number {
      return options.lr + again.lr + whole.lr;
    }
  }
  const tracker = createTestTracker();
  const options: Options = { lr: 1, optimizer: { name: "adam", betas: [0.9, 0.99] } };
  tracker.run(() => new Trainer().train(options, options, options));
  assert.deepEqual(tracker.onlyRun.params, {
    lr: "1",
    "optimizer.name": "adam",
    second: "0.99",
    count: "3",
    "whole.lr": "1",
    "whole.optimizer.name": "adam",
    "whole.optimizer.betas": "[0.9,0.99]",
  });
});

test("parameters and statics of a tracked class are logged without other decorators", async () => {
  @TrackedExperiment("Parameters")
  class Trainer {
    train(@LogParam("rate") lr: number): number {
      return lr;
    }

    static make(@LogParam size: number): number {
      return size;
    }

    @LogParam
    @LogMetric
    both(@LogParam("rate") lr: number, epochs: number): number {
      return lr * epochs;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => {
    new Trainer().train(1);
    Trainer.make(2);
    new Trainer().both(3, 4);
  });
  assert.deepEqual(
    tracker.runs.map((run) => [run.name, run.params]),
    [
      ["Trainer.train", { rate: "1" }],
      ["Trainer.make", { size: "2" }],
      ["Trainer.both", { rate: "3", epochs: "4" }],
    ],
  );
  assert.equal(Trainer.prototype.train.name, "train");
});

test("a decorator on a constructor's parameter, or not made for parameters, throws", () => {
  assert.throws(() => {
    class Trainer {
      // @ts-expect-error: nothing is logged of a constructor
      constructor(@LogParam lr: number) {
        this.lr = lr;
      }
      lr: number;
    }
    return Trainer;
  }, /@LogParam is on the parameter Trainer\.constructor; it goes on methods, parameters of methods/);
  assert.throws(() => {
    class Trainer {
      // @ts-expect-error: metrics are of results
      train(@LogMetric lr: number): number {
        return lr;
      }
    }
    return Trainer;
  }, /@LogMetric is on the parameter Trainer\.train/);
});

test("members named by numbers are decorated, and messages call accessors accessors", () => {
  class Numbered {
    @LogMetric
    42(): number {
      return 1;
    }
  }
  const tracker = createTestTracker({ outsideRun: "ignore" });
  assert.equal(
    tracker.run(() => new Numbered()[42]()),
    1,
  );
  assert.throws(() => {
    class WithSetter {
      // @ts-expect-error: params are taken from calls
      @LogParam
      set lr(_value: number) {}
    }
    return WithSetter;
  }, /@LogParam is on the setter WithSetter\.lr/);
});

test("with reflect-metadata the same is logged, and the plan can be read", async () => {
  await import("reflect-metadata");
  class Service {}
  class Handler {
    @LogParam
    @TrackedRun({ tags: { a: 1 } })
    handle(_service: Service, ids: string[], label: string): number {
      return ids.length + label.length;
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Handler().handle({ plain: 1 }, "text" as never, "x"));
  assert.deepEqual(tracker.onlyRun.params, { plain: "1", ids: "text", label: "x" });
  const plan: unknown = Reflect.getMetadata("pulse-mlflow:plan", Handler.prototype.handle);
  assert.deepEqual(plan, [
    { decorator: "TrackedRun", options: { tags: { a: 1 } } },
    { decorator: "LogParam", selector: undefined },
  ]);
});

test("a decorator on a field with a function says what to write, and that works", async () => {
  // biome-ignore lint/suspicious/noExplicitAny: the compiler refuses it; plain JavaScript does not
  const [anyRun, anyMetric]: any[] = [TrackedRun, LogMetric("loss")];
  for (const decorator of [anyRun, anyMetric]) {
    assert.throws(
      () => {
        class Wrong {
          @decorator
          train = (): number => 1;
        }
        return Wrong;
      },
      { code: "WRONG_TARGET", message: /is on the field .*train; it goes on methods.*tracked\(fn, options\)/ },
    );
  }
  class Instead {
    factor = 3;
    train = tracked((n: number) => n * this.factor, { runName: "train", metrics: "n" });
  }
  const tracker = createTestTracker();
  const { train } = new Instead();
  assert.equal(
    tracker.run(() => train(2)),
    6,
  );
  assert.deepEqual(values(tracker.onlyRun), { n: [6] });
});

test("parameter decorators alone count once their class stands", async () => {
  class Loose {
    train(@LogParam lr: number, @LogParam("layers") ...sizes: number[]): number {
      return lr * sizes.length;
    }
  }
  @TrackedExperiment("Base")
  class Base {}
  class Derived extends Base {
    train(@LogParam lr: number): number {
      return lr;
    }
  }
  await Promise.resolve();
  const tracker = createTestTracker();
  tracker.withRun({ runName: "around" }, () => new Loose().train(0.5, 64, 32));
  tracker.run(() => new Derived().train(2));
  assert.deepEqual(
    tracker.runs.map((run) => [run.name, run.params]),
    [
      ["around", { lr: "0.5", layers: "[64,32]" }],
      ["Derived.train", { lr: "2" }],
    ],
  );
});

test("with PULSE_MLFLOW=off they leave every method as it is", () => {
  const program = fileURLToPath(new URL("off.js", import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [program], {
    encoding: "utf8",
    env: { ...process.env, PULSE_MLFLOW: "off" },
  });
  assert.equal(stdout, "true 6\n", stderr);
});
