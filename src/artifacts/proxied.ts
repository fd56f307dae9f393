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
import { ObjectStoreClient } from "./object-store.js";
import { below, checkedListing, encoded, parted } from "./paths.js";
import { ProxiedParts } from "./proxied-parts.js";
import { bodyTold } from "./request-body.js";
import { Doubts, digestOf } from "./uncertain-uploads.js";
import { PART_SIZES, type PartSizes, problemOf } from "./upload-parts.js";

const FILES = "/api/2.0/mlflow-artifacts/artifacts";
/** Sequences that MLflow would decode again, as often as possible, so the file would get another name. */
const DECODED = /%[\da-f]{2}/i;
/** From this size in bytes, the existence of a file is always confirmed, which is cheap in comparison. */
const ALWAYS_CONFIRMED = 1024 * 1024;

/**
 * Artifacts stored through an MLflow server, wherever it keeps them. Files below 64 MiB are sent with one PUT. Larger
 * ones go in parts directly to the server's object store, if the server offers that and the store is reachable.
 *
 * A listing confirms that a file exists with the right size: for the first upload, since something other than MLflow
 * may answer 200; for each file of 1 MiB or more; after each upload in parts; and if the outcome of a request is
 * unknown (the connection was lost, or the server failed, after everything was sent). In that last case the file is
 * also read back, since an older file may have the same size, and another file of that name waits until the request can
 * hardly be in flight any more.
 *
 * With a folder as its destination, MLflow 2 keeps the received part of an interrupted upload until the next attempt
 * replaces it.
 */
export class ProxiedRepository implements ArtifactRepository {
  readonly uri: string;
  readonly #api: MlflowApi;
  /** The path of the root on the server. */
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
      const detail = `${path} cannot be stored by an MLflow server, which would decode the % in it; use another name.`;
      throw new PulseError("REJECTED", detail);
    }
    try {
      await this.#doubts.settled(path, content, signal);
      const parts = content.size >= this.#sizes.from && (await this.#parts.offered());
      if (parts && (await this.#parts.upload(below(this.#root, path), content, options))) {
        const lost = new PulseError(
          "SERVER_ERROR",
          `${this.#api.origin} has assembled the parts of ${path}, but the file is not there.`,
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
          if ((await this.#entry(path))?.isDir) throw this.#notFound(path); // MLflow answers so for a folder on S3
          return Readable.from([]);
        }
        return start === 0 ? response : response.pipe(skipping(start)).on("close", () => response.destroy());
      }
      const failure = this.#api.failureOf(request, await wholeAnswer(response));
      // For a missing file or a folder, MLflow answers 400, 404 or (on S3) 500. The listing tells.
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
      // MLflow's answer to a stored file is empty; any other answer may come from something else.
      const odd = answer.text.trim() !== "" && Object.keys(objectIn(answer.text) ?? { text: "" }).length > 0;
      if (answer.status >= 300) failure = this.#api.failureOf(request, answer);
      else if (answer.status < 200 || odd) failure = this.#api.incomplete("a PUT of an artifact");
      sent &&= answer.status < 300 || answer.status >= 500;
    } catch (error) {
      failure = error;
    }
    // Nothing is kept of a body that was cut off.
    if (failure !== undefined && (!sent || signal?.aborted)) throw failure;
    const lost = new PulseError("SERVER_ERROR", `${this.#api.origin} has accepted ${path}, but the file is not there.`);
    const digest = failure !== undefined || repeated ? await this.#doubts.note(path, content) : undefined;
    if (failure !== undefined || !this.#confirmed || content.size >= ALWAYS_CONFIRMED)
      await this.#confirm(path, content.size, failure ?? lost);
    if (failure !== undefined && (digest === undefined || (await this.#digestAt(path, signal)) !== digest))
      throw failure;
  }

  /** @throws `otherwise` if there is no file of that size. */
  async #confirm(path: string, size: number, otherwise: unknown): Promise<void> {
    const entry = await this.#entry(path).catch((error: unknown) => {
      throw otherwise instanceof Failure ? otherwise : error;
    });
    // MLflow reports no size for an empty file.
    if (entry === undefined || entry.isDir || (entry.size ?? 0) !== size) throw otherwise;
    this.#confirmed = true;
  }

  /** Returns a digest of a file's bytes; undefined if it cannot be read now. */
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

/** Whether a stream ends without a byte; what was read stays in the stream. */
async function isEmpty(stream: Readable): Promise<boolean> {
  await new Promise<void>((resolve, reject) => {
    stream.once("readable", resolve).once("end", resolve).once("error", reject);
  });
  const chunk: unknown = stream.read();
  if (chunk !== null) stream.unshift(chunk);
  return chunk === null;
}

/** Discards the first bytes, because MLflow only returns files from their start. */
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
