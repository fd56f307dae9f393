// Installs the pinned packages if they are missing or older than the lock file, so that `npm start` and `npm test`
// each work as the first command in a fresh clone.
import { spawnSync } from "node:child_process";
import { existsSync, statSync, utimesSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const time = (path) => (existsSync(root + path) ? statSync(root + path).mtimeMs : 0);

if (time("node_modules/.package-lock.json") < time("package-lock.json")) {
  console.log("Installing the pinned packages ...");
  // Not `npm ci`: it rejects a lock file that lacks another platform's binaries (npm issues 9846, 8320). Nothing is
  // saved: each version of npm writes the lock file differently (10 omits `libc`), which would leave the clone dirty.
  const npm = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) {
    console.error("npm install failed; see its message above. Nothing else was done.");
    process.exit(npm.status ?? 1);
  }
  // A checkout may have written the lock file a moment later; the installed packages count as newer all the same.
  const now = new Date();
  utimesSync(`${root}node_modules/.package-lock.json`, now, now);
}
