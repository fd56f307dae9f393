// The runs that each program must leave behind, whatever compiled it. Metrics are lists of [step, value].

const inExperiment =
  (experiment) =>
  (name, { status = "FINISHED", parent = null, params = {}, tags = {}, metrics = {} } = {}) => ({
    name,
    experiment,
    status,
    parent,
    params,
    tags,
    metrics,
  });

const trainer = (name, { params, tags, ...rest } = {}) =>
  inExperiment("Toolchains")(name, { params: { kind: "base", ...params }, tags: { team: "pulse", ...tags }, ...rest });
const fit = (lr, shots, verdict, parent) =>
  trainer(`fit ${lr}`, { parent, params: { lr: `${lr}`, "1.shots": `${shots}` }, tags: { stage: "fit", verdict } });
const functions = inExperiment("Functions");
const legacy = (name, { tags, ...rest }) =>
  inExperiment("Legacy")(name, { tags: { side: "server", ...tags }, ...rest });

export const expected = {
  behaviour: [
    trainer("Trainer.score", { metrics: { score: [[0, 7]] } }),
    trainer("Trainer.leaves", { metrics: { epoch: [[0, 1]], loss: [[0, 0.5]], "val.acc": [[0, 0.25]] } }),
    trainer("Trainer.path", { metrics: { "val.acc": [[0, 0.25]] } }),
    trainer("Trainer.paths", { metrics: { loss: [[0, 0.5]], "val.acc": [[0, 0.25]] } }),
    trainer("Trainer.record", { metrics: { "train/accuracy": [[1, 0.25]], "train/double": [[1, 1]] } }),
    fit(0.3, 1, "good"),
    trainer("Trainer.train", {
      params: { epochs: "2" },
      metrics: {
        loss: [
          [0, 1],
          [10, 1 / 11],
        ],
      },
    }),
    trainer("Trainer.stream", {
      metrics: {
        loss: [
          [0, 1],
          [1, 0.5],
        ],
      },
    }),
    trainer("Trainer.generic", { metrics: { size: [[0, 3]] } }),
    trainer("Trainer.itself"),
    trainer("Trainer.count", { metrics: { count: [[0, 2]] } }),
    // What only logs joins the open run; what opens one is its child.
    trainer("Trainer.sweep", { metrics: { loss: [[0, 0.5]], "val.acc": [[0, 0.25]] } }),
    fit(0.2, 5, "good", "Trainer.sweep"),
    fit(0.1, 1, "bad", "Trainer.sweep"),
    trainer("Trainer.fails", { status: "FAILED", tags: { "error.type": "TypeError", "error.message": "no data" } }),
    inExperiment("Toolchains")("assigned", {
      metrics: {
        kelvin: [
          [0, 300],
          [1, 301],
        ],
      },
    }),
    inExperiment("Derived")("Derived.score", {
      params: { kind: "derived", depth: "2" },
      tags: { team: "pulse" },
      metrics: {
        score: [
          [0, 1],
          [1, 2],
        ],
      },
    }),
  ],
  functions: [
    functions("sweep", { params: { trials: "2" }, tags: { stage: "done" }, metrics: { length: [[0, 5]] } }),
    functions("train 0.25", { parent: "sweep", params: { lr: "0.25" }, metrics: { loss: [[0, 0.75]] } }),
    functions("train 0.5", { parent: "sweep", params: { lr: "0.5" }, metrics: { loss: [[0, 0.5]] } }),
    functions("inner", { parent: "sweep" }),
    functions("steps", {
      metrics: {
        loss: [
          [0, 2],
          [1, 1],
        ],
      },
    }),
    functions("refused", { status: "FAILED", tags: { "error.type": "RangeError", "error.message": "refused" } }),
    functions("by hand", {
      params: { lr: "0.25" },
      tags: { by: "hand" },
      metrics: {
        loss: [
          [10, 0.5],
          [11, 0.25],
        ],
      },
    }),
    functions("one shot", { params: { lr: "0.5" }, metrics: { loss: [[0, 0.5]] } }),
  ],
  standard: [
    inExperiment("Standard")("Gauge.read", {
      metrics: {
        loss: [
          [0, 3],
          [1, 2],
        ],
        secret: [[0, 5]],
      },
    }),
  ],
  corners: [
    inExperiment("Corners")("Vault.open", { metrics: { level: [[0, 4]], total: [[0, 7]] } }),
    inExperiment("Corners")("Vault.count", { parent: "Vault.open", metrics: { count: [[0, 6]] } }),
  ],
  legacy: [
    legacy("Controller.above", { params: { lr: "0.5" }, metrics: { loss: [[0, 1]] } }),
    legacy("Controller.below", { params: { lr: "0.5" }, metrics: { loss: [[0, 2.5]] } }),
    legacy("Controller.middle", { params: { size: "3" }, metrics: { middle: [[0, 3]] } }),
    // A foreign function stands between the two: the inner decorator joins the run of the outer one.
    legacy("Controller.between", { tags: { between: "35" }, metrics: { size: [[0, 35]] } }),
    legacy("Controller.parameters", { params: { rate: "0.5", name: "mlp" } }),
  ],
};
