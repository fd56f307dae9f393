import { type ExperimentRef, experimentLabel } from "../../base/entities.js";
import { MlflowError, type PulseError } from "../../base/errors.js";
import { wellFormed } from "../../base/text/keys.js";
import { Failure, refusal, refusedAs } from "../../http/failure.js";
import { record, text } from "../../http/json.js";
import type { TrackingApi } from "../../http/tracking-api.js";

/** How long an id is trusted. If the server is replaced unnoticed, the same id may belong to another experiment. */
const BELIEVED_MS = 60_000;
const MAX_TAGGED = 1_000;
/** Maximum number of runs whose experiments are remembered. */
const MAX_RUNS = 1_000;

/** Looks up experiment ids by name. */
export class Experiments {
  readonly #api: TrackingApi;
  readonly #ids = new Map<string, { readonly id: Promise<string>; readonly until: number }>();
  /** Experiment ids by run id. */
  readonly #byRun = new Map<string, string>();
  /** Experiments whose tags are already set, with the reference they were set from. */
  readonly #tagged = new Map<string, ExperimentRef>();

  constructor(api: TrackingApi) {
    this.#api = api;
  }

  /** Returns the id of an experiment, creating it if there is none of that name. */
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

  /** Drops all cached ids, since the server may have been replaced. */
  forget(): void {
    this.#ids.clear();
    this.#byRun.clear();
  }

  /** Remembers the experiment of a run. */
  know(runId: string, experimentId: string): void {
    this.#byRun.set(runId, experimentId);
    if (this.#byRun.size > MAX_RUNS) this.#byRun.delete(this.#byRun.keys().next().value as string);
  }

  /**
   * Returns the experiment of a run; undefined if the run does not exist, was deleted, or is not visible with these
   * credentials.
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
          // A user who may log runs may not always edit the experiment. Do not block on that.
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
      // Created meanwhile by another program, or by an earlier attempt of ours.
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

/** Creates the error that names the experiment and the user without access to it. */
export function deniedExperiment(ref: ExperimentRef, uri: string, login: string, error: PulseError): PulseError {
  const { errorCode = "", serverMessage = "" } = error instanceof MlflowError ? error : {};
  const answer = serverMessage === "" ? "403" : `403: ${serverMessage}`;
  const detail = `${uri} does not let ${login} write into experiment ${experimentLabel(ref)} (${answer}). Ask for EDIT permission on it.`;
  return new MlflowError("FORBIDDEN", detail, errorCode, 403, serverMessage);
}
