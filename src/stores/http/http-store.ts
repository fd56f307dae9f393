import { systemClock } from "../../base/clock.js";
import type { ServerSettings } from "../../config/server.js";
import type { Finding, ProbeOptions } from "../../contracts/tracking-store.js";
import { MlflowApi } from "../../http/mlflow-api.js";
import { RestStore } from "./rest-store.js";

/** An MLflow server as a store, spoken to by requests of our own. */
export class HttpStore extends RestStore {
  declare readonly api: MlflowApi;

  constructor(url: URL, settings: ServerSettings) {
    const api = new MlflowApi(url, settings, "pulse-mlflow");
    // Runs of one workspace are nothing to another one: neither are their outboxes.
    const workspace = settings.workspace === undefined ? "" : `?workspace=${encodeURIComponent(settings.workspace)}`;
    super(api, api.origin + workspace, settings.requestTimeoutMs);
  }

  /** Loaded at the need: only `doctor` asks. */
  async probe(options: ProbeOptions): Promise<readonly Finding[]> {
    const { probeServer } = await import("./probe.js");
    return probeServer(this, options, systemClock.id());
  }
}
