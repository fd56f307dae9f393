// What tracking adds to one async call with two metrics, beside an OpenTelemetry span with two attributes.
// Both deliver: the loop comes round every 100 calls, and the time of the background work counts.
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { configure, flush, LogMetric, stats, TrackedExperiment } from "pulse-mlflow";
import { interleave, median, mustEqual, report, seconds, turn } from "./lib.mjs";

const CALLS = 20_000;
const CALLS_PER_TURN = 100; // OpenTelemetry's queue holds 2048 spans
const ROUNDS = 24;
const WARMUP = 6;

class Plain {
  async evaluate(i) {
    return { loss: i / 3, accuracy: i / 7 };
  }
}

class Learner {
  async evaluate(i) {
    return { loss: i / 3, accuracy: i / 7 };
  }
}
const method = Object.getOwnPropertyDescriptor(Learner.prototype, "evaluate");
Object.defineProperty(Learner.prototype, "evaluate", LogMetric(Learner.prototype, "evaluate", method));
TrackedExperiment("Bench")(Learner);
configure({ trackingUri: "null:" });

let exported = 0;
const discarding = {
  export(spans, done) {
    exported += spans.length;
    done({ code: 0 });
  },
  shutdown: () => Promise.resolve(),
};
const processor = new BatchSpanProcessor(discarding);
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }));
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const tracer = trace.getTracer("bench");

const plain = new Plain();
const learner = new Learner();
const spanned = (i) =>
  tracer.startActiveSpan("Plain.evaluate", async (span) => {
    const result = await plain.evaluate(i);
    span.setAttribute("loss", result.loss);
    span.setAttribute("accuracy", result.accuracy);
    span.end();
    return result;
  });

let sum = 0;

// Three loops, not one with a function to call: each has call sites of its own, as in a program.
const contenders = {
  async bare() {
    for (let i = 0; i < CALLS; i++) {
      sum += (await plain.evaluate(i)).loss;
      if (i % CALLS_PER_TURN === CALLS_PER_TURN - 1) await turn();
    }
  },
  async ours() {
    for (let i = 0; i < CALLS; i++) {
      sum += (await learner.evaluate(i)).loss;
      if (i % CALLS_PER_TURN === CALLS_PER_TURN - 1) await turn();
    }
    await flush();
  },
  async peer() {
    for (let i = 0; i < CALLS; i++) {
      sum += (await spanned(i)).loss;
      if (i % CALLS_PER_TURN === CALLS_PER_TURN - 1) await turn();
    }
    await processor.forceFlush();
  },
};

const timed = Object.entries(contenders).map(([name, work]) => [name, () => seconds(work)]);
const times = await interleave(Object.fromEntries(timed), { rounds: ROUNDS, warmup: WARMUP });

const calls = CALLS * (ROUNDS + WARMUP);
const { runs, metrics, delivered, pending, dropped, rejected, warnings } = stats();
// A run's start and end and its two metrics are four items.
mustEqual(
  "what we delivered",
  { runs, metrics, delivered, pending, dropped, rejected, warnings },
  { runs: calls, metrics: 2 * calls, delivered: 4 * calls, pending: 0, dropped: 0, rejected: 0, warnings: {} },
);
mustEqual("spans exported", exported, calls);
if (!(sum > 0)) throw new Error("The calls returned nothing.");

const perCall = (name) => (median(times[name]) / CALLS) * 1e6;
const [bare, ours, peer] = ["bare", "ours", "peer"].map(perCall);
report({
  measurement: "overhead: added per tracked call",
  unit: "µs",
  ours: ours - bare,
  peer: peer - bare,
  beside: "OpenTelemetry span",
  judged: (ours - bare) / (peer - bare),
  times: true,
  bar: 0.75,
  goal: 0.5,
  atMost: true,
  note: `a call takes ${bare.toFixed(2)} µs bare, ${ours.toFixed(2)} µs tracked, ${peer.toFixed(2)} µs in a span`,
});
