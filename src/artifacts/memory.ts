import type { Readable } from "node:stream";
import { throwIfAborted } from "../base/aborts.js";
import { streams } from "../base/builtins.js";
import { PulseError } from "../base/errors.js";
import type {
  ArtifactContent,
  ArtifactInfo,
  ArtifactRepository,
  UploadOptions,
} from "../contracts/artifact-repository.js";

/** Stores files in memory. */
export class MemoryRepository implements ArtifactRepository {
  readonly uri: string = "memory:";
  /** Contents by path. */
  readonly files: Map<string, Uint8Array> = new Map();

  async upload(path: string, { size, open }: ArtifactContent, { signal }: UploadOptions = {}): Promise<void> {
    const bytes = await process.getBuiltinModule("node:stream/consumers").buffer(open(0, size));
    throwIfAborted(signal); // another file may have replaced it meanwhile
    if (bytes.length !== size)
      throw new PulseError("REJECTED", `${path} ended after ${bytes.length} of ${size} bytes.`);
    this.files.set(path, bytes);
  }

  uploadSync(path: string, content: ArtifactContent): void {
    this.files.set(path, Uint8Array.from(content.readSync?.() ?? []));
  }

  list(path = ""): Promise<readonly ArtifactInfo[]> {
    const below = path === "" ? "" : `${path}/`;
    const found = new Map<string, ArtifactInfo>();
    for (const [name, bytes] of this.files) {
      if (!name.startsWith(below)) continue;
      const [first = "", ...deeper] = name.slice(below.length).split("/");
      const isDir = deeper.length > 0;
      found.set(first, { path: below + first, isDir, size: isDir ? undefined : bytes.length });
    }
    return Promise.resolve([...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1)));
  }

  read(path: string, start = 0): Promise<Readable> {
    const bytes = this.files.get(path);
    if (bytes === undefined)
      return Promise.reject(new PulseError("ARTIFACT_NOT_FOUND", `There is no file ${JSON.stringify(path)}.`));
    return Promise.resolve(streams().Readable.from([bytes.subarray(start)]));
  }

  close(): void {}
}
