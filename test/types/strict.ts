// What only `strictNullChecks` finds; each `@ts-expect-error` marks what must not compile.
import { currentRun } from "../../src/index.js";

// @ts-expect-error: there may be no run
currentRun().logMetric("a", 1);
