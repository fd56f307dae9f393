import { readFileSync } from "node:fs";
import type { ServerOptions } from "node:https";
import { join } from "node:path";
import * as own from "../../src/index.js";
import { startConnectProxy } from "../support/connect-proxy.js";
import { execute, query } from "../support/database.js";
import { type Package, secondCopy } from "./fault-copy.js";
import { filesOf, strayFiles } from "./fault-files.js";
import { RUN_KEY } from "./fault-model.js";
import type { View } from "./fault-replaced.js";
import { type DumpRun, Peer, startServer } from "./peer.js";
import { uriOf } from "./support.js";

/** A server without faults, and its database. */
interface Place {
  readonly url: string;
  /** What is there of experiments of these names, and which runs of ours are in others. */
  view(experiments: readonly string[], keys: readonly string[]): Promise<View>;
  /** Runs with what their files hold. */
  withFiles(runs: readonly DumpRun[]): Promise<DumpRun[]>;
  /** Files that belong to no run of a view; `others` are runs of another server, which can have none here. */
  strays(view: View, others: readonly DumpRun[]): string[];
}

/** What schedules share. */
export interface Stage {
  readonly first: Place;
  /**
   * Another server with another database, where every experiment id of the first one is an experiment of somebody else.
   */
  readonly second: Place;
  /** The package, and another copy of it. */
  readonly own: Package;
  readonly copy: Package;
  readonly tls: { readonly ca: string; readonly server: ServerOptions };
  /** Has tunnels to a server fail; they all go through one proxy, which the environment names. */
  tunnels(url: string, seed: number, rate: number): { rate: number; readonly faults: readonly string[] };
  close(): Promise<void>;
}

/** Experiments a schedule makes. */
const EACH = 2;

/** Where the server with this database keeps files. */
const filesAt = (path: string): string => `${path}.files`;

/**
 * Starts what so many schedules share: two servers, who reads their databases, and a proxy for those who come over TLS.
 */
export async function startStage(schedules: number, folder: string, settings: Record<string, string>): Promise<Stage> {
  const paths = ["first.db", "second.db"].map((name) => join(folder, name)) as [string, string];
  const [peer, tunnels, copy, ...servers] = await Promise.all([
    Peer.start("newest"),
    startConnectProxy(),
    secondCopy(folder),
    ...paths.map((path) =>
      startServer("newest", uriOf(path), folder, ["--artifacts-destination", filesAt(path)], settings),
    ),
  ]);
  crowd(paths[1], EACH * schedules);
  await Promise.all([...servers.map(({ url }) => warmUp(url)), ...paths.map((path) => peer.dump(uriOf(path)))]);
  // Only who comes over TLS goes through it.
  Object.assign(process.env, { https_proxy: tunnels.url, no_proxy: "" });
  const tls = join(process.cwd(), "test", "fixtures", "tls");
  const pem = (name: string): Buffer => readFileSync(join(tls, name));
  const [first, second] = paths.map((path, i) => new Server(servers[i]?.url ?? "", path, peer)) as [Server, Server];
  return {
    first,
    second,
    own,
    copy,
    tls: { ca: join(tls, "ca.pem"), server: { cert: pem("server.pem"), key: pem("server.key") } },
    tunnels: (url, seed, rate) => tunnels.trouble(url, seed, rate),
    async close() {
      tunnels.close();
      await Promise.all([peer.close(), ...servers.map((server) => server.stop())]);
    },
  };
}

/** The first requests of each kind take a server seconds, longer than a schedule may allow. */
async function warmUp(url: string): Promise<void> {
  const tracker = own.createTracker({
    trackingUri: url,
    requestTimeoutMs: 60_000,
    exitTimeoutMs: 60_000,
    durability: "memory",
  });
  for (let i = 0; i < 8; i++) tracker.withRun({ experiment: "warm-up" }, (run) => run.logMetric("m", i));
  await tracker.shutdown();
  const search = { experiment_ids: ["0", "1"], filter: `tags.\`${RUN_KEY}\` = 'none'`, max_results: 100 };
  const headers = { "content-type": "application/json" };
  await fetch(`${url}/api/2.0/mlflow/runs/search`, { method: "POST", headers, body: JSON.stringify(search) });
}

/** The ids that come first are somebody else's experiments. */
function crowd(path: string, experiments: number): void {
  execute(
    path,
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${experiments})
     INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
     SELECT i, 'somebody else''s ' || i, 'mlflow-artifacts:/' || i, 'active', 0, 0 FROM n`,
  );
}

class Server implements Place {
  readonly url: string;
  readonly #path: string;
  readonly #peer: Peer;

  constructor(url: string, path: string, peer: Peer) {
    this.url = url;
    this.#path = path;
    this.#peer = peer;
  }

  async view(names: readonly string[], keys: readonly string[]): ReturnType<Place["view"]> {
    const { runs, experiments } = await this.#peer.dump(uriOf(this.#path), { experiment: names });
    const list = (texts: readonly string[]): string => texts.map((text) => `'${text}'`).join(", ");
    const astray = query(
      this.#path,
      `SELECT r.name AS run, e.name AS experiment FROM runs r JOIN experiments e USING (experiment_id) JOIN tags t USING (run_uuid)
       WHERE t.key = '${RUN_KEY}' AND t.value IN (${list(keys)}) AND e.name NOT IN (${list(names)})`,
    );
    return {
      runs,
      experiments: new Map(experiments.map(({ experiment_id, name }) => [experiment_id, name])),
      astray: astray.map(({ run, experiment }) => `run ${run} is in the experiment ${experiment}`),
    };
  }

  withFiles(runs: readonly DumpRun[]): Promise<DumpRun[]> {
    const isActive = ({ lifecycle_stage }: DumpRun): boolean => lifecycle_stage === "active";
    return Promise.all(
      runs.map(async (run) => (isActive(run) ? { ...run, files: await filesOf(this.url, run.run_id) } : run)),
    );
  }

  strays({ runs, experiments }: View, others: readonly DumpRun[]): string[] {
    const ids = (list: readonly DumpRun[]): Set<string> => new Set(list.map(({ run_id }) => run_id));
    return strayFiles(filesAt(this.#path), [...experiments.keys()], ids(runs), ids(others));
  }
}
