import { readFileSync } from "node:fs";
import { join } from "node:path";
import { types } from "node:util";
import { systemClock } from "../base/clock.js";
import { messageOf, PulseError } from "../base/errors.js";
import { homeFolder } from "../base/folders.js";
import { load } from "../base/loading.js";
import type { S3Credentials } from "../config/options.js";
import { record, text } from "../http/json.js";
import { ObjectStoreError } from "./object-store-error.js";

/** @internal @throws any error; operations that needed the credentials then reject with `UNAUTHORIZED` */
export type CredentialsProvider = () => S3Credentials | Promise<S3Credentials>;

const PEER = "@aws-sdk/credential-providers";
const RENEW_MS = 60_000;

const HOW = `For SSO, roles and the credentials of machines, npm install ${PEER}.`;

/**
 * @internal Finds S3's endpoint and credentials the way boto3 does: from the environment, then from the profile
 * (`AWS_PROFILE`, else `default`) in `~/.aws/credentials` and `~/.aws/config`. Anything else (SSO, roles, machine
 * credentials) needs the optional peer package of the AWS SDK.
 */
export class AwsSettings {
  readonly #env: NodeJS.ProcessEnv;
  readonly #given: CredentialsProvider | undefined;
  #profile: ReadonlyMap<string, string> | undefined;
  #found: Promise<S3Credentials> | undefined;

  constructor(env: NodeJS.ProcessEnv, given: CredentialsProvider | undefined) {
    this.#env = env;
    this.#given = given;
  }

  /** The endpoint of an S3-compatible store, without a trailing slash. */
  get endpoint(): string | undefined {
    const given =
      this.#env["MLFLOW_S3_ENDPOINT_URL"] || this.#env["AWS_ENDPOINT_URL_S3"] || this.#env["AWS_ENDPOINT_URL"];
    if (!given) return undefined;
    if (!/^https?:\/\/[^/]/i.test(given) || !URL.canParse(given))
      throw new PulseError(
        "INVALID_CONFIG",
        "MLFLOW_S3_ENDPOINT_URL: expected a URL that begins with http:// or https://.",
      );
    return given.replace(/\/+$/, "");
  }

  /** @default us-east-1 */
  get region(): string {
    return this.#env["AWS_REGION"] || this.#env["AWS_DEFAULT_REGION"] || this.#files().get("region") || "us-east-1";
  }

  /**
   * Returns the credentials; cached ones as long as they are valid.
   * @throws PulseError `UNAUTHORIZED` if there are none, saying what to set.
   */
  async credentials(): Promise<S3Credentials> {
    this.#found ??= this.#find();
    const asked = this.#found;
    try {
      const found = await asked;
      if (found.expiration === undefined || found.expiration.getTime() - systemClock.now() > RENEW_MS) return found;
    } catch (error) {
      this.#forget(asked);
      throw error;
    }
    this.#forget(asked);
    this.#found ??= this.#find();
    return this.#found;
  }

  /** Drops the cached credentials, because they were refused. Returns whether asking again may help. */
  renew(): boolean {
    this.#found = undefined;
    this.#profile = undefined;
    return !this.#inEnvironment() || this.#given !== undefined;
  }

  #forget(asked: Promise<S3Credentials>): void {
    if (this.#found === asked) this.#found = undefined;
  }

  async #find(): Promise<S3Credentials> {
    if (this.#given) return checked(await this.#ask(this.#given, "The option `credentials`"));
    const env = this.#env;
    const own = keys(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"]);
    if (own) return own;
    const files = this.#files();
    const filed = keys(
      files.get("aws_access_key_id"),
      files.get("aws_secret_access_key"),
      files.get("aws_session_token"),
    );
    if (filed) return filed;
    return checked(await this.#ask(this.#peer(), PEER));
  }

  async #ask(provider: CredentialsProvider, who: string): Promise<unknown> {
    try {
      return await provider();
    } catch (error) {
      throw new ObjectStoreError("UNAUTHORIZED", `${who} returned no credentials for S3: ${messageOf(error)}.`, error);
    }
  }

  /** Returns the AWS SDK's default chain for Node, if installed. */
  #peer(): CredentialsProvider {
    try {
      const { fromNodeProviderChain } = load(PEER) as { fromNodeProviderChain: () => CredentialsProvider };
      return fromNodeProviderChain();
    } catch (error) {
      throw new ObjectStoreError("UNAUTHORIZED", `There are no credentials for S3. ${HOW}`, error);
    }
  }

  #inEnvironment(): boolean {
    return Boolean(this.#env["AWS_ACCESS_KEY_ID"] && this.#env["AWS_SECRET_ACCESS_KEY"]);
  }

  /** Returns the profile's settings from both files; the credentials file takes precedence. */
  #files(): ReadonlyMap<string, string> {
    if (this.#profile === undefined) {
      const env = this.#env;
      const home = homeFolder(env);
      const name = env["AWS_PROFILE"] || env["AWS_DEFAULT_PROFILE"] || "default";
      const file = (variable: string, usual: string): string | undefined =>
        env[variable] || (home && join(home, ".aws", usual));
      this.#profile = new Map([
        ...section(file("AWS_CONFIG_FILE", "config"), [`profile ${name}`, ...(name === "default" ? [name] : [])]),
        ...section(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), [name]),
      ]);
    }
    return this.#profile;
  }
}

/**
 * @internal Whether the environment gives S3 access to this program specifically, rather than to anyone on the machine.
 */
export function givesS3({ env }: { readonly env: NodeJS.ProcessEnv }): boolean {
  return [
    "MLFLOW_S3_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  ].some((name) => Boolean(env[name]));
}

function keys(accessKeyId: string | undefined, secretAccessKey: string | undefined, sessionToken: string | undefined) {
  return accessKeyId && secretAccessKey
    ? { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined }
    : undefined;
}

function checked(given: unknown): S3Credentials {
  const credentials = record(given);
  const [accessKeyId, secretAccessKey] = [text(credentials?.["accessKeyId"]), text(credentials?.["secretAccessKey"])];
  const expiration = credentials?.["expiration"];
  const found = keys(accessKeyId, secretAccessKey, text(credentials?.["sessionToken"]));
  if (found === undefined)
    throw new ObjectStoreError(
      "UNAUTHORIZED",
      "The provider of credentials for S3 returned none with accessKeyId and secretAccessKey.",
    );
  return {
    ...found,
    expiration: types.isDate(expiration) && !Number.isNaN(expiration.getTime()) ? expiration : undefined,
  };
}

/**
 * Reads a section of an INI file; empty if there is no file. Nested settings (`s3 =` and the indented lines below it)
 * are ignored.
 */
function section(path: string | undefined, names: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  let content: string;
  try {
    content = path === undefined ? "" : readFileSync(path, "utf8");
  } catch {
    return values; // the file is optional
  }
  let inside = false;
  for (const line of content.split(/\r?\n/)) {
    const name = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (name !== undefined) inside = names.includes(name.trim().replace(/\s+/g, " "));
    else if (inside) {
      const [, key, value] = /^([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (key && value) values.set(key.toLowerCase(), value);
    }
  }
  return values;
}
