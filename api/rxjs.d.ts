// integrations/rxjs.d.ts
import type { MonoTypeOperatorFunction } from "rxjs";
import { type CallOptions, type Selector } from "../index.js";
/** Options of `trackedRun`. */
export interface SubscriptionOptions<T = unknown> extends Omit<CallOptions<T, readonly []>, "metrics"> {
    /**
     * How a run ends whose subscriber leaves before the end, as `take`, `first` and `switchMap` do. It has the tag
     * `pulse.partial`. @default "FINISHED"
     */
    readonly unsubscribed?: "FINISHED" | "KILLED" | undefined;
}
/**
 * Returns an operator that opens a run for each subscription. The run ends FINISHED when the source completes, and
 * FAILED when it fails. What the source does is in the run, and what happens at once because of its values; a Subject
 * works where its program calls it.
 * @param metrics what to log of each value, a step each: a path, a record of paths and functions, or a function.
 * @default none
 * @throws PulseError `INVALID_OPTION` for an unknown option or a wrong value.
 * @example
 * ```ts
 * import { of } from "rxjs";
 * import { trackedRun } from "pulse-mlflow/rxjs";
 *
 * of({ loss: 0.5 }, { loss: 0.25 })
 *   .pipe(trackedRun({ experiment: "Sweep", runName: "epochs" }, "loss"))
 *   .subscribe();
 * ```
 */
export declare function trackedRun<T>(options?: SubscriptionOptions<T>, metrics?: Selector<T, readonly []>): MonoTypeOperatorFunction<T>;
