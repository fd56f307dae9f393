import type { Readable } from "node:stream";
import type {
  ArtifactContent,
  ArtifactInfo,
  ArtifactRepository,
  UploadOptions,
} from "../contracts/artifact-repository.js";

/** A repository whose code is loaded on first use, so that programs that do not need it do not pay for it. */
export class LazyRepository implements ArtifactRepository {
  readonly uri: string;
  readonly #load: () => Promise<ArtifactRepository>;
  #loaded: Promise<ArtifactRepository> | undefined;

  constructor(uri: string, load: () => Promise<ArtifactRepository>) {
    this.uri = uri;
    this.#load = load;
  }

  async upload(path: string, content: ArtifactContent, options?: UploadOptions): Promise<void> {
    return (await this.#repository()).upload(path, content, options);
  }

  async list(path?: string): Promise<readonly ArtifactInfo[]> {
    return (await this.#repository()).list(path);
  }

  async read(path: string, start?: number): Promise<Readable> {
    return (await this.#repository()).read(path, start);
  }

  close(): void {
    this.#loaded?.then(
      (repository) => repository.close(),
      () => {}, // the error was already reported to its user
    );
  }

  #repository(): Promise<ArtifactRepository> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }
}
