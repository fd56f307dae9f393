// What a machine does to a program: the clock jumps, files may not grow, the process is stopped for a while, its number
// says nothing.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ReadRun } from "../../src/contracts/tracking-reader.js";
import type { Records } from "../fixtures/records.js";
import { FakeMlflow } from "../support/fake-mlflow.js";
import { tempFolder } from "../support/folders.js";
import { itemsKept, outboxesIn } from "./fault-disk.js";
import { check, deliverRest, type Said, startRecords } from "./records-program.js";

const FOR_MS = 2_000;
const AWAY_MS = 1_200;
/** Blocks of 1,024 bytes that a file may have. */
const BLOCKS = 100;
const FAKETIME = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/faketime/libfaketime.so.1`;
/** Namespaces need root: without them the programs at least share the folder. */
const NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child=SIGKILL"];
const OWN_NAMESPACE = spawnSync(NAMESPACE[0] as string, [...NAMESPACE.slice(1), "true"]).status === 0 ? NAMESPACE : [];

const root = tempFolder("hardships");

type Within = NonNullable<Parameters<typeof startRecords>[1]>;
let names = 0;

/** A program of two seconds, on a server that is away during most of it, or not at all. */
async function records(
  within: Within,
  durability: "exit" | "outbox",
  {
    away = true,
    back = true,
    meanwhile,
  }: { away?: boolean; back?: boolean; meanwhile?: (started: ReturnType<typeof startRecords>) => Promise<unknown> },
) {
  const name = `hardship ${++names}`;
  const folder = tempFolder("outbox", root);
  const server = await FakeMlflow.start();
  try {
    if (away) server.down();
    const config: Records["config"] = {
      trackingUri: server.url,
      experiment: name,
      durability,
      outbox: { folder },
      requestTimeoutMs: 500,
    };
    const started = startRecords({ name, config, forMs: FOR_MS }, within);
    await started.began;
    await Promise.all([meanwhile?.(started), sleep(AWAY_MS)]);
    if (away && back) await server.up();
    const ended = await started.ended;
    if (!back) await server.up();
    const kept = outboxesIn(folder).reduce((sum, path) => sum + itemsKept(path), 0);
    await deliverRest(folder, server.url);
    return { ...ended, name, kept, runs: runsOf(server) };
  } finally {
    server.close();
  }
}

/** What a server has, but what it has as deleted. */
function runsOf(server: FakeMlflow): ReadRun[] {
  const runs = [...server.runs.values()].filter((run) => !run.deleted);
  return runs.map(({ name, status, startTime, endTime, params, tags, metrics }) => {
    const points: Record<string, [number, number, number][]> = {};
    for (const key of new Set([...metrics.values()].map((point) => point.key)))
      points[key] = [...metrics.values()]
        .filter((point) => point.key === key)
        .map(({ step, timestamp, value }): [number, number, number] => [step, timestamp, Number(value)])
        .sort(([a], [b]) => a - b);
    const [param, tag] = [Object.fromEntries(params), Object.fromEntries(tags)];
    return {
      experiment: "",
      name,
      status,
      startTime,
      endTime: endTime ?? null,
      params: param,
      tags: tag,
      metrics: points,
    };
  });
}

type Played = Awaited<ReturnType<typeof records>>;

function assertWhole({ code, signal, said, stderr, name, runs }: Played, moments = true): void {
  assert.equal(code, 0, `${signal} ${stderr}`);
  // The time of day says nothing where it jumps.
  const times = moments ? {} : { startTime: 0, endTime: Number.MAX_SAFE_INTEGER };
  check(
    runs.map((run) => ({ ...run, ...times })),
    name,
    said.at(-1),
    "FINISHED",
  );
  const { metrics = 0, shorts = 0 } = said.at(-1) as Said;
  const stored = runs.flatMap((run) => run.metrics["m"] ?? []).length;
  assert.deepEqual({ metrics: stored, runs: runs.length }, { metrics, runs: shorts + 2 });
}

const jumps = ["--import", new URL("../fixtures/clock-jumps.js", import.meta.url).href];

describe("Whatever the machine does, everything recorded is there in the end, once", { concurrency: 3 }, () => {
  for (const durability of ["exit", "outbox"] as const) {
    for (const away of [true, false])
      test(`"${durability}": clock jumps by an hour twice, server ${away ? "late" : "up"}`, async () =>
        assertWhole(await records({ node: jumps }, durability, { away }), false));

    test(`"${durability}": files may not exceed ${BLOCKS} kB, the server comes late`, async () =>
      assertWhole(await records({ command: ["bash", "-c", `ulimit -f ${BLOCKS}; exec "$0" "$@"`] }, durability, {})));

    test(`"${durability}": files may not exceed ${BLOCKS} kB, no server: kept as it says`, async () => {
      const { code, stderr, kept } = await records(
        { command: ["bash", "-c", `ulimit -f ${BLOCKS}; exec "$0" "$@"`] },
        durability,
        {
          back: false,
        },
      );
      assert.equal(code, 0, stderr);
      const said = Number((/([\d,]+) changes? [^\n]* (?:is|are) kept/.exec(stderr)?.[1] ?? "0").replaceAll(",", ""));
      assert.ok(kept >= said, `${kept} items are kept: ${stderr}`);
      assert.match(stderr, /LOST_AT_EXIT/);
    });

    test(`"${durability}": the process stands still beyond the request timeout`, async () => {
      const stopped = async ({ child }: ReturnType<typeof startRecords>): Promise<void> => {
        await sleep(400);
        child.kill("SIGSTOP");
        await sleep(1_500);
        child.kill("SIGCONT");
      };
      assertWhole(await records({}, durability, { away: false, meanwhile: stopped }));
    });
  }

  const spaces = OWN_NAMESPACE.length > 0 ? "namespaces of their own" : "one namespace";
  test(`one of several programs in ${spaces} is killed and nothing is lost`, async () => {
    const folder = tempFolder("outbox", root);
    const server = await FakeMlflow.start();
    after(() => server.close());
    const config: Records["config"] = {
      trackingUri: server.url,
      experiment: "spaces",
      durability: "outbox",
      outbox: { folder },
    };
    const programs = ["one", "two", "three"].map((name) =>
      startRecords({ name, config, forMs: name === "one" ? 60_000 : FOR_MS }, { command: OWN_NAMESPACE }),
    ); // who is killed is still at it
    await Promise.all(programs.map(({ began }) => began));
    await sleep(1_000);
    programs[0]?.child.kill("SIGKILL");
    const ends = await Promise.all(programs.map(({ ended }) => ended));
    assert.deepEqual(
      ends.map(({ code, signal }) => code ?? signal),
      ["SIGKILL", 0, 0],
      ends.map(({ stderr }) => stderr).join("\n"),
    );
    await deliverRest(folder, server.url);
    const runs = runsOf(server);
    for (const [i, name] of ["one", "two", "three"].entries()) {
      const own = runs.filter((run) => run.name.startsWith(`${name} `));
      check(own, name, ends[i]?.said.at(-1), i === 0 ? "FAILED" : "FINISHED");
    }
  });
});

// Where libfaketime is installed (`apt-get install libfaketime`), the whole process has another time, the driver's too.
if (existsSync(FAKETIME))
  test("the machine's clock jumps an hour ahead and back", async () => {
    const file = join(tempFolder("time", root), "offset");
    writeFileSync(file, "+0");
    const env = {
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const meanwhile = async (): Promise<void> => {
      for (const offset of ["+3600", "-3600", "+0"]) {
        await sleep(350);
        writeFileSync(file, offset);
      }
    };
    for (const durability of ["exit", "outbox"] as const)
      assertWhole(await records({ env }, durability, { meanwhile }), false);
  });
