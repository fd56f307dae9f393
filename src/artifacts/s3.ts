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
import { bodyOf } from "./content.js";
import {
  keptUpload,
  PART_SIZES,
  type Part,
  type PartedUpload,
  type PartSizes,
  partSizeFor,
  problemOf,
  uploadParts,
} from "./parts.js";
import { below, checkedListing, type ListedEntry, MAX_ENTRIES, tooMany } from "./paths.js";
import { S3Error, xmlElements, xmlEscaped, xmlText } from "./s3-answers.js";
import { S3Bucket } from "./s3-request.js";

/** What a repository on S3 is given beside its root. */
export interface S3Options {
  readonly env: NodeJS.ProcessEnv;
  /** Most milliseconds without progress. */
  readonly requestTimeoutMs: number;
  /** Asked instead of the environment. */
  readonly credentials?: CredentialsProvider | undefined;
  readonly sizes?: PartSizes | undefined;
}

/**
 * Artifacts in a bucket of S3, or of what speaks like it (`MLFLOW_S3_ENDPOINT_URL`): below 64 MiB one PUT, above it
 * parts of 16 MiB, four at a time. An object is there whole or not at all, and S3 says itself what it has: nothing is
 * confirmed by listing. An upload in parts that fails stays for the next attempt if somebody keeps its state; without,
 * and when its signal ends it, S3 is told to forget it.
 */
export class S3Repository implements ArtifactRepository {
  readonly uri: string;
  readonly #bucket: S3Bucket;
  readonly #prefix: string;
  readonly #sizes: PartSizes;

  /** @param prefix of all keys, without slashes at its ends; may be empty */
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
          throw new PulseError("SERVER_ERROR", `${this.uri} has answered a listing with something else.`);
        const before = found.length;
        found.push(...entriesIn(text, start));
        const next = xmlText(text, "IsTruncated") === "true" ? xmlText(text, "NextContinuationToken") : undefined;
        // A page without anything, or with the token that was sent, leads nowhere.
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
      throw new PulseError("SERVER_ERROR", `${this.uri} does not give a file from an offset.`);
    } catch (error) {
      if (error instanceof S3Error && error.status === 416) return Readable.from([]); // nothing is behind the offset
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
        throw new PulseError("SERVER_ERROR", `${this.uri} has taken ${what} without naming its ETag.`);
      return headers.etag;
    };
    try {
      await this.#complete(path, upload, await uploadParts({ content, upload, put, onParts, onProgress, signal }));
    } catch (error) {
      const gone = error instanceof S3Error && error.s3Code === "NoSuchUpload";
      if (gone && kept !== undefined && !signal?.aborted) {
        onState?.(undefined);
        // Perhaps it was put together the last time, and only the answer was lost.
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
    if (!uploadId) throw new PulseError("SERVER_ERROR", `${this.uri} has not named the upload it was to begin.`);
    return { uploadId, size, partSize: partSizeFor(size, this.#sizes), parts: [] };
  }

  async #complete(path: string, { uploadId, size }: PartedUpload, parts: readonly Part[]): Promise<void> {
    const named = parts.map(
      ({ number, etag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${xmlEscaped(etag)}</ETag></Part>`,
    );
    const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${named.join("")}</CompleteMultipartUpload>`;
    const what = `to put the parts of ${path} together`;
    await this.#bucket.ask({ method: "POST", key: this.#key(path), query: { uploadId }, body, handles: size, what });
  }

  /** Best effort: what is left is for a rule of the bucket to clean up. */
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

/** Whether the same may go well later. */
function isPassing(error: unknown): boolean {
  return !(error instanceof PulseError) || !["REJECTED", "FORBIDDEN", "ARTIFACT_NOT_FOUND"].includes(error.code);
}

/** The files and folders of one page; what does not begin as asked is named as it is, and so found out. */
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
