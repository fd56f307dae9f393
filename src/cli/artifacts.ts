import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { bytes, counted } from "../base/amounts.js";
import { messageOf } from "../base/errors.js";
import { printable } from "../base/text/printable.js";
import { shownText } from "../base/text/redact.js";
import type { ArtifactInfo } from "../contracts/artifact-repository.js";
import { advised } from "../contracts/finding.js";
import { download, walk } from "../inner/cli.js";
import { Progress, printJson, styled, type Terminal } from "./output.js";
import { type ArtifactsOf, mayPass, shownPath, withArtifacts } from "./run-artifacts.js";
import { table } from "./table.js";

/** The interval at which progress is drawn. */
const DRAW_MS = 100;

/** Lists the files of a run. Returns the exit code. */
export async function listArtifacts(
  terminal: Terminal,
  options: ArtifactsOf & { readonly recursive: boolean },
): Promise<number> {
  const { recursive } = options;
  return withArtifacts(options, async ({ run, repository, entry }) => {
    const found: ArtifactInfo[] = [];
    if (!entry.isDir) found.push(entry);
    else for await (const each of walk(repository, entry.path, recursive)) found.push(each);
    const uri = shownText(repository.uri);
    if (terminal.json) {
      printJson(terminal, { run, uri, artifacts: found.map(({ path, isDir, size }) => ({ path, isDir, size })) });
      return 0;
    }
    const print = (line: string): void => void terminal.out.write(`${line}\n`);
    const folder = entry.path === "" ? "" : `${shownPath(entry)} of `;
    if (found.length === 0)
      print(entry.path === "" ? `Run ${run} has no artifacts.` : `There is nothing in ${folder}run ${run}.`);
    else {
      print(
        table(
          ["path", "size"],
          found.map((each) => [shownPath(each), each.size === undefined ? "" : bytes(each.size)]),
        ),
      );
      const files = found.filter(({ isDir }) => !isDir);
      const size = files.reduce((sum, each) => sum + (each.size ?? 0), 0);
      const folders = found.length === files.length ? "" : `, ${counted(found.length - files.length, "folder")}`;
      print(styled(terminal, "dim", `${counted(files.length, "file")}${folders}, ${bytes(size)} in ${uri}`));
    }
    return 0;
  });
}

/** A file that was left out. */
interface Refusal {
  readonly path: string;
  readonly reason: string;
}

interface Written {
  readonly path: string;
  readonly place: string;
  readonly size: number;
  /** Whether an earlier attempt has downloaded it. */
  readonly earlier: boolean;
}

/**
 * Downloads a file or folder of a run. Returns the exit code: 2 if the same command can continue, or something was
 * refused.
 */
export async function downloadArtifacts(
  terminal: Terminal,
  options: ArtifactsOf & { readonly to: string | undefined },
): Promise<number> {
  const to = resolve(options.to ?? ".");
  const file = fileOn(to);
  if (file !== undefined) throw new Error(`--to needs a folder to write into, and ${printable(file)} is a file.`);
  const refused: Refusal[] = [];
  const files: Written[] = [];
  const progress = new Progress(terminal);
  const interrupt = new AbortController();
  const stop = (): void => interrupt.abort(new Error("It was interrupted."));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  let problem: unknown;
  let { run } = options;
  try {
    await withArtifacts(options, async ({ run: runId, repository, entry }) => {
      run = runId;
      interrupt.signal.throwIfAborted();
      const sizes = new Map<string, number>();
      const begun = performance.now();
      let [received, drawn] = [0, 0];
      await download(repository, entry.path, to, {
        signal: interrupt.signal,
        onProgress(file, done, added) {
          received += added;
          sizes.set(file.path, done);
          const at = performance.now();
          if (at - drawn < DRAW_MS && done !== file.size) return;
          drawn = at;
          const { size = done } = file;
          const speed = `${bytes(Math.round(received / Math.max(0.001, (at - begun) / 1_000)))}/s`;
          progress.show(size === 0 ? 1 : done / size, `${bytes(done)} of ${bytes(size)}, ${speed}, ${shownPath(file)}`);
        },
        onFile({ path, size }, place, earlier) {
          files.push({ path, place, size: sizes.get(path) ?? size ?? 0, earlier });
          sizes.delete(path);
        },
        onRefused(path, error) {
          refused.push({ path: printable(path), reason: advised(error).detail });
        },
      });
    });
  } catch (error) {
    problem = error;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
  progress.end();
  const isLeft = interrupt.signal.aborted || mayPass(problem);
  if (!terminal.json) say(terminal, to, files, refused, problem === undefined);
  if (problem !== undefined && !isLeft) throw problem;
  const reported = problem === undefined ? undefined : shownText(messageOf(problem));
  const whole = !isLeft && refused.length === 0;
  const odd = { ...(refused.length > 0 && { refused }), ...(reported !== undefined && { problem: reported }) };
  if (terminal.json) printJson(terminal, { run, to, files, whole, ...odd });
  else if (reported !== undefined)
    terminal.err.write(`pulse-mlflow: ${reported} The same command continues where it ended.\n`);
  return whole ? 0 : 2;
}

/** Returns the first file on a path where a folder is needed; undefined if there is none. */
function fileOn(path: string): string | undefined {
  try {
    return statSync(path).isDirectory() ? undefined : path;
  } catch {
    return dirname(path) === path ? undefined : fileOn(dirname(path));
  }
}

function say(
  terminal: Terminal,
  to: string,
  files: readonly Written[],
  refused: readonly Refusal[],
  whole: boolean,
): void {
  const print = (line: string): void => void terminal.out.write(`${line}\n`);
  const written = files.filter(({ earlier }) => !earlier);
  for (const { place } of written) print(printable(place));
  const size = written.reduce((sum, each) => sum + each.size, 0);
  const there = files.length - written.length;
  const earlier = there === 0 ? "" : ` ${counted(there, "file was", "files were")} there from an earlier attempt.`;
  if (whole || files.length > 0)
    print(
      styled(
        terminal,
        "dim",
        `${counted(written.length, "file")} (${bytes(size)}) written to ${printable(to)}.${earlier}`,
      ),
    );
  for (const { path, reason } of refused)
    print(styled(terminal, "yellow", `Refused: ${path === "" ? "the root" : path}: ${reason}`));
}
