import { PulseError } from "../base/errors.js";
import { shownText } from "../base/text/redact.js";
import { advised } from "../contracts/finding.js";
import { MlflowClient, openConfigured } from "../inner/cli.js";
import { told } from "./error-text.js";
import { configFor } from "./target.js";

/** Where a command reads runs. */
export interface Reading {
  readonly client: MlflowClient;
  /** The tracking URI, for messages. */
  readonly uri: string;
  /** Returns the page of a run in MLflow's user interface; undefined if the store has none. */
  readonly runUrl?: ((runId: string, experimentId: string) => string | undefined) | undefined;
}

/** Opens the store that is named or configured, and closes it after `use`. */
export async function withReading<R>(uri: string | undefined, use: (reading: Reading) => Promise<R>): Promise<R> {
  const config = configFor(uri);
  const store = openConfigured(config);
  const client = MlflowClient.on(store, config);
  try {
    return await use({
      client,
      uri: store.uri,
      runUrl: (runId, experimentId) => store.runUrl?.({ runId, experimentId }),
    });
  } catch (error) {
    throw inWords(error, shownText(store.uri));
  } finally {
    await client.close();
    await store.close();
  }
}

/** Words an error for someone at the command line. */
function inWords(error: unknown, uri: string): unknown {
  if (!(error instanceof PulseError)) return error;
  const { detail } = advised(error);
  const text = error.code === "RUN_NOT_FOUND" ? `${detail} ${HOW_TO_NAME}` : told(error, uri);
  return new Error(text, { cause: error });
}

/** How runs are named on the command line. */
export const HOW_TO_NAME =
  "A run is named by its id, the first digits of it (4 or more), its name, or latest; its store by --uri.";
