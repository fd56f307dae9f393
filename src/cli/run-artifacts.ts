import { PulseError } from "../base/errors.js";
import { printable } from "../base/text/printable.js";
import { shownText } from "../base/text/redact.js";
import { nearest, shownValue } from "../base/wrong-input.js";
import type { ArtifactInfo, ArtifactRepository } from "../contracts/artifact-repository.js";
import { advised } from "../contracts/finding.js";
import {
  artifactPath,
  MlflowClient,
  openArtifactRepository,
  openConfigured,
  parted,
  repositoryOptions,
  UploadTarget,
  walk,
} from "../inner/cli.js";
import { told } from "./error-text.js";
import { findRun } from "./find-run.js";
import { HOW_TO_NAME } from "./reading.js";
import { configFor } from "./target.js";

/** The number of names listed in a message. */
const MAX_NAMED = 12;
/** How long to wait for a database that another program is writing. */
const BUSY_MS = 5_000;
const BUSY_PAUSE_MS = 50;

/** Selects files of a run. */
export interface ArtifactsOf {
  /** Replaces the configured tracking URI. */
  readonly uri: string | undefined;
  /** The run's id, the beginning of it, its name, or `latest`. */
  readonly run: string;
  /** A file or folder of the run. @default everything */
  readonly path: string | undefined;
}

/** A selected entry and where it is stored. */
export interface Place {
  /** The run's id. */
  readonly run: string;
  readonly repository: ArtifactRepository;
  /** A path of `""` is the root folder. */
  readonly entry: ArtifactInfo;
}

/** Opens the repository that holds a run's files, as uploads do, and closes it after `use`. */
export async function withArtifacts<R>({ uri, run, path }: ArtifactsOf, use: (place: Place) => Promise<R>): Promise<R> {
  const checked = path === undefined ? "" : artifactPath(path);
  const config = configFor(uri);
  const store = openConfigured(config);
  const target = new UploadTarget(store, (root) => openArtifactRepository(root, repositoryOptions(config, store.uri)));
  try {
    const found = store.volatile ? undefined : await runWithFiles(target, run, MlflowClient.on(store, config));
    if (found === undefined)
      throw new Error(
        `${store.uri} keeps no files beyond the program that logs them. Name the store of the run with --uri.`,
      );
    const { runId, repository } = found;
    return await use({ run: runId, repository, entry: await entryOf(repository, runId, checked) });
  } catch (error) {
    throw inWords(error, run, shownText(store.uri));
  } finally {
    target.close();
    await store.close();
  }
}

interface RunWithFiles {
  readonly runId: string;
  readonly repository: ArtifactRepository;
}

/** Finds a run by its id; if there is none with that id, by the beginning of an id or by a name. */
async function runWithFiles(
  target: UploadTarget,
  named: string,
  client: MlflowClient,
): Promise<RunWithFiles | undefined> {
  try {
    const repository = await repositoryOf(target, named);
    return repository && { runId: named, repository };
  } catch (error) {
    if (!(error instanceof PulseError) || error.code !== "RUN_NOT_FOUND" || IS_ID.test(named)) throw error;
    const { runId } = await findRun(client, named).catch((problem: unknown) => {
      throw problem instanceof PulseError ? error : problem; // a store that cannot be searched has ids only
    });
    const repository = await repositoryOf(target, runId);
    return repository && { runId, repository };
  } finally {
    await client.close();
  }
}

async function repositoryOf(target: UploadTarget, run: string): Promise<ArtifactRepository | undefined> {
  for (const until = performance.now() + BUSY_MS; ; )
    try {
      return await target.repository({ runId: run, experimentId: "" });
    } catch (error) {
      if (!(error instanceof PulseError) || error.code !== "STORE_BUSY" || performance.now() > until) throw error;
      await new Promise((resolve) => {
        setTimeout(resolve, BUSY_PAUSE_MS);
      });
    }
}

async function entryOf(repository: ArtifactRepository, run: string, path: string): Promise<ArtifactInfo> {
  if (path === "") return { path, isDir: true, size: undefined };
  let { folder } = parted(path);
  let there = await all(walk(repository, folder, false));
  const entry = there.find((each) => each.path === path);
  if (entry !== undefined) return entry;
  while (there.length === 0 && folder !== "") {
    folder = parted(folder).folder;
    there = await all(walk(repository, folder, false));
  }
  if (there.length === 0) throw new Error(`Run ${run} has no artifacts, so there is no ${shownValue(path)}.`);
  const depth = folder === "" ? 1 : folder.split("/").length + 1;
  const meant = nearest(path.split("/").slice(0, depth).join("/"), there.map((each) => each.path)); // biome-ignore format: one line
  const hint = meant === undefined ? "" : ` Did you mean ${shownValue(meant)}?`;
  const names = there.slice(0, MAX_NAMED).map(shownPath).join(", ");
  const more = there.length > MAX_NAMED ? ` and ${(there.length - MAX_NAMED).toLocaleString("en")} more` : "";
  throw new Error(
    `Run ${run} has no artifact ${shownValue(path)}.${hint} There ${there.length === 1 ? "is" : "are"} ${names}${more}.`,
  );
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Formats a path for one line; folders end with a slash. */
export const shownPath = ({ path, isDir }: ArtifactInfo): string => printable(path) + (isDir ? "/" : "");

/** Rewords an error for these commands. */
function inWords(error: unknown, run: string, uri: string): unknown {
  if (!(error instanceof PulseError)) return error;
  const { detail } = advised(error);
  let text = told(error, uri);
  if (error.code === "NOT_WRITABLE") text = detail; // it may be the target
  if (error.code === "RUN_NOT_FOUND")
    text = `${detail} ${IS_ID.test(run) ? "Name its store with --uri." : HOW_TO_NAME}`;
  return new Error(text, { cause: error });
}

const IS_ID = /^[0-9a-f]{32}$/;

/** Whether running the same command again may help. */
export function mayPass(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof PulseError && error.cause.retryable;
}
