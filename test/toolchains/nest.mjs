// Tests of Nest's applications in Jest and Vitest, with the settings that docs/where-it-runs.md has.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { installNest, root, tool } from "./install.mjs";
import { folderOf, putLinks, putPackage, start } from "./places.mjs";

/** Providers of an application; what they need is injected by its type. */
const LEARNER = `import { Injectable, Module } from "@nestjs/common";
import { LogMetric, LogParam, TrackedExperiment, type Tracker } from "pulse-mlflow";
import { InjectTracker, PulseMlflowModule } from "pulse-mlflow/nestjs";
import { concatMap, delay, from, type Observable, of } from "rxjs";

@Injectable()
export class Rates {
  of = (epoch: number): number => 1 / epoch;
}

@Injectable()
@TrackedExperiment("PulseMetaLearning")
export class Learner {
  constructor(
    private readonly rates: Rates,
    @InjectTracker() readonly tracker: Tracker,
  ) {}

  @LogMetric("loss")
  train(@LogParam("epochs") epochs: number): Observable<{ loss: number }> {
    const losses = Array.from({ length: epochs }, (_, i) => ({ loss: this.rates.of(i + 1) }));
    return from(losses).pipe(concatMap((each) => of(each).pipe(delay(1))));
  }
}

@Module({
  imports: [PulseMlflowModule.forRootAsync({ useFactory: () => ({ config: { trackingUri: "sqlite:///not-made.db" } }) })],
  providers: [Learner, Rates],
})
export class AppModule {}
`;

const SPEC = `import { Test, type TestingModuleBuilder } from "@nestjs/testing";
import { defaultTracker } from "pulse-mlflow";
import { PULSE_TRACKER } from "pulse-mlflow/nestjs";
import { PulseMlflowTestingModule } from "pulse-mlflow/nestjs/testing";
import { createTestTracker, pulseMatchers, type TestTracker } from "pulse-mlflow/testing";
import { lastValueFrom } from "rxjs";

expect.extend(pulseMatchers);

async function check(builder: TestingModuleBuilder): Promise<void> {
  const built = await builder.compile();
  const tracker: TestTracker = built.get(PULSE_TRACKER);
  const learner = built.get(Learner);
  expect(learner.tracker).toBe(tracker);
  await lastValueFrom(learner.train(2));
  expect(tracker.onlyRun).toHaveRun({
    name: "Learner.train",
    experiment: "PulseMetaLearning",
    status: "FINISHED",
    params: { epochs: 2 },
  });
  expect(tracker).toHaveLoggedMetric("loss", { near: [1, 1 / 2], steps: [0, 1] });
  await built.close();
  expect(defaultTracker()).not.toBe(tracker);
}

test("a provider with the testing module", () =>
  check(Test.createTestingModule({ imports: [PulseMlflowTestingModule.forRoot()], providers: [Learner, Rates] })));

test("the application with another tracker", () =>
  check(
    Test.createTestingModule({ imports: [AppModule] }).overrideProvider(PULSE_TRACKER).useValue(createTestTracker()),
  ));
`;

/** The settings as they are documented: of Jest, what ES modules add to them, and of Vitest. */
function documented() {
  const text = readFileSync(join(root, "docs/where-it-runs.md"), "utf8");
  const [, section] = /^### Tests of Nest applications\n([\s\S]*?)^## /m.exec(text);
  const [jest, esm] = [...section.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json]) => JSON.parse(json));
  const [, vitest] = /```js\n([\s\S]*?)```/.exec(section);
  return { jest: { ...jest, cacheDirectory: "<rootDir>/cache", watchman: false }, esm, vitest };
}

function playJest(version, isEsm) {
  const { jest, esm } = documented();
  return play(version, {
    head: `import { AppModule, Learner, Rates } from "./learner${isEsm ? ".js" : ""}";\n`,
    settings: {
      "package.json": { type: isEsm ? "module" : "commonjs" },
      "jest.config.json": { ...jest, ...(isEsm && esm) },
    },
    args: [...(isEsm ? ["--experimental-vm-modules"] : []), tool("jest/bin/jest.js")],
  });
}

const playVitest = (version) =>
  play(version, {
    head: 'import { expect, test } from "vitest";\nimport { AppModule, Learner, Rates } from "./learner.js";\n',
    settings: { "package.json": { type: "module" }, "vitest.config.ts": documented().vitest },
    args: [tool("vitest/vitest.mjs"), "run"],
  });

async function play(version, { head, settings, args }) {
  const folder = folderOf({ ...settings, "learner.ts": LEARNER, "learner.spec.ts": head + SPEC }, "nest");
  putPackage(folder);
  const nest = await installNest(version);
  putLinks(folder, nest, "@nestjs/common", "@nestjs/core", "@nestjs/testing", "rxjs");
  putLinks(folder, tool(""), "@swc/jest", "unplugin-swc", "vitest");
  const { status, output } = await start(process.execPath, args, { cwd: folder });
  assert.equal(status, 0, output);
  assert.match(output, /Tests:? +2 passed/);
  for (const file of ["mlflow.db", "not-made.db"]) assert.ok(!existsSync(join(folder, file)), file);
}

export function* nestTests() {
  yield ["Nest 11, Jest", () => playJest(11, false)];
  yield ["Nest 12, Jest", () => playJest(12, true)];
  for (const version of [11, 12]) yield [`Nest ${version}, Vitest`, () => playVitest(version)];
}
