import { join } from "node:path";
import { after } from "node:test";
import { LocalRepository } from "../../src/artifacts/local.js";
import { ProxiedRepository } from "../../src/artifacts/proxied.js";
import { S3Repository } from "../../src/artifacts/s3.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { fakeArtifacts } from "../support/fake-artifacts.js";
import { BUCKET, fakeS3 } from "../support/fake-s3.js";
import { tempFolder } from "../support/folders.js";
import { artifactContract } from "./artifact-contract.js";

const folder = tempFolder("artifacts");
const s3 = await fakeS3();
const [withParts, without] = [await fakeArtifacts(s3), await fakeArtifacts(s3, false)];
after(() => {
  for (const each of [s3, withParts, without]) each.close();
});

const SIZES = { from: 400_000, size: 200_000 };
let places = 0;

artifactContract("a folder", async () => {
  const root = join(folder, `root ${++places}`, "artifacts");
  return { open: () => new LocalRepository(root) };
});

artifactContract(
  "S3",
  async () => {
    const prefix = `exp ${++places}/run+é/artifacts`;
    return {
      open: ({ requestTimeoutMs = 20_000 } = {}) =>
        new S3Repository(BUCKET, prefix, { env: s3.env, requestTimeoutMs, sizes: SIZES }),
    };
  },
  { partSize: SIZES.size },
);

for (const [name, server] of Object.entries({ "MLflow's proxy": without, "MLflow's proxy with parts": withParts }))
  artifactContract(
    name,
    async () => {
      const root = `${++places}/run/artifacts`;
      return {
        open({ requestTimeoutMs = 20_000 } = {}) {
          const { server: settings } = resolveConfig({ requestTimeoutMs }, { HOME: "/nowhere" });
          return new ProxiedRepository(root, new URL(server.url), settings, SIZES);
        },
      };
    },
    { unfit: ["%41.txt"], sizeless: true, ...(server === withParts && { partSize: SIZES.size }) },
  );
