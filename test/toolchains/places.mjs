// Folders for programs that are bundled, tested or installed, outside of this one so that they find nothing of it, and
// what they have stored.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { root, run, work } from "./install.mjs";

const top = realpathSync(mkdtempSync(join(tmpdir(), "pulse-toolchains-")));
process.on("exit", () => rmSync(top, { recursive: true, force: true }));

/** The SQLite driver and what it needs itself, from this repository's own folder. */
const DRIVER = ["@photostructure/sqlite", "node-gyp-build"];

/** A new folder with these files in it; a name may have folders. */
export function folderOf(files = {}, name = "place") {
  const folder = mkdtempSync(join(top, `${name}-`));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), typeof text === "string" ? text : JSON.stringify(text));
  }
  return folder;
}

/** Puts the packed package into a folder, as npm would; `driver: false` leaves the optional SQLite driver out. */
export function putPackage(folder, { driver = true } = {}) {
  cpSync(join(work, "node_modules/pulse-mlflow"), join(folder, "node_modules/pulse-mlflow"), { recursive: true });
  if (driver) putDriver(folder);
}

/** Puts only the SQLite driver into a folder. */
export function putDriver(folder) {
  for (const name of DRIVER)
    cpSync(realpathSync(join(root, "node_modules", name)), join(folder, "node_modules", name), {
      recursive: true,
      dereference: true,
    });
}

/** Lets a folder's programs find packages that are installed in another `node_modules`. */
export function putLinks(folder, modules, ...names) {
  for (const name of names) {
    mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true });
    symlinkSync(join(modules, name), join(folder, "node_modules", name));
  }
}

/**
 * Runs a command as somebody with an empty home and none of the developer's settings; gives its status and all that it
 * printed.
 */
export function start(command, args, { cwd, env = {} }) {
  const home = folderOf({}, "home");
  return run(command, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: home, XDG_STATE_HOME: join(home, "state"), NO_COLOR: "1", ...env },
  });
}

/** The runs of a database, oldest first, with what is compared of them; `artifacts` adds the files that were logged. */
export function storedRuns(database, { artifacts = false } = {}) {
  const { DatabaseSync } = createRequire(join(root, "package.json"))(
    Number.parseInt(process.versions.node, 10) >= 24 ? "node:sqlite" : "@photostructure/sqlite",
  );
  const db = new DatabaseSync(database);
  try {
    const all = (sql, ...values) => db.prepare(sql).all(...values);
    return all("SELECT run_uuid AS id, name, status, artifact_uri AS uri FROM runs ORDER BY start_time, name").map(
      ({ id, name, status, uri }) => ({
        ...{ name, status },
        params: Object.fromEntries(
          all("SELECT key, value FROM params WHERE run_uuid = ?", id).map(({ key, value }) => [key, value]),
        ),
        metrics: Object.fromEntries(
          all("SELECT key, value FROM latest_metrics WHERE run_uuid = ? ORDER BY key", id).map(({ key, value }) => [
            key,
            value,
          ]),
        ),
        ...(artifacts && { artifacts: filesBelow(fileURLToPath(uri)) }),
      }),
    );
  } finally {
    db.close();
  }
}

/** The files below a folder, with `/`, in the order of their names. */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)));
  return files.map((path) => path.replaceAll("\\", "/")).sort();
}
