import { PulseError } from "../base/errors.js";
import { needAlone, wrongInput } from "../base/wrong-input.js";
import { type ArtifactSelector, compileArtifacts } from "../capture/artifacts.js";
import type { Wrong } from "../capture/check.js";
import type { AnyFunction } from "../run/call/plan.js";
import { filesFault } from "../run/files/content.js";
import { apply, isBare } from "./dialect.js";
import type { Applied, LogArtifactGoes, LogsArtifacts } from "./types.js";

interface LogArtifactFactory {
  (
    value: AnyFunction,
    context: ClassMethodDecoratorContext,
  ): Wrong<'@LogArtifact needs the name of the file: @LogArtifact("report.md")'>;
  (
    target: object,
    key: string | symbol,
    descriptor: PropertyDescriptor,
  ): Wrong<'@LogArtifact needs the name of the file: @LogArtifact("report.md")'>;
  <const S extends ArtifactSelector>(selector: S): Applied<LogArtifactGoes, LogsArtifacts<S>>;
}

/**
 * Stores files from what the method returns or yields among the artifacts of its run. With a name: the result is the
 * file's content (text, bytes, a Blob, a stream, which is read to its end here, `{ path }` of a file or folder, or an
 * object for `.json` and `.yaml`). With a record: each name with a path into the result, or a function of it. `{step}`
 * in a name counts from 0, so that each yield gets a file of its own.
 * @throws PulseError `INVALID_OPTION`; `WRONG_TARGET` where the decorator is not allowed.
 * @example
 * ```ts
 * class Learner {@LogArtifact({ "confusion.json": "confusion", "report-{step}.md": (result) => `# ${result.name}` })
 *   evaluate() {
 *     return { name: "baseline", confusion: [[9, 1], [2, 8]] };
 *   }
 * }
 * ```
 */
export const LogArtifact: LogArtifactFactory = ((...args: unknown[]): unknown => {
  if (isBare(args))
    throw new PulseError("INVALID_OPTION", 'LogArtifact needs the name of the file, as in @LogArtifact("report.md").');
  needAlone("LogArtifact", args, 'the content is selected by a record, as in @LogArtifact({ "report.md": "report" })');
  const selector = args[0] as ArtifactSelector;
  const got = filesFault(selector);
  if (got !== undefined)
    throw wrongInput(
      "LogArtifact",
      "the selector",
      "the name of a file, or a record of names with paths and functions",
      selector,
      { got },
    );
  return (...target: unknown[]): unknown =>
    apply(target, {
      part: { decorator: "LogArtifact", selector },
      onMethod: (plan) => plan.artifacts.push(compileArtifacts(selector)),
    });
}) as LogArtifactFactory;
