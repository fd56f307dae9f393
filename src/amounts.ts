/** How much was recorded, for people: a change is a run's start or end, a metric value, a param, a tag or a dataset. */
export function amount(changes: number, runs?: number): string {
  const of = runs === undefined ? "" : ` of ${counted(runs, "run")}`;
  return `${counted(changes, "change")}${of}`;
}

/** A number with its noun. */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
