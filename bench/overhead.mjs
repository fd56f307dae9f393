// The cost that tracking adds to a call, compared with an OpenTelemetry span that records as much. Each case runs in
// its own process, so that it does not affect another's call sites. Both deliver, and the time of background work
// counts. The event loop turns every 100 calls; in a burst only after all of them.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { configure, flush, LogMetric, LogParam, stats, TrackedExperiment, tracked } from "pulse-mlflow";
import { interleave, median, mustEqual, report, seconds, turn } from "./lib.mjs";

const CALLS = 20_000;
const CALLS_PER_TURN = 100;
const ROUNDS = 16;
const WARMUP = 5;
const YIELDS = 10;

const one = (i) => ({ loss: i / 3 });
const two = (i) => ({ loss: i / 3, accuracy: i / 7 });
const ten = (i) => ({ a: i, b: i + 1, c: i + 2, d: i + 3, e: i + 4, f: i + 5, g: i + 6, h: i + 7, i: i + 8, j: i + 9 });

/**
 * What a method returns, how it is tracked, and what a span records of it. `items`: what a call records besides its
 * run's start and end.
 */
const CASES = {
  "one metric": { result: one, items: 1, bar: 0.55, goal: 0.45 },
  "one metric, burst": { result: one, items: 1, burst: true, bar: 0.6, goal: 0.45 },
  "two metrics": { result: two, items: 2, bar: 0.55, goal: 0.45 },
  "two metrics, burst": { result: two, items: 2, burst: true, bar: 0.6, goal: 0.45 },
  "ten metrics": { result: ten, items: 10, bar: 0.95 },
  "ten metrics by paths": { result: ten, selector: [..."abcdefghij"], items: 10, bar: 0.7 },
  generator: { generator: true, items: YIELDS, bar: 1.15 },
  "outside any run": { result: (i) => ({ loss: i / 3 }), items: 0, outside: true },
  off: { off: true },
};

const [name] = process.argv.slice(2);
if (name === undefined) {
  for (const each of Object.keys(CASES)) {
    const env = { ...process.env, ...(CASES[each].off && { PULSE_MLFLOW: "off" }) };
    const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), each], { stdio: "inherit", env });
    if (status !== 0) throw new Error(`The case ${each} failed.`);
  }
} else if (CASES[name].off) sameFunction();
else await measure(CASES[name]);

/** With tracking off there is nothing to measure: the original function is returned. */
function sameFunction() {
  const method = Object.getOwnPropertyDescriptor({ evaluate() {} }, "evaluate");
  const functions = [
    LogMetric({}, "evaluate", { ...method }).value,
    LogMetric(method.value, standardContext()),
    tracked(method.value),
  ];
  for (const fn of functions) if (fn !== method.value) throw new Error("Switched off, the function is another one.");
  report({
    measurement: "overhead: off",
    unit: "µs",
    ours: 0,
    peer: 0,
    beside: "the very function",
    judged: 0,
    bar: 0,
    atMost: true,
  });
}

function standardContext() {
  return {
    kind: "method",
    name: "evaluate",
    static: false,
    private: false,
    metadata: undefined,
    addInitializer: () => undefined,
  };
}

async function measure({ result, selector, items, generator, outside, burst, bar, goal }) {
  const perTurn = burst ? CALLS : CALLS_PER_TURN;
  const make = () => {
    if (generator) {
      return class {
        *evaluate(i) {
          for (let step = 0; step < YIELDS; step++) yield { loss: i / (step + 1) };
        }
      };
    }
    return class {
      async evaluate(i) {
        return result(i);
      }
    };
  };
  const [Plain, Learner] = [make(), make()];
  const scans = countScans(() => {
    let method = Object.getOwnPropertyDescriptor(Learner.prototype, "evaluate");
    const decorate = selector ? LogMetric(selector) : LogMetric;
    method = decorate(Learner.prototype, "evaluate", method);
    Object.defineProperty(Learner.prototype, "evaluate", method);
    if (!outside) TrackedExperiment("Bench")(Learner);
  });
  configure({ trackingUri: "null:", outsideRun: "ignore" });

  let exported = 0;
  const discarding = {
    export(spans, done) {
      exported += spans.length;
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
  };
  const processor = new BatchSpanProcessor(discarding, { maxQueueSize: CALLS }); // it drops what exceeds this
  if (!outside) trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }));
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const tracer = trace.getTracer("bench");

  const [plain, learner] = [new Plain(), new Learner()];
  let sum = 0;
  const contenders = generator ? walked() : awaited();

  // Three loops instead of one with a function to call, so that each has its own call sites, as in a program.
  function awaited() {
    const spanned = (i) =>
      tracer.startActiveSpan("Plain.evaluate", async (span) => {
        const given = await plain.evaluate(i);
        if (span.isRecording()) for (const key in given) span.setAttribute(key, given[key]);
        span.end();
        return given;
      });
    return {
      async bare() {
        for (let i = 0; i < CALLS; i++) {
          sum += first(await plain.evaluate(i));
          if (i % perTurn === perTurn - 1) await turn();
        }
      },
      async ours() {
        for (let i = 0; i < CALLS; i++) {
          sum += first(await learner.evaluate(i));
          if (i % perTurn === perTurn - 1) await turn();
        }
        await flush();
      },
      async peer() {
        for (let i = 0; i < CALLS; i++) {
          sum += first(await spanned(i));
          if (i % perTurn === perTurn - 1) await turn();
        }
        await processor.forceFlush();
      },
    };
  }

  /** A span records each value as an event. */
  function walked() {
    function* spanned(i) {
      const span = tracer.startSpan("Plain.evaluate");
      for (const each of plain.evaluate(i)) {
        span.addEvent("step", { loss: each.loss });
        yield each;
      }
      span.end();
    }
    return {
      async bare() {
        for (let i = 0; i < CALLS; i++) {
          for (const each of plain.evaluate(i)) sum += each.loss;
          if (i % perTurn === perTurn - 1) await turn();
        }
      },
      async ours() {
        for (let i = 0; i < CALLS; i++) {
          for (const each of learner.evaluate(i)) sum += each.loss;
          if (i % perTurn === perTurn - 1) await turn();
        }
        await flush();
      },
      async peer() {
        for (let i = 0; i < CALLS; i++) {
          for (const each of spanned(i)) sum += each.loss;
          if (i % perTurn === perTurn - 1) await turn();
        }
        await processor.forceFlush();
      },
    };
  }

  const timed = Object.entries(contenders).map(([who, work]) => [who, () => seconds(work)]);
  const times = await interleave(Object.fromEntries(timed), { rounds: ROUNDS, warmup: WARMUP });

  const calls = CALLS * (ROUNDS + WARMUP);
  const { runs, metrics, delivered, pending, dropped, rejected, warnings } = stats();
  const expected = { runs: outside ? 0 : calls, metrics: items * calls, delivered: (outside ? 0 : 2 + items) * calls };
  const got = { runs, metrics, delivered, pending, dropped, rejected, warnings };
  mustEqual("what we delivered", got, { ...expected, pending: 0, dropped: 0, rejected: 0, warnings: {} });
  mustEqual("spans exported", exported, outside ? 0 : calls);
  mustEqual("texts of functions read while decorating, none while calling", scans(), 0);
  if (!(sum > 0)) throw new Error("The calls returned nothing.");

  const perCall = (who) => (median(times[who]) / CALLS) * 1e6;
  const [bare, ours, peer] = ["bare", "ours", "peer"].map(perCall);
  report({
    measurement: `overhead: ${name}`,
    unit: "µs",
    ours: ours - bare,
    peer: peer - bare,
    beside: outside ? "span without a tracer" : "OpenTelemetry span",
    judged: (ours - bare) / (peer - bare),
    times: true,
    bar,
    goal,
    atMost: true,
    note: `${generator ? `${YIELDS} yields a call; ` : ""}a call takes ${bare.toFixed(2)} µs bare, ${ours.toFixed(2)} µs tracked, ${peer.toFixed(2)} µs in a span`,
  });
}

function first(result) {
  for (const key in result) return result[key];
  return 0;
}

/** Decorates again with names to look up, and counts how often a function's text is read from then on. */
function countScans(decorate) {
  decorate();
  const original = Function.prototype.toString;
  class Named {
    train(lr) {
      return lr;
    }
  }
  let count = 0;
  Function.prototype.toString = function () {
    count++;
    return original.call(this);
  };
  const method = LogParam("lr")(Named.prototype, "train", Object.getOwnPropertyDescriptor(Named.prototype, "train"));
  const read = count;
  if (read > 1) throw new Error(`Decorating read ${read} texts of functions.`);
  Object.defineProperty(Named.prototype, "train", method);
  TrackedExperiment("Names")(Named);
  count = 0;
  return () => count;
}
