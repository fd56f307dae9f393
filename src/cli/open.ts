import { spawn } from "node:child_process";
import { shownText } from "../base/text/redact.js";
import { findRun } from "./find-run.js";
import { printJson, styled, type Terminal } from "./output.js";
import type { Reading } from "./reading.js";

/** Where MLflow's user interface listens if it is started without options. */
const LOCAL_UI = "http://127.0.0.1:5000";

/** Where the page of a run is. */
export interface RunPage {
  readonly url: string;
  /** The command that starts the user interface; undefined if a server has one. */
  readonly start: string | undefined;
}

/** Returns the page of a run in MLflow's user interface; undefined if that does not show the store. */
export function pageOf({ uri, runUrl }: Reading, runId: string, experimentId: string): RunPage | undefined {
  const url = runUrl?.(runId, experimentId);
  if (url !== undefined) return { url: shownText(url), start: undefined };
  if (!/^(?:sqlite|file):/.test(uri)) return undefined;
  const path = `#/experiments/${encodeURIComponent(experimentId)}/runs/${encodeURIComponent(runId)}`;
  return { url: `${LOCAL_UI}/${path}`, start: `mlflow ui --backend-store-uri ${quoted(shownText(uri))}` };
}

/** Quotes a word for a shell, if that is needed. */
function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return process.platform === "win32" ? `"${word}"` : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Prints the page of a run and opens it on a terminal. Returns the exit code. */
export async function openRun(
  terminal: Terminal,
  reading: Reading,
  { run: named, print }: { readonly run: string; readonly print: boolean },
): Promise<number> {
  const { runId, experimentId } = await findRun(reading.client, named);
  const page = pageOf(reading, runId, experimentId);
  if (page === undefined) throw new Error(`MLflow's user interface does not show ${shownText(reading.uri)}.`);
  if (terminal.json) {
    printJson(terminal, { runId, ...page });
    return 0;
  }
  if (page.start !== undefined)
    terminal.out.write(
      `${styled(terminal, "dim", "Start MLflow's user interface, then open the page:")}\n  ${page.start}\n  `,
    );
  terminal.out.write(`${page.url}\n`);
  if (page.start === undefined && terminal.out.isTTY && !print && !(await inBrowser(page.url)))
    terminal.err.write("pulse-mlflow: no browser could be opened; open the page by hand.\n");
  return 0;
}

/** Opens a page in the browser. Returns whether that could be started. */
function inBrowser(url: string): Promise<boolean> {
  // On Windows not by `start`, for which cmd.exe would read the address as a command line.
  const [program, args] =
    process.platform === "darwin"
      ? ["open", [url]]
      : process.platform === "win32"
        ? ["rundll32.exe", ["url.dll,FileProtocolHandler", url]]
        : ["xdg-open", [url]];
  return new Promise((resolve) => {
    const child = spawn(program as string, args as string[], { stdio: "ignore", detached: true });
    child.once("error", () => resolve(false));
    child.once("spawn", () => resolve(true));
    child.unref();
  });
}
