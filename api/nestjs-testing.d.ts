// integrations/nestjs/testing.d.ts
import type { DynamicModule } from "@nestjs/common";
import { type TestConfig } from "../../testing/index.js";
import { type PulseMlflowOptions } from "./index.js";
/** Options of `PulseMlflowTestingModule`: those of a test tracker, and what is recorded. */
export interface PulseMlflowTestingOptions extends Pick<PulseMlflowOptions, "messages" | "requests"> {
    /** Settings of the test tracker. @default those of `createTestTracker` */
    readonly config?: TestConfig | undefined;
}
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
export declare class PulseMlflowTestingModule {
    static forRoot({ config, requests, messages }?: PulseMlflowTestingOptions): DynamicModule;
}
