import { Diagnostics } from "../../base/diagnostics.js";
import { sharedByProcess } from "../../base/shared-state.js";
import { ownName } from "../../base/text/text.js";
import { defaultHost } from "../default-host.js";

/**
 * Tracked classes of which no decorated method is known. A subclass may have some, so that only the process's end
 * tells.
 */
const idle = sharedByProcess("idle classes", () => {
  const classes = new Set<object>();
  process.on("exit", () => {
    const diagnostics = defaultHost()?.diagnostics ?? new Diagnostics();
    for (const each of classes) {
      const name = ownName(each) || "A class";
      const remedy =
        "Put @LogMetric, @LogParam, @LogTag or @TrackedRun on them (or on those of subclasses, none of which was called)";
      const detail = `${name} is tracked, but none of its methods is decorated: no call of them opens a run. ${remedy}.`;
      diagnostics.notice("NOTHING_FOUND", detail, name);
    }
  });
  return classes;
});

/** A tracked class has no decorated method so far. */
export function noteIdle(target: object): void {
  idle.add(target);
}

/** A method of a class, or of one below it, is decorated, or was called. */
export function noteBusy(classes: readonly object[]): void {
  if (idle.size > 0) for (const each of classes) idle.delete(each);
}
