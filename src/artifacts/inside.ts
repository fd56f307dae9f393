import { lstatSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";

/** Whether a place is a folder or lies in it; both are absolute, and links in them have been followed. */
export function isInside(place: string, folder: string): boolean {
  return place === folder || place.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The real path of what is there; undefined when there is nothing. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Whether what there is already of the way from a root to a folder below it leads out of the root by a symbolic link.
 */
export function leadsOut(root: string, folder: string): boolean {
  const real = realPath(root);
  if (real === undefined) return false; // nothing is there yet
  let place = real;
  for (const segment of folder.slice(root.length).split(sep).filter(Boolean)) {
    const next = join(place, segment);
    const behind = realPath(next);
    if (behind === undefined) return isLink(next); // nor is anything below
    if (!isInside(behind, real)) return true;
    place = behind;
  }
  return false;
}

/** Whether something is a link, perhaps to nowhere. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false;
  }
}
