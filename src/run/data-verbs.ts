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

/** Bytes as they come. */
export type ArtifactBytes = ArrayBufferView | ArrayBuffer;

/** How a file is logged. */
export interface ArtifactOptions {
  /**
   * Copies it at once (above 64 MiB in the background), so that it may be written to afterwards. Without it a file is
   * kept by a second name (a hard link), which is quick and safe from its removal and replacement, but not from being
   * written to in place. @default false
   */
  readonly copy?: boolean | undefined;
}

/**
 * The verbs of a run that log files and datasets, in the order of arguments of Python's client. Each only records and
 * returns: storing goes on in the background, and what is wrong with a file is said once and fails nothing else. (The
 * base of `Run`.)
 */
export abstract class DataVerbs {
  /** The tags of each dataset logged. */
  #inputs: Map<string, string> | undefined;
  #tables: RunTables | undefined;
  #images: RunImages | undefined;
  /** How often each name with `{step}` was logged. */
  #contentSteps: Steps | undefined;

  /** @internal */
  abstract get log(): RunBuffer | undefined;
  /** @internal Whether it was there before. */
  protected abstract get resumed(): boolean;
  /** @internal Where it is, for what is said of it. */
  protected abstract get place(): Place & { readonly id: string };

  /**
   * Logs that the run uses a dataset. A name and a digest are one dataset; MLflow keeps the first use of it in a run, a
   * second one with another context is warned of once.
   * @example run.logInput({ name: "iris", digest: "f3a1c2d4", sourceType: "http", source: { url:
   * "https://example.com/iris.csv" } }, { context: "training" });
   */
  logInput(dataset: Dataset, options: InputOptions = {}): void {
    needRun(this, "logInput");
    if (this.log === undefined) return;
    this.#inputs ??= new Map();
    const input = newInput(this.place, this.#inputs, dataset, options);
    if (input !== undefined) this.log.input(input);
  }

  /**
   * Logs a file under its name, in folder `artifactPath` of the run's artifacts (without it, at their root). It need
   * not stay: once this returns it may be removed or replaced, where it lies on the same file system as the outbox;
   * else once `await flush()` has resolved.
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
   * Logs a folder's files, with those of its folders, in folder `artifactPath` of the run's artifacts. Links are not
   * followed unless asked for.
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
   * Logs a text as a file, in UTF-8. It is stored as it is, secrets too.
   * @example
   * run.logText("# Report", "report.md");
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
   * Logs a value as a file: as YAML where the name ends in `.yaml` or `.yml`, else as JSON, both as Python's client
   * writes them. What stands under a name of a secret is replaced, as in params.
   * @example
   * run.logDict({ layers: [64, 32] }, "config.json");
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
   * Logs bytes as a file. They are copied: what is written into them afterwards is not part of it. A Blob is read in
   * the background.
   * @example
   * run.logBytes(new Uint8Array([1, 2, 3]), "weights.bin");
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
   * Logs what a stream gives as a file, read as it comes. Resolves when it is read to its end, and never rejects: a
   * stream that breaks off is warned of, and stores nothing.
   * @example
   * await run.logStream(new Blob(["a,b\n1,2\n"]).stream(), "data.csv");
   */
  async logStream(stream: ArtifactStream, artifactFile: string): Promise<void> {
    if (this.log === undefined) {
      // Whoever writes into it waits for who reads.
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
   * Adds rows to a table, which MLflow shows and `mlflow.load_table` reads: objects, or columns under their names; a
   * record of single values is one row. Parquet (`.parquet`) needs `hyparquet-writer`, and is JSON without it. What is
   * stored each time is the whole table; a resumed run goes on with the one that is stored. Columns a row lacks are
   * null.
   * @example
   * run.logTable([{ digit: 7, guess: 1 }, { digit: 2, guess: 2 }], "guesses.json");
   */
  logTable(rows: TableRows, artifactFile: string): void {
    const { log } = this;
    if (log === undefined) return;
    this.#callUser("logTable", artifactFile, () => {
      const path = checkTablePath(this.#pathOf(artifactFile));
      const { recorder } = this.place.host;
      // Another handle of the run may have logged into its tables.
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
   * Logs an image as a file: bytes as they are, pixels as PNG.
   * @example
   * run.logImage({ width: 2, height: 1, data: new Uint8Array([0, 255]) }, "pixels.png");
   */
  logImage(image: ImageSource, artifactFile: string): void;
  /**
   * Logs an image into the image grid of MLflow's UI, which shows those of a key by step, with a thumbnail. (WebP
   * thumbnails need `sharp`; without it files of bytes are their own thumbnail.) Without a step it is the highest so
   * far of the key, plus one.
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
   * Logs a figure as a file: one of Plotly or Vega-Lite as JSON, or as a page that needs nothing else (`.html`; needs
   * `plotly.js-dist-min`, or `vega`, `vega-lite` and `vega-embed`, without which it is JSON), or a text that is SVG or
   * HTML.
   * @example
   * run.logFigure({ data: [{ x: [1, 2], y: [3, 4], type: "scatter" }], layout: { title: "loss" } }, "loss.json");
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
   * @internal Logs what a decorated method gives as a file; `where`: which one, in messages. `{step}` in the name is
   * how often it was logged in this run.
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

  /** Logs a file or folder of the user's under a path. */
  #logLocal(localPath: string, path: string): void {
    this.#callUser("logArtifact", localPath, () => {
      const local = resolve(localText("logArtifact", "a file or folder", localPath));
      if (statSync(local, { throwIfNoEntry: false })?.isDirectory()) this.logArtifacts(local, path);
      else this.#file(local, path);
    });
  }

  /** Logs a file of the user's; one that cannot be read has a tag that says so. */
  #file(localPath: string, artifactFile: string, copy = false): void {
    const path = this.#pathOf(artifactFile);
    try {
      this.#upload(path, { ...sourceFile(localPath), copy });
    } catch (error) {
      this.log?.tag(failureTag(path, error));
      throw error;
    }
  }

  /** The path of a file of the user's: not where MLflow's UI expects only what it can read. */
  #pathOf(artifactFile: unknown): string {
    const path = this.#withSlashes(givenPath(artifactFile));
    if (!spoilsGrid(path)) return path;
    const other = path.replace(/^images/, "image-files");
    this.#warn(
      "ARTIFACT_RENAMED",
      `MLflow's UI takes all images in folder "images" for those of logImage with a key; ${path} is stored as ${other}`,
      path,
    );
    return other;
  }

  /** A path of Windows, as `join` makes them. */
  #withSlashes(path: string): string {
    if (!path.includes("\\")) return path;
    const other = path.replaceAll("\\", "/");
    this.#warn(
      "ARTIFACT_RENAMED",
      `The paths of artifacts have /; ${JSON.stringify(path)} is stored as ${JSON.stringify(other)}`,
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
        `${shownValue(name)} in ${path} is a promise, which is to be awaited; null is stored`,
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

  /** Does something that what the user gave may not allow: said once for each file, never thrown. */
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
