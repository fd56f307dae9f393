// What defineExperiment lets compile and what not, in both dialects; each `@ts-expect-error` marks what must not.
import { defineExperiment, type Run } from "../../src/index.js";
import { type Result, result } from "./shapes.js";

// A schema gives its keys as types.
const Sweep = defineExperiment({
  name: "Sweep",
  metrics: {
    loss: { unit: "nats", goal: "minimize", range: [0, Number.POSITIVE_INFINITY] },
    accuracy: { range: [0, 1] },
  },
  params: { lr: "number", optimizer: "string", nesterov: "boolean" },
});

@Sweep.TrackedExperiment
class Bare {
  @Sweep.LogMetric
  bare(): Result {
    return result;
  }

  @Sweep.LogMetric()
  called(): Result {
    return result;
  }
}
void Bare;

@Sweep.TrackedExperiment({ tags: { a: 1 } })
class Swept {
  @Sweep.LogMetric("loss", { everyN: 2 })
  @Sweep.LogMetric({ accuracy: "final.deep.acc" })
  @Sweep.LogMetric(["loss"])
  @Sweep.LogMetric((r: Result) => ({ loss: r.loss }))
  good(): Result {
    return result;
  }

  // @ts-expect-error: no metric of the experiment
  @Sweep.LogMetric("count")
  key(): Result {
    return result;
  }

  // @ts-expect-error: a metric, but the result has none of that name
  @Sweep.LogMetric("accuracy")
  path(): Result {
    return result;
  }

  // @ts-expect-error: one of the keys is no metric
  @Sweep.LogMetric({ accuracy: "final.deep.acc", typo: "loss" })
  more(): Result {
    return result;
  }

  // @ts-expect-error: nor is one that a function gives
  @Sweep.LogMetric((r: Result) => ({ loss: r.loss, typo: 2 }))
  made(): Result {
    return result;
  }

  // @ts-expect-error: nor under that path
  @Sweep.LogMetric({ accuracy: "final.nope" })
  deep(): Result {
    return result;
  }
}

Sweep.withRun({}, (run) => {
  run.logMetric("loss", 1, { step: 2 });
  run.logMetrics({ accuracy: 1 });
  run.logParam("lr", 0.1);
  run.logParams({ optimizer: "adam", nesterov: true });
  run.setTag("free", 1);
  // @ts-expect-error: no such metric
  run.logMetric("los", 1);
  // @ts-expect-error: no such param
  run.logParam("rate", 1);
  // @ts-expect-error: a number
  run.logParam("lr", "0.1");
});
Sweep.startRun().end();
Sweep.currentRun()?.logMetric("loss", 1);
// @ts-expect-error: the experiment is named already
Sweep.startRun({ experiment: "Other" });
// @ts-expect-error: the experiment is named already
Sweep.withRun({ experiment: "Other" }, () => 1);
// @ts-expect-error: the experiment is named already
Sweep.TrackedExperiment({ experiment: "Other" });
// @ts-expect-error: there is no such goal
defineExperiment({ name: "X", metrics: { loss: { goal: "down" } } });

export { Swept };

// A run of the experiment goes wherever a run is wanted.
const anyRun: Run = Sweep.startRun();
anyRun.end();
