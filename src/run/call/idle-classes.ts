import { Diagnostics } from "../../base/diagnostics.js";
import { sharedByProcess } from "../../base/shared-state.js";
import { ownName } from "../../base/text/value-text.js";
import { defaultHost } from "../default-host.js";

/**
 * Tracked classes without a known decorated method. Since a subclass may have some, they are only reported when the
 * process exits.
 */
const idle = sharedByProcess("idle classes", () => {
  const classes = new Set<object>();
  process.on("exit", () => {
    const diagnostics = defaultHost()?.diagnostics ?? new Diagnostics();
    for (const each of classes) {
      const name = ownName(each) || "A class";
      const remedy =
        "Put @LogMetric, @LogParam, @LogTag or @TrackedRun on its methods (or on those of subclasses, none of which was called)";
      const detail = `${name} is tracked, but none of its methods is decorated: no call opens a run. ${remedy}.`;
      diagnostics.notice("NOTHING_FOUND", detail, name);
    }
  });
  return classes;
});

/** Notes a tracked class that has no decorated method so far. */
export function noteIdle(target: object): void {
  idle.add(target);
}

/** Notes that a method of these classes is decorated or was called. */
export function noteBusy(classes: readonly object[]): void {
  if (idle.size > 0) for (const each of classes) idle.delete(each);
}
