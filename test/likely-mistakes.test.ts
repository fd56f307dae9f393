// Mistakes that newcomers have made, each with what it must be answered with: what is wrong, where, and what to do.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { LocalRepository } from "../src/artifacts/local.js";
import { resolveConfig } from "../src/config/resolve.js";
import { doubleExperiment, misspelt, strayExperiment, strayUri } from "../src/config/unread-settings.js";
import { Connections } from "../src/http/connections.js";
import { unreachable } from "../src/http/unreachable.js";
import {
  bind,
  configure,
  createTracker,
  defineExperiment,
  LogArtifact,
  LogMetric,
  LogParam,
  logExperiment,
  PulseError,
  requireRun,
  startRun,
  TrackedExperiment,
  TrackedRun,
  tracked,
  withRun,
} from "../src/index.js";
import { createTestTracker } from "../src/testing/index.js";
import { tempFolder } from "./support/folders.js";
import { values } from "./support/runs.js";
import { collectWarnings } from "./support/warnings.js";

// biome-ignore lint/suspicious/noExplicitAny: what no compiler would let through
type Any = any;

const folder = tempFolder("mistakes");

test("wrong arguments are answered with what may be meant", () => {
  const mistakes: [() => unknown, RegExp][] = [
    [
      () => tracked({ experiment: "S" } as Any, (() => 1) as Any),
      /fn must be a function; got \{"experiment":"S"\}: the function comes first, then the options/,
    ],
    [() => bind(3 as Any), /fn must be a function; got 3: pass the function itself/],
    [() => withRun({}, Promise.resolve(1) as Any), /got a promise: pass the function itself/],
    [() => startRun("S" as Any), /options must be an object, as in startRun\(\{ experiment: "S" \}\); got "S"/],
    [() => withRun("S" as Any, () => 1), /as in withRun\(\{ experiment: "S" \}, fn\)/],
    [() => tracked(() => 1, "S" as Any), /as in tracked\(fn, \{ experiment: "S" \}\)/],
    [() => TrackedRun("my run" as Any), /as in @TrackedRun\(\{ runName: "my run" \}\)/],
    [() => (LogMetric as Any)("loss", "acc"), /LogMetric: several are one list, as in @LogMetric\(\["loss", "acc"\]\)/],
    [
      () => (LogParam as Any)("lr", "epochs", "x"),
      /LogParam: several are one list, as in @LogParam\(\["lr", "epochs", "x"\]\)/,
    ],
    [
      () => TrackedExperiment({ name: "x" } as Any),
      /The experiment's name is the first argument, or option "experiment"; the name of a run is option "runName"/,
    ],
    [() => withRun({ name: "x" } as Any, () => 1), /there is no option "name"\. Did you mean "runName"/],
    [
      () => tracked("E" as Any, (() => 1) as Any),
      /fn must be a function; got "E": the function comes first, then the options, as in tracked\(/,
    ],
    [
      () => withRun({ metrics: { loss: 0.42 } } as Any, () => 1),
      /withRun: metrics must be .*; got "loss": 0\.42 \(values are taken from the result/,
    ],
    [() => TrackedRun({ metrics: ["loss", 3] } as Any), /TrackedRun: metrics must be .*; got 3\./],
    [
      () => TrackedExperiment("E", "about it" as Any),
      /options must be an object, as in @TrackedExperiment\(.*got "about it"\./,
    ],
    [() => TrackedRun((() => 1) as Any), /to wrap a function use tracked\(fn, options\)/],
    [
      () => (LogArtifact as Any)("out.json", "conf"),
      /LogArtifact takes one argument; got "conf" as the second: the content is selected by a record/,
    ],
    [() => LogArtifact("s-{epoch}.txt"), /only \{step\} is filled in, not \{epoch\}/],
  ];
  for (const [make, expected] of mistakes) assert.throws(make, { code: "INVALID_OPTION", message: expected });
});

test("wrong configurations are answered likewise, without their content", () => {
  const mistakes: [object, RegExp][] = [
    [{ uri: "memory:" }, /there is no option "uri"\. Did you mean "trackingUri"/],
    [{ trackingUri: "memory" }, /has no colon\. Did you mean "memory:"/],
    [
      { trackingUri: "http://h:5000/api/2.0/mlflow/runs" },
      /is an address of the server's API; use the root of the server\. Did you mean "http:\/\/h:5000"/,
    ],
    [{ auth: { token: process.env["NOT_SET"] } }, /got one whose token is undefined/],
    [{ headers: { "X Y": "secret-value" } }, /got one with the name "X Y"\.$/],
    [{ headers: { "X-A": "secret\nvalue" } }, /got one with a value of "X-A" that a header cannot hold\.$/],
    [{ headers: ["x"] }, /got a list/],
    [{ tls: { key: "k.pem" } }, /key only with cert; got key without cert/],
  ];
  for (const make of [configure, createTracker])
    for (const [config, expected] of mistakes) assert.throws(() => make(config as Any), expected);
});

test("wrong certificates are reported with the option that names them", () => {
  const path = join(folder, "text.pem");
  writeFileSync(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  const empty = join(folder, "empty.pem");
  writeFileSync(empty, "nothing");
  const mistakes: [object, RegExp][] = [
    [{ ca: empty }, /tls\.ca holds no certificate in PEM format/],
    [{ cert: path }, /tls\.cert holds no private key, and there is no tls\.key/],
    [{ cert: path, key: empty }, /tls\.key holds no private key in PEM format/],
  ];
  for (const [tls, expected] of mistakes) {
    const connections = new Connections({ tls, env: {}, requestTimeoutMs: 1_000 });
    assert.throws(() => connections.start(new URL("https://127.0.0.1:1/"), {}, "kept"), {
      code: "TLS_FAILED",
      message: expected,
    });
  }
  const { code, message } = unreachable(
    "https://10.0.0.1",
    Object.assign(new Error("x"), {
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
      cert: { subjectaltname: "DNS:mlflow.lan, DNS:m" },
    }),
    undefined,
  );
  assert.equal(code, "TLS_FAILED");
  assert.match(
    message,
    /The certificate of https:\/\/10\.0\.0\.1 is for other names \(mlflow\.lan, m\): use one of them in the tracking URI/,
  );
  assert.doesNotMatch(message, /tls\.ca/);
});

test("left-out values are reported, with other advice for an assignment", async () => {
  const tracker = createTestTracker();
  tracker.withRun({}, (run) => {
    run.logMetric("big", 10n ** 400n);
  });
  @TrackedExperiment("S")
  class Learner {
    #loss = 0;
    get loss(): number {
      return this.#loss;
    }
    @LogMetric
    set loss(value: number) {
      this.#loss = value;
    }
  }
  tracker.run(() => {
    new Learner().loss = 3;
  });
  tracker.tracked(() => ({ loss: "0.4" }), { runName: "r", metrics: "loss" as Any })();
  const said = tracker.warnings.join("\n");
  assert.equal(tracker.warnings.length, 3, said);
  assert.match(said, /metric "big" is too large for a number; Infinity is logged/);
  assert.match(said, /assign inside a tracked method or withRun\(\)\. Set outsideRun: "ignore" to silence this/);
  assert.match(
    said,
    /leads to the string "0\.4", not a number\. Return a number, or convert it: \{ "loss": \(r\) => Number\(r\.loss\) \}/,
  );
});

test("asking for the run of code that outlived it names that run", async () => {
  const tracker = createTestTracker();
  let asked: Promise<unknown> | undefined;
  tracker.withRun({ runName: "over" }, () => {
    asked = new Promise((resolve) => setTimeout(() => resolve(requireRunOrError()), 5));
  });
  assert.match(
    String(await asked),
    /No run is open here: this code was started in run "over", which has ended\. Await the work/,
  );
});

function requireRunOrError(): unknown {
  try {
    return requireRun();
  } catch (error) {
    return error;
  }
}

test("a class decorator given a function says what there is for functions", () => {
  for (const decorate of [TrackedExperiment, TrackedExperiment("E")] as Any[])
    assert.throws(() => decorate(() => 1), {
      code: "WRONG_TARGET",
      message: /was applied to a function; use tracked\(fn, options\) for functions/,
    });
});

test("two @TrackedExperiment on one class are reported", async () => {
  const tracker = createTestTracker();
  class Twice {
    evaluate() {
      return { loss: 1 };
    }
  }
  const method = Object.getOwnPropertyDescriptor(Twice.prototype, "evaluate") as PropertyDescriptor;
  Object.defineProperty(Twice.prototype, "evaluate", (LogMetric as Any)(Twice.prototype, "evaluate", method));
  (TrackedExperiment("inner") as Any)(Twice);
  (TrackedExperiment("outer") as Any)(Twice);
  tracker.run(() => new Twice().evaluate());
  await tracker.flush();
  assert.match(tracker.warnings.join("\n"), /Class Twice has two @TrackedExperiment: the upper one counts/);
});

test("double variables, withheld credentials and logging after shutdown are reported", async () => {
  assert.match(
    doubleExperiment({ MLFLOW_EXPERIMENT_NAME: "foo", MLFLOW_EXPERIMENT_ID: "1" }) ?? "",
    /are both set: the name, "foo", is used and the id is ignored/,
  );
  assert.equal(doubleExperiment({ MLFLOW_EXPERIMENT_NAME: "foo" }), undefined);
  const env = { MLFLOW_TRACKING_USERNAME: "u", MLFLOW_TRACKING_PASSWORD: "p" };
  const { server } = resolveConfig({}, env, { trackingUri: "http://elsewhere:5000" });
  assert.equal(server.auth, undefined);
  assert.equal(server.withheld, true);
  const tracker = createTestTracker();
  const run = tracker.startRun({ experiment: "E" });
  await tracker.shutdown();
  run.logMetric("loss", 1);
  assert.match(
    tracker.warnings.join("\n"),
    new RegExp(`After shutdown\\(\\), something was recorded for run ${run.id} of experiment "E"`),
  );
});

test("logExperiment checks its files before there is a run", async () => {
  const tracker = createTestTracker();
  for (const artifacts of [{ "m.bin": { path: "/nope/m.bin" } }, { "../m.txt": "x" }, { "m.txt": { a: 1 } }] as Any[])
    await assert.rejects(
      tracker.run(() => logExperiment({ experiment: "E", artifacts })),
      PulseError,
    );
  assert.deepEqual(tracker.runs, []);
});

test("a refusal names run and experiment, and a file in a folder's place says so", async () => {
  const { logger, warnings } = collectWarnings();
  const refused = async (changes: readonly unknown[]) =>
    changes.map(() => ({ kind: "rejected", error: new PulseError("REJECTED", "No room for it.") }) as const);
  const tracker = createTracker({
    store: { apply: refused, close: async () => undefined },
    logger,
  });
  const run = tracker.startRun({ experiment: "E" });
  run.end();
  await tracker.shutdown();
  assert.match(warnings.join("\n"), new RegExp(`No room for it \\(run ${run.id}, experiment "E"\\)`));
  const repository = new LocalRepository(join(folder, "artifacts"));
  const content = (text: string) => ({ size: text.length, open: () => Readable.from([Buffer.from(text)]) });
  await repository.upload("dir/x.txt", content("x"));
  await assert.rejects(repository.upload("dir", content("y")), {
    code: "REJECTED",
    message: /dir cannot be stored in .*: a folder has that name/,
  });
  await assert.rejects(repository.upload("dir/x.txt/z", content("z")), {
    message: /a file has the name of a folder above it/,
  });
});

test("logging nothing or a promise is reported, with what is meant", async () => {
  const tracker = createTestTracker();
  writeFileSync(join(folder, "model.bin"), "weights");
  tracker.withRun({ runName: "r" }, (run) => {
    run.logDict(Promise.resolve({ a: 1 }) as Any, "late.json");
    run.logDict({ a: Promise.resolve(1) }, "some.json");
    run.logMetrics(undefined as Any);
    run.logMetrics({ loss: undefined } as Any);
    run.logParams({ lr: undefined });
    run.setTags(undefined as Any);
    run.logFigure("plots/loss.html", "loss.html");
    run.logText(join(folder, "model.bin"), "model.bin");
    run.logInput({ name: "a", digest: "d", sourceType: "local", source: { uri: "x" }, context: "training" } as Any);
  });
  assert.equal(tracker.onlyRun.name, "r");
  const said = tracker.warnings.join("\n");
  for (const expected of [
    /logDict "late\.json" needs an object, got a promise/,
    /"a" in some\.json is a promise: await it before logging; null is stored/,
    /logMetrics: a record of names and values is needed, got undefined, and nothing is logged \(run "r"/,
    /logMetrics: the value of "loss" is undefined, and nothing is logged/,
    /logParams: the value of "lr" is undefined, and nothing is logged .*Log null or a text/,
    /setTags: a record of names and values is needed, got undefined/,
    /logFigure: a text must be SVG .* or HTML for one in \.html; got "plots\/loss\.html"/,
    /The text stored as "model\.bin" is the path of a file; to store that file, use run\.logArtifact\(\), or give \{ path \}/,
    /a dataset has no field "context"\. Pass it after the dataset: logInput\(dataset, \{ context: \.\.\. \}\)/,
  ])
    assert.match(said, expected);
});

test("options of a joining call apply to that run, those of its class do not", async () => {
  const tracker = createTestTracker();
  const fit = tracked((lr: number) => lr, { nest: "join", params: ["lr"], tags: { stage: "fit" } });
  @TrackedExperiment("E", { params: { of: "class" } })
  class Joined {
    @TrackedRun({ nest: "join", params: { of: "method" } })
    train(): number {
      return 1;
    }

    @LogMetric
    loss(): number {
      return 2;
    }
  }
  tracker.withRun({ runName: "outer" }, () => {
    fit(0.1);
    withRun({ nest: "join", params: { bs: 3 } }, () => 1);
    new Joined().loss();
    new Joined().train();
  });
  const { params, tags, name } = tracker.onlyRun;
  assert.deepEqual([params, tags["stage"], name], [{ lr: "0.1", bs: "3", of: "method" }, "fit", "outer"]);
});

test("option functions that give nothing, or no text, are reported", async () => {
  const tracker = createTestTracker();
  tracker.run(() => {
    tracked((o: Any) => o.lr, { params: ((o: Any) => ({ lr: o.lr })) as Any })({ lr: 1 });
    tracked(
      function nothing(n: number) {
        return n;
      },
      { params: (() => undefined) as Any },
    )(1);
    tracked(
      function named(n: number) {
        return n;
      },
      { runName: (([n]: Any) => ({ n })) as Any },
    )(1);
    class Trainer {}
    const Made = tracked(Trainer as Any, { experiment: "E" }) as Any;
    new Made();
    new Made();
  });
  assert.equal(
    tracker.runs.some(({ name }) => name === "named"),
    true,
  );
  const said = tracker.warnings.join("\n");
  assert.match(
    said,
    /option params has undefined for "lr", and nothing is logged\. It gets the list of the arguments: \(\[first, second\]\) => /,
  );
  assert.match(said, /nothing: the function given as option params returned undefined\. Return a record/);
  assert.match(said, /named: option runName must return a text; got \{"n":1\}\. The default name is used/);
  assert.equal(said.match(/tracked\(Trainer\): a class is constructed with new, not called/g)?.length, 1);
});

test("bare decorators of a schema work like called ones", async () => {
  const Sweep = defineExperiment({ name: "Bare", metrics: { loss: {} } });
  @(Sweep.TrackedExperiment as Any)
  class Trainer {
    @(Sweep.LogMetric as Any)
    train() {
      return { loss: 1 };
    }
  }
  const tracker = createTestTracker();
  tracker.run(() => new Trainer().train());
  const run = tracker.onlyRun;
  assert.deepEqual([run.name, values(run)], ["Trainer.train", { loss: [1] }]);
});

test("numbers as texts and streams are named where no number was found", async () => {
  class Odd {
    @LogMetric
    texts() {
      return { loss: "0.1", name: "x" } as Any;
    }

    @LogMetric
    stream() {
      return new Blob(["a"]).stream() as Any;
    }
  }
  const tracker = createTestTracker();
  await tracker.withRun({}, async () => {
    new Odd().texts();
    for await (const _ of new Odd().stream());
  });
  await tracker.flush();
  const said = tracker.warnings.join("\n");
  assert.match(
    said,
    /Odd\.texts: no number was found: it returned an object whose loss is a string\. Return it as numbers, or use a function: \(result\) => Number\(result\.loss\)/,
  );
  assert.match(said, /Odd\.stream: no number was found: it returned a stream\. Of bytes, Node's streams and other/);
});

test("a metric close to one of a schema's is reported, others are not", async () => {
  const Sweep = defineExperiment({ name: "Slips", metrics: { loss: {}, accuracy: {} } });
  const tracker = createTestTracker();
  tracker.run(() =>
    Sweep.withRun({}, (run: Any) => {
      for (let i = 0; i < 3; i++) run.logMetric("lss", 5);
      run.logMetric("epoch_seconds", 5);
      run.logMetric("loss", 5);
    }),
  );
  await tracker.flush();
  assert.equal(tracker.warnings.length, 1);
  assert.match(
    tracker.warnings[0] ?? "",
    /Metric "lss" is not one that defineExperiment\(\) lists; did you mean "loss"\? It is logged as it is \(.*experiment "Slips"/,
  );
});

test("unread variables and unusable proxies are named", () => {
  const meant = misspelt({ MLFLOW_EXPERIMENT: "x", MLFLOW_URI: "x", MLFLOW_TOKEN: "x" }).map((each) => each.meant);
  assert.deepEqual(meant, ["MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"]);
  assert.match(
    strayExperiment({ MLFLOW_EXPERIMENT: "Foo" }) ?? "",
    /^MLFLOW_EXPERIMENT is not read; did you mean MLFLOW_EXPERIMENT_NAME\?/,
  );
  assert.match(strayUri({ MLFLOW_TRACKING_URI: "" }) ?? "", /^MLFLOW_TRACKING_URI is empty, which counts as not set/);
  const url = new URL("http://mlflow.invalid:1");
  for (const [env, variable] of [
    [{ HTTP_PROXY: "socks5://proxy:1080" }, "HTTP_PROXY"],
    [{ http_proxy: "proxy host:80" }, "http_proxy"],
  ] as const) {
    const useless = new Connections({ tls: {}, env, requestTimeoutMs: 1 } as Any).uselessProxy(url);
    assert.equal(useless, variable);
    const { message } = unreachable(url.origin, new Error("getaddrinfo ENOTFOUND"), undefined, useless);
    assert.match(
      message,
      /ENOTFOUND\. It was tried without a proxy: (http_proxy|HTTP_PROXY) is not the address of an http or https proxy\./,
    );
  }
});
