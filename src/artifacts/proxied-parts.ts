import { reasonOf } from "../base/aborts.js";
import { systemClock } from "../base/clock.js";
import { PulseError } from "../base/errors.js";
import type { ArtifactContent, UploadOptions } from "../contracts/artifact-repository.js";
import { Failure } from "../http/failure.js";
import { list, record, text } from "../http/json.js";
import type { MlflowApi } from "../http/mlflow-api.js";
import { receiverMs } from "../http/transfer.js";
import { wholeAnswer } from "../http/whole-answer.js";
import type { ObjectStoreClient } from "./object-store.js";
import { encoded, parted } from "./paths.js";
import { bodyOf } from "./request-body.js";
import { keptUpload, type PartedUpload, type PartSizes, partCount, partSizeFor, uploadParts } from "./upload-parts.js";

const CALLS = "/api/2.0/mlflow-artifacts/mpu/";
/** The URLs of parts are valid for an hour and cannot be renewed. In the last minute, one might expire in flight. */
const URLS_LIVE_MS = 59 * 60_000;

/** The destination of a part. */
interface PartTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The saved state of an upload. Includes the parts' URLs, which grant access for an hour: protect it like the file
 * itself.
 */
interface KeptUpload extends PartedUpload {
  /** When it was started, in milliseconds since the epoch. */
  readonly began: number;
  /** By part number, from 1. */
  readonly targets: readonly PartTarget[];
}

/** Uploads in parts: the MLflow server signs a URL per part, and the bytes go directly to its object store. */
export class ProxiedParts {
  readonly #api: MlflowApi;
  readonly #objects: ObjectStoreClient;
  readonly #sizes: PartSizes;
  /** Whether the object store turned out to be unreachable from here, or the server unable to start an upload. */
  #useless = false;

  constructor(api: MlflowApi, objects: ObjectStoreClient, sizes: PartSizes) {
    this.#api = api;
    this.#objects = objects;
    this.#sizes = sizes;
  }

  /** Whether the server offers uploads in parts. */
  async offered(): Promise<boolean> {
    return !this.#useless && (await this.#api.facts()).info?.["multipart_uploads_enabled"] === true;
  }

  /** Uploads a file; returns whether that was possible. If not, nothing of it is left. */
  async upload(path: string, content: ArtifactContent, options: UploadOptions): Promise<boolean> {
    const { signal, state, onState } = options;
    const kept = keptAt(state, content.size);
    if (signal?.aborted) {
      if (kept) await this.#abort(path, kept);
      throw reasonOf(signal);
    }
    const fresh = kept !== undefined && systemClock.now() - kept.began < URLS_LIVE_MS ? kept : undefined;
    if (kept && !fresh) await this.#abort(path, kept);
    let upload = fresh ?? (await this.#begin(path, content.size));
    if (upload === undefined) return false;
    const note = (change: Partial<KeptUpload>): void => {
      upload = { ...(upload as KeptUpload), ...change };
      onState?.(upload);
    };
    note({});
    const put = this.#put(content, upload.targets);
    const { onProgress } = options;
    const job = { content, put, signal, onProgress, onParts: (parts: PartedUpload["parts"]) => note({ parts }) };
    try {
      // The first part is sent alone: only the server may be able to reach the store, or the URLs may have expired.
      if (upload.parts.length === 0) await uploadParts({ ...job, upload, only: 1 });
    } catch (error) {
      await this.#abort(path, upload);
      onState?.(undefined);
      if (signal?.aborted || (error instanceof PulseError && error.code === "REJECTED")) throw error;
      this.#useless = true;
      return false;
    }
    try {
      const parts = await uploadParts({ ...job, upload });
      const named = parts.map((part) => ({ part_number: part.number, etag: part.etag }));
      await this.#call("complete", path, { upload_id: upload.uploadId, parts: named }, receiverMs(content.size));
      return true;
    } catch (error) {
      if (systemClock.now() - upload.began >= URLS_LIVE_MS && !signal?.aborted && isPassing(error)) {
        // An hour was too short, and would be again.
        await this.#abort(path, upload);
        onState?.(undefined);
        return false;
      }
      const isOver = signal?.aborted || onState === undefined || !isPassing(error);
      // If all parts were stored and completing failed again, the server no longer knows the upload.
      const isGone = fresh !== undefined && fresh.parts.length === partCount(fresh) && error instanceof Failure;
      if (isOver || isGone) {
        await this.#abort(path, upload);
        onState?.(undefined);
      }
      throw error;
    }
  }

  async #begin(path: string, size: number): Promise<KeptUpload | undefined> {
    const partSize = partSizeFor(size, this.#sizes);
    const count = partCount({ size, partSize });
    const began = systemClock.now();
    const answer = await this.#call("create", path, { num_parts: count }).catch((error: unknown) => {
      if (error instanceof Failure && (error.kind === "rejected" || error.error.code === "NO_MLFLOW")) return undefined;
      throw error;
    });
    const uploadId = text(answer?.["upload_id"]);
    if (uploadId === undefined) {
      this.#useless = true;
      return undefined;
    }
    const targets = targetsIn(answer?.["credentials"], count);
    const upload = { uploadId, size, partSize, parts: [], began, targets: targets ?? [] };
    const isPlain =
      targets?.some(({ url }) => new URL(url).protocol === "http:") && this.#api.origin.startsWith("https:");
    if (targets !== undefined && !isPlain) return upload;
    // What goes to the server over TLS is not sent elsewhere without TLS just because the server says so.
    this.#useless = true;
    await this.#abort(path, upload);
    return undefined;
  }

  #put(content: ArtifactContent, targets: readonly PartTarget[]) {
    return async (
      { number, start, end }: { number: number; start: number; end: number },
      signal: AbortSignal,
    ): Promise<string> => {
      const { url, headers } = targets[number - 1] as PartTarget;
      const to = new URL(url);
      const response = await this.#objects.send({
        url: to,
        method: "PUT",
        headers,
        body: bodyOf(content, start, end),
        signal,
      });
      const { status } = await wholeAnswer(response);
      const etag = response.headers.etag;
      if (status >= 200 && status < 300 && etag !== undefined) return etag;
      const detail = `${to.origin} answered ${status} to part ${number} of an upload that the MLflow server began there.`;
      throw new PulseError("SERVER_ERROR", detail);
    };
  }

  /** Best effort: the server has to clean up what is left. */
  async #abort(path: string, { uploadId }: PartedUpload): Promise<void> {
    await this.#call("abort", path, { upload_id: uploadId }).catch(() => {});
  }

  async #call(
    call: "create" | "complete" | "abort",
    path: string,
    more: object,
    moreMs: number = 0,
  ): Promise<Record<string, unknown>> {
    const { folder, name } = parted(path);
    const body = JSON.stringify({ path: name, ...more });
    const request = { method: "POST", path: `${CALLS}${call}/${encoded(folder)}`, body } as const;
    const answer = await this.#api.send(request, moreMs);
    if (answer.status < 200 || answer.status >= 300) throw this.#api.failureOf(request, answer);
    const json = objectOf(answer.text);
    if (json === undefined) throw this.#api.incomplete(`mpu/${call}`);
    return json;
  }
}

/** Whether a retry may succeed. */
function isPassing(error: unknown): boolean {
  if (error instanceof Failure) return error.kind === "away" || error.kind === "retry";
  return !(error instanceof PulseError) || error.code !== "REJECTED";
}

function objectOf(body: string): Record<string, unknown> | undefined {
  try {
    return body.trim() === "" ? {} : record(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function targetsIn(credentials: unknown, count: number): PartTarget[] | undefined {
  const targets: PartTarget[] = [];
  for (const { url, part_number: number, headers } of list(credentials)) {
    const at = Number(number);
    if (typeof url !== "string" || !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) return undefined;
    if (!Number.isInteger(at) || at < 1 || at > count) return undefined;
    const named = Object.entries(record(headers) ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    targets[at - 1] = { url, headers: Object.fromEntries(named) };
  }
  return targets.length === count && !targets.includes(undefined as never) ? targets : undefined;
}

function keptAt(state: unknown, size: number): KeptUpload | undefined {
  const kept = keptUpload(state, size);
  const given = record(state);
  const began = given?.["began"];
  if (kept === undefined || typeof began !== "number") return undefined;
  const credentials = list(given?.["targets"]).map((target, i) => ({ ...target, part_number: i + 1 }));
  const targets = targetsIn(credentials, partCount(kept));
  return targets && { ...kept, began, targets };
}
