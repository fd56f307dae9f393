import type { ReadRun } from "../../src/contracts/tracking-reader.js";

interface Point {
  readonly step?: number;
  readonly timestamp: number;
  readonly value: number | "NaN";
}

/** Reads a run by a server's REST API; the tag that carries our own key is left out. */
export async function readRun(
  url: string,
  runId: string,
  headers: Record<string, string> = {},
): Promise<ReadRun | undefined> {
  const get = async (path: string): Promise<Record<string, never> | undefined> => {
    const answer = await fetch(`${url}/api/2.0/mlflow/${path}`, { headers });
    return answer.ok ? ((await answer.json()) as Record<string, never>) : undefined;
  };
  const run = (await get(`runs/get?run_id=${runId}`))?.["run"] as unknown as
    | {
        info: { run_name: string; status: string; start_time: number; end_time?: number; experiment_id: string };
        inputs?: { dataset_inputs?: { dataset: Record<string, string>; tags?: { key: string; value: string }[] }[] };
        data: {
          params?: { key: string; value: string }[];
          tags?: { key: string; value: string }[];
          metrics?: { key: string }[];
        };
      }
    | undefined;
  if (run === undefined) return undefined;
  const { info, data } = run;
  const experiment = (await get(`experiments/get?experiment_id=${info.experiment_id}`))?.["experiment"] as unknown as {
    name: string;
  };
  const metrics = new Map<string, [number, number, number][]>(); // no object: a metric may be called constructor
  for (const { key } of data.metrics ?? []) {
    const history = (await get(`metrics/get-history?run_id=${runId}&metric_key=${encodeURIComponent(key)}`))?.[
      "metrics"
    ] as unknown as Point[];
    const points = history.map(({ step = 0, timestamp, value }): [number, number, number] => [
      step,
      timestamp,
      Number(value),
    ]);
    metrics.set(
      key,
      points.sort(([a], [b]) => a - b),
    );
  }
  const pairs = (list: { key: string; value: string }[] = []): Record<string, string> =>
    Object.fromEntries(list.map(({ key, value }) => [key, value] as const));
  const { "pulse.run_key": _key, ...tags } = pairs(data.tags);
  return {
    experiment: experiment.name,
    name: info.run_name,
    status: info.status,
    startTime: info.start_time,
    endTime: info.end_time ?? null,
    params: pairs(data.params),
    tags,
    metrics: Object.fromEntries(metrics),
    inputs: (run.inputs?.dataset_inputs ?? []).map(({ dataset, tags: said = [] }) => ({
      name: String(dataset["name"]),
      digest: String(dataset["digest"]),
      sourceType: String(dataset["source_type"]),
      source: String(dataset["source"]),
      schema: dataset["schema"],
      profile: dataset["profile"],
      tags: said,
    })),
  };
}
