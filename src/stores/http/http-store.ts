import { systemClock } from "../../base/clock.js";
import type { ServerSettings } from "../../config/server.js";
import type { Finding, ProbeOptions } from "../../contracts/tracking-store.js";
import { MlflowApi } from "../../http/mlflow-api.js";
import { RestStore } from "./rest-store.js";

/** A store on an MLflow server, using our own HTTP client. */
export class HttpStore extends RestStore {
  declare readonly api: MlflowApi;

  constructor(url: URL, settings: ServerSettings) {
    const api = new MlflowApi(url, settings, "pulse-mlflow");
    // Workspaces are separate, so each has its own address and outbox.
    const workspace = settings.workspace === undefined ? "" : `?workspace=${encodeURIComponent(settings.workspace)}`;
    super(api, api.origin + workspace, settings.requestTimeoutMs);
  }

  /** Loaded on demand: only `doctor` uses it. */
  async probe(options: ProbeOptions): Promise<readonly Finding[]> {
    const { probeServer } = await import("./probe.js");
    return probeServer(this, options, systemClock.id());
  }
}
