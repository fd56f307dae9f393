import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Random } from "./random.js";

/** 8 rows of 8 pixels between 0 (paper) and 1 (ink). */
export type Picture = Float64Array;

/** Pictures of one digit, all of them turned the same way. */
export interface PictureClass {
  digit: number;
  pictures: Picture[];
}

export interface Example {
  digit: number;
  picture: Picture;
  label: number;
}

/** A small classification task: learn from the support examples, be judged on the query examples. */
export interface Episode {
  support: Example[];
  query: Example[];
}

interface EpisodeShape {
  ways: number;
  shots: number;
  queries: number;
}

// The compiler does not copy data, so compiled code looks for it in the source folder: from the folder build of the
// repository, and from that of an example with a package.json of its own.
const DATA_LOCATIONS = [
  "data/digits.csv.gz",
  "../../../examples/pulse-meta-learning/data/digits.csv.gz",
  "../../../pulse-meta-learning/data/digits.csv.gz",
];
const FULL_INK = 16;
const SIDE = 8;
const ENLARGED = 12;

export function loadDigits(): PictureClass[] {
  const location = DATA_LOCATIONS.map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url));
  if (location === undefined) throw new Error("digits.csv.gz is missing from examples/pulse-meta-learning/data");
  return digitsOf(gunzipSync(readFileSync(location)).toString("ascii"));
}

/** Reads lines of CSV: the ink of each pixel, and the digit. */
export function digitsOf(csv: string): PictureClass[] {
  const classes = Array.from({ length: 10 }, (_, digit): PictureClass => ({ digit, pictures: [] }));
  for (const line of csv.trim().split("\n")) {
    const values = line.split(",").map(Number);
    const of = classes[values.pop() ?? -1];
    if (of === undefined || values.length !== SIDE ** 2) throw new RangeError(`not a picture of a digit: ${line}`);
    of.pictures.push(Float64Array.from(values, (ink) => ink / FULL_INK));
  }
  return classes.filter(({ pictures }) => pictures.length > 0);
}

/** Writes what `digitsOf` reads. */
export function csvOf(digits: readonly PictureClass[]): string {
  return digits
    .flatMap(({ digit, pictures }) => pictures.map((picture) => `${picture.map((ink) => ink * FULL_INK)},${digit}\n`))
    .join("");
}

/** Makes three classes of one: a digit on its side is a new shape to learn, as good as another digit. */
export function withSideways({ digit, pictures }: PictureClass): PictureClass[] {
  // Not upside down: a 6 would be a 9, and turn an unseen digit into a known one.
  const turnedRight = pictures.map(quarterTurn);
  const turnedLeft = turnedRight.map(quarterTurn).map(quarterTurn);
  return [pictures, turnedRight, turnedLeft].map((turned) => ({ digit, pictures: turned }));
}

export function drawEpisode(classes: readonly PictureClass[], shape: EpisodeShape, random: Random): Episode {
  const { ways, shots, queries } = shape;
  const episode: Episode = { support: [], query: [] };
  // Labels are shuffled in every episode: knowing a digit does not help, learning it quickly does.
  for (const [label, { digit, pictures }] of random.shuffled(classes).slice(0, ways).entries()) {
    if (shots + queries > pictures.length) {
      throw new RangeError(
        `cannot draw ${shots} shots and ${queries} queries of the digit ${digit}: ` +
          `the data set has only ${pictures.length} pictures of it`,
      );
    }
    const examples = random.shuffled(pictures).map((picture) => ({ digit, picture, label }));
    episode.support.push(...examples.slice(0, shots));
    episode.query.push(...examples.slice(shots, shots + queries));
  }
  return { support: random.shuffled(episode.support), query: episode.query };
}

export function withNoise(picture: Picture, deviation: number, random: Random): Picture {
  return picture.map((ink) => Math.min(1, Math.max(0, ink + deviation * random.normal())));
}

/** A picture large enough to look at, ink on paper. */
export function enlarged(picture: Picture): { width: number; height: number; data: Float64Array } {
  const side = SIDE * ENLARGED;
  const pixel = (at: number): number => Math.floor(at / side / ENLARGED) * SIDE + Math.floor((at % side) / ENLARGED);
  return {
    width: side,
    height: side,
    data: Float64Array.from({ length: side * side }, (_, at) => 1 - (picture[pixel(at)] ?? 0)),
  };
}

function quarterTurn(picture: Picture): Picture {
  return picture.map((_, pixel) => picture[(SIDE - 1 - (pixel % SIDE)) * SIDE + Math.floor(pixel / SIDE)] ?? 0);
}
