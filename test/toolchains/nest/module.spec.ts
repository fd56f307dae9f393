import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Injectable, Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ClientProxyFactory, type MicroserviceOptions, Transport } from "@nestjs/microservices";
import { Test } from "@nestjs/testing";
import { createTracker, defaultTracker, type Tracker, tracked, withRun } from "pulse-mlflow";
import { InjectTracker, PULSE_TRACKER, PulseMlflowModule, type PulseMlflowOptions } from "pulse-mlflow/nestjs";
import { PulseMlflowTestingModule } from "pulse-mlflow/nestjs/testing";
import { createTestTracker, type TestTracker } from "pulse-mlflow/testing";
import { firstValueFrom } from "rxjs";
import { applicationOf, Jobs, Learner } from "./app.js";

const quiet = { logger: false, abortOnError: false } as const;
const ended = async (tracker: TestTracker, count: number) => {
  while (tracker.runs.filter(({ status }) => status !== "RUNNING").length < count) await wait(2);
  return tracker.runs.map(({ name, status, parentId, metrics, tags }) => [
    name,
    status,
    parentId,
    metrics["seen"]?.length ?? 0,
    tags["error.type"],
  ]);
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}

for (const messages of [undefined, false] as const)
  test(`messages of a microservice are runs, unless ${messages}`, async () => {
    const tracker = createTestTracker();
    const pulse = PulseMlflowModule.forRoot({ tracker, messages });
    const options = { host: "127.0.0.1", port: await freePort() };
    // Started within a run, which is none of the messages' business.
    const start = tracked(async () => {
      const service = await NestFactory.createMicroservice<MicroserviceOptions>(applicationOf([pulse]), {
        ...quiet,
        transport: Transport.TCP,
        options,
      });
      await service.listen();
      return service;
    });
    const app = await createTestTracker().run(start);
    const client = ClientProxyFactory.create({ transport: Transport.TCP, options });
    try {
      assert.equal(await firstValueFrom(client.send("double", 21)), 42);
      await assert.rejects(firstValueFrom(client.send("fail", 1)));
      await firstValueFrom(client.emit("noted", { a: 1 }), { defaultValue: undefined });
      if (messages === false) assert.deepEqual(tracker.runs, []);
      else
        assert.deepEqual(await ended(tracker, 3), [
          ["CornersController.double", "FINISHED", undefined, 2, undefined],
          ["CornersController.fail", "FAILED", undefined, 0, "RangeError"],
          ["CornersController.noted", "FINISHED", undefined, 1, undefined],
        ]);
    } finally {
      await client.close();
      await app.close();
    }
  });

test("jobs and last words are recorded, and the end gives the default back", async () => {
  const before = defaultTracker();
  const tracker = createTestTracker();
  const app = await NestFactory.createApplicationContext(
    applicationOf([PulseMlflowModule.forRoot({ tracker })], true),
    quiet,
  );
  assert.equal(defaultTracker(), tracker);
  while (app.get(Jobs).ran === 0) await wait(5);
  await app.close();
  assert.equal(defaultTracker(), before);
  const names = tracker.runs.map(({ name, status }) => `${name} ${status}`);
  assert.deepEqual(new Set(names), new Set(["job FINISHED", "last words FINISHED"]));
});

test("the module makes a tracker from settings, and ends it with the application", async () => {
  @Injectable()
  class Health {
    constructor(@InjectTracker() readonly tracker: Tracker) {}
  }
  class Options {
    createPulseMlflowOptions(): PulseMlflowOptions {
      return { config: { trackingUri: "memory:" }, requests: false };
    }
  }
  @Module({ providers: [{ provide: "uri", useValue: "memory:" }], exports: ["uri"] })
  class Settings {}
  for (const pulse of [
    PulseMlflowModule.forRoot({ config: { trackingUri: "memory:" } }),
    PulseMlflowModule.forRootAsync({ useClass: Options }),
    PulseMlflowModule.forRootAsync({
      imports: [Settings],
      inject: ["uri"],
      useFactory: async (trackingUri: string) => ({ config: { trackingUri } }),
    }),
  ]) {
    @Module({ imports: [pulse], providers: [Health] })
    class App {}
    const app = await NestFactory.createApplicationContext(App, quiet);
    const { tracker } = app.get(Health);
    assert.equal(defaultTracker(), tracker);
    withRun({}, (run) => run.logMetric("n", 1));
    assert.equal(tracker.stats().metrics, 1);
    await app.close();
    assert.notEqual(defaultTracker(), tracker);
    tracker.run(() => withRun({}, (run) => run.logMetric("n", 1)));
    assert.ok(tracker.stats().dropped > 0, "it was shut down");
  }
  const own = createTracker({ trackingUri: "memory:" });
  const app = await NestFactory.createApplicationContext(
    applicationOf([PulseMlflowModule.forRootAsync({ useFactory: () => ({ tracker: own }) })]),
    quiet,
  );
  await app.close();
  own.run(() => withRun({}, (run) => run.logMetric("n", 1)));
  assert.equal(own.stats().dropped, 0, "a tracker of the program goes on");
  await own.shutdown();
});

test("in tests everything goes to a test tracker", async () => {
  const tracker = createTestTracker();
  const modules = {
    "its module": Test.createTestingModule({ imports: [PulseMlflowTestingModule.forRoot()], providers: [Learner] }),
    "in place": Test.createTestingModule({
      imports: [applicationOf([PulseMlflowModule.forRoot({ config: { trackingUri: "sqlite:///not-made.db" } })])],
    })
      .overrideProvider(PULSE_TRACKER)
      .useValue(tracker),
  };
  for (const [name, builder] of Object.entries(modules)) {
    const built = await builder.compile();
    const to = built.get<TestTracker>(PULSE_TRACKER);
    for await (const _ of built.get(Learner).train(2));
    tracked(() => undefined, { runName: "elsewhere" })();
    assert.deepEqual(
      to.runs.map((run) => [run.name, run.experiment, run.metrics["loss"]?.map(({ value }) => value)]),
      [
        ["Learner.train", "PulseMetaLearning", [1, 1 / 2]],
        ["elsewhere", "Default", undefined],
      ],
      name,
    );
    await built.close();
    assert.notEqual(defaultTracker(), to);
  }
  for (const file of ["not-made.db", "mlflow.db"]) assert.ok(!existsSync(file), file);
});
