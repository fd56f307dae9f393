import { statSync } from "node:fs";
import { resolve } from "node:path";
import { types } from "node:util";
import { PulseError } from "../base/errors.js";
import { REDACTED } from "../base/text/redact.js";
import { shownValue } from "../base/wrong-input.js";
import { noContent } from "../capture/artifacts.js";
import type { RunBuffer } from "../recorder/buffer/run-buffer.js";
import { heldText, sourceFile } from "../recorder/staging/upload-source.js";
import { failureTag } from "../recorder/uploads/upload-queue.js";
import type { LoggedContent } from "../recorder/uploads/uploads.js";
import { type ArtifactStream, chunksOf, drained, isStream } from "./files/chunks.js";
import { givenPath, isBlob, isoOf, joined, kindOf, localText, refusal, textDoubt } from "./files/content.js";
import { figureFile } from "./files/figure.js";
import { type FolderOptions, filesIn, leftOut } from "./files/files-in.js";
import { copyOf, type ImageSource, spoilsGrid } from "./files/image.js";
import { nameOf, RunImages } from "./files/images.js";
import { jsonText, plainOf } from "./files/json.js";
import { checkTablePath, type TableRows } from "./files/table.js";
import { RunTables, type TablesOptions } from "./files/tables.js";
import { yamlText } from "./files/yaml.js";
import { type Dataset, type InputOptions, newInput } from "./inputs.js";
import { Steps } from "./metrics/steps.js";
import type { MetricOptions } from "./verbs/metric-value.js";
import { type Place, sayRedacted, warnAt } from "./verbs/values.js";
import { needRun, optionsOf } from "./verbs/verb-arguments.js";

/** Binary content of a file. */
export type ArtifactBytes = ArrayBufferView | ArrayBuffer;

/** Options for logging a file. */
export interface ArtifactOptions {
  /**
   * Whether to copy the file at once (in the background above 64 MiB), so that it may be written to afterwards.
   * Without a copy the file is kept by a hard link: that is fast and survives its removal or replacement, but not
   * writes to the file itself.
   * @default false
   */
  readonly copy?: boolean | undefined;
}

/**
 * The methods of a run that log files and datasets, with arguments in the same order as in MLflow's Python client.
 * Each method only records and returns; files are stored in the background. A problem with a file is reported once
 * and does not affect anything else. (Base class of `Run`.)
 */
export abstract class DataVerbs {
  /** The tags of each dataset logged so far, by name and digest. */
  #inputs: Map<string, string> | undefined;
  #tables: RunTables | undefined;
  #images: RunImages | undefined;
  /** Counts how often each file name with `{step}` was logged. */
  #contentSteps: Steps | undefined;

  /** @internal */
  abstract get log(): RunBuffer | undefined;
  /** @internal Whether the run already existed in the store. */
  protected abstract get resumed(): boolean;
  /** @internal The run as warnings name it. */
  protected abstract get place(): Place & { readonly id: string };

  /**
   * Logs that the run uses a dataset. Datasets with the same name and digest are the same dataset: MLflow keeps the
   * first use of it in a run. Logging it again with another context or other tags warns once.
   * @example
   * ```ts
   * const source = { url: "https://example.com/iris.csv" };
   * run.logInput({ name: "iris", digest: "f3a1c2d4", sourceType: "http", source }, { context: "training" });
   * ```
   */
  logInput(dataset: Dataset, options: InputOptions = {}): void {
    needRun(this, "logInput");
    if (this.log === undefined) return;
    this.#inputs ??= new Map();
    const input = newInput(this.place, this.#inputs, dataset, options);
    if (input !== undefined) this.log.input(input);
  }

  /**
   * Logs a file under its own name, in folder `artifactPath` of the run's artifacts (default: their root). If the
   * file is on the same file system as the outbox, it may be removed or replaced as soon as this returns; otherwise
   * once `await flush()` has resolved.
   * @example
   * ```ts
   * writeFileSync("weights.bin", new Uint8Array([1, 2, 3]));
   * run.logArtifact("weights.bin", "model"); // model/weights.bin
   * ```
   */
  logArtifact(localPath: string, artifactPath?: string, options: ArtifactOptions = {}): void {
    if (this.log === undefined) return;
    this.#callUser("logArtifact", localPath, () => {
      const path = resolve(localText("logArtifact", "a file", localPath));
      const name = path.split(/[\\/]/).at(-1) ?? "";
      this.#file(path, joined(artifactPath, name), this.#options("logArtifact", options, ["copy"]).copy);
    });
  }

  /**
   * Logs the files of a folder and its subfolders, in folder `artifactPath` of the run's artifacts. Symbolic links
   * are only followed with `followSymlinks`.
   * @example
   * ```ts
   * mkdirSync("out", { recursive: true });
   * run.logArtifacts("out", "reports", { exclude: ["drafts/**"] });
   * ```
   */
  logArtifacts(localDir: string, artifactPath?: string, options: FolderOptions & ArtifactOptions = {}): void {
    if (this.log === undefined) return;
    this.#callUser("logArtifacts", localDir, () => {
      const root = resolve(localText("logArtifacts", "a folder", localDir));
      const { copy, ...which } = this.#options("logArtifacts", options, [
        "include",
        "exclude",
        "followSymlinks",
        "copy",
      ]);
      const { files, skipped } = filesIn(root, which);
      for (const file of files)
        this.#callUser("logArtifacts", file, () => this.#file(resolve(root, file), joined(artifactPath, file), copy));
      const left = leftOut(which, files, skipped);
      if (left !== undefined) this.#warn("ARTIFACT_REFUSED", `logArtifacts, ${root}: ${left}`, localDir);
    });
  }

  /**
   * Logs a text as a file in UTF-8. The text is stored unchanged: secrets in it are not redacted.
   * @example run.logText("# Report", "report.md");
   */
  logText(text: string, artifactFile: string): void {
    if (this.log === undefined) return;
    this.#callUser("logText", artifactFile, () => {
      if (typeof text !== "string")
        throw new PulseError("INVALID_VALUE", `logText needs a text, got ${shownValue(text)}.`);
      const path = this.#pathOf(artifactFile);
      const doubt = textDoubt(text, path);
      if (doubt !== undefined) this.#warn("INVALID_VALUE", doubt, path);
      this.#upload(path, heldText(text));
    });
  }

  /**
   * Logs a value as a file: as YAML if the name ends in `.yaml` or `.yml`, otherwise as JSON, formatted as MLflow's
   * Python client does. Values under names of secrets are redacted, as in params.
   * @example run.logDict({ layers: [64, 32] }, "config.json");
   */
  logDict(value: object, artifactFile: string): void {
    if (this.log === undefined) return;
    this.#callUser("logDict", artifactFile, () => {
      const path = this.#pathOf(artifactFile);
      if (typeof value !== "object" || value === null || types.isPromise(value))
        throw new PulseError("INVALID_VALUE", `logDict needs an object, got ${shownValue(value)}.`);
      const isYaml = /\.ya?ml$/i.test(path);
      const plain = this.#plain(path, value, { numbers: isYaml });
      this.#upload(path, Buffer.from(isYaml ? yamlText(plain) : jsonText(plain)));
    });
  }

  /**
   * Logs bytes as a file. The bytes are copied, so the buffer may be reused. A Blob is read in the background.
   * @example run.logBytes(new Uint8Array([1, 2, 3]), "weights.bin");
   */
  logBytes(bytes: ArtifactBytes | Blob, artifactFile: string): void {
    if (this.log === undefined) return;
    this.#callUser("logBytes", artifactFile, () => {
      const path = this.#pathOf(artifactFile);
      const copied = copyOf(bytes);
      if (copied !== undefined) this.#upload(path, copied);
      else if (isBlob(bytes)) void this.#receive(path, bytes.stream());
      else throw new PulseError("INVALID_VALUE", `logBytes needs bytes, got ${shownValue(bytes)}.`);
    });
  }

  /**
   * Reads a stream and logs its content as a file. Resolves when the stream has been read to its end, and never
   * rejects: if the stream fails, a warning is given and nothing is stored.
   * @example await run.logStream(new Blob(["a,b\n1,2\n"]).stream(), "data.csv");
   */
  async logStream(stream: ArtifactStream, artifactFile: string): Promise<void> {
    if (this.log === undefined) {
      // The stream is read even if nothing is recorded: its writer may wait for a reader.
      if (isStream(stream)) await drained(stream);
      return;
    }
    let read: Promise<void> | undefined;
    this.#callUser("logStream", artifactFile, () => {
      const path = this.#pathOf(artifactFile);
      if (!isStream(stream))
        throw new PulseError("INVALID_VALUE", `logStream needs a stream, got ${shownValue(stream)}.`);
      read = this.#receive(path, stream);
    });
    await read;
  }

  /**
   * Adds rows to a table that MLflow's UI shows and `mlflow.load_table` reads. Takes a list of objects, or a record
   * of columns; a record of single values is one row. Missing values are null. Each time, the whole table is stored;
   * a resumed run continues the stored table. Parquet (`.parquet`) needs package `hyparquet-writer`; without it the
   * table is stored as JSON.
   * @example run.logTable([{ digit: 7, guess: 1 }, { digit: 2, guess: 2 }], "guesses.json");
   */
  logTable(rows: TableRows, artifactFile: string): void {
    const { log } = this;
    if (log === undefined) return;
    this.#callUser("logTable", artifactFile, () => {
      const path = checkTablePath(this.#pathOf(artifactFile));
      const { recorder } = this.place.host;
      // Shared by all handles of the run: another one may have logged into its tables.
      this.#tables ??= recorder.ofRun(this.place.id, () => {
        const warn: TablesOptions["warn"] = (code, detail, about) => this.#warn(code, detail, about);
        return new RunTables({
          recorder,
          log,
          resumed: this.resumed,
          id: this.place.id,
          newId: () => this.place.host.clock.id(),
          warn,
        });
      });
      this.#tables.add(path, rows, (column, value) =>
        this.#plain(path, types.isDate(value) ? isoOf(value) : value, { key: column }),
      );
    });
  }

  /**
   * Logs an image as a file: bytes unchanged, pixels as PNG.
   * @example run.logImage({ width: 2, height: 1, data: new Uint8Array([0, 255]) }, "pixels.png");
   */
  logImage(image: ImageSource, artifactFile: string): void;
  /**
   * Logs an image for the image grid of MLflow's UI, which shows the images of a key by step, with thumbnails. (WebP
   * thumbnails need package `sharp`; without it image files serve as their own thumbnails.) The step defaults to the
   * key's highest step so far plus one.
   */
  logImage(image: ImageSource, options: { readonly key: string } & MetricOptions): void;
  logImage(image: ImageSource, target: string | ({ readonly key: string } & MetricOptions)): void {
    if (this.log === undefined) return;
    this.#callUser("logImage", nameOf(target) ?? image, () => {
      this.#images ??= new RunImages({
        place: this.place,
        upload: (path, bytes) => this.#upload(path, bytes),
        fail: (path, error) => this.#fail("logImage", path, error),
      });
      if (typeof target === "string") this.#images.file(image, this.#pathOf(target));
      else if (typeof image === "string")
        throw new PulseError("INVALID_VALUE", `logImage: the image comes first, then its file or options.`);
      else this.#images.intoGrid(image, target, () => this.log?.tag({ key: "mlflow.loggedImages", value: "True" }));
    });
  }

  /**
   * Logs a figure as a file: a Plotly or Vega-Lite object as JSON or as a self-contained page (`.html`), or a text
   * that is SVG or HTML. Pages need package `plotly.js-dist-min`, or `vega`, `vega-lite` and `vega-embed`; without
   * them the figure is stored as JSON.
   * @example run.logFigure({ data: [{ x: [1, 2], y: [3, 4], type: "scatter" }], layout: {} }, "loss.json");
   */
  logFigure(figure: object | string, artifactFile: string): void {
    if (this.log === undefined) return;
    this.#callUser("logFigure", artifactFile, () => {
      const { host } = this.place;
      const file = figureFile(figure, this.#pathOf(artifactFile), (value) =>
        jsonText(plainOf(host, value, { whole: true }).value),
      );
      this.#upload(file.path, Buffer.from(file.text));
      if (file.missing)
        this.#warn(
          "PACKAGE_MISSING",
          `logFigure: a page needs ${file.missing.join(", ")}; the figure is stored as ${file.path}`,
          "figure",
        );
    });
  }

  /**
   * @internal Logs content captured by a decorator as a file. `where` names the method for messages. `{step}` in the
   * name is replaced by the number of times that name was logged in this run before.
   */
  logContent(content: unknown, file: string, where: () => string): void {
    if (this.log === undefined) return;
    let path = file;
    if (file.includes("{step}")) {
      this.#contentSteps ??= new Steps();
      path = file.replaceAll("{step}", String(this.#contentSteps.take(file)));
    }
    const kind = kindOf(content, path);
    if (kind === undefined)
      this.#warn("INVALID_VALUE", `${where()}: ${noContent(path, content)}`, `${where()} ${file}`);
    else if (kind === "path") this.#logLocal((content as { path: string }).path, path);
    else void this[kind](content as never, path);
  }

  /** Logs a local file or folder under a path. */
  #logLocal(localPath: string, path: string): void {
    this.#callUser("logArtifact", localPath, () => {
      const local = resolve(localText("logArtifact", "a file or folder", localPath));
      if (statSync(local, { throwIfNoEntry: false })?.isDirectory()) this.logArtifacts(local, path);
      else this.#file(local, path);
    });
  }

  /** Logs a local file. If it cannot be read, a tag of the run records the failure. */
  #file(localPath: string, artifactFile: string, copy = false): void {
    const path = this.#pathOf(artifactFile);
    try {
      this.#upload(path, { ...sourceFile(localPath), copy });
    } catch (error) {
      this.log?.tag(failureTag(path, error));
      throw error;
    }
  }

  /** Checks a file's path and moves it out of folder `images`, where MLflow's UI fails on names it cannot parse. */
  #pathOf(artifactFile: unknown): string {
    const path = this.#withSlashes(givenPath(artifactFile));
    if (!spoilsGrid(path)) return path;
    const other = path.replace(/^images/, "image-files");
    this.#warn(
      "ARTIFACT_RENAMED",
      `In folder "images", MLflow's UI can only read images of logImage with a key; ${path} is stored as ${other}`,
      path,
    );
    return other;
  }

  /** Replaces the backslashes of Windows paths. */
  #withSlashes(path: string): string {
    if (!path.includes("\\")) return path;
    const other = path.replaceAll("\\", "/");
    this.#warn(
      "ARTIFACT_RENAMED",
      `Artifact paths use / as separator; ${JSON.stringify(path)} is stored as ${JSON.stringify(other)}`,
      path,
    );
    return other;
  }

  #plain(path: string, value: unknown, options: { key?: string; numbers?: boolean }): unknown {
    const { host } = this.place;
    const plain = plainOf(host, value, options);
    for (const name of plain.promises)
      this.#warn(
        "INVALID_VALUE",
        `${shownValue(name)} in ${path} is a promise: await it before logging; null is stored`,
        `${path} ${name}`,
      );
    if (plain.redacted) sayRedacted(host, JSON.stringify(path), "", REDACTED);
    return plain.value;
  }

  #receive(path: string, stream: ArtifactStream): Promise<void> {
    this.#tables?.overtaken(path);
    return this.log ? this.place.host.recorder.receive(this.log, path, chunksOf(stream)) : Promise.resolve();
  }

  #options<T extends object>(verb: string, options: T, names: readonly (keyof T & string)[]): T {
    return (optionsOf(this.place, verb, options, names, "{ copy: true }") ?? {}) as T;
  }

  #upload(path: string, content: LoggedContent): void {
    this.#tables?.overtaken(path);
    const { log } = this;
    if (log) this.place.host.recorder.upload(log, path, content);
  }

  /**
   * Runs a verb's body and turns what it throws into a warning, once per file; with `strict`, a PulseError is thrown.
   */
  #callUser(verb: string, about: unknown, body: () => void): void {
    try {
      body();
    } catch (error) {
      if (error instanceof PulseError && this.place.host.config.strict) throw error;
      this.#fail(verb, about, error);
    }
  }

  #fail(verb: string, about: unknown, error: unknown): void {
    const { code, detail } = refusal(verb, about, error);
    this.#warn(
      code,
      `${detail}; it is left out of the artifacts`,
      `${verb} ${typeof about === "string" ? about : ""}`,
      error,
    );
  }

  #warn(code: PulseError["code"], detail: string, about: string, cause?: unknown): void {
    warnAt(this.place, this.place.method, code, detail, about, cause);
  }
}
