/**
 * State shared by every loaded copy of the package (ESM beside CommonJS, two versions in one tree):
 * otherwise a run opened by one copy would be invisible to the other.
 */
const KEY = Symbol.for("pulse-mlflow/1");

/** Gives the shared slot of that name, made by the first copy that asks. */
export const shared = <T>(name: string, make: () => T): T => slot(globalThis, name, make);

/**
 * Likewise for all of a process, also where a test runner gives each file a `globalThis` of its own: listeners to the
 * process's end, and what it has but once.
 */
export const sharedByProcess = <T>(name: string, make: () => T): T => shared(name, () => slot(process, name, make));

function slot<T>(place: object, name: string, make: () => T): T {
  const home = place as { [KEY]?: Map<string, unknown> };
  home[KEY] ??= new Map();
  const slots = home[KEY];
  if (!slots.has(name)) slots.set(name, make());
  return slots.get(name) as T;
}
