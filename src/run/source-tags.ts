import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { os } from "../base/builtins.js";
import type { Tag } from "../base/entities.js";
import { LIMITS } from "../base/text/limits.js";

/** The user and the source tags of every run of this process, as MLflow's Python client sets them. */
export interface Source {
  readonly userId: string;
  readonly tags: readonly Tag[];
}

let source: Source | undefined;

/** Returns the source of this process (user, script, git commit and branch). Read once. */
export function processSource(): Source {
  if (source === undefined) {
    const script = process.argv[1] ?? process.execPath;
    const userId = userName().slice(0, LIMITS.userId);
    const git = gitHead(script);
    source = {
      userId,
      tags: [
        { key: "mlflow.user", value: userId },
        { key: "mlflow.source.name", value: script.slice(0, LIMITS.tagValue) },
        { key: "mlflow.source.type", value: "LOCAL" },
        ...(git ? [{ key: "mlflow.source.git.commit", value: git.commit }] : []),
        ...(git?.branch ? [{ key: "mlflow.source.git.branch", value: git.branch }] : []),
      ],
    };
  }
  return source;
}

function userName(): string {
  const { env } = process;
  const named = env["LOGNAME"] || env["USER"] || env["LNAME"] || env["USERNAME"];
  if (named) return named;
  try {
    return os().userInfo().username;
  } catch {
    return "unknown"; // the user id has no name, as in some containers
  }
}

/**
 * Returns commit and branch of the work tree that contains a script. Reads files, since starting git takes
 * milliseconds.
 */
function gitHead(script: string): { commit: string; branch: string | undefined } | undefined {
  try {
    const gitDir = findGitDir(dirname(resolve(script)));
    if (gitDir === undefined) return undefined;
    const head = readFileSync(join(gitDir, "HEAD"), "utf8").trim();
    const ref = /^ref: (.+)$/.exec(head)?.[1];
    if (ref === undefined) return { commit: head, branch: undefined };
    const commit = readRef(gitDir, ref);
    return commit ? { commit, branch: ref.replace(/^refs\/heads\//, "") } : undefined;
  } catch {
    return undefined; // a damaged or unreadable work tree, or no working folder: tags are missing, nothing else
  }
}

function findGitDir(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const path = join(folder, ".git");
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) return path;
    if (stat)
      return resolve(
        folder,
        readFileSync(path, "utf8")
          .replace(/^gitdir:\s*/, "")
          .trim(),
      ); // linked work tree
    if (folder === dirname(folder)) return undefined;
  }
}

function readRef(gitDir: string, ref: string): string | undefined {
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(path, "utf8").trim();
    } catch {
      return undefined;
    }
  };
  const common = resolve(gitDir, read(join(gitDir, "commondir")) ?? ".");
  const loose = read(join(gitDir, ref)) ?? read(join(common, ref));
  if (loose) return loose;
  const packed = read(join(common, "packed-refs"));
  return packed
    ?.split("\n")
    .find((line) => line.endsWith(` ${ref}`))
    ?.split(" ")[0];
}
