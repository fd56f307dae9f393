import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.js";
import { MlflowClient } from "../../src/client/mlflow-client.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { type Filter, parseFilter } from "../../src/search/filter.js";
import { RUNS } from "../../src/search/identifiers.js";
import { parseOrder, wholeOrder } from "../../src/search/order.js";
import { MemoryStore } from "../../src/stores/memory-store.js";
import { MlrunsStore } from "../../src/stores/mlruns/mlruns-store.js";
import { openDatabase } from "../../src/stores/sql/driver.js";
import { ReadThread } from "../../src/stores/sql/read-thread.js";
import { runTables, orderOf as sqlOrder, whereOf } from "../../src/stores/sql/search-sql.js";
import { SqliteStore } from "../../src/stores/sql/sqlite-store.js";
import { createTracker, trackerOn } from "../../src/tracker.js";
import { tempFolder } from "../support/folders.js";
import { Random } from "../support/random.js";
import { extendedFilterOf, filterOf, orderOf, runsToSearch } from "../support/search-cases.js";

type Kind = "sqlite" | "mlruns";

/** Clients on a disk and on memory that hold the same runs. */
async function both(random: Random, count: number, kind: Kind = "sqlite") {
  const path = join(tempFolder("search"), "mlflow.db");
  const Store = kind === "sqlite" ? SqliteStore : MlrunsStore;
  const stores = [new Store(path, { clock: systemClock }), new MemoryStore()] as const;
  const changes = runsToSearch(random, count);
  for (const store of stores)
    for (let at = 0; at < changes.length; at += 50) {
      const outcomes = await store.apply(changes.slice(at, at + 50));
      assert.deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(["done"]));
    }
  const [disk, memory] = stores.map((store) => new MlflowClient({ tracker: trackerOn(store) }));
  assert.ok(disk && memory);
  return { disk, memory, path, close: () => Promise.all([disk.close(), ...stores.map((store) => store.close())]) };
}

for (const [kind, filters] of [
  ["sqlite", 400],
  ["mlruns", 60],
] as const)
  test(`${kind} answers filters, orders and pages as memory does`, async () => {
    const random = new Random(17);
    const { disk, memory, close } = await both(random, kind === "sqlite" ? 300 : 120, kind);
    let found = 0;
    for (let i = 0; i < filters; i++) {
      const filter = i % 2 === 0 ? filterOf(random) : extendedFilterOf(random);
      const query = {
        experimentNames: random.pick([["Sweep"], ["Sweep", "Other"], []]),
        filter: random.chance(0.15) ? "" : filter,
        orderBy: orderOf(random),
      };
      const pages = async (client: MlflowClient): Promise<string[][]> => {
        const runs = client.searchRuns(query);
        const given: string[][] = [];
        let pageToken: string | undefined;
        const maxResults = 1 + (i % 7) * 13;
        do {
          const page = await runs.page({ maxResults, ...(pageToken && { pageToken }) });
          given.push(page.items.map(({ runId }) => runId.slice(-3)));
          pageToken = page.nextPageToken;
        } while (pageToken !== undefined && given.length < 10);
        return given;
      };
      const [one, other] = [await pages(disk), await pages(memory)];
      found += one.flat().length;
      assert.deepEqual(one, other, JSON.stringify(query));
    }
    assert.ok(found > 10 * filters, `${found}`);
    await close();
  });

for (const kind of ["sqlite", "mlruns"] as const)
  test(`${kind} has the runs, histories and summaries that memory has`, async () => {
    const { disk, memory, close } = await both(new Random(4), 60, kind);
    const [one, other] = await Promise.all([disk.searchRuns().toArray(), memory.searchRuns().toArray()]);
    const plain = ({ artifactUri: _, experimentId: __, ...run }: (typeof one)[number]) => ({
      ...run,
      metrics: Object.entries(run.metrics).sort(),
      params: Object.entries(run.params).sort(),
      tags: Object.entries(run.tags).sort(),
    });
    // Databases store the largest number for infinity.
    const finite = (text: string): unknown => JSON.parse(text);
    const json = (value: unknown): string =>
      JSON.stringify(value, (_key, each) =>
        typeof each === "number"
          ? String(Math.abs(each) > Number.MAX_VALUE ? Math.sign(each) * Number.MAX_VALUE : each)
          : each,
      );
    assert.deepEqual(finite(json(one.map(plain))), finite(json(other.map(plain))));
    for (const run of one.slice(0, 20)) {
      const [a, b] = await Promise.all([disk.bestValues(run), memory.bestValues(run)]);
      const sorted = (record: object): [string, unknown][] =>
        Object.entries(record).sort(([x], [y]) => (x < y ? -1 : 1));
      assert.deepEqual(finite(json(sorted(a))), finite(json(sorted(b))));
      for (const key of Object.keys(run.metrics))
        assert.deepEqual(
          finite(json(await disk.getMetricHistory(run, key))),
          finite(json(await memory.getMetricHistory(run, key))),
        );
    }
    await assert.rejects(disk.getMetricHistory("0".repeat(32), "loss"), { code: "RUN_NOT_FOUND" });
    await assert.rejects(disk.getRun("'; DROP TABLE runs; --"), { code: "RUN_NOT_FOUND" });
    await close();
  });

/** More values than are read by the index of their run. */
const LONG = 50_100;

test("a long history is thinned as in memory, and keeps its extremes", async () => {
  const path = join(tempFolder("history"), "mlflow.db");
  const random = new Random(9);
  const tracker = trackerOn(new SqliteStore(path, { clock: systemClock }));
  const other = trackerOn(new MemoryStore());
  const values = Array.from({ length: LONG }, (_, i) => (i % 50 === 7 ? Number.NaN : random.double()));
  const runs = [tracker, other].map((each) =>
    each.withRun({}, (run) => {
      for (const value of values) run.logMetric("loss", value);
      return run;
    }),
  );
  const [file, memory] = [new MlflowClient({ tracker }), new MlflowClient({ tracker: other })];
  const read = async (client: MlflowClient, maxPoints?: number) =>
    (await client.getMetricHistory(runs[client === file ? 0 : 1] as never, "loss", { maxPoints })).map(
      ({ step, value }) => `${step} ${value}`,
    );
  for (const maxPoints of [4, 5, 100, 500]) {
    const points = await read(file, maxPoints);
    assert.deepEqual(points, await read(memory, maxPoints));
    assert.ok(points.length <= maxPoints && points.length > maxPoints / 3, `${points.length} of ${maxPoints}`);
    const numbers = values.filter((value) => !Number.isNaN(value));
    for (const extreme of [Math.min(...numbers), Math.max(...numbers)])
      assert.ok(points.includes(`${values.indexOf(extreme)} ${extreme}`));
  }
  assert.equal((await read(file)).length, LONG);
  await Promise.all([file.close(), tracker.shutdown()]);
});

for (const kind of ["sqlite", "mlruns", "memory"] as const)
  test(`${kind}: experiments and runs are administered`, async () => {
    const path = join(tempFolder("administered"), kind === "sqlite" ? "mlflow.db" : "mlruns");
    const trackingUri = { sqlite: `sqlite:///${path}`, mlruns: path, memory: "memory:" }[kind];
    // Memory belongs to its tracker.
    const tracker = createTracker({ trackingUri, experiment: "Renamed" });
    const client = new MlflowClient(kind === "memory" ? { tracker } : { trackingUri });
    await assert.rejects(
      client.getRun("x"),
      kind === "memory" ? { code: "RUN_NOT_FOUND" } : { code: "STORE_NOT_FOUND", message: /does not exist/ },
    );
    assert.equal(existsSync(path), false, "reading must not create it");
    const id = await client.createExperiment("Sweep", { tags: { team: "ml" }, artifactLocation: "s3://b/x" });
    const { artifactLocation, tags, creationTime } = await client.getExperiment(id);
    assert.deepEqual([artifactLocation, tags], ["s3://b/x", { team: "ml" }]);
    assert.ok(creationTime);
    await assert.rejects(client.createExperiment("Sweep"), { code: "REJECTED" });
    await client.deleteExperiment(id);
    assert.deepEqual((await client.searchExperiments({ viewType: "all" }).toArray()).map(({ name }) => name).sort(), [
      "Default",
      "Sweep",
    ]);
    assert.equal((await client.searchExperiments({ filter: "name LIKE 'S%'" }).toArray()).length, 0);
    await client.restoreExperiment(id);
    assert.equal((await client.searchExperiments({ filter: "tags.team = 'ml'" }).first())?.name, "Sweep");
    await client.renameExperiment(id, "Renamed");
    await client.setExperimentTag(id, "a/b", "c");
    assert.deepEqual((await client.getExperimentByName("Renamed"))?.tags, { team: "ml", "a/b": "c" });
    await assert.rejects(client.renameExperiment(id, "Default"), { code: "REJECTED" });
    await assert.rejects(client.renameExperiment("77", "x"), { code: "EXPERIMENT_NOT_FOUND" });
    const runId = await tracker.withRun({ runName: "one" }, async (run) => {
      run.logMetric("loss", 1);
      return run.serverId();
    });
    await tracker.flush();
    await client.setTag(runId, "note", "x");
    await client.updateRun(runId, { status: "KILLED", runName: "renamed" });
    const { tags: noted, status, runName } = await client.getRun(runId);
    assert.deepEqual([noted["note"], noted["mlflow.runName"], status, runName], ["x", "renamed", "KILLED", "renamed"]);
    await client.deleteTag(runId, "note");
    await assert.rejects(client.deleteTag(runId, "note"), { code: "REJECTED" });
    await client.deleteRun(runId);
    await assert.rejects(client.setTag(runId, "note", "y"), { code: "RUN_DELETED" });
    assert.equal(await client.runs("Renamed").first(), undefined);
    assert.equal((await client.runs("Renamed").view("deleted").first())?.runId, runId);
    await client.restoreRun(runId);
    await client.deleteExperiment(id);
    assert.equal((await client.getRun(runId)).lifecycleStage, "deleted");
    await client.restoreExperiment(id);
    assert.equal((await client.runs("Renamed").first())?.runName, "renamed");
    await assert.rejects(client.deleteRun("0".repeat(32)), { code: "RUN_NOT_FOUND" });
    await Promise.all([client.close(), tracker.shutdown()]);
  });

test("a process may exit while a file is read", async () => {
  const { disk, path, close } = await both(new Random(2), 600);
  await disk.searchRuns().first();
  await close();
  const program = (ms: number): string => `
    const { MlflowClient } = await import(${JSON.stringify(new URL("../../src/client/mlflow-client.js", import.meta.url).href)});
    const client = new MlflowClient({ trackingUri: ${JSON.stringify(`sqlite:///${path}`)} });
    for (let i = 0; i < 50; i++) client.searchRuns({ filter: "metrics.loss > 0 OR tags.acc LIKE '%a%'" }).page().catch(() => {});
    setTimeout(() => process.exit(3), ${ms});`;
  for (const ms of [0, 30, 60, 90, 120, 200]) {
    const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program(ms)]);
    assert.deepEqual([status, stderr.toString()], [3, ""], `after ${ms} ms`);
  }
});

test("no text of a user ever stands in SQL", () => {
  const random = new Random(5);
  const marked = (filter: Filter): Filter =>
    filter.kind === "comparison"
      ? {
          ...filter,
          key: filter.entity === "attribute" || filter.entity === "dataset" ? filter.key : `MARK'"\`; ${filter.key}`,
          value:
            typeof filter.value === "string"
              ? `MARK'; ${filter.value}`
              : typeof filter.value === "object"
                ? filter.value.map((each) => `MARK"${each}`)
                : filter.value,
        }
      : { ...filter, of: filter.of.map(marked) };
  for (let i = 0; i < 300; i++) {
    const filter = marked(parseFilter(extendedFilterOf(random), 0));
    const orders = wholeOrder(parseOrder(orderOf(random)), RUNS).map((order) =>
      order.entity === "attribute" ? order : { ...order, key: `MARK' ${order.key}` },
    );
    const cursor = orders.map(() => "MARK");
    const tables = runTables(true);
    const { joins, orderBy, after } = sqlOrder(orders, tables, cursor);
    const { sql, values } = whereOf(filter, tables);
    assert.doesNotMatch([sql, joins.sql, orderBy, after.sql].join(" "), /MARK/);
    for (const piece of [{ sql, values }, joins, after])
      assert.equal(piece.sql.split("?").length - 1, piece.values.length, piece.sql);
  }
});

test("filters as large as allowed are answered, larger ones refused", async () => {
  const { disk, memory, close } = await both(new Random(6), 40);
  const most = Array.from({ length: 999 }, (_, i) => `metrics.loss != ${i}.5 ${i % 3 === 0 ? "AND" : "OR"}`).join(" ");
  const long = `params.acc LIKE '${"%a".repeat(6_000)}' OR tags.loss = '${"x".repeat(12_000)}'`;
  for (const filter of [`${most} metrics.acc > 0`, long, `NOT (${most} metrics.acc > 0)`]) {
    const ids = async (client: MlflowClient): Promise<string[]> =>
      (await client.searchRuns({ filter }).toArray()).map(({ runId }) => runId);
    assert.deepEqual(await ids(disk), await ids(memory));
  }
  for (const filter of [
    `params.a = '${"x".repeat(13_000)}'`,
    `${most} metrics.acc > 0 OR metrics.acc > 1`,
    "x".repeat(1_000_001),
  ])
    assert.throws(() => disk.searchRuns({ filter }), { code: "INVALID_FILTER" });
  for (const pageToken of ["' OR 1=1 --", "W10=", Buffer.from('["x",[1,2]]').toString("base64url")])
    await assert.rejects(disk.searchRuns().page({ pageToken }), { code: "INVALID_OPTION" });
  await close();
});

test("runs that are purged while a page is read end no search", async () => {
  const { disk, path, close } = await both(new Random(12), 60);
  const all = (await disk.searchRuns().toArray()).map(({ runId }) => runId);
  const gone = all.slice(5, 25);
  const { read } = ReadThread.prototype;
  let purged = false;
  // Between the ids of a page and its runs.
  ReadThread.prototype.read = async function (queries) {
    const answer = await read.call(this, queries);
    if (!purged && queries.some(({ sql }) => sql.includes("r.run_uuid AS id"))) {
      purged = true;
      const db = openDatabase(path, { waitMs: 1_000 });
      for (const runId of gone)
        for (const table of ["tags", "params", "metrics", "latest_metrics", "runs"])
          db.prepare(`DELETE FROM ${table} WHERE run_uuid = ?`).run(runId);
      db.close();
    }
    return answer;
  };
  try {
    const runs = disk.searchRuns();
    const found: string[] = [];
    let pageToken: string | undefined;
    do {
      const page = await runs.page({ maxResults: 20, ...(pageToken && { pageToken }) });
      assert.ok(page.items.length > 0);
      found.push(...page.items.map(({ runId }) => runId));
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    assert.deepEqual(
      found,
      all.filter((runId) => !gone.includes(runId)),
    );
  } finally {
    ReadThread.prototype.read = read;
  }
  await close();
});

test("without a right to threads a file is read on the event loop", async () => {
  const { disk, path, close } = await both(new Random(3), 20);
  const all = (await disk.searchRuns().toArray()).map(({ runId }) => runId);
  await close();
  const code = `
    const { MlflowClient } = await import(${JSON.stringify(new URL("../../src/client/mlflow-client.js", import.meta.url).href)});
    const client = new MlflowClient({ trackingUri: ${JSON.stringify(`sqlite:///${path}`)} });
    console.log(JSON.stringify((await client.searchRuns().toArray()).map(({ runId }) => runId)));
    await client.close();`;
  const program = join(tempFolder("permitted"), "program.mjs");
  writeFileSync(program, code);
  const flag = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
  const rights = [flag, "--allow-addons", "--allow-fs-read=*", "--allow-fs-write=*"];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...rights, program], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), all);
});

test("half a line of a metric's file, which is being written, is no value", async () => {
  const root = join(tempFolder("half"), "mlruns");
  const tracker = createTracker({ trackingUri: root });
  const runId = await tracker.withRun({}, async (run) => {
    run.logMetric("loss", 0.5);
    return run.serverId();
  });
  await tracker.shutdown();
  const client = new MlflowClient({ trackingUri: root });
  const { experimentId } = await client.getRun(runId);
  appendFileSync(join(root, experimentId, runId, "metrics", "loss"), "99999999999999 0.1");
  assert.deepEqual((await client.getRun(runId)).metrics, { loss: 0.5 });
  assert.equal((await client.getMetricHistory(runId, "loss")).length, 1);
  await client.close();
});

for (const kind of ["sqlite", "mlruns", "memory"] as const)
  test(`${kind}: what MLflow refuses of experiments is refused`, async () => {
    const path = join(tempFolder("refused"), kind === "sqlite" ? "mlflow.db" : "mlruns");
    const trackingUri = { sqlite: `sqlite:///${path}`, mlruns: path, memory: "memory:" }[kind];
    const client = new MlflowClient(kind === "memory" ? { tracker: createTracker({ trackingUri }) } : { trackingUri });
    const id = await client.createExperiment("Sweep");
    await assert.rejects(client.restoreExperiment(id), {
      code: "EXPERIMENT_NOT_FOUND",
      message: /no deleted experiment/,
    });
    await client.deleteExperiment(id);
    await assert.rejects(client.deleteExperiment(id), {
      code: "EXPERIMENT_NOT_FOUND",
      message: /no active experiment/,
    });
    await assert.rejects(client.renameExperiment(id, "Other"), { code: "REJECTED", message: /was deleted/ });
    await assert.rejects(client.setExperimentTag(id, "k", "v"), { code: "REJECTED" });
    for (const name of ["x".repeat(501), "a\0b", "\0", ""])
      await assert.rejects(client.createExperiment(name), { code: "INVALID_OPTION" });
    await client.restoreExperiment(id);
    for (const key of ["a*b", "../../../x", "k".repeat(251), "a\0"])
      await assert.rejects(client.setExperimentTag(id, key, "v"), { code: "INVALID_OPTION" });
    await client.setExperimentTag(id, "k", "a\0b");
    assert.deepEqual((await client.getExperiment(id)).tags, { k: "a\ufffdb" });
    await client.close();
  });

test("a search goes on when experiments appear, and its now() is that of each use", async () => {
  const { disk, close } = await both(new Random(3), 30);
  const search = disk.searchRuns({ viewType: "all" });
  const { items, nextPageToken = "" } = await search.page({ maxResults: 10 });
  await disk.createExperiment("in between");
  const next = await search.page({ maxResults: 10, pageToken: nextPageToken });
  assert.equal(new Set([...items, ...next.items].map(({ runId }) => runId)).size, 20);
  const filters: unknown[] = [];
  const runs = async ({ filter }: { filter: Filter }) => ({
    items: [],
    nextPageToken: filters.push(filter) && undefined,
  });
  const store = Object.assign(new MemoryStore(), { reader: async () => ({ runs }) as never });
  const kept = MlflowClient.on(store, resolveConfig({})).searchRuns({
    filter: "end_time < now()",
    experimentIds: ["0"],
  });
  await kept.toArray();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await kept.toArray();
  const [one, two] = filters.map((filter) => (filter as { value: number }).value);
  assert.ok(Number(two) > Number(one), `${two} is not after ${one}`);
  await close();
});

test("texts with NUL match only themselves, in keys and values", async () => {
  const { disk, memory, close } = await both(new Random(4), 60);
  const [key, value] = (await memory.searchRuns().toArray()).flatMap(({ params }) => Object.entries(params))[0] ?? [
    "",
    "",
  ];
  assert.ok(key);
  for (const client of [disk, memory]) {
    const count = async (of: string, by = key) =>
      (
        await client
          .runs()
          .where((r) => r.param(by).eq(of))
          .toArray()
      ).length;
    assert.deepEqual([await count(`${value}\0x`), await count(value, `${key}\0`), await count("\0")], [0, 0, 0]);
    assert.ok((await count(value)) > 0);
    const others = await client
      .runs()
      .where((r) => r.param(key).in(["\0", `${value}\0`]))
      .toArray();
    assert.equal(others.length, 0);
  }
  await close();
});

test("conditions from a loop are one level deep, and limited", async () => {
  const { disk, close } = await both(new Random(5), 10);
  const all = (count: number) =>
    disk.runs().where((r) => {
      let condition = r.param("opt").eq("none");
      for (let i = 1; i < count; i++) condition = condition.or(r.param("opt").eq(`v${i}`));
      return condition;
    });
  assert.equal((await all(1_000).toArray()).length, 0);
  assert.throws(() => all(1_001), { code: "INVALID_FILTER" });
  assert.throws(() => disk.runs().where((r) => r.tag("k").like("x".repeat(60_000))), { code: "INVALID_OPTION" });
  assert.throws(() => disk.searchRuns({ filter: "'AND'" }), { code: "INVALID_FILTER" });
  await close();
});

test("a closed client has no thread and no open file", async () => {
  const { path, close } = await both(new Random(6), 300);
  await close(); // else SQLite keeps files for the other connection
  const openFiles = (): number =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path);
      } catch {
        return false;
      }
    }).length;
  const clients = Array.from({ length: 5 }, () => new MlflowClient({ trackingUri: `sqlite:///${path}` }));
  const reads = clients.map((client) =>
    client
      .searchRuns({ viewType: "all" })
      .toArray()
      .catch(() => undefined),
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all(reads);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(openFiles(), 0);
});

test("summaries know steps above 2^53, and of equal steps the first time", async () => {
  const path = join(tempFolder("summaries"), "mlflow.db");
  const tracker = createTracker({ trackingUri: `sqlite:///${path}` });
  const id = await tracker.withRun({}, async (run) => (await run.serverId()) ?? "");
  await tracker.shutdown();
  const db = openDatabase(path, { waitMs: 5_000 });
  for (const [key, value, time, step] of [
    ["far", 1, 5, 9007199254740995n],
    ["tie", 3, 5_000, 0],
    ["tie", 2, 1_000, 0],
    ["tie", 2, 9_000, 0],
  ] as const) {
    db.prepare("INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)").run(
      key,
      value,
      time,
      id,
      step,
    );
    db.prepare(
      "INSERT OR REPLACE INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
    ).run(key, value, time, id, step);
  }
  db.close();
  const client = new MlflowClient({ trackingUri: `sqlite:///${path}` });
  const { far, tie } = await client.bestValues(id);
  assert.equal(far?.last.step, 2 ** 53 + 4);
  assert.deepEqual([tie?.first, tie?.min], Array(2).fill({ value: 2, timestamp: 1_000, step: 0 }));
  await client.close();
});

test("a text that is NULL in the database is an empty one, and pages go on behind it", async () => {
  const { disk, path, close } = await both(new Random(8), 30);
  const db = openDatabase(path, { waitMs: 5_000 });
  db.exec("UPDATE runs SET user_id = NULL; UPDATE tags SET value = NULL WHERE key = 'stage'");
  db.close();
  for (const column of ["user_id", "tags.stage", "artifact_uri DESC"]) {
    const search = disk.searchRuns({ orderBy: [column], viewType: "all" });
    const ids: string[] = [];
    for (let token: string | undefined = ""; token !== undefined && ids.length < 60; ) {
      const page: { items: { runId: string }[]; nextPageToken?: string } = await search.page({
        maxResults: 7,
        ...(token !== "" && { pageToken: token }),
      });
      ids.push(...page.items.map(({ runId }) => runId));
      token = page.nextPageToken;
    }
    assert.deepEqual([ids.length, new Set(ids).size], [30, 30], column);
  }
  await close();
});

test("what Python writes as JSON is read, and a caller's own error is passed on", async () => {
  const { disk, path, close } = await both(new Random(2), 1);
  await close();
  const tracker = createTracker({ trackingUri: `sqlite:///${path}` });
  const client = new MlflowClient({ tracker });
  const run = tracker.startRun();
  run.logText('{"nan": NaN, "low": [-Infinity, Infinity], "text": "NaN, \\"Infinity\\""}', "d.json");
  run.logText("{nan: NaN}", "bad.json");
  run.end();
  await tracker.flush();
  const expected = {
    nan: Number.NaN,
    low: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    text: 'NaN, "Infinity"',
  };
  assert.deepEqual(await client.loadDict(run, "d.json"), expected);
  await assert.rejects(client.loadDict(run, "bad.json"), { code: "ARTIFACT_UNREADABLE" });
  const to = tempFolder("told");
  const mine = new Error("mine");
  const onProgress = (): never => {
    throw mine;
  };
  await assert.rejects(client.downloadArtifacts(run, { path: "d.json", to, onProgress }), (error) => error === mine);
  await Promise.all([client.close(), disk.close(), tracker.shutdown()]);
});
