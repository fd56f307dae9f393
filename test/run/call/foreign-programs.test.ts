// Libraries that look at functions and promises, as they are: what a tracked function is to them.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { tracked } from "../../../src/index.js";
import { createTestTracker } from "../../../src/testing/index.js";
import { values } from "../../support/runs.js";

const load = createRequire(import.meta.url);
// biome-ignore-start lint/suspicious/noExplicitAny: they are used as JavaScript does
const async: any = load("async");
const mobx: any = load("mobx");
const sinon: any = load("sinon");
const awilix: any = load("awilix");
const comlink: any = load("comlink");
const nodeEndpoint: any = load("comlink/dist/umd/node-adapter");
// biome-ignore-end lint/suspicious/noExplicitAny: see above

test("async's functions treat a tracked async function as one", async () => {
  const tracker = createTestTracker();
  const square = tracker.tracked(async (n: number) => n * n, { metrics: "square" });
  assert.deepEqual(await async.mapLimit([1, 2, 3], 2, square), [1, 4, 9]);
  const queue = async.queue(square, 1);
  assert.equal(await queue.push(4), 16);
  assert.equal(
    await async.retry(
      2,
      tracker.tracked(async () => 5),
    ),
    5,
  );
  assert.equal(tracker.runs.length, 5);
});

test("MobX makes a flow of a tracked generator, and its observables read as values", async () => {
  const tracker = createTestTracker();
  const flow = mobx.flow(
    tracker.tracked(
      function* (n: number) {
        yield Promise.resolve(n);
        return n + 1;
      },
      { runName: "flow" },
    ),
  );
  assert.equal(await flow(1), 2);
  assert.ok(mobx.isFlow(flow));
  const observed = tracker.tracked(() => mobx.observable({ loss: 0.5, nested: { acc: 0.9 } }), {
    metrics: ["loss", "nested.acc"],
  });
  observed();
  const [, run] = tracker.runs;
  assert.deepEqual(run && values(run), { loss: [0.5], "nested.acc": [0.9] });
});

test("a tracked sinon spy counts, and so does a spy on a tracked function", () => {
  const tracker = createTestTracker();
  const spy = sinon.spy((n: number) => n);
  const call = tracker.tracked(spy);
  call(1);
  call(2);
  assert.equal(call.callCount, 2);
  assert.ok(call.calledWith(2));
  call.resetHistory();
  assert.equal(spy.callCount, 0);
  const service = { run: tracker.tracked(async (n: number) => n) };
  const spied = sinon.spy(service, "run");
  void service.run(3);
  assert.ok(spied.calledOnceWith(3));
  spied.restore();
});

test("awilix injects into a tracked function by its parameters", () => {
  const tracker = createTestTracker();
  const container = awilix.createContainer({ injectionMode: awilix.InjectionMode.CLASSIC });
  const make = tracker.tracked((lr: number, epochs: number) => lr * epochs);
  container.register({ lr: awilix.asValue(0.5), epochs: awilix.asValue(4), product: awilix.asFunction(make) });
  assert.equal(container.resolve("product"), 2);
});

test("a Comlink proxy's function is tracked without further messages", async (context) => {
  const tracker = createTestTracker();
  const { port1, port2 } = new MessageChannel();
  context.after(() => port1.close());
  const calls: unknown[] = [];
  comlink.expose(
    {
      train(lr: number) {
        calls.push(lr);
        return { loss: 1 - lr };
      },
    },
    nodeEndpoint(port1),
  );
  const api = comlink.wrap(nodeEndpoint(port2));
  const train = tracker.tracked(api.train, { params: ["0"], metrics: "loss", runName: "remote" });
  assert.deepEqual(await train(0.25), { loss: 0.75 });
  await tracker.tracked(async (given: unknown) => void given, {
    params: (args: unknown) => ({ fn: (args as unknown[])[0] }),
  })(api.train);
  await tracked(() => 1)();
  assert.deepEqual(calls, [0.25]);
  const [run, other] = tracker.runs;
  assert.deepEqual(run && [values(run), run.params], [{ loss: [0.75] }, { "0": "0.25" }]);
  assert.deepEqual(other?.params, { fn: "[function target]" });
});
