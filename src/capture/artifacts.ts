import { isLate, LATE } from "../base/text/late.js";
import { type CaptureReport, kindOf, sayNowhere } from "./nowhere.js";
import { readPath, writtenPath } from "./path.js";
import type { SelectorFunction, Untyped } from "./selector.js";

/**
 * Which files a result becomes: the name of one, for a result that is its content, or a record of names, each with a
 * path into the result or a function of it. `{step}` in a name counts from 0 with each time.
 */
export type ArtifactSelector<Result = Untyped, Args = Untyped> =
  | string
  | { readonly [artifactFile: string]: string | SelectorFunction<Result, Args> };

/** @internal Takes the contents of files from one result. */
export type ArtifactCapture = (
  result: unknown,
  args: readonly unknown[],
  emit: (artifactFile: string, content: unknown) => void,
  told: CaptureReport,
) => void;

/** @internal Compiles a selector into a capture. */
export function compileArtifacts(selector: ArtifactSelector): ArtifactCapture {
  if (typeof selector === "string")
    return (result, _args, emit, told) => {
      if (result === undefined)
        told.lost(`artifact ${selector}`, () => nothing(selector, "the method gave undefined"), true);
      else if (result !== null) emit(selector, result);
    };
  const parts = Object.entries(selector).map(([file, from]) => ({
    file,
    from,
    ...writtenPath(typeof from === "string" ? from : ""),
  }));
  return (result, args, emit, told) => {
    const failed: unknown[] = [];
    for (const { file, from, path, optional } of parts) {
      let content: unknown;
      try {
        content = typeof from === "function" ? from(result, args) : readPath(result, path);
      } catch (error) {
        failed.push(error); // the other files are there all the same
        continue;
      }
      if (typeof from === "function" && isLate(content))
        told.lost(`artifact ${file}`, () => `the function for ${JSON.stringify(file)} ${LATE}.`);
      else if (content !== undefined && content !== null) emit(file, content);
      else if (typeof from === "string" && !optional) sayNowhere(told, "artifact", path, "the result", result, content);
    }
    if (failed.length > 0) throw failed[0];
  };
}

const nothing = (file: string, what: string): string =>
  `there is nothing to store as ${JSON.stringify(file)}: ${what}. Return the content, or null where there is none.`;

/** @internal What is said of a content that cannot become a file of that name. */
export const noContent = (file: string, content: unknown): string =>
  `${JSON.stringify(file)} needs a text, bytes, a Blob, a stream or { path }, or an object for names that end in .json, .yaml or .yml; got ${kindOf(content, file)}`;
