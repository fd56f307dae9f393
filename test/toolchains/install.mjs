// Installs the tools of the matrix, each at one exact version, and the package as it would be published.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, ".cache/toolchains");
const toolsFolder = join(folder, "tools");

/** Where the projects of one run of the matrix are made: in there, they find the tools in the folders above. */
export const work = join(toolsFolder, "work");

/** The versions of TypeScript that are supported beside the one that builds this. */
const compilers = { "typescript-5.9": "npm:typescript@5.9.3", "typescript-6": "npm:typescript@6.0.3" };

/** The last versions that run on Node 20. */
const tools = {
  ...compilers,
  "@babel/core": "7.29.13",
  "@babel/plugin-proposal-decorators": "7.29.7",
  "@babel/plugin-transform-modules-commonjs": "7.29.14",
  "@babel/preset-typescript": "7.29.7",
  "@swc/core": "1.16.22",
  "@swc/jest": "0.2.39",
  "@types/node": "20.19.43",
  "babel-plugin-parameter-decorator": "1.0.16",
  "babel-plugin-transform-typescript-metadata": "0.4.0",
  esbuild: "0.28.2",
  jest: "30.5.2",
  "reflect-metadata": "0.2.2",
  rolldown: "1.3.2",
  tsx: "4.23.15",
  "typescript-7": "npm:typescript@7.0.2",
  "unplugin-swc": "1.5.11",
  vite: "8.3.8",
  vitest: "4.1.12",
};

const nodes = { 22: "22.23.3", 24: "24.21.0", 26: "26.10.0" };

/** Nest with what belongs to it: the newest versions that run on Node 20. */
const besideNest = {
  "@fastify/static": "10.1.11",
  "@types/express": "5.0.6",
  "@types/node": "20.19.43",
  "class-transformer": "0.5.1",
  "class-validator": "0.15.1",
  "reflect-metadata": "0.2.2",
  rxjs: "7.8.2",
};
const nests = {
  11: {
    "@nestjs/common": "11.2.10",
    "@nestjs/core": "11.2.10",
    "@nestjs/microservices": "11.2.6",
    "@nestjs/platform-express": "11.2.10",
    "@nestjs/platform-fastify": "11.2.8",
    "@nestjs/schedule": "6.1.3",
    "@nestjs/swagger": "11.4.7",
    "@nestjs/testing": "11.2.6",
  },
  12: {
    "@nestjs/common": "12.5.1",
    "@nestjs/core": "12.5.1",
    "@nestjs/microservices": "12.1.1",
    "@nestjs/platform-express": "12.5.1",
    "@nestjs/platform-fastify": "12.5.0",
    "@nestjs/schedule": "12.0.2",
    "@nestjs/swagger": "12.0.2",
    "@nestjs/testing": "12.1.1",
  },
};

/** The path of a file of an installed tool. */
export const tool = (path) => join(toolsFolder, "node_modules", path);

/** Every Node the compiled programs run on: the one that runs this, and those that are installed. */
export const nodePaths = {
  [process.versions.node.split(".")[0]]: process.execPath,
  ...Object.fromEntries(
    Object.keys(nodes).map((major) => [major, join(folder, `node-${major}/node_modules/node/bin/node`)]),
  ),
};

/** Runs a command to its end; resolves to its status and everything it printed. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout: 120_000, ...options });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status: status ?? signal, output }));
  });
}

export async function must(command, args, options) {
  const { status, output } = await run(command, args, options);
  if (status !== 0) throw new Error(`"${[command, ...args].join(" ")}" failed (${status}):\n${output.slice(-4_000)}`);
  return output;
}

const npm = (args, cwd) =>
  must("npm", [...args, "--loglevel=error"], { cwd, shell: process.platform === "win32", timeout: 600_000 });

/** Installs what is missing or of other versions. */
export async function installTools() {
  await install(toolsFolder, tools);
  // Each in a folder of its own: they are versions of one package.
  for (const [major, version] of Object.entries(nodes)) await install(join(folder, `node-${major}`), { node: version });
}

/** Installs a set of other tools; gives where their packages are. */
export async function toolset(name, dependencies) {
  const prefix = join(folder, name);
  await install(prefix, dependencies);
  return join(prefix, "node_modules");
}

/** Installs Nest 11 or 12; gives where its packages are. */
export const installNest = (version) => toolset(`nest-${version}`, { ...besideNest, ...nests[version] });

/** Installs only the compilers, for the tests of types; gives each package's folder by its version. */
export async function installCompilers() {
  const prefix = join(root, ".cache/compilers");
  await install(prefix, compilers);
  return Object.fromEntries(
    Object.keys(compilers).map((name) => [name.replace("typescript-", ""), join(prefix, "node_modules", name)]),
  );
}

async function install(prefix, dependencies) {
  const stamp = join(prefix, ".complete");
  const hash = createHash("sha256").update(JSON.stringify(dependencies)).digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  console.log(`Installing ${Object.keys(dependencies).join(", ")} into ${prefix.replace(root, "")} (once) ...`);
  rmSync(prefix, { recursive: true, force: true });
  mkdirSync(prefix, { recursive: true });
  writeFileSync(join(prefix, "package.json"), JSON.stringify({ private: true, dependencies }));
  // `npm test` hands our `engine-strict` down. The versions above run on this Node; what some of them depend on (Express
  // 5.3 on cookie 2) asks for a newer one, and runs all the same.
  await npm(["install", "--no-audit", "--no-fund", "--no-package-lock", "--engine-strict=false"], prefix);
  writeFileSync(stamp, hash);
}

/** Empties the work folder and unpacks the packed package into it. */
export async function installPackage() {
  rmSync(work, { recursive: true, force: true });
  const modules = join(work, "node_modules");
  mkdirSync(modules, { recursive: true });
  await npm(["pack", "--ignore-scripts", "--pack-destination", work], root);
  const tarball = readdirSync(work).find((name) => name.endsWith(".tgz"));
  await must("tar", ["-xzf", join(work, tarball), "-C", modules]);
  renameSync(join(modules, "package"), join(modules, "pulse-mlflow"));
}
