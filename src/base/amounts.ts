/** A number of files and their total size. */
export interface Files {
  readonly artifacts: number;
  /** Total size in bytes. */
  readonly artifactBytes: number;
}

const NO_FILES: Files = { artifacts: 0, artifactBytes: 0 };

/**
 * Describes how much was recorded, for messages. A change is a run's start or end, a metric value, a param, a tag or a
 * dataset; files are counted separately.
 */
export function amount(changes: number, runs?: number, files: Files = NO_FILES): string {
  const { artifacts, artifactBytes } = files;
  const some = artifacts === 0 ? [] : [`${counted(artifacts, "file")} (${bytes(artifactBytes)})`];
  const what = [...(changes > 0 || artifacts === 0 ? [counted(changes, "change")] : []), ...some].join(" and ");
  const of = runs === undefined ? "" : ` of ${counted(runs, "run")}`;
  return `${what}${of}`;
}

/** Formats a number with its noun. */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** Formats a number of bytes for people. */
export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  // Avoids showing 1024.0 of a unit instead of 1.0 of the next.
  while (value >= (unit === 0 ? 1024 : 1023.95) && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
