import { type ExperimentRef, experimentLabel, type Param, type Tag } from "../../base/entities.js";
import { PulseError } from "../../base/errors.js";
import { cutText, sanitizeKey } from "../../base/text/keys.js";
import { LIMITS } from "../../base/text/limits.js";
import type { RunChange } from "../../contracts/tracking-store.js";

/** Returns the warning for params that have other values in the store, given once for the same params. */
export function conflictWarning(keys: readonly string[], runKey: string, experiment: ExperimentRef): PulseError {
  const names = keys.map((key) => JSON.stringify(key)).join(", ");
  return new PulseError(
    "PARAM_CONFLICT",
    `Param ${names} of run ${runKey} has another value in the store already; the new one is kept in tag pulse.conflict.* (experiment ${experimentLabel(experiment)}).`,
  );
}

/** Moves the params that have other values in the store to tags. */
export function withoutParams<C extends Pick<RunChange, "params" | "tags">>(change: C, keys: readonly string[]): C {
  const refused = change.params.filter(({ key }) => keys.includes(key));
  return {
    ...change,
    params: change.params.filter(({ key }) => !keys.includes(key)),
    tags: [...change.tags, ...refused.map(conflictTag)],
  };
}

/** Returns the tag that stores a param's refused value. */
export function conflictTag({ key, value }: Param): Tag {
  return { key: sanitizeKey(`pulse.conflict.${key}`), value: cutText(value, LIMITS.tagValue) };
}
