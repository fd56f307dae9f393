import { lstatSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";

/** Whether a path is a folder or inside it; both must be absolute, with links resolved. */
export function isInside(place: string, folder: string): boolean {
  return place === folder || place.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** Resolves all links of a path; undefined if it does not exist. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether the existing part of the way from a root to a folder below it leaves the root through a symbolic link. */
export function leadsOut(root: string, folder: string): boolean {
  const real = realPath(root);
  if (real === undefined) return false; // nothing exists yet
  let place = real;
  for (const segment of folder.slice(root.length).split(sep).filter(Boolean)) {
    const next = join(place, segment);
    const behind = realPath(next);
    if (behind === undefined) return isLink(next); // nothing below exists either
    if (!isInside(behind, real)) return true;
    place = behind;
  }
  return false;
}

/** Whether a path is a link, possibly a broken one. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
