import { Readable } from "node:stream";
import { reasonOf, throwIfAborted } from "../base/aborts.js";
import { PulseError } from "../base/errors.js";
import type {
  ArtifactContent,
  ArtifactInfo,
  ArtifactRepository,
  UploadOptions,
} from "../contracts/artifact-repository.js";
import { AwsSettings, type CredentialsProvider } from "./aws-settings.js";
import { below, checkedListing, type ListedEntry, MAX_ENTRIES, tooMany } from "./paths.js";
import { bodyOf } from "./request-body.js";
import { S3Error, xmlElements, xmlEscaped, xmlText } from "./s3-answers.js";
import { S3Bucket } from "./s3-request.js";
import {
  keptUpload,
  PART_SIZES,
  type Part,
  type PartedUpload,
  type PartSizes,
  partSizeFor,
  problemOf,
  uploadParts,
} from "./upload-parts.js";

/** Options of a repository on S3. */
export interface S3Options {
  readonly env: NodeJS.ProcessEnv;
  /** Maximum time without progress, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Called instead of using the environment. */
  readonly credentials?: CredentialsProvider | undefined;
  readonly sizes?: PartSizes | undefined;
}

/**
 * Artifacts in a bucket of S3 or a compatible store (`MLFLOW_S3_ENDPOINT_URL`). Files below 64 MiB are sent with one
 * PUT, larger ones in parts of 16 MiB, four at a time. An object is either complete or absent, and S3's answers are
 * reliable, so nothing is confirmed by listing. A failed upload in parts is kept for the next attempt if the caller
 * saves its state; otherwise, or if it is aborted by its signal, S3 is told to discard it.
 */
export class S3Repository implements ArtifactRepository {
  readonly uri: string;
  readonly #bucket: S3Bucket;
  readonly #prefix: string;
  readonly #sizes: PartSizes;

  /** @param prefix of all keys, without leading and trailing slashes; may be empty */
  constructor(bucket: string, prefix: string, { env, requestTimeoutMs, credentials, sizes = PART_SIZES }: S3Options) {
    this.uri = `s3://${below(bucket, prefix)}`;
    this.#bucket = new S3Bucket(bucket, new AwsSettings(env, credentials), env, requestTimeoutMs);
    this.#prefix = prefix;
    this.#sizes = sizes;
  }

  async upload(path: string, content: ArtifactContent, options: UploadOptions = {}): Promise<void> {
    const { signal, onProgress } = options;
    try {
      if (content.size >= this.#sizes.from) return await this.#inParts(path, content, options);
      throwIfAborted(signal);
      await this.#bucket.ask({
        method: "PUT",
        key: this.#key(path),
        body: bodyOf(content),
        signal,
        what: `a PUT of ${path}`,
      });
      onProgress?.(content.size);
    } catch (error) {
      throwIfAborted(signal);
      throw problemOf(error);
    }
  }

  async list(path: string = ""): Promise<readonly ArtifactInfo[]> {
    try {
      const prefix = this.#key(path);
      const start = prefix === "" ? "" : `${prefix}/`;
      const found: ListedEntry[] = [];
      let token: string | undefined;
      do {
        const query = {
          "list-type": "2",
          delimiter: "/",
          prefix: start,
          ...(token !== undefined && { "continuation-token": token }),
        };
        const { text } = await this.#bucket.ask({ method: "GET", query, what: `a listing of ${path || "the root"}` });
        if (!text.includes("<ListBucketResult"))
          throw new PulseError("SERVER_ERROR", `${this.uri} answered a listing with something else.`);
        const before = found.length;
        found.push(...entriesIn(text, start));
        const next = xmlText(text, "IsTruncated") === "true" ? xmlText(text, "NextContinuationToken") : undefined;
        // An empty page, or one with the token that was sent, would loop forever.
        if (next !== undefined && (next === token || found.length === before))
          throw new PulseError("SERVER_ERROR", `The listing of ${path || "the root"} in ${this.uri} does not end.`);
        if (next !== undefined && found.length > MAX_ENTRIES) throw tooMany(this.uri, path);
        token = next;
      } while (token !== undefined);
      return checkedListing(this.uri, path, found);
    } catch (error) {
      throw problemOf(error);
    }
  }

  async read(path: string, start: number = 0): Promise<Readable> {
    const headers: Record<string, string> = start > 0 ? { range: `bytes=${start}-` } : {};
    try {
      const response = await this.#bucket.open({
        method: "GET",
        key: this.#key(path),
        headers,
        hold: true,
        what: `a GET of ${path}`,
      });
      if (start === 0 || response.statusCode === 206) return response;
      response.destroy();
      throw new PulseError("SERVER_ERROR", `${this.uri} does not support reading a file from an offset.`);
    } catch (error) {
      if (error instanceof S3Error && error.status === 416) return Readable.from([]); // the offset is at the end of the file
      throw problemOf(error);
    }
  }

  close(): void {
    this.#bucket.close();
  }

  async #inParts(path: string, content: ArtifactContent, options: UploadOptions): Promise<void> {
    const { signal, state, onState, onProgress } = options;
    const key = this.#key(path);
    const kept = keptUpload(state, content.size);
    if (signal?.aborted) {
      if (kept) await this.#abort(key, kept);
      throw reasonOf(signal);
    }
    let upload = kept ?? (await this.#begin(path, content.size));
    const onParts = (parts: readonly Part[]): void => {
      upload = { ...upload, parts };
      onState?.(upload);
    };
    onParts(upload.parts);
    const put = async (
      { number, start, end }: { number: number; start: number; end: number },
      either: AbortSignal,
    ): Promise<string> => {
      const query = { partNumber: String(number), uploadId: upload.uploadId };
      const what = `part ${number} of ${path}`;
      const { headers } = await this.#bucket.ask({
        method: "PUT",
        key,
        query,
        body: bodyOf(content, start, end),
        signal: either,
        what,
      });
      if (headers.etag === undefined)
        throw new PulseError("SERVER_ERROR", `${this.uri} accepted ${what} without returning an ETag.`);
      return headers.etag;
    };
    try {
      await this.#complete(path, upload, await uploadParts({ content, upload, put, onParts, onProgress, signal }));
    } catch (error) {
      const gone = error instanceof S3Error && error.s3Code === "NoSuchUpload";
      if (gone && kept !== undefined && !signal?.aborted) {
        onState?.(undefined);
        // The upload may have been completed last time, and only the answer was lost.
        if (
          (await this.#sizeOf(path)) === content.size &&
          kept.parts.length > 0 &&
          upload.parts.length * upload.partSize >= content.size
        )
          return;
        return await this.#inParts(path, content, { ...options, state: undefined });
      }
      if (signal?.aborted || onState === undefined || !isPassing(error)) {
        await this.#abort(key, upload);
        onState?.(undefined);
      }
      throw error;
    }
  }

  async #begin(path: string, size: number): Promise<PartedUpload> {
    const what = `to begin an upload of ${path} in parts`;
    const { text } = await this.#bucket.ask({
      method: "POST",
      key: this.#key(path),
      query: { uploads: "" },
      body: "",
      what,
    });
    const uploadId = xmlText(text, "UploadId");
    if (!uploadId) throw new PulseError("SERVER_ERROR", `${this.uri} did not return an id for the new upload.`);
    return { uploadId, size, partSize: partSizeFor(size, this.#sizes), parts: [] };
  }

  async #complete(path: string, { uploadId, size }: PartedUpload, parts: readonly Part[]): Promise<void> {
    const named = parts.map(
      ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${xmlEscaped(etag)}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${named.join("")}</CompleteMultipartUpload>`;
    const what = `to assemble the parts of ${path}`;
    await this.#bucket.ask({ method: "POST", key: this.#key(path), query: { uploadId }, body, handles: size, what });
  }

  /** Best effort: a lifecycle rule of the bucket has to clean up what is left. */
  async #abort(key: string, { uploadId }: PartedUpload): Promise<void> {
    await this.#bucket.ask({ method: "DELETE", key, query: { uploadId }, what: "to forget an upload" }).catch(() => {});
  }

  async #sizeOf(path: string): Promise<number | undefined> {
    const { text } = await this.#bucket.ask({
      method: "GET",
      query: { "list-type": "2", prefix: this.#key(path), "max-keys": "1" },
      what: `a look at ${path}`,
    });
    const [entry] = xmlElements(text, "Contents", 1);
    return entry !== undefined && xmlText(entry, "Key") === this.#key(path)
      ? Number(xmlText(entry, "Size"))
      : undefined;
  }

  #key(path: string): string {
    return below(this.#prefix, path);
  }
}

/** Whether a retry may succeed. */
function isPassing(error: unknown): boolean {
  return !(error instanceof PulseError) || !["REJECTED", "FORBIDDEN", "ARTIFACT_NOT_FOUND"].includes(error.code);
}

/**
 * Returns the files and folders of a page. A key that does not start with the prefix is returned whole, and detected
 * later.
 */
function entriesIn(xml: string, start: string): ListedEntry[] {
  const name = (key: string | undefined): string | undefined =>
    key?.startsWith(start) ? key.slice(start.length) : key;
  const files = xmlElements(xml, "Contents").map((each) => ({
    name: name(xmlText(each, "Key")),
    isDir: false,
    size: xmlText(each, "Size"),
  }));
  const folders = xmlElements(xml, "CommonPrefixes").map((each) => ({
    name: name(xmlText(each, "Prefix"))?.replace(/\/$/, ""),
    isDir: true,
  }));
  return [...files, ...folders];
}
