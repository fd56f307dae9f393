// biome-ignore-all lint/suspicious/noExplicitAny: a decorator of both dialects, written without types
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { createTestTracker } from "../../src/testing/index.js";
import "reflect-metadata/lite";
import { LogMetric, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { tempFolder } from "../support/folders.js";
import { values } from "../support/runs.js";

const require = createRequire(import.meta.url);
const folder = tempFolder("reflect");

test("two copies of reflect-metadata keep the metadata and both read the plan", async () => {
  const first = Reflect.getMetadata;
  const { defineMetadata } = Reflect;
  const role: any = (value: any, _context: unknown, descriptor?: PropertyDescriptor) => {
    defineMetadata("role", "admin", descriptor ? descriptor.value : value);
    return descriptor ?? value;
  };
  @TrackedExperiment("Copies")
  class Before {
    @TrackedRun
    @LogMetric("n")
    @role
    m(): { n: number } {
      return { n: 1 };
    }
  }
  const copy = join(folder, "reflect-metadata.cjs");
  copyFileSync(require.resolve("reflect-metadata"), copy);
  for (const name of Reflect.ownKeys(Reflect))
    if (/etadata$/.test(String(name)) || name === "decorate") Reflect.deleteProperty(Reflect, name);
  require(copy);
  assert.notEqual(Reflect.getMetadata, first);
  @TrackedExperiment("Copies")
  class After {
    @LogMetric("n")
    @role
    m(): { n: number } {
      return { n: 2 };
    }
  }
  for (const get of [first, Reflect.getMetadata]) {
    assert.deepEqual([get("role", Before.prototype.m), get("role", After.prototype.m)], ["admin", "admin"]);
    assert.deepEqual(
      (get("pulse-mlflow:plan", Before.prototype.m) as { decorator: string }[]).map(({ decorator }) => decorator),
      ["LogMetric", "TrackedRun"],
    );
  }
  const tracker = createTestTracker();
  tracker.run(() => [new Before().m(), new After().m()]);
  assert.deepEqual(tracker.runs.map(values), [{ n: [1] }, { n: [2] }]);
});
