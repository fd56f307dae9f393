// The files that the trackers of the fault suite log, drawn from a seed, and what is there of them in the end.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { someBytes } from "../support/contents.js";
import { tempFolder } from "../support/folders.js";
import { Random } from "../support/random.js";
import type { DumpRun } from "./peer.js";
import type { ExpectedRun, Twin } from "./wide-model.js";

const FILES = "/api/2.0/mlflow-artifacts/artifacts";
const FAILED = "pulse.artifact_failed.";
/** Few, so that some come twice. */
const NAMES = ["report.md", "data.bin", "deep/er/two words.txt", "emoji 🎉/ä é.bin", "损失/a+b&c=d;e'f.csv"];
/** Of few sizes: a file is not to be taken for another one that is as long. */
const SMALL = [0, 17, 17, 900, 900, 65_536];
/** What is so large lies beside the outbox. */
const LARGE = { from: 100_000, to: 1_000_000 };
const PAUSE_MS = 20;

/** How files are logged. */
export interface FileHabits {
  readonly seed: number;
  /** Where files of the user's lie. */
  readonly folder: string;
  /** Whether they are removed once they are logged, as they may be where they can be linked. */
  readonly removes: boolean;
  /** Whether the tracker may be over before a stream is. */
  readonly isCut: boolean;
}

/** Logs files of runs. */
export class FileLog {
  /** How many were logged. */
  count = 0;
  readonly #habits: FileHabits;
  readonly #dice: Random;

  constructor(habits: FileHabits) {
    this.#habits = habits;
    this.#dice = new Random(Math.imul(habits.seed, 86_028_121));
  }

  /** A few files of a run, or none. */
  fill(twin: Twin): void {
    const dice = this.#dice;
    for (let i = dice.below(2) === 0 ? 1 + dice.below(4) : 0; i > 0; i--) this.#one(twin, dice);
  }

  /** A file that comes again and again, while one before it may be on its way; all are as long. */
  again(twin: Twin): void {
    const bytes = someBytes(17, 1 + this.#dice.below(2 ** 20));
    this.count++;
    twin.run.logBytes(bytes, "progress.bin");
    expectFile(twin, "progress.bin", bytes);
  }

  #one(twin: Twin, dice: Random): void {
    const { run } = twin;
    const { folder, removes, isCut } = this.#habits;
    const large = dice.below(6) === 0;
    const size = large ? LARGE.from + dice.below(LARGE.to - LARGE.from) : dice.pick(SMALL);
    const bytes = someBytes(size, 1 + dice.below(2 ** 20));
    const name = dice.pick(NAMES);
    const n = this.count++;
    const kind = dice.pick(["bytes", "bytes", "text", "dict", "artifact", "artifact", "stream"]);
    if (kind === "bytes") {
      run.logBytes(bytes, name);
      expectFile(twin, name, bytes);
    } else if (kind === "text") {
      const text = bytes.toString("base64").slice(0, size);
      run.logText(text, name);
      expectFile(twin, name, text);
    } else if (kind === "dict") {
      run.logDict({ n, list: [1, "two"] }, "values.json");
      expectFile(twin, "values.json", JSON.stringify({ n, list: [1, "two"] }, undefined, 2));
    } else if (kind === "artifact") {
      const path = join(tempFolder("user", folder), "user's own.bin");
      writeFileSync(path, bytes);
      run.logArtifact(path, "user");
      if (removes) rmSync(path);
      expectFile(twin, "user/user's own.bin", bytes);
    } else {
      const path = `streams/${n}.bin`;
      void run.logStream(inPieces(bytes, 1 + dice.below(3)), path);
      expectFile(twin, path, bytes);
      if (isCut) twin.expected.cut?.add(path);
    }
  }
}

async function* inPieces(bytes: Buffer, pieces: number): AsyncGenerator<Uint8Array> {
  const each = Math.max(1, Math.ceil(bytes.length / pieces));
  for (let at = 0; at < bytes.length; at += each) {
    yield bytes.subarray(at, at + each);
    await sleep(PAUSE_MS);
  }
}

/** Notes what is logged last under a path. */
function expectFile({ expected }: Twin, path: string, content: string | Buffer): void {
  if (expected.files) expected.files[path] = digestOf(Buffer.from(content));
}

const digestOf = (bytes: Buffer): string =>
  `${bytes.length} bytes, ${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}`;

/** A run's tags without those that say of files that they are not there. */
export function withoutFailures(tags: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !key.startsWith(FAILED)));
}

/** How the files of a run differ from what was logged. */
export function fileDifferences({ files, tags }: DumpRun, { files: wanted = {}, cut, mayFail }: ExpectedRun): string[] {
  if (files === undefined) return [];
  const failed = new Map(
    Object.entries(tags).flatMap(([key, why]) => (key.startsWith(FAILED) ? [[plain(key), why]] : [])),
  );
  const isMissed = (path: string): boolean =>
    (mayFail === true && failed.has(plain(FAILED + path))) || cut?.has(path) === true;
  const differences = [...new Set([...Object.keys(files), ...Object.keys(wanted)])]
    .filter((path) => files[path] !== wanted[path] && !(path in wanted && isMissed(path)))
    .map((path) => `file ${path}: ${files[path]} instead of ${wanted[path]}`);
  if (mayFail !== true && (cut?.size ?? 0) === 0)
    differences.push(...[...failed].map(([key, why]) => `${key}: ${why}`));
  return differences;
}

/** What a key keeps of a name whatever it replaces. */
const plain = (key: string): string => key.replace(/[^a-z0-9./]+/gi, "_");

/** Every file of a run as its server gives it, by path. */
export async function filesOf(url: string, runId: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = async (path: string): Promise<void> => {
    const query = new URLSearchParams({ run_id: runId, ...(path && { path }) });
    const listing = JSON.parse(String(await bytesAt(`${url}/api/2.0/mlflow/artifacts/list?${query}`))) as {
      root_uri: string;
      files?: { path: string; is_dir: boolean; file_size?: number }[];
    };
    for (const file of listing.files ?? []) {
      if (file.is_dir) await visit(file.path);
      else {
        const place = `${new URL(listing.root_uri).pathname}/${file.path}`.split("/").map(encodeURIComponent).join("/");
        found[file.path] = digestOf(await bytesAt(url + FILES + place));
      }
    }
  };
  await visit("");
  return found;
}

async function bytesAt(url: string): Promise<Buffer> {
  const answer = await fetch(url);
  const bytes = Buffer.from(await answer.arrayBuffer());
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${bytes}`);
  return bytes;
}

/**
 * Files below where a server keeps them that belong to no run: `known` are the runs of experiments, `foreign` runs of
 * another server.
 */
export function strayFiles(
  root: string,
  experiments: readonly string[],
  known: ReadonlySet<string>,
  foreign: ReadonlySet<string>,
): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root).flatMap((experiment) =>
    readdirSync(join(root, experiment))
      .filter((run) => foreign.has(run) || (experiments.includes(experiment) && !known.has(run)))
      .flatMap((run) => {
        const entries = readdirSync(join(root, experiment, run), { recursive: true, withFileTypes: true });
        return entries
          .filter((entry) => entry.isFile())
          .map(({ name }) => `a file of no run: ${experiment}/${run}/…/${name}`);
      }),
  );
}
