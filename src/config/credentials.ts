import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { PulseError } from "../base/errors.js";
import { homeFolder } from "../base/folders.js";
import { type Auth, HEADER_VALUE } from "./options.js";
import { originOf, type Picker } from "./picker.js";

/** Credentials found in the environment and the user's credentials file, and any problem with that file. */
export interface FoundAuth {
  readonly auth: Auth | undefined;
  readonly problem?: PulseError | undefined;
  /** The environment has credentials, but they must not be sent to this server. */
  readonly withheld?: boolean | undefined;
}

const WITHHELD = ["USERNAME", "PASSWORD", "TOKEN"];

const FILE = "~/.mlflow/credentials";
/** Read permission for group and others. */
const READABLE = 0o044;

/**
 * Finds credentials the way MLflow's Python client does: a complete username and password win over a token, and each
 * half may come from the credentials file. In that file, a section named after a server (`[http://host:5000]`) applies
 * to that server only, and `[mlflow]` is sent wherever the environment's credentials may be sent.
 */
export function environmentAuth(pick: Picker): FoundAuth {
  const { sections, problem } = credentialsFile(pick.env);
  const trusted = pick.maySend("environment");
  const env = trusted ? pick.env : {};
  const own = sections.find(
    ({ name }) => originOf(name) !== undefined && originOf(name) === originOf(pick.trackingUri),
  );
  const section = own ?? (trusted ? sections.find(({ name }) => name === "mlflow") : undefined);
  const found = (part: string): string | undefined =>
    env[`MLFLOW_TRACKING_${part}`] || section?.values.get(`mlflow_tracking_${part.toLowerCase()}`);
  const [username, password, token] = [found("USERNAME"), found("PASSWORD"), found("TOKEN")];
  const from = (...parts: string[]): string =>
    parts.every((part) => env[`MLFLOW_TRACKING_${part}`]) ? `MLFLOW_TRACKING_${parts.join(" and _")}` : FILE;
  const withProblem = section && problem ? { problem } : {};
  if (username && password) {
    pick.note("auth", from("USERNAME", "PASSWORD"));
    return { auth: { username, password }, ...withProblem };
  }
  if (!token?.trim()) {
    const [there, missing] = username ? ["USERNAME", "PASSWORD"] : ["PASSWORD", "USERNAME"];
    if (!username && !password) {
      const withheld = !trusted && WITHHELD.some((part) => pick.env[`MLFLOW_TRACKING_${part}`]);
      return { auth: undefined, ...(withheld && { withheld }) };
    }
    const detail = `MLFLOW_TRACKING_${there} is set but MLFLOW_TRACKING_${missing} is not, so no credentials are sent. Set both or neither.`;
    return { auth: undefined, problem: new PulseError("INVALID_CONFIG", detail) };
  }
  pick.note("auth", from("TOKEN"));
  if (!HEADER_VALUE.test(token))
    throw new PulseError(
      "INVALID_CONFIG",
      `${from("TOKEN")}: expected a string that fits into an HTTP header, without line breaks.`,
    );
  return { auth: { token }, ...withProblem };
}

interface Section {
  readonly name: string;
  readonly values: Map<string, string>;
}

function credentialsFile(env: NodeJS.ProcessEnv): { sections: Section[]; problem?: PulseError } {
  const sections: Section[] = [];
  let text: string;
  let open = false;
  try {
    const home = homeFolder(env);
    if (home === undefined) return { sections };
    const path = join(home, ".mlflow", "credentials");
    text = readFileSync(path, "utf8");
    open = process.platform !== "win32" && (statSync(path).mode & READABLE) !== 0;
  } catch {
    return { sections }; // the file is optional
  }
  for (const line of text.split(/\r?\n/)) {
    const name = /^\s*\[(.+)\]\s*$/.exec(line)?.[1]?.trim();
    if (name !== undefined) sections.push({ name, values: new Map() });
    const [, key, value] = /^\s*([^#;=:\s[][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) sections.at(-1)?.values.set(key.toLowerCase(), value);
  }
  const detail = `${FILE} can be read by other users of this machine. Make it private: chmod 600 ${FILE}.`;
  return open ? { sections, problem: new PulseError("INVALID_CONFIG", detail) } : { sections };
}
