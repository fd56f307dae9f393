import assert from "node:assert/strict";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Stats } from "../../src/index.js";
import type { Crowd } from "../fixtures/crowd.js";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { Peer, startServer } from "./peer.js";
import { assertSound, startProgram, uriOf } from "./support.js";

/** Programs, and runs of each; `PULSE_CROWD=8x1000` for the long version. */
const [PROGRAMS = 4, RUNS = 100] = (process.env["PULSE_CROWD"] ?? "4x100").split("x").map(Number);
const EXPERIMENT = "crowd";

const folder = tempFolder("crowd");
const path = join(folder, "mlflow.db");
const program = fileURLToPath(new URL("../fixtures/crowd.js", import.meta.url));
const [ui, writer] = await Promise.all([startServer("newest", uriOf(path), folder), Peer.start("newest")]);
after(() => Promise.all([ui.stop(), writer.close()]));

/** Reads what MLflow's pages show, over and over; gives how often, and what went wrong. */
async function look(goesOn: () => boolean): Promise<{ looks: number; problems: string[] }> {
  const seen = { looks: 0, problems: [] as string[] };
  const ask = async (call: string, body: object): Promise<Record<string, unknown>> => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${ui.url}/api/2.0/mlflow/${call}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
    if (!answer.ok) seen.problems.push(`${call}: ${answer.status} ${await answer.text()}`);
    return answer.ok ? ((await answer.json()) as Record<string, unknown>) : {};
  };
  for (; goesOn(); seen.looks++) {
    const { experiments = [] } = (await ask("experiments/search", { max_results: 100 })) as {
      experiments?: { experiment_id: string }[];
    };
    await ask("runs/search", { experiment_ids: experiments.map((each) => each.experiment_id), max_results: 100 });
    await sleep(20);
  }
  return seen;
}

test(`${PROGRAMS} programs and Python log into one file at once, and all is there once`, async () => {
  let isOver = false;
  const looking = look(() => !isOver);
  const writing = writer.canonical(uriOf(path), "theirs", Math.ceil(RUNS / 10));
  const names = Array.from({ length: PROGRAMS }, (_, i) => `program ${i}`);
  const config: Crowd["config"] = {
    trackingUri: uriOf(path),
    experiment: EXPERIMENT,
    exitTimeoutMs: 60_000,
    outbox: { folder: join(folder, "outbox") },
  };
  const crowd = names.map(
    (name) => startProgram(program, [JSON.stringify({ config, name, runs: RUNS } satisfies Crowd)], folder).ended,
  );
  const ends = await Promise.all(crowd);
  const { runs: theirs } = await writing;
  isOver = true;
  const { looks, problems } = await looking;
  for (const { code, stdout, stderr } of ends) {
    assert.equal(code, 0, stderr);
    const { runs, delivered, pending, dropped, rejected, warnings } = JSON.parse(stdout) as Stats;
    const { STORE_BUSY: _slow, ...others } = warnings; // who has to wait for the others for long says so
    // A start, an end, a param, a tag and three points.
    assert.deepEqual(
      { runs, delivered, pending, dropped, rejected, others },
      { runs: RUNS, delivered: 7 * RUNS, pending: 0, dropped: 0, rejected: 0, others: {} },
    );
  }
  assert.deepEqual(problems, []);
  assert.ok(looks > 1, String(looks));
  const stored = query(
    path,
    `SELECT r.name, r.status, count(*) AS points, count(DISTINCT m.step) AS steps, min(m.value) AS least, max(m.value) AS most, max(p.value) AS n, max(t.value) AS tag
     FROM runs r JOIN experiments e USING (experiment_id) JOIN metrics m USING (run_uuid) JOIN params p USING (run_uuid)
     JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'by' WHERE e.name = '${EXPERIMENT}' GROUP BY r.run_uuid ORDER BY r.name`,
  );
  const recorded = names.flatMap((name) =>
    Array.from({ length: RUNS }, (_, n) => ({
      name: `${name} ${n}`,
      status: "FINISHED",
      points: 3,
      steps: 3,
      least: n,
      most: n,
      n: String(n),
      tag: name,
    })),
  );
  assert.deepEqual(
    stored,
    recorded.sort((a, b) => (a.name < b.name ? -1 : 1)),
  );
  const all = query(
    path,
    "SELECT e.name, count(*) AS runs, sum(r.status = 'FINISHED') AS finished FROM runs r JOIN experiments e USING (experiment_id) GROUP BY 1 ORDER BY 1",
  );
  assert.deepEqual(all, [
    { name: EXPERIMENT, runs: PROGRAMS * RUNS, finished: PROGRAMS * RUNS },
    { name: "theirs", runs: theirs + 1, finished: theirs + 1 },
  ]);
  assertSound(await writer.integrity(path));
  console.log(
    `${PROGRAMS} x ${RUNS} runs of ours, ${theirs + 1} of Python's, ${looks} looks: 0 lost, 0 doubled, 0 errors`,
  );
});
