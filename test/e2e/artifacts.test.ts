import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after } from "node:test";
import { ProxiedRepository } from "../../src/artifacts/proxied.js";
import { S3Repository } from "../../src/artifacts/s3.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { type ArtifactSubject, artifactContract } from "../contract/artifact-contract.js";
import { tempFolder } from "../support/folders.js";
import { startServer } from "./peer.js";
import { startStack } from "./stack.js";
import { uriOf } from "./support.js";

const folder = tempFolder("artifacts");
const [newest, old, stack] = await Promise.all([
  startServer("newest", uriOf(join(folder, "newest.db")), folder),
  startServer("old", uriOf(join(folder, "old.db")), folder),
  startStack(),
]);
after(() => Promise.all([newest.stop(), old.stop(), stack.stop()]));

const PROXY = { unfit: ["%41.txt"], sizeless: true };
/** S3 takes no smaller ones. */
const PART = 5 * 1024 * 1024;
const SIZES = { from: 2 * PART, size: PART };

function proxied(url: string, auth?: { username: string; password: string }): () => Promise<ArtifactSubject> {
  return async () => {
    const root = `1/${randomUUID().replaceAll("-", "")}/artifacts`;
    return {
      open({ requestTimeoutMs = 30_000 } = {}) {
        const { server } = resolveConfig({ requestTimeoutMs, ...(auth && { auth }) }, { HOME: folder });
        return new ProxiedRepository(root, new URL(url), server, SIZES);
      },
    };
  };
}

const { url, username, password, s3, bucket } = stack;
const env = {
  MLFLOW_S3_ENDPOINT_URL: s3,
  AWS_ACCESS_KEY_ID: "testing",
  AWS_SECRET_ACCESS_KEY: "testing",
  HOME: folder,
};
artifactContract("the newest MLflow with a folder", proxied(newest.url), PROXY);
// (It dies of a name that no header of HTTP can hold as it is.)
artifactContract("MLflow 2.22 with a folder", proxied(old.url), {
  ...PROXY,
  keepsCut: true,
  unreadable: ["émoji 🎉.png"],
});
artifactContract("the newest MLflow with S3 and basic auth", proxied(url, { username, password }), {
  ...PROXY,
  partSize: PART,
});
artifactContract(
  "S3",
  async () => {
    const prefix = `direct/${randomUUID()}`;
    return {
      open: ({ requestTimeoutMs = 30_000 } = {}) =>
        new S3Repository(bucket, prefix, { env, requestTimeoutMs, sizes: SIZES }),
    };
  },
  { partSize: PART },
);
