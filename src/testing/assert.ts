type Assert = typeof import("node:assert/strict");

/** `node:assert/strict`, loaded when it is first used: the CommonJS build evaluates all entries together. */
export const assert: Assert = new Proxy({} as Assert, {
  get: (_, name) => Reflect.get(process.getBuiltinModule("node:assert/strict"), name) as unknown,
});
