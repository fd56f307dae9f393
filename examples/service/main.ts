// A scoring service under load: its method is called a thousand times a second, MLflow gets seven runs a second, and
// is away for a while.
//   node build/examples/service/main.js [--seconds 6] [--rate 1000] [--json]
// If MLFLOW_TRACKING_URI is set, the runs go there, otherwise to a stand-in. SIGTERM and Ctrl+C shut it down cleanly.
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { configure, shutdown, stats } from "pulse-mlflow";
import { load } from "./load.js";
import { count, summary, textOf, type Waiting } from "./report.js";
import { Scorer } from "./scorer.js";
import { ScoringService } from "./service.js";
import { StandIn } from "./stand-in.js";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "6" },
    rate: { type: "string", default: "1000" },
    json: { type: "boolean" },
  },
});
const seconds = Number(flags.seconds);
const perSecond = Number(flags.rate);
const say = (line: string): void => {
  if (!flags.json) console.log(line);
};

// A clean shutdown: no new requests, those under way are answered, everything is stored, and the process ends by
// itself with code 0.
const stopping = new AbortController();
const stopped = once(stopping.signal, "abort");
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());

const outboxes = mkdtempSync(join(tmpdir(), "pulse-service-"));
const standIn = process.env["MLFLOW_TRACKING_URI"] ? undefined : new StandIn();
const trackingUri = await standIn?.up();
configure({ trackingUri, outbox: { folder: outboxes } });

const service = new ScoringService(new Scorer());
const address = await service.listen();
say(`A scoring service at ${address}, called ${count(perSecond)} times a second for ${seconds} s`);
say(
  `MLflow ${trackingUri ? `at ${trackingUri}: a stand-in, since MLFLOW_TRACKING_URI is not set` : "where MLFLOW_TRACKING_URI says"}\n`,
);

const waiting: Waiting = { values: 0, outboxBytes: 0 };
const watching = setInterval(watch, 100);
const telling = setInterval(tell, 1_000);
const outage = standIn && goAway(standIn).catch(() => undefined); // it ends early if the service does
const loading = load(address, { perSecond, seconds, signal: stopping.signal });
await Promise.race([loading, stopped]);
await service.close();
await Promise.all([loading, outage]);
await standIn?.up(); // it ends with this process, so what waits for it has to be delivered now
await shutdown();
clearInterval(watching);
clearInterval(telling);
standIn?.down();

const after = stats();
const kept = after.pending + after.rejected > 0 ? outboxes : undefined;
if (kept === undefined) rmSync(outboxes, { recursive: true, force: true });
const stored = standIn && summary([...standIn.runs.values()]);
const outcome = { calls: service.calls, stats: after, waiting, stored, kept };
console.log(flags.json ? JSON.stringify(outcome) : `\n${textOf(outcome)}`);

/** Takes the server away for a third of the time. */
async function goAway(server: StandIn): Promise<void> {
  const { signal } = stopping;
  await sleep((seconds / 4) * 1_000, undefined, { signal });
  server.down();
  say("       MLflow goes away");
  await sleep((seconds / 3) * 1_000, undefined, { signal });
  await server.up();
  say("       MLflow is back");
}

function watch(): void {
  waiting.values = Math.max(waiting.values, stats().pending);
  // Only looked at from outside: opening and closing such a file in the process that holds it would release its lock.
  const files = readdirSync(outboxes, { recursive: true }).map((name) =>
    statSync(join(outboxes, String(name)), { throwIfNoEntry: false }),
  );
  const bytes = files.reduce((sum, file) => sum + (file?.isFile() ? file.size : 0), 0);
  waiting.outboxBytes = Math.max(waiting.outboxBytes, bytes);
}

function tell(): void {
  const { runs, folded, pending } = stats();
  say(
    `${count(service.calls.made).padStart(6)} calls  ${String(runs).padStart(4)} runs  ${count(folded).padStart(6)} folded  ${String(pending).padStart(4)} values wait`,
  );
}
