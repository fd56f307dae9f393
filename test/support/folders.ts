import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** A new folder, which is removed behind the test or the file that makes it; one inside another one goes with that. */
export function tempFolder(name: string, inside?: string): string {
  if (inside !== undefined) return mkdtempSync(join(inside, `${name}-`));
  const folder = mkdtempSync(join(tmpdir(), `pulse-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
