// biome-ignore-all lint/suspicious/noExplicitAny: a decorator of both dialects, written without types
import assert from "node:assert/strict";
import { test } from "node:test";
import { createTestTracker } from "../../src/testing/index.js";
import "reflect-metadata";
import { LogMetric, TrackedExperiment } from "../../src/index.js";
import { values } from "../support/runs.js";

test("framework metadata on a method stays readable on the decorated one", async () => {
  /** Puts metadata on the function itself, as Nest does; written for both dialects. */
  const Role =
    (role: string): any =>
    (value: any, _context: unknown, descriptor?: PropertyDescriptor) => {
      Reflect.defineMetadata("role", role, descriptor ? descriptor.value : value);
      return descriptor ?? value;
    };
  @TrackedExperiment("Framework")
  class Controller {
    @LogMetric
    @Role("admin")
    below(): number {
      return 1;
    }

    @Role("guest")
    @LogMetric
    above(): number {
      return 2;
    }
  }
  assert.equal(Reflect.getMetadata("role", Controller.prototype.below), "admin");
  assert.equal(Reflect.getMetadata("role", Controller.prototype.above), "guest");
  const tracker = createTestTracker();
  tracker.run(() => new Controller().below() + new Controller().above());
  assert.deepEqual(tracker.runs.map(values), [{ below: [1] }, { above: [2] }]);
});
