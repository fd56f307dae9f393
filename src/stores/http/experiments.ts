import { type ExperimentRef, experimentLabel } from "../../base/entities.js";
import { MlflowError, type PulseError } from "../../base/errors.js";
import { wellFormed } from "../../base/text/keys.js";
import { Failure, refusal, refusedAs } from "../../http/failure.js";
import { record, text } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";

/** How long an id is believed: a server that was replaced without our noticing has given it to another experiment. */
const BELIEVED_MS = 60_000;
const MAX_TAGGED = 1_000;
/** Most runs whose experiments are remembered. */
const MAX_RUNS = 1_000;

/** The ids of experiments, by name. */
export class Experiments {
  readonly #api: TrackingApi;
  readonly #ids = new Map<string, { readonly id: Promise<string>; readonly until: number }>();
  /** Those that runs are in, by the runs' ids. */
  readonly #byRun = new Map<string, string>();
  /** Those whose tags are set, with what they were. */
  readonly #tagged = new Map<string, ExperimentRef>();

  constructor(api: TrackingApi) {
    this.#api = api;
  }

  /** The id of an experiment, made when there is none of that name. */
  async id(ref: ExperimentRef): Promise<string> {
    const theirs = ref.of === undefined ? undefined : await this.#idOfRuns(ref.of);
    if (theirs !== undefined || "id" in ref) return theirs ?? (ref as { readonly id: string }).id;
    const known = this.#ids.get(ref.name);
    const now = performance.now();
    if (known && now <= known.until) return known.id;
    const entry = { id: this.#idOf(ref), until: now + BELIEVED_MS };
    this.#ids.set(ref.name, entry);
    entry.id.catch(() => this.#ids.get(ref.name) === entry && this.#ids.delete(ref.name));
    return entry.id;
  }

  /** Has the ids asked for again: the server may be another one. */
  forget(): void {
    this.#ids.clear();
    this.#byRun.clear();
  }

  /** Takes note of the experiment a run is in. */
  know(runId: string, experimentId: string): void {
    this.#byRun.set(runId, experimentId);
    if (this.#byRun.size > MAX_RUNS) this.#byRun.delete(this.#byRun.keys().next().value as string);
  }

  /**
   * The experiment a run is in; undefined where that cannot be told: there is no such run, it was deleted, or these
   * credentials may not see it.
   */
  async #idOfRuns(runId: string): Promise<string | undefined> {
    const known = this.#byRun.get(runId);
    if (known !== undefined) return known;
    try {
      const info = record(record((await this.#api.get("runs/get", { run_id: runId }))["run"])?.["info"]);
      const id = text(info?.["experiment_id"]);
      if (id === undefined) throw this.#api.incomplete("runs/get");
      if (info?.["lifecycle_stage"] === "deleted") return undefined;
      this.know(runId, id);
      return id;
    } catch (error) {
      if (error instanceof Failure && (error.kind === "denied" || error.kind === "rejected")) return undefined;
      throw error;
    }
  }

  async #idOf(ref: NamedExperiment): Promise<string> {
    const id = await this.#getOrCreate(wellFormed(ref.name));
    if (ref.tags === undefined || this.#tagged.get(ref.name) === ref) return id;
    for (const { key, value } of ref.tags)
      await this.#api
        .post("experiments/set-experiment-tag", { experiment_id: id, key, value })
        .catch((error: unknown) => {
          // Who may log runs may not always describe the experiment, and nothing is to wait for that.
          if (!(error instanceof Failure && (error.kind === "denied" || error.kind === "rejected"))) throw error;
        });
    if (this.#tagged.size < MAX_TAGGED) this.#tagged.set(ref.name, ref);
    return id;
  }

  async #getOrCreate(name: string): Promise<string> {
    const found = await this.#byName(name);
    if (found !== undefined) return found;
    try {
      const id = text((await this.#api.post("experiments/create", { name }))["experiment_id"]);
      if (id === undefined) throw this.#api.incomplete("experiments/create");
      return id;
    } catch (error) {
      // Somebody else was quicker, or an earlier try of ours was.
      if (refusedAs(error)?.errorCode !== "RESOURCE_ALREADY_EXISTS") throw error;
      const theirs = await this.#byName(name);
      if (theirs === undefined) throw error;
      return theirs;
    }
  }

  async #byName(name: string): Promise<string | undefined> {
    try {
      const experiment = record(
        (await this.#api.get("experiments/get-by-name", { experiment_name: name }))["experiment"],
      );
      const id = text(experiment?.["experiment_id"]);
      if (id === undefined) throw this.#api.incomplete("experiments/get-by-name");
      if (experiment?.["lifecycle_stage"] === "deleted") throw deletedExperiment({ name });
      return id;
    } catch (error) {
      if (refusedAs(error)?.errorCode === "RESOURCE_DOES_NOT_EXIST") return undefined;
      throw error;
    }
  }
}

type NamedExperiment = Extract<ExperimentRef, { readonly name: string }>;

export function deletedExperiment(experiment: ExperimentRef, cause?: unknown): Failure {
  return refusal("EXPERIMENT_DELETED", `Experiment ${experimentLabel(experiment)} was deleted.`, cause);
}

/** Says which experiment is closed to whom. */
export function deniedExperiment(ref: ExperimentRef, uri: string, login: string, error: PulseError): PulseError {
  const { errorCode = "", serverMessage = "" } = error instanceof MlflowError ? error : {};
  const said = serverMessage === "" ? "403" : `403: ${serverMessage}`;
  const detail = `${uri} does not let ${login} write into experiment ${experimentLabel(ref)} (${said}). Have EDIT permission granted there.`;
  return new MlflowError("FORBIDDEN", detail, errorCode, 403, serverMessage);
}
