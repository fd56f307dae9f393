import { amount, bytes, counted, type Files } from "../base/amounts.js";
import { duration } from "./output.js";

/** The period over which the rate is measured: slow or idle times before it do not count. */
const WINDOW_MS = 10_000;
/** A shorter period gives no useful estimate. */
const MIN_MS = 1_000;
/** The weight of a change and a file in bytes, for the progress bar: roughly what it costs to send them. */
const CHANGE_WEIGHT = 256;
const FILE_WEIGHT = 4_096;

/** Numbers of changes and files. */
export interface Load extends Files {
  readonly changes: number;
}

interface Sample {
  readonly at: number;
  readonly changes: number;
  readonly moved: number;
}

/** Measures the progress and speed of a delivery, and estimates the time left. */
export class Meter {
  #changes = 0;
  #artifacts = 0;
  #artifactBytes = 0;
  /** The bytes of files sent, including those of incomplete files. */
  #moved = 0;
  #total: Load = { changes: 0, artifacts: 0, artifactBytes: 0 };
  readonly #now: () => number;
  readonly #began: number;
  #samples: Sample[];

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#began = now();
    this.#samples = [{ at: this.#began, changes: 0, moved: 0 }];
  }

  /** Sets what is waiting now. */
  waits({ changes, artifacts, artifactBytes }: Load): void {
    this.#total = {
      changes: this.#changes + changes,
      artifacts: this.#artifacts + artifacts,
      artifactBytes: this.#artifactBytes + artifactBytes,
    };
    this.#moved = this.#artifactBytes;
  }

  delivered(changes: number): void {
    this.#changes += changes;
  }

  /** Adds sent bytes of files. */
  moved(bytes: number): void {
    this.#moved += bytes;
  }

  /** Adds a stored file. */
  stored(bytes: number): void {
    this.#artifacts++;
    this.#artifactBytes += bytes;
  }

  /** What has been delivered. */
  get done(): Load {
    return { changes: this.#changes, artifacts: this.#artifacts, artifactBytes: this.#artifactBytes };
  }

  /** What there was in total, as far as is known. */
  get total(): Load {
    return {
      changes: Math.max(this.#total.changes, this.#changes),
      artifacts: Math.max(this.#total.artifacts, this.#artifacts),
      artifactBytes: Math.max(this.#total.artifactBytes, this.#moved),
    };
  }

  /** The progress, from 0 to 1. */
  get part(): number {
    const { total } = this;
    const all = weight(total);
    return all === 0 ? 1 : weight({ ...this.done, artifactBytes: this.#moved }) / all;
  }

  /** One line on a delivery in progress. */
  get underWay(): string {
    const { total } = this;
    const left = total.changes > this.#changes || total.artifacts === 0;
    const all = [...(left ? [this.#changesDone] : []), ...(total.artifacts > 0 ? this.#filesDone : [])];
    return [...all, ...this.#speed].join(", ");
  }

  /** One line on a finished delivery. */
  get ended(): string {
    const seconds = Math.max(0.001, (this.#now() - this.#began) / 1_000);
    const speed =
      this.#artifactBytes > 0
        ? `${bytes(Math.round(this.#artifactBytes / seconds))}/s`
        : perSecond(this.#changes / seconds);
    return [this.#changesDone, ...(this.total.artifacts > 0 ? this.#filesDone : []), speed].join(", ");
  }

  get #changesDone(): string {
    return `${this.#changes.toLocaleString("en")} of ${amount(this.total.changes)}`;
  }

  get #filesDone(): string[] {
    const { artifacts, artifactBytes } = this.total;
    const [done, all] = [bytes(this.#moved), bytes(artifactBytes)];
    const short = done.replace(new RegExp(` ${all.split(" ")[1]}$`), ""); // 1.2 of 3.4 GiB
    return [`${this.#artifacts.toLocaleString("en")} of ${counted(artifacts, "file")}`, `${short} of ${all}`];
  }

  /** The rate and the estimated time left. Changes and files are sent in parallel. */
  get #speed(): string[] {
    const now: Sample = { at: this.#now(), changes: this.#changes, moved: this.#moved };
    const [first = now] = this.#samples;
    this.#samples.push(now);
    while (now.at - (this.#samples[0]?.at ?? now.at) > WINDOW_MS) this.#samples.shift();
    const seconds = (now.at - first.at) / 1_000;
    if (seconds * 1_000 < MIN_MS) return [];
    const changes = Math.max(0, now.changes - first.changes) / seconds;
    const moved = Math.max(0, now.moved - first.moved) / seconds;
    const { total } = this;
    const left = Math.max(time(total.changes - this.#changes, changes), time(total.artifactBytes - this.#moved, moved));
    const speed = moved > 0 ? `${bytes(Math.round(moved))}/s` : perSecond(changes);
    return [speed, ...(Number.isFinite(left) && left > 0 ? [`${duration(left * 1_000)} left`] : [])];
  }
}

const weight = ({ changes, artifacts, artifactBytes }: Load): number =>
  changes * CHANGE_WEIGHT + artifacts * FILE_WEIGHT + artifactBytes;

/** Seconds until nothing is left. */
const time = (left: number, rate: number): number => (left <= 0 ? 0 : left / rate);

const perSecond = (rate: number): string => `${Math.round(rate).toLocaleString("en")}/s`;
