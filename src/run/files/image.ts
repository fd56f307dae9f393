import { types } from "node:util";
import { PulseError } from "../../base/errors.js";
import { load } from "../../base/loading.js";
import { shownValue } from "../../base/wrong-input.js";
import type { MetricOptions } from "../verbs/metric-value.js";

/**
 * An image as pixels, row by row, with `data.length / (width * height)` values each: 1 for grey, 3 for RGB, 4 for
 * RGBA. Values are integers from 0 to 255, or in float arrays numbers from 0 to 1.
 */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

/**
 * An image: the bytes of a file (PNG, JPEG, GIF, WebP), pixels, or an object that returns the bytes from `toBuffer()`
 * (a canvas, sharp).
 */
export type ImageSource =
  | ArrayBufferView
  | ArrayBuffer
  | PixelImage
  | { toBuffer(type?: string): ArrayBufferView | Promise<ArrayBufferView> };

/** The place of an image in the image grid of MLflow's UI. */
export type ImageOptions = { readonly key: string } & MetricOptions;

/** The longest side of a thumbnail in pixels, as in MLflow. */
const THUMBNAIL = 256;

const zlib = (): typeof import("node:zlib") => process.getBuiltinModule("node:zlib");

/** @internal Pixels as bytes, `channels` bytes each. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

/**
 * @internal Validates an image of pixels and copies it.
 * @throws PulseError `INVALID_VALUE` that says what is wrong.
 */
export function pixelsOf({ width, height, data }: PixelImage): Pixels {
  const wrong = (what: string): PulseError => new PulseError("INVALID_VALUE", `logImage: ${what}.`);
  if (!isLength(width) || !isLength(height))
    throw wrong(
      `width and height must be whole numbers, 1 or more; got ${shownValue(width)} and ${shownValue(height)}`,
    );
  const channels = data.length / (width * height);
  if (channels !== 1 && channels !== 3 && channels !== 4)
    throw wrong(
      `${width} x ${height} pixels are 1, 3 or 4 values each, so ${width * height}, ${3 * width * height} or ${4 * width * height} in all; got ${data.length}`,
    );
  const isFloat = types.isFloat32Array(data) || types.isFloat64Array(data);
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < bytes.length; i++) {
    const value = data[i] as number;
    if (!(value >= 0 && value <= (isFloat ? 1 : 255)))
      throw wrong(`values are from 0 to ${isFloat ? "1 in a float array" : "255"}; got ${shownValue(value)}`);
    if (!isFloat && !Number.isInteger(value))
      throw wrong(`values are whole numbers from 0 to 255, or from 0 to 1 in a Float32Array; got ${shownValue(value)}`);
    bytes[i] = isFloat ? Math.round(value * 255) : value;
  }
  return { width, height, channels, data: bytes };
}

const isLength = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;

/** @internal Scales an image down to at most `THUMBNAIL` pixels on its longest side, by averaging. */
export function thumbnail(image: Pixels): Pixels {
  const { width, height, channels, data } = image;
  const scale = Math.max(width, height) / THUMBNAIL;
  if (scale <= 1) return image;
  const [toWidth, toHeight] = [Math.max(1, Math.round(width / scale)), Math.max(1, Math.round(height / scale))];
  const small = new Uint8Array(toWidth * toHeight * channels);
  for (let y = 0; y < toHeight; y++) {
    const [top, bottom] = range(y, toHeight, height);
    for (let x = 0; x < toWidth; x++) {
      const [left, right] = range(x, toWidth, width);
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let row = top; row < bottom; row++)
          for (let column = left; column < right; column++)
            sum += data[(row * width + column) * channels + channel] as number;
        small[(y * toWidth + x) * channels + channel] = Math.round(sum / ((bottom - top) * (right - left)));
      }
    }
  }
  return { width: toWidth, height: toHeight, channels, data: small };
}

const range = (at: number, of: number, length: number): [number, number] => {
  const begin = Math.floor((at * length) / of);
  return [begin, Math.max(begin + 1, Math.floor(((at + 1) * length) / of))];
};

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** PNG's color types by number of channels. */
const COLOR_TYPE = { 1: 0, 3: 2, 4: 6 } as const;

/** @internal Encodes an image as PNG (RFC 2083). */
export function png({ width, height, channels, data }: Pixels): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, COLOR_TYPE[channels], 0, 0, 0], 8);
  const line = width * channels;
  const lines = Buffer.alloc((line + 1) * height); // each line begins with its filter type, 0 for none
  for (let y = 0; y < height; y++) lines.set(data.subarray(y * line, (y + 1) * line), y * (line + 1) + 1);
  const parts = [
    Buffer.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("IDAT", zlib().deflateSync(lines)),
    chunk("IEND", Buffer.alloc(0)),
  ];
  return Buffer.concat(parts);
}

function chunk(type: string, body: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(type), body]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(body.length);
  sum.writeUInt32BE(zlib().crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** @internal Whether bytes start like an image file that browsers can show. */
export function isImageFile(bytes: Uint8Array): boolean {
  const begin = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  return SIGNATURE.every((byte, i) => bytes[i] === byte) || /^(\xff\xd8\xff|GIF8|RIFF....WEBP)/s.test(begin);
}

/**
 * @internal Creates a WebP thumbnail of an image file.
 * @throws Error if `sharp` is not installed or cannot read the file.
 */
export async function smaller(bytes: Uint8Array): Promise<Uint8Array> {
  const sharp = load("sharp") as (bytes: Uint8Array) => Sharp;
  return sharp(bytes).resize(THUMBNAIL, THUMBNAIL, { fit: "inside", withoutEnlargement: true }).webp().toBuffer();
}

interface Sharp {
  resize(width: number, height: number, options: object): Sharp;
  webp(): Sharp;
  toBuffer(): Promise<Uint8Array>;
}

/** @internal Copies bytes; returns undefined for anything else. */
export function copyOf(bytes: unknown): Uint8Array | undefined {
  if (types.isAnyArrayBuffer(bytes)) return new Uint8Array(bytes.slice(0));
  return ArrayBuffer.isView(bytes)
    ? Uint8Array.from(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    : undefined;
}

/** @internal Validates an image key: MLflow's UI parses keys from file names. */
export function checkImageKey(key: unknown): string {
  if (typeof key === "string" && /^[a-zA-Z0-9_\-./ ]+$/.test(key)) return key;
  throw new PulseError(
    "INVALID_VALUE",
    `logImage: key must be letters, digits, and _ - . / or space; got ${shownValue(key)}.`,
  );
}

/** @internal Returns the two file names of an image in the grid, from which MLflow's UI parses key, step and time. */
export function gridPaths(
  key: string,
  step: number,
  timestamp: number,
  id: string,
): { image: string; thumbnail: string } {
  const uuid = id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const name = `images/${key.replaceAll("/", "~")}+step+${step}+timestamp+${timestamp}+${uuid}`;
  return { image: `${name}.png`, thumbnail: `${name}+compressed.webp` };
}

/**
 * @internal Whether a path would break the image grid: one name it cannot parse makes MLflow's UI fail for the whole
 * run.
 */
export const spoilsGrid = (path: string): boolean => /^images\/[^/]*\.(png|webp)$/i.test(path);
