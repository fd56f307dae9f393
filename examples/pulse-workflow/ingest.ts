import { createHash } from "node:crypto";
import { LogArtifact, LogMetric, type Run, requireRun, TrackedExperiment, TrackedRun } from "pulse-mlflow";
import { csvOf, loadDigits, type PictureClass } from "../pulse-meta-learning/digits.js";
import { FIRST_UNSEEN_DIGIT } from "../pulse-meta-learning/reptile.js";
import { EXPERIMENT, KNOWN_FILE, UNSEEN_FILE } from "./places.js";

interface Ingested {
  run: Run;
  /** How many pictures each file has. */
  pictures: { known: number; unseen: number };
  /** The files, as CSV. */
  known: string;
  unseen: string;
}

/** Stores the pictures in two files: the digits to learn from, and those to be tested on. */
@TrackedExperiment(EXPERIMENT)
export class Ingest {
  @TrackedRun({ runName: "ingest" })
  @LogMetric(["pictures.known", "pictures.unseen"])
  @LogArtifact({ [KNOWN_FILE]: "known", [UNSEEN_FILE]: "unseen" })
  async run(): Promise<Ingested> {
    const digits = loadDigits();
    const run = requireRun();
    // What the data was: its digest changes when a single pixel does.
    const digest = createHash("sha256").update(csvOf(digits)).digest("hex").slice(0, 8);
    run.logInput({ name: "optdigits", digest, sourceType: "local", source: { uri: "digits.csv.gz" } });
    const known = digits.filter(({ digit }) => digit < FIRST_UNSEEN_DIGIT);
    const unseen = digits.filter(({ digit }) => digit >= FIRST_UNSEEN_DIGIT);
    const pictures = { known: countOf(known), unseen: countOf(unseen) };
    return { run, pictures, known: csvOf(known), unseen: csvOf(unseen) };
  }
}

function countOf(digits: readonly PictureClass[]): number {
  return digits.reduce((sum, { pictures }) => sum + pictures.length, 0);
}
