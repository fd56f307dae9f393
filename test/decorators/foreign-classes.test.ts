// Class decorators of others before and after ours.
// biome-ignore-all lint/suspicious/noExplicitAny: decorators of both dialects, written without types
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogMetric, TrackedExperiment } from "../../src/index.js";
import { createTestTracker } from "../../src/testing/index.js";
import { values } from "../support/runs.js";

let legacy = false;
const noteDialect: any = (_value: unknown, context: unknown) => {
  legacy = typeof context !== "object";
};
class Probe {
  @noteDialect
  m(): void {}
}
assert.equal(new Probe().m(), undefined);

test("foreign class decorators may replace the class, above ours and below", async () => {
  const derive: any = (target: any) => class Derived extends target {};
  const proxy: any = (target: any) => new Proxy(target, {});
  class Base {
    @LogMetric
    m(): number {
      return 1;
    }

    @LogMetric
    static s(): number {
      return 2;
    }
  }
  const ours = TrackedExperiment("Class");
  const bare: any = TrackedExperiment;
  const context = { kind: "class" as const, name: "Made", addInitializer() {} };
  const decorate = (target: unknown, ...decorators: any[]): any =>
    decorators.reduceRight((made, each) => (legacy ? each(made) : each(made, context)) ?? made, target);
  const stacks = [derive, proxy].flatMap((foreign) =>
    [ours, bare].flatMap((own) => [
      [foreign, own],
      [own, foreign],
    ]),
  );
  const expected = [
    [{ m: [1] }, true],
    [{ own: [3] }, true],
    [{ s: [2] }, true],
  ];
  const outcomes: unknown[] = [];
  for (const stack of stacks) {
    class Made extends Base {
      @LogMetric
      own(): number {
        return 3;
      }
    }
    const tracker = createTestTracker();
    const Target = decorate(Made, ...stack);
    tracker.run(() => [new Target().m(), new Target().own(), Target.s()]);
    const names = stack.includes(bare) ? ["Made", "Derived"] : ["Class"];
    outcomes.push(tracker.runs.map((run) => [values(run), names.includes(run.experiment ?? "")]));
  }
  assert.deepEqual(
    outcomes,
    stacks.map(() => expected),
  );
});
