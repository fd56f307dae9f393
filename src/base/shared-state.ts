/**
 * State shared by all loaded copies of the package (ESM beside CommonJS, two versions in one tree). Otherwise a run
 * opened by one copy would be invisible to the other.
 */
const KEY = Symbol.for("pulse-mlflow/1");

/** Returns a shared slot; the first copy that asks creates it. */
export const shared = <T>(name: string, make: () => T): T => slot(globalThis, name, make);

/**
 * Returns a slot shared by the whole process, even if a test runner gives each file its own `globalThis`. For exit
 * listeners, and for anything that exists once per process.
 */
export const sharedByProcess = <T>(name: string, make: () => T): T => shared(name, () => slot(process, name, make));

function slot<T>(place: object, name: string, make: () => T): T {
  const home = place as { [KEY]?: Map<string, unknown> };
  home[KEY] ??= new Map();
  const slots = home[KEY];
  if (!slots.has(name)) slots.set(name, make());
  return slots.get(name) as T;
}
