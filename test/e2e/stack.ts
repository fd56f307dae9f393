import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { launch, type Server } from "./peer.js";

export type Stack = Server & {
  /** Of the administrator. */
  username: string;
  password: string;
  /** Where its S3 is, which takes the keys "testing" and "testing", and the bucket with the artifacts. */
  s3: string;
  bucket: string;
  /** The URL with both in it, as a `Peer` takes it. */
  peerUri: string;
};

/**
 * The newest MLflow as teams run it: PostgreSQL, artifacts on S3, basic auth. POSIX only; everything it writes is in a
 * folder that goes when it stops. A process of root opens the folder for others to pass through, since PostgreSQL runs
 * as "nobody" then.
 */
export async function startStack(): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), "pulse-stack-"));
  // SIGTERM, for it takes its children along, and PostgreSQL killed outright would leave its shared memory behind.
  const { child, kill, ended, log } = await launch("stack", ["stack.py", folder], {
    cwd: folder,
    detached: true,
    atExit: "SIGTERM",
  });
  const stop = async (): Promise<void> => {
    child.stdin.end();
    const timer = setTimeout(kill, 15_000, "SIGKILL");
    await ended;
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
  };
  const first = await Promise.race([once(createInterface({ input: child.stdout }), "line"), ended]);
  if (!Array.isArray(first)) throw new Error(`The stack did not start:\n${log()}`);
  const said = JSON.parse(String(first[0])) as Pick<Stack, "url" | "username" | "password" | "s3" | "bucket">;
  const peerUri = said.url.replace("//", `//${said.username}:${said.password}@`);
  return { ...said, peerUri, log, stop };
}
