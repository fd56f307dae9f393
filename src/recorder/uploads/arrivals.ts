import { messageOf, PulseError } from "../../base/errors.js";
import type { StagedFile, StagedWriter, Staging } from "../staging/staging.js";
import type { Activity } from "./activities.js";

/** Up to this size, content is kept in memory and becomes a row; larger content is streamed into a staged file. */
const MAX_IN_MEMORY = 64 * 1024;

/** Where received content may be stored. */
export interface ArrivalRoom {
  readonly staging: Staging;
  /** Whether there is an outbox beside which files can be staged. */
  readonly usable: () => boolean;
  /** Bound of a file kept in memory, in bytes. */
  readonly inMemory: number;
  /** How many more bytes may be staged. */
  readonly beside: () => number;
}

/**
 * Reads a file from a stream. `what` names it in messages. Returns undefined if the process has ended meanwhile.
 * @throws PulseError `ARTIFACT_REFUSED` when there is no room for it, `ARTIFACT_UNREADABLE` when the stream fails.
 */
export async function arrival(
  what: string,
  chunks: AsyncIterable<Uint8Array>,
  { staging, usable, inMemory, beside }: ArrivalRoom,
  activity: Activity,
): Promise<Uint8Array | StagedFile | undefined> {
  let writer: StagedWriter | undefined;
  const tooMuch = (option: string, cause?: unknown): PulseError => {
    const why = cause === undefined ? "" : ` beside the outbox (${messageOf(cause)}), nor in memory`;
    const todo =
      cause === undefined ? `Raise ${option}, or log less at once.` : `Free space on that disk, or raise ${option}.`;
    return new PulseError(
      "ARTIFACT_REFUSED",
      `There is no room for all of ${what}${why}; it is left out. ${todo}`,
      cause,
    );
  };
  try {
    let size = 0;
    const parts: Uint8Array[] = [];
    let failed: { readonly error: unknown } | undefined;
    for await (const chunk of chunks) {
      if (activity.over) return undefined;
      activity.progress();
      size += chunk.length;
      parts.push(chunk);
      if (size > MAX_IN_MEMORY && failed === undefined && (writer !== undefined || usable())) {
        if (size > beside()) throw tooMuch("outbox.maxArtifactBytes");
        try {
          writer ??= await staging.writer();
          for (let part = parts[0]; part !== undefined; part = parts[0]) {
            await writer.write(part);
            parts.shift();
          }
        } catch (error) {
          failed = { error }; // the disk may be full, while memory has room
          if (size <= inMemory && writer !== undefined) {
            const staged = writer;
            writer = undefined;
            parts.unshift(await staged.takeBack());
          }
        }
      }
      if (size > inMemory && (writer === undefined || failed !== undefined))
        throw tooMuch("maxPendingBytes", failed?.error);
    }
    if (activity.over) return undefined;
    const whole = writer ? await writer.end() : Buffer.concat(parts);
    writer = undefined;
    return whole;
  } catch (error) {
    if (error instanceof PulseError && error.code === "ARTIFACT_REFUSED") throw error;
    throw new PulseError("ARTIFACT_UNREADABLE", `${what} failed while it was read: ${messageOf(error)}.`, error);
  } finally {
    await writer?.abandon().catch(() => undefined);
  }
}
