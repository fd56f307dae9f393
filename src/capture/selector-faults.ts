import { wrongInput } from "../wrong-input.js";

/** @internal Checks a selector and its options when the decorator runs, so that a slip of plain JavaScript is named at once. */
export function checkSelector(decorator: string, selector: unknown): void {
  if (selector === undefined || typeof selector === "function") return;
  if (typeof selector === "string") {
    checkPath(decorator, "the selector", selector);
    return;
  }
  if (typeof selector !== "object" || selector === null)
    throw wrongInput(decorator, "the selector", "a path, a list of paths, a record of paths and functions, or a function", selector);
  const isArray = Array.isArray(selector);
  const parts = Object.entries(selector as object);
  if (isArray && parts.length === 0) throw wrongInput(decorator, "the selector", "a list of paths, one at least", selector);
  for (const [key, part] of parts) {
    const name = isArray ? `path ${Number(key) + 1} of the selector` : `${JSON.stringify(key)} in the selector`;
    if (typeof part === "string") checkPath(decorator, name, part);
    else if (isArray || typeof part !== "function") throw wrongInput(decorator, name, isArray ? "a path" : "a path or a function", part);
  }
}

function checkPath(decorator: string, name: string, path: string): void {
  if (path.trim() === "" || path === "?") throw wrongInput(decorator, name, "a path, which is not empty", path);
}
