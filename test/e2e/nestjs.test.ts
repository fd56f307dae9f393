import assert from "node:assert/strict";
import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { tempFolder } from "../support/folders.js";
import { Peer } from "./peer.js";

const root = process.cwd();
const folder = tempFolder("nest");
let peer: Peer;
before(async () => {
  peer = await Peer.start("newest");
});
after(() => peer.close());

/** The programs of test/toolchains/nest as users have them, with the built package and the oldest compiler. */
async function project(version: number): Promise<string> {
  const { installCompilers, installNest } = await import(pathToFileURL(join(root, "test/toolchains/install.mjs")).href);
  const modules: string = await installNest(version);
  const compilers: Record<string, string> = await installCompilers();
  const at = join(modules, "../work");
  rmSync(at, { recursive: true, force: true });
  const home = join(at, "node_modules/pulse-mlflow");
  mkdirSync(home, { recursive: true });
  for (const each of ["dist", "package.json"]) cpSync(join(root, each), join(home, each), { recursive: true });
  cpSync(join(root, "test/toolchains/nest"), at, { recursive: true });
  writeFileSync(join(at, "package.json"), '{ "type": "module" }');
  const tsc = spawnSync(process.execPath, [join(String(compilers["5.9"]), "bin/tsc"), "-p", at], { encoding: "utf8" });
  assert.equal(tsc.status, 0, tsc.stdout);
  return at;
}

for (const version of [11, 12] as const)
  test(`Nest ${version}: requests, messages, jobs, and tests, on Express and Fastify`, async (t) => {
    const at = await project(version);
    for (const spec of readdirSync(at).filter((name) => name.endsWith(".spec.js")))
      await t.test(spec, () => {
        // Not with the variables by which this runner knows its own files.
        const { NODE_TEST_CONTEXT: _, ...env } = process.env;
        const { status, stdout } = spawnSync(process.execPath, ["--test", "--test-reporter=tap", spec], {
          cwd: at,
          encoding: "utf8",
          env,
        });
        assert.equal(status, 0, stdout);
        assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) >= 5, stdout);
      });
    for (const platform of ["Express", "Fastify"])
      await t.test(`${platform}: SIGTERM answers what is open, and stores it`, async () => {
        const file = join(folder, `${version}-${platform}.db`);
        const service = fork(join(at, "service.js"), [platform], {
          cwd: folder,
          env: { ...process.env, TRACKING_URI: `sqlite:///${file}` },
        });
        const [port] = await once(service, "message");
        const url = `http://127.0.0.1:${port}`;
        for (let id = 0; id < 20; id++) await (await fetch(`${url}/lessons/${id}`)).text();
        const slow = fetch(`${url}/slow`, { headers: { connection: "close" } });
        await once(service, "message");
        service.kill("SIGTERM");
        assert.equal(await (await slow).text(), "done");
        const [code, signal] = await once(service, "exit");
        assert.ok(signal === "SIGTERM" || code === 143, `${code} ${signal}`);
        const { runs } = await peer.dump(`sqlite:///${file}`);
        const counts = new Map<string, number>();
        for (const { run_name, status } of runs) {
          const what = `${run_name} ${status}`;
          counts.set(what, (counts.get(what) ?? 0) + 1);
        }
        assert.deepEqual(Object.fromEntries(counts), {
          "GET /lessons/:id FINISHED": 20,
          "LessonsController.find FINISHED": 20,
          "GET /slow FINISHED": 1,
          "last words FINISHED": 1,
        });
      });
  });
