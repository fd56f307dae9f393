// The tests' in-memory MLflow in its own process. away.mjs forks, controls and queries it.
const { FakeMlflow } = await import(process.argv[2]);
const server = await FakeMlflow.start();

const deeds = {
  set: (state) => void Object.assign(server, state),
  down: () => server.down(),
  up: () => server.up(),
  contents: () => {
    const runs = [...server.runs.values()].filter(({ deleted }) => !deleted);
    const keys = new Set(runs.map(({ tags }) => tags.get("pulse.run_key")));
    return {
      runs: runs.length,
      twins: runs.length - keys.size,
      running: runs.filter(({ status }) => status === "RUNNING").length,
      metrics: runs.reduce((sum, { metrics }) => sum + metrics.size, 0),
    };
  },
};
process.on("message", async ({ deed, argument }) => process.send({ did: deed, answer: await deeds[deed](argument) }));
process.on("disconnect", () => process.exit());
process.send({ did: "start", answer: server.url });
