import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTracker } from "../../src/index.js";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";
import { until } from "../support/wait.js";

const folder = tempFolder("killed-files");
const program = fileURLToPath(new URL("../fixtures/logs-files.js", import.meta.url));
/** `PULSE_KILLS` plays more of them. */
const KILLS = Number(process.env["PULSE_KILLS"] ?? 6);
const INTERVAL_MS = 100;

interface Logged {
  readonly name: string;
  readonly key: string;
  readonly at: number;
}

/** What a program has said until it was killed, that long after its first word. */
function playAndKill(config: object, afterMs: number): Promise<{ logged: Logged[]; killedAt: number }> {
  const child = spawn(process.execPath, [program, JSON.stringify(config), folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  let killedAt = 0;
  child.stdout.on("data", (data) => {
    if (text === "")
      setTimeout(() => {
        killedAt = Date.now();
        child.kill("SIGKILL");
      }, afterMs);
    text += data;
  });
  return new Promise((resolve) =>
    child.on("close", () => {
      const lines = text.split("\n").slice(0, -1);
      resolve({ logged: lines.map((line) => JSON.parse(line) as Logged), killedAt });
    }),
  );
}

const expected = (name: string): Record<string, Buffer> => {
  const i = name.slice("run ".length);
  return {
    "small.txt": Buffer.from(`small ${i}`),
    "large.txt": Buffer.alloc(100_000, `large ${i} `),
    "stream.txt": Buffer.alloc(90_000, `stream ${i} `),
  };
};

test("a killed program leaves whole files only, and loses none that is old enough", async () => {
  const database = join(folder, "mlflow.db");
  const outbox = join(folder, "outbox");
  const config = { trackingUri: `sqlite:///${database}`, outbox: { folder: outbox }, flushIntervalMs: INTERVAL_MS };
  const rounds: { logged: Logged[]; killedAt: number }[] = [];
  for (let kill = 0; kill < KILLS; kill++) rounds.push(await playAndKill(config, 150 + 137 * (kill % 9)));
  const left = (): string[] =>
    existsSync(outbox)
      ? readdirSync(outbox, { recursive: true })
          .map(String)
          .filter((name) => /\.files\/|\.outbox$/.test(name))
      : [];
  const ofTheDead = left();
  const heir = createTracker(config);
  heir.startRun({ runName: "heir" }).end();
  const waits = (): boolean => left().some((path) => ofTheDead.includes(path));
  await until("all is delivered", () => !waits(), { everyMs: 50, withinMs: 120_000 });
  await heir.shutdown();
  assert.deepEqual(left(), []);

  const runs = query(
    database,
    "SELECT run_uuid AS id, name, status, artifact_uri AS root FROM runs WHERE name <> 'heir'",
  );
  assert.deepEqual(
    runs.filter(({ status }) => status === "RUNNING"),
    [],
  );
  const everything = readdirSync(join(folder, "mlruns"), { recursive: true }).map(String);
  assert.deepEqual(
    everything.filter((each) => each.includes(".pulse-")),
    [],
    "what killed programs have not finished is left",
  );
  const roots = new Map(runs.map(({ id, root }) => [String(id), fileURLToPath(String(root))]));
  for (const { logged, killedAt } of rounds)
    for (const { name, key, at } of logged) {
      const root = roots.get(key);
      const old = killedAt - at > 3 * INTERVAL_MS;
      if (old) assert.ok(root, `${name} is lost`);
      for (const [path, bytes] of Object.entries(expected(name))) {
        const place = root && join(root, path);
        if (place && existsSync(place)) assert.ok(readFileSync(place).equals(bytes), `${name}: ${path} is not whole`);
        else assert.ok(!old, `${name}: ${path} is lost`);
      }
      const linked = root && join(root, "linked");
      const names = linked && existsSync(linked) ? readdirSync(linked) : [];
      assert.ok(names.length === 1 || !old, `${name}: the linked file is lost`);
      for (const each of names)
        assert.equal(readFileSync(join(String(linked), each), "utf8"), `linked ${name.slice("run ".length)}`);
    }
});
