import { isLate, LATE } from "../base/text/returned-promise.js";
import { type CaptureReport, kindOf, sayNowhere } from "./nowhere.js";
import { readPath, writtenPath } from "./path.js";
import type { SelectorFunction, Untyped } from "./selector.js";

/**
 * What to store as files: a file name, if the result is the content, or a record of file names, each with a path into
 * the result or a function of it. `{step}` in a name is replaced by a counter from 0.
 */
export type ArtifactSelector<Result = Untyped, Args = Untyped> =
  | string
  | { readonly [artifactFile: string]: string | SelectorFunction<Result, Args> };

/** @internal Extracts the contents of files from one result. */
export type ArtifactCapture = (
  result: unknown,
  args: readonly unknown[],
  emit: (artifactFile: string, content: unknown) => void,
  report: CaptureReport,
) => void;

/** @internal Compiles a selector into a capture. */
export function compileArtifacts(selector: ArtifactSelector): ArtifactCapture {
  if (typeof selector === "string")
    return (result, _args, emit, report) => {
      if (result === undefined)
        report.lost(`artifact ${selector}`, () => nothing(selector, "the method returned undefined"), true);
      else if (result !== null) emit(selector, result);
    };
  const parts = Object.entries(selector).map(([file, from]) => ({
    file,
    from,
    ...writtenPath(typeof from === "string" ? from : ""),
  }));
  return (result, args, emit, report) => {
    const failed: unknown[] = [];
    for (const { file, from, path, optional } of parts) {
      let content: unknown;
      try {
        content = typeof from === "function" ? from(result, args) : readPath(result, path);
      } catch (error) {
        failed.push(error); // the other files are still stored
        continue;
      }
      if (typeof from === "function" && isLate(content))
        report.lost(`artifact ${file}`, () => `the function for ${JSON.stringify(file)} ${LATE}.`);
      else if (content !== undefined && content !== null) emit(file, content);
      else if (typeof from === "string" && !optional)
        sayNowhere(report, "artifact", path, "the result", result, content);
    }
    if (failed.length > 0) throw failed[0];
  };
}

const nothing = (file: string, what: string): string =>
  `there is nothing to store as ${JSON.stringify(file)}: ${what}. Return the content, or null if there is none.`;

/** @internal Describes content that cannot become a file of that name. */
export const noContent = (file: string, content: unknown): string =>
  `${JSON.stringify(file)} needs a string, bytes, a Blob, a stream or { path }, or an object for names that end in .json, .yaml or .yml; got ${kindOf(content, file)}`;
