import { types } from "node:util";
import { PulseError } from "../../base/errors.js";
import { shownValue } from "../../base/wrong-input.js";
import { Steps } from "../metrics/steps.js";
import { integerOf, type Place, warnAt } from "../verbs/values.js";
import { metricOptions } from "../verbs/verb-arguments.js";
import {
  checkImageKey,
  copyOf,
  gridPaths,
  type ImageOptions,
  type ImageSource,
  isImageFile,
  type Pixels,
  pixelsOf,
  png,
  smaller,
  thumbnail,
} from "./image.js";

/** What `RunImages` needs from its run. */
export interface ImagesOptions {
  readonly place: Place;
  readonly upload: (path: string, bytes: Uint8Array) => void;
  /** Reports an image that is left out. */
  readonly fail: (path: string, error: unknown) => void;
}

/** The images of one run. */
export class RunImages {
  readonly #options: ImagesOptions;
  /** The steps of each image key. */
  readonly #steps = new Steps();

  constructor(options: ImagesOptions) {
    this.#options = options;
  }

  /**
   * Logs an image as a file.
   * @throws PulseError `INVALID_VALUE` when it is not an image.
   */
  file(image: ImageSource, path: string): void {
    this.#take(image, path, (bytes) => {
      const { place, upload } = this.#options;
      const detail = `logImage ${shownValue(path)}: the bytes are not a PNG, JPEG, GIF or WebP file; they are stored unchanged`;
      if (!isImageFile(bytes)) warnAt(place, place.method, "INVALID_VALUE", detail, `logImage ${path}`);
      upload(path, bytes);
    });
  }

  /**
   * Logs an image into the grid, with a thumbnail, without which the UI shows a broken image. Calls `shown` once the
   * image is recorded.
   * @throws PulseError `INVALID_VALUE` for an invalid image or key.
   */
  intoGrid(image: ImageSource, options: ImageOptions, shown: () => void): void {
    const { place, upload } = this.#options;
    const { host, method } = place;
    const { step, timestamp } = metricOptions(place, "logImage", options, ["key"]) ?? {};
    const key = checkImageKey((options as ImageOptions | undefined)?.key);
    const at = step === undefined ? this.#steps.take(key) : this.#steps.given(place, step, key, method);
    const now = host.clock.now();
    const paths = gridPaths(
      key,
      at,
      timestamp === undefined ? now : integerOf(place, timestamp, "timestamp", key, now, method),
      host.clock.id(),
    );
    this.#take(image, paths.image, (bytes, pixels) => {
      if (!isImageFile(bytes))
        throw new PulseError("INVALID_VALUE", "logImage: the bytes must be a PNG, JPEG, GIF or WebP file.");
      upload(paths.image, bytes);
      const small = async (): Promise<void> => upload(paths.thumbnail, await smaller(bytes));
      shown();
      return host.recorder.during(small, () => upload(paths.thumbnail, pixels ? png(thumbnail(pixels)) : bytes));
    });
  }

  /** Passes an image's bytes to `taken`, synchronously if they are available. */
  #take(image: ImageSource, path: string, taken: (bytes: Uint8Array, pixels?: Pixels) => unknown): void {
    if (typeof image === "string")
      throw new PulseError(
        "INVALID_VALUE",
        `logImage takes bytes or pixels, not a path: readFileSync(${shownValue(image)}) gives bytes.`,
      );
    const bytes = copyOf(image);
    if (bytes !== undefined) taken(bytes);
    else if (typeof (image as { toBuffer?: unknown } | null)?.toBuffer === "function") {
      const given = (image as { toBuffer(type?: string): unknown }).toBuffer("image/png");
      if (types.isPromise(given)) this.#takeLater(given, path, taken);
      else taken(bytesOf(given));
    } else if (typeof image === "object" && image !== null && "data" in image) {
      const pixels = pixelsOf(image);
      if (!/\.png$/i.test(path))
        throw new PulseError(
          "INVALID_VALUE",
          `logImage stores pixels as PNG: the name must end in .png, got ${shownValue(path)}.`,
        );
      taken(png(pixels), pixels);
    } else
      throw new PulseError(
        "INVALID_VALUE",
        `logImage needs bytes, { width, height, data } or what has toBuffer(), got ${shownValue(image)}.`,
      );
  }

  #takeLater(given: Promise<unknown>, path: string, taken: (bytes: Uint8Array) => unknown): void {
    const { place, fail } = this.#options;
    const lost = new PulseError("LOST_AT_EXIT", `The program ended before ${JSON.stringify(path)} was made.`);
    void place.host.recorder.during(
      async (activity) => {
        const bytes = bytesOf(await given);
        if (!activity.over) await taken(bytes); // awaited, so that a flush also waits for the thumbnail
      },
      (error) => fail(path, error ?? lost),
    );
  }
}

function bytesOf(made: unknown): Uint8Array {
  const bytes = copyOf(made);
  if (bytes === undefined)
    throw new PulseError("INVALID_VALUE", `logImage: toBuffer() gave ${shownValue(made)}, not bytes.`);
  return bytes;
}

/** Returns the file or key of an image; undefined if the options have none. */
export function nameOf(target: unknown): unknown {
  try {
    return typeof target === "string" ? target : (target as ImageOptions | undefined)?.key;
  } catch {
    return undefined; // a getter that throws will throw again where errors are reported
  }
}
