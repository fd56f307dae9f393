import { PulseError } from "../base/errors.js";
import { shownValue } from "../base/wrong-input.js";
import type { ArtifactInfo, ArtifactRepository } from "../contracts/artifact-repository.js";
import { MAX_ENTRIES, parted, tooMany } from "./paths.js";

/** Folders in folders; deeper ones are a listing's lie. */
const DEEPEST = 100;

/**
 * What lies in a folder, each folder before what is in it; nothing is held but one folder's listing on each level. A
 * repository of somebody's own may say anything: what is given lies in the folder.
 * @param folder `""` for the root
 * @param deep also what lies deeper
 * @param onRefused told of an entry that does not lie in its folder, and of a folder below whose listing is refused,
 * which are then left out
 * @throws PulseError `REJECTED` for an entry that does not lie in its folder, for more than 100,000 of them or folders
 * 100 deep; and what the repository throws.
 */
export async function* walk(
  repository: ArtifactRepository,
  folder: string,
  deep: boolean,
  onRefused?: (path: string, error: PulseError) => void,
): AsyncGenerator<ArtifactInfo, void, void> {
  let count = 0;
  async function listing(path: string): Promise<readonly ArtifactInfo[]> {
    try {
      return await repository.list(path);
    } catch (error) {
      if (onRefused === undefined || path === folder || !(error instanceof PulseError) || error.code !== "REJECTED")
        throw error;
      onRefused(path, error);
      return [];
    }
  }
  async function* below(path: string, depth: number): AsyncGenerator<ArtifactInfo, void, void> {
    if (depth > DEEPEST)
      throw new PulseError("REJECTED", `The folders in ${repository.uri} lie more than ${DEEPEST} deep in each other.`);
    for (const entry of await listing(path)) {
      if (!liesIn(path, entry?.path)) {
        const detail = `The listing of ${shownValue(path)} in ${repository.uri} names ${shownValue(entry?.path)}, which does not lie in it.`;
        const error = new PulseError("REJECTED", detail);
        if (onRefused === undefined) throw error;
        onRefused(path, error);
        continue;
      }
      if (++count > MAX_ENTRIES) throw tooMany(repository.uri, path);
      yield entry;
      if (deep && entry.isDir) yield* below(entry.path, depth + 1);
    }
  }
  yield* below(folder, 0);
}

function liesIn(folder: string, path: unknown): boolean {
  return typeof path === "string" && parted(path).folder === folder && !/^\.{0,2}$/.test(parted(path).name);
}
