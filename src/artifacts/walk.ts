import { PulseError } from "../base/errors.js";
import { shownValue } from "../base/wrong-input.js";
import type { ArtifactInfo, ArtifactRepository } from "../contracts/artifact-repository.js";
import { MAX_ENTRIES, parted, tooMany } from "./paths.js";

/** Maximum nesting of folders; deeper ones come from a faulty listing. */
const DEEPEST = 100;

/**
 * Yields the contents of a folder, each folder before its contents. Memory use is limited to one listing per level.
 * Does not trust the repository, which may be the user's own: everything yielded is inside the folder.
 * @param folder `""` for the root
 * @param deep whether to include subfolders
 * @param onRefused called for an entry that is not in its folder, and for a subfolder whose listing is refused; both
 * are skipped
 * @throws PulseError `REJECTED` for an entry that is not in its folder, for more than 100,000 entries, and for folders
 * nested 100 deep; and what the repository throws.
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
      throw new PulseError("REJECTED", `The folders in ${repository.uri} are nested more than ${DEEPEST} deep.`);
    for (const entry of await listing(path)) {
      if (!liesIn(path, entry?.path)) {
        const detail = `The listing of ${shownValue(path)} in ${repository.uri} contains ${shownValue(entry?.path)}, which is not in that folder.`;
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
