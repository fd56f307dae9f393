import type { DynamicModule } from "@nestjs/common";
import { createTestTracker, type TestConfig } from "../../testing/index.js";
import { PulseMlflowModule, type PulseMlflowOptions } from "./index.js";

/** Options of `PulseMlflowTestingModule`: those of a test tracker, and what is recorded. */
export interface PulseMlflowTestingOptions extends Pick<PulseMlflowOptions, "messages" | "requests"> {
  /** Settings of the test tracker. @default those of `createTestTracker` */
  readonly config?: TestConfig | undefined;
}

/** Nothing is folded, unless a test asks for it: what it finds must not depend on its speed. */
const EACH = { maxRunsPerSecond: Number.MAX_SAFE_INTEGER };

/**
 * The module for tests: what the application records goes to a test tracker, wherever its code runs, and nothing into a
 * file or to a server. Each request is a run; messages are with `messages: {}`. `app.get(PULSE_TRACKER)` is the tracker, until `app.close()`.
 * @throws PulseError `INVALID_OPTION` and `INVALID_CONFIG` naming what is wrong.
 * @example
 * ```ts
 * import { Module } from "@nestjs/common";
 * import { PulseMlflowTestingModule } from "pulse-mlflow/nestjs/testing";
 *
 * Module({ imports: [PulseMlflowTestingModule.forRoot()] })(class {}); // or Test.createTestingModule({ imports: […] })
 * ```
 */
// biome-ignore lint/complexity/noStaticOnlyClass: modules of Nest are classes
export class PulseMlflowTestingModule {
  static forRoot({ config, requests, messages }: PulseMlflowTestingOptions = {}): DynamicModule {
    return PulseMlflowModule.forRoot({
      requests: requests !== false && { ...EACH, ...requests },
      messages: messages ? { ...EACH, ...messages } : false,
      tracker: createTestTracker(config),
    });
  }
}
