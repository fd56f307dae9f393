import { Readable, Transform } from "node:stream";
import { throwIfAborted } from "../base/aborts.js";
import { PulseError } from "../base/errors.js";
import type { ServerSettings } from "../config/server.js";
import type {
  ArtifactContent,
  ArtifactInfo,
  ArtifactRepository,
  UploadOptions,
} from "../contracts/artifact-repository.js";
import { Failure } from "../http/failure.js";
import { list, objectIn } from "../http/json.js";
import { MlflowApi } from "../http/mlflow-api.js";
import { wholeAnswer } from "../http/whole-answer.js";
import { bodyTold } from "./content.js";
import { Doubts, digestOf } from "./doubts.js";
import { ObjectStoreClient } from "./object-store.js";
import { PART_SIZES, type PartSizes, problemOf } from "./parts.js";
import { below, checkedListing, encoded, parted } from "./paths.js";
import { ProxiedParts } from "./proxied-parts.js";

const FILES = "/api/2.0/mlflow-artifacts/artifacts";
/** What MLflow decodes once more, as often as it can: the file would get another name. */
const DECODED = /%[\da-f]{2}/i;
/** From this size on it is always looked whether a file is there, in bytes: the look costs little beside it. */
const ALWAYS_CONFIRMED = 1024 * 1024;

/**
 * Artifacts that go through an MLflow server, which keeps them where it likes. Below 64 MiB a file is one PUT, above it
 * goes in parts straight to the server's object store where the server offers that and the store can be reached.
 *
 * Whether a file is there with its size is confirmed by a listing: for the first upload, since what answers 200 need
 * not be MLflow; for each from 1 MiB on; after each upload in parts; and when it is not known what became of a request
 * (the connection was lost or the server failed after all had been sent): then it is read back as well, since an older
 * one may be as long, and another file of that name waits until the request can hardly be under way any more.
 *
 * MLflow 2 with a folder as its destination keeps what it got of an upload that was cut off, until the next attempt
 * takes its place.
 */
export class ProxiedRepository implements ArtifactRepository {
  readonly uri: string;
  readonly #api: MlflowApi;
  /** The root's path at the server. */
  readonly #root: string;
  readonly #sizes: PartSizes;
  readonly #objects: ObjectStoreClient;
  readonly #parts: ProxiedParts;
  readonly #doubts: Doubts;
  #confirmed = false;

  constructor(root: string, server: URL, settings: ServerSettings, sizes: PartSizes = PART_SIZES) {
    this.#api = new MlflowApi(server, settings, "pulse-mlflow");
    this.#root = root;
    this.#sizes = sizes;
    this.uri = `mlflow-artifacts:/${root}`;
    this.#objects = new ObjectStoreClient(settings.env, settings.requestTimeoutMs);
    this.#parts = new ProxiedParts(this.#api, this.#objects, sizes);
    this.#doubts = new Doubts(settings.requestTimeoutMs);
  }

  async upload(path: string, content: ArtifactContent, options: UploadOptions = {}): Promise<void> {
    const { signal } = options;
    if (DECODED.test(path)) {
      const detail = `${path} cannot be kept by an MLflow server, which takes the % in it for an encoded character; give it another name.`;
      throw new PulseError("REJECTED", detail);
    }
    try {
      await this.#doubts.settled(path, content, signal);
      const parts = content.size >= this.#sizes.from && (await this.#parts.offered());
      if (parts && (await this.#parts.upload(below(this.#root, path), content, options))) {
        const lost = new PulseError(
          "SERVER_ERROR",
          `${this.#api.origin} has put the parts of ${path} together, but it is not there.`,
        );
        return await this.#confirm(path, content.size, lost);
      }
      throwIfAborted(signal);
      await this.#put(path, content, options);
    } catch (error) {
      throwIfAborted(signal);
      throw problemOf(error);
    }
  }

  async list(path: string = ""): Promise<readonly ArtifactInfo[]> {
    try {
      const request = {
        method: "GET",
        path: `${FILES}?${new URLSearchParams({ path: below(this.#root, path) })}`,
      } as const;
      const answer = await this.#api.send(request);
      if (answer.status !== 200) {
        const failure = this.#api.failureOf(request, answer);
        if (failure.kind === "rejected" && answer.status === 404) return [];
        throw failure;
      }
      const json = objectIn(answer.text);
      if (json === undefined || ("files" in json && !Array.isArray(json["files"])))
        throw this.#api.incomplete("mlflow-artifacts/artifacts");
      const entries = list(json["files"]).map((file) => ({
        name: file["path"],
        isDir: file["is_dir"] === true,
        size: file["file_size"],
      }));
      return checkedListing(this.uri, path, entries);
    } catch (error) {
      throw problemOf(error);
    }
  }

  async read(path: string, start: number = 0): Promise<Readable> {
    try {
      const request = { method: "GET", path: this.#file(path) } as const;
      const response = await this.#api.transfer({ ...request, hold: true });
      const status = response.statusCode ?? 0;
      if (status === 200) {
        if (await isEmpty(response)) {
          if ((await this.#entry(path))?.isDir) throw this.#notFound(path); // as MLflow gives a folder on S3
          return Readable.from([]);
        }
        return start === 0 ? response : response.pipe(skipping(start)).on("close", () => response.destroy());
      }
      const failure = this.#api.failureOf(request, await wholeAnswer(response));
      // Of what is not there, or a folder, it says 400, 404 or, with a destination on S3, 500: the listing knows.
      if ((status !== 400 && status !== 404 && status < 500) || (await this.#entry(path))?.isDir === false)
        throw failure;
      throw this.#notFound(path, failure.error);
    } catch (error) {
      throw problemOf(error);
    }
  }

  close(): void {
    this.#api.client.close();
    this.#objects.close();
  }

  async #put(path: string, content: ArtifactContent, { signal, onProgress }: UploadOptions): Promise<void> {
    const request = { method: "PUT", path: this.#file(path) } as const;
    let sent = false;
    let repeated = false;
    let failure: unknown;
    try {
      const onSent = (): void => {
        sent = true;
      };
      const onRepeat = (): void => {
        repeated = true;
      };
      const answer = await wholeAnswer(
        await this.#api.transfer({ ...request, body: bodyTold(content, onProgress), signal, onSent, onRepeat }),
      );
      // MLflow says nothing of a file that it has taken; who does may be somebody else.
      const odd = answer.text.trim() !== "" && Object.keys(objectIn(answer.text) ?? { text: "" }).length > 0;
      if (answer.status >= 300) failure = this.#api.failureOf(request, answer);
      else if (answer.status < 200 || odd) failure = this.#api.incomplete("a PUT of an artifact");
      sent &&= answer.status < 300 || answer.status >= 500;
    } catch (error) {
      failure = error;
    }
    // Of a body that was cut off nothing is kept.
    if (failure !== undefined && (!sent || signal?.aborted)) throw failure;
    const lost = new PulseError("SERVER_ERROR", `${this.#api.origin} has taken ${path}, but it is not there.`);
    const digest = failure !== undefined || repeated ? await this.#doubts.note(path, content) : undefined;
    if (failure !== undefined || !this.#confirmed || content.size >= ALWAYS_CONFIRMED)
      await this.#confirm(path, content.size, failure ?? lost);
    if (failure !== undefined && (digest === undefined || (await this.#digestAt(path, signal)) !== digest))
      throw failure;
  }

  /** @throws `otherwise` when there is no such file of that size. */
  async #confirm(path: string, size: number, otherwise: unknown): Promise<void> {
    const entry = await this.#entry(path).catch((error: unknown) => {
      throw otherwise instanceof Failure ? otherwise : error;
    });
    // Of an empty file MLflow names no size.
    if (entry === undefined || entry.isDir || (entry.size ?? 0) !== size) throw otherwise;
    this.#confirmed = true;
  }

  /** What tells a file's bytes from others; undefined when it cannot be read now. */
  async #digestAt(path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    try {
      const response = await this.#api.transfer({ method: "GET", path: this.#file(path), signal });
      const digest = await digestOf(response);
      return response.statusCode === 200 ? digest : undefined;
    } catch {
      return undefined;
    }
  }

  async #entry(path: string): Promise<ArtifactInfo | undefined> {
    return (await this.list(parted(path).folder)).find((entry) => entry.path === path);
  }

  #notFound(path: string, cause?: unknown): PulseError {
    return new PulseError("ARTIFACT_NOT_FOUND", `There is no file ${path} in ${this.uri}.`, cause);
  }

  #file(path: string): string {
    return `${FILES}/${encoded(below(this.#root, path))}`;
  }
}

/** Whether a stream ends without a byte; what has come of it stays in it. */
async function isEmpty(stream: Readable): Promise<boolean> {
  await new Promise<void>((resolve, reject) => {
    stream.once("readable", resolve).once("end", resolve).once("error", reject);
  });
  const chunk: unknown = stream.read();
  if (chunk !== null) stream.unshift(chunk);
  return chunk === null;
}

/** Lets go of the first bytes: MLflow gives files from their beginning only. */
function skipping(bytes: number): Transform {
  let left = bytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const skipped = Math.min(left, chunk.length);
      left -= skipped;
      done(null, skipped === chunk.length ? undefined : chunk.subarray(skipped));
    },
  });
}
