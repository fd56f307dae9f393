// Next.js, whose standalone server is built in one folder and started in another.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { checkStored, LOGGED, recorder } from "./bundled.mjs";
import { root, toolset } from "./install.mjs";
import { folderOf, putPackage, start } from "./places.mjs";

/** Version 15 bundles with webpack, version 16 with Turbopack. */
const versions = { 15: "15.5.29", 16: "16.4.6" };

/**
 * Next.js takes along only files whose names it finds in the code; the driver's binaries are none of them, whoever
 * loads it.
 */
const tracing = {
  output: "standalone",
  outputFileTracingIncludes: {
    "/*": ["./node_modules/@photostructure/sqlite/**/*", "./node_modules/node-gyp-build/**/*"],
  },
};

export function* nextApps() {
  for (const major of Object.keys(versions)) yield [`Next.js ${major}`, () => checkNext(major, tracing)];
  // With version 15 the same takes a minute.
  yield [
    "Next.js 16, package outside of the bundle",
    () => checkNext(16, { ...tracing, serverExternalPackages: ["pulse-mlflow"] }),
  ];
}

/** The files of the recipe in docs/services.md. */
function recipe() {
  const text = readFileSync(join(root, "docs/services.md"), "utf8");
  const [, section] = /^## Next\.js\n([\s\S]*?)^## /m.exec(text);
  const blocks = [...section.matchAll(/```js\n\/\/ (\S+)\n([\s\S]*?)```/g)];
  return Object.fromEntries(blocks.map(([, path, code]) => [path, code]));
}

/** The files of the app: a route that records, and a page with a client component that shares code with the server. */
const appOf = (settings) => ({
  ...recipe(),
  "package.json": { private: true },
  "next.config.mjs": `export default ${JSON.stringify(settings)};`,
  "app/record/route.js": `${recorder("esm")}
export const dynamic = "force-dynamic";
export function GET() {
  record();
  return new Response("recorded");
}
`,
  "app/shared.js": `import { tracked } from "pulse-mlflow";\nexport const score = tracked((n) => n + 1, { experiment: "Shared" });\n`,
  "app/button.js": `"use client";
import { score } from "./shared.js";
export const Button = () => <button onClick={() => alert(score(1))}>score</button>;
`,
  "app/layout.js": "export default ({ children }) => <html><body>{children}</body></html>;\n",
  "app/page.js": `import { Button } from "./button.js";\nexport default () => <Button />;\n`,
});

/**
 * Builds the app, starts its server in a folder of its own, asks for the route once, ends the server, and compares what
 * is stored.
 */
async function checkNext(major, settings) {
  const modules = await toolset(`next-${major}`, { next: versions[major], react: "19.2.9", "react-dom": "19.2.9" });
  const project = folderOf(appOf(settings), "project");
  cpSync(modules, join(project, "node_modules"), { recursive: true, verbatimSymlinks: true });
  putPackage(project);
  const env = { NEXT_TELEMETRY_DISABLED: "1" };
  const built = await start(process.execPath, [join(project, "node_modules/next/dist/bin/next"), "build"], {
    cwd: project,
    env,
  });
  assert.equal(built.status, 0, built.output);
  const server = folderOf(LOGGED); // Next.js makes it the working folder
  const sent = readdirSync(join(project, ".next/static"), { recursive: true })
    .filter((name) => name.endsWith(".js"))
    .map((name) => readFileSync(join(project, ".next/static", name), "utf8"));
  assert.equal(
    sent.filter((text) => text.includes("pulse-mlflow records nothing here")).length,
    1,
    "what browsers get",
  );
  cpSync(join(project, ".next/standalone"), server, { recursive: true, verbatimSymlinks: true });
  rmSync(project, { recursive: true });

  const output = await serve(join(server, "server.js"), async (url) => {
    const answer = await fetch(`${url}/record`);
    assert.equal(await answer.text(), "recorded");
    const scored = await fetch(`${url}/score?n=2`);
    assert.deepEqual(await scored.json(), { score: 3 });
    const page = await fetch(url);
    assert.match(await page.text(), /<button>score<\/button>/);
  });
  assert.doesNotMatch(output, /pulse-mlflow/);
  // Its names are those that are written there, whatever a minifier makes of the code.
  checkStored(server, [
    { name: "score", status: "FINISHED", params: { n: "2" }, metrics: { score: 3 }, artifacts: [] },
  ]);
  assert.doesNotMatch(built.output, /pulse-mlflow|warn/i);
}

/** Starts a server on a free port, lets `use` ask it, and ends it; gives what it printed. */
async function serve(file, use) {
  const home = folderOf({}, "home");
  const port = await freePort();
  const child = spawn(process.execPath, [file], {
    cwd: folderOf({}, "started"),
    env: {
      PATH: process.env.PATH,
      HOME: home,
      XDG_STATE_HOME: join(home, "state"),
      NO_COLOR: "1",
      HOSTNAME: "127.0.0.1",
      PORT: String(port),
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
  const closed = once(child, "close");
  let output = "";
  try {
    await new Promise((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text) => {
          output += text;
          if (output.includes("Ready in")) resolve();
        });
      }
      child.on("close", (status, signal) => reject(new Error(`The server ended (${status ?? signal}):\n${output}`)));
    });
    await use(`http://127.0.0.1:${port}`);
  } finally {
    child.kill("SIGTERM");
    await closed;
  }
  return output;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
