import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { PulseError } from "../base/errors.js";
import { homeFolder } from "../base/folders.js";
import { type Auth, HEADER_VALUE } from "./options.js";
import { originOf, type Picker } from "./picker.js";

/** How to log in, as far as the environment and the user's own file say, and what is wrong with that file. */
export interface FoundAuth {
  readonly auth: Auth | undefined;
  readonly problem?: PulseError | undefined;
  /** There are some in the environment, which may not go to this server. */
  readonly withheld?: boolean | undefined;
}

const WITHHELD = ["USERNAME", "PASSWORD", "TOKEN"];

const FILE = "~/.mlflow/credentials";
/** Of group and others. */
const READABLE = 0o044;

/**
 * As in Python's client: a complete pair wins over a token; each half may come from the credentials file. There a
 * section named like the server (`[http://host:5000]`) is for it alone, and `[mlflow]` goes where the environment's
 * credentials go.
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
  const told = section && problem ? { problem } : {};
  if (username && password) {
    pick.note("auth", from("USERNAME", "PASSWORD"));
    return { auth: { username, password }, ...told };
  }
  if (!token?.trim()) {
    const [there, missing] = username ? ["USERNAME", "PASSWORD"] : ["PASSWORD", "USERNAME"];
    if (!username && !password) {
      const withheld = !trusted && WITHHELD.some((part) => pick.env[`MLFLOW_TRACKING_${part}`]);
      return { auth: undefined, ...(withheld && { withheld }) };
    }
    const detail = `MLFLOW_TRACKING_${there} is set and MLFLOW_TRACKING_${missing} is not: no credentials are sent. Set both, or neither.`;
    return { auth: undefined, problem: new PulseError("INVALID_CONFIG", detail) };
  }
  pick.note("auth", from("TOKEN"));
  if (!HEADER_VALUE.test(token))
    throw new PulseError(
      "INVALID_CONFIG",
      `${from("TOKEN")}: expected a text that a header can hold, without line breaks.`,
    );
  return { auth: { token }, ...told };
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
    return { sections }; // most people have none
  }
  for (const line of text.split(/\r?\n/)) {
    const name = /^\s*\[(.+)\]\s*$/.exec(line)?.[1]?.trim();
    if (name !== undefined) sections.push({ name, values: new Map() });
    const [, key, value] = /^\s*([^#;=:\s[][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) sections.at(-1)?.values.set(key.toLowerCase(), value);
  }
  const detail = `${FILE} can be read by other users of this machine. Take that right away: chmod 600 ${FILE}.`;
  return open ? { sections, problem: new PulseError("INVALID_CONFIG", detail) } : { sections };
}
