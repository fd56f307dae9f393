import { resolve } from "node:path";
import { artifactPath } from "../artifacts/paths.js";
import { messageOf, PulseError } from "../errors.js";
import type { RunBuffer } from "../recorder/buffer/run-buffer.js";
import { sourceFile } from "../recorder/uploads/upload-source.js";
import type { LoggedContent } from "../recorder/uploads/uploads.js";
import { shownValue } from "../wrong-input.js";
import { jsonText } from "./artifact-json.js";
import { type FolderOptions, filesIn } from "./files-in.js";
import { type Dataset, type InputOptions, newInput } from "./inputs.js";
import { type Place, sayRedacted, warnAt } from "./values.js";
import { needRun } from "./verb-arguments.js";

/** Bytes as they come. */
export type ArtifactBytes = ArrayBufferView | ArrayBuffer;

/** How a file is logged. */
export interface ArtifactOptions {
  /**
   * Copies it at once, so that it may be written to afterwards. Without it a file is kept by a second name (a hard link), which is quick and
   * safe from its removal and replacement, but not from being written to in place. @default false
   */
  readonly copy?: boolean | undefined;
}

/**
 * The verbs of a run that log files and datasets, in the order of arguments of Python's client. Each only records and returns: storing goes on in the
 * background, and what is wrong with a file is said once and fails nothing else. (The base of `Run`.)
 */
export abstract class DataVerbs {
  /** The tags of each dataset logged. */
  #inputs: Map<string, string> | undefined;

  /** @internal */
  abstract get log(): RunBuffer | undefined;
  /** @internal Where it is, for what is said of it. */
  protected abstract get place(): Place & { readonly id: string };

  /**
   * Logs that the run uses a dataset. A name and a digest are one dataset; MLflow keeps the first use of it in a run, a second one with
   * another context is warned of once.
   * @example
   * run.logInput({ name: "iris", digest: "f3a1c2d4", sourceType: "http", source: { url: "https://example.com/iris.csv" } }, { context: "training" });
   */
  logInput(dataset: Dataset, options: InputOptions = {}): void {
    needRun(this, "logInput");
    if (this.log === undefined) return;
    this.#inputs ??= new Map();
    const input = newInput(this.place, this.#inputs, dataset, options);
    if (input !== undefined) this.log.input(input);
  }

  /**
   * Logs a file under its name, in folder `artifactPath` of the run's artifacts (without it, at their root). It need not stay: once this returns it may be removed or
   * replaced, where it lies on the same file system as the outbox; else once `await flush()` has resolved.
   * @example
   * ```ts
   * writeFileSync("weights.bin", new Uint8Array([1, 2, 3]));
   * run.logArtifact("weights.bin", "model"); // model/weights.bin
   * ```
   */
  logArtifact(localPath: string, artifactPath?: string, options: ArtifactOptions = {}): void {
    if (this.log === undefined) return;
    this.#guard("logArtifact", localPath, () => {
      const path = resolve(localPath);
      const name = path.split(/[\\/]/).at(-1) ?? "";
      this.#upload(joined(artifactPath, name), { ...sourceFile(path), copy: options.copy === true });
    });
  }

  /**
   * Logs a folder's files, with those of its folders, in folder `artifactPath` of the run's artifacts. Links are not followed unless asked for.
   * @example
   * ```ts
   * mkdirSync("out", { recursive: true });
   * run.logArtifacts("out", "reports", { exclude: ["drafts/**"] });
   * ```
   */
  logArtifacts(localDir: string, artifactPath?: string, options: FolderOptions & ArtifactOptions = {}): void {
    if (this.log === undefined) return;
    this.#guard("logArtifacts", localDir, () => {
      const root = resolve(localDir);
      const { files, skipped } = filesIn(root, options);
      for (const file of files)
        this.#guard("logArtifacts", file, () =>
          this.#upload(joined(artifactPath, file), { ...sourceFile(resolve(root, file)), copy: options.copy === true }),
        );
      if (skipped > 0) this.#warn("CAPTURE_LIMIT", `logArtifacts: ${skipped} links or special files in ${localDir} are left out`, localDir);
    });
  }

  /**
   * Logs a text as a file, in UTF-8. It is stored as it is, secrets too.
   * @example
   * run.logText("# Report", "report.md");
   */
  logText(text: string, artifactFile: string): void {
    if (this.log === undefined) return;
    this.#guard("logText", artifactFile, () => {
      if (typeof text !== "string") throw new PulseError("INVALID_VALUE", `logText needs a text, got ${shownValue(text)}.`);
      this.#upload(artifactPath(artifactFile), Buffer.from(text));
    });
  }

  /**
   * Logs a value as a JSON file, as Python's client writes it. What stands under a name of a secret is replaced, as in params.
   * @example
   * run.logDict({ layers: [64, 32] }, "config.json");
   */
  logDict(value: object, artifactFile: string): void {
    if (this.log === undefined) return;
    this.#guard("logDict", artifactFile, () => {
      const path = artifactPath(artifactFile);
      if (typeof value !== "object" || value === null)
        throw new PulseError("INVALID_VALUE", `logDict needs an object, got ${shownValue(value)}.`);
      const { text, redacted } = jsonText(this.place.host, value);
      if (redacted) sayRedacted(this.place.host, JSON.stringify(path), "", text);
      this.#upload(path, Buffer.from(text));
    });
  }

  /**
   * Logs bytes as a file. They are copied: what is written into them afterwards is not part of it.
   * @example
   * run.logBytes(new Uint8Array([1, 2, 3]), "weights.bin");
   */
  logBytes(bytes: ArtifactBytes, artifactFile: string): void {
    if (this.log === undefined) return;
    this.#guard("logBytes", artifactFile, () => {
      const path = artifactPath(artifactFile);
      if (bytes instanceof ArrayBuffer) this.#upload(path, new Uint8Array(bytes.slice(0)));
      else if (ArrayBuffer.isView(bytes))
        this.#upload(path, Uint8Array.from(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
      else throw new PulseError("INVALID_VALUE", `logBytes needs bytes, got ${shownValue(bytes)}.`);
    });
  }

  #upload(path: string, content: LoggedContent): void {
    const { log } = this;
    if (log) this.place.host.recorder.upload(log, path, content);
  }

  /** Does something that what the user gave may not allow: said once for each file, never thrown. */
  #guard(verb: string, about: unknown, body: () => void): void {
    try {
      body();
    } catch (error) {
      if (error instanceof PulseError && this.place.host.config.strict) throw error;
      const detail = error instanceof PulseError ? error.message.replace(error.todo, "").trim().replace(/\.$/, "") : messageOf(error);
      const code = error instanceof PulseError ? error.code : "CAPTURE_FAILED";
      this.#warn(code, `${detail}; it is left out of the artifacts`, `${verb} ${typeof about === "string" ? about : ""}`, error);
    }
  }

  #warn(code: PulseError["code"], detail: string, about: string, cause?: unknown): void {
    warnAt(this.place, this.place.method, code, detail, about, cause);
  }
}

/** A file's path in the run's artifacts. */
const joined = (folder: string | undefined, file: string): string =>
  artifactPath(folder === undefined || folder === "" ? file : `${artifactPath(folder)}/${file}`);
