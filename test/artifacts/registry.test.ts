import assert from "node:assert/strict";
import { test } from "node:test";
import {
  openArtifactRepository,
  type RepositoryOptions,
  registerArtifactRepository,
} from "../../src/artifacts/registry.js";
import { resolveConfig } from "../../src/config/resolve.js";
import type { ArtifactRepository } from "../../src/contracts/artifact-repository.js";

const DATABASE = "sqlite:////data/mlflow.db";
const SERVER = "https://me:hunter2@mlflow.example/base";

function opened(
  root: string,
  trackingUri: string,
  more: Partial<RepositoryOptions> = {},
  env: NodeJS.ProcessEnv = {},
): ArtifactRepository {
  const { server } = resolveConfig({}, { HOME: "/nowhere", ...env });
  return openArtifactRepository(root, { trackingUri, server, ...more });
}

function refused(
  root: string,
  trackingUri: string,
  message: RegExp,
  more: Partial<RepositoryOptions> = {},
  env: NodeJS.ProcessEnv = {},
): void {
  assert.throws(
    () => opened(root, trackingUri, more, env),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, "ARTIFACT_ROOT");
      assert.match(error.message, message);
      assert.ok(!error.message.includes("hunter2"), error.message);
      return true;
    },
  );
}

test("an artifact root of each kind opens the right repository", () => {
  for (const [root, uri] of [
    ["/data/mlruns/1/r/artifacts", "file:///data/mlruns/1/r/artifacts"],
    ["file:///data/with%20space/artifacts", "file:///data/with%20space/artifacts"],
    ["file:/data/artifacts", "file:///data/artifacts"],
    ["file://localhost/data/artifacts", "file:///data/artifacts"],
    ["./mlruns/1/r/artifacts", "file:///base/mlruns/1/r/artifacts"],
    ["mlruns/1", "file:///base/mlruns/1"],
    ["file:./mlruns/1", "file:///base/mlruns/1"],
    ["s3://bucket/prefix/r/artifacts/", "s3://bucket/prefix/r/artifacts"],
    ["s3://my.bucket", "s3://my.bucket"],
  ] as const)
    assert.equal(opened(root, DATABASE, { folder: "/base" }).uri, uri);
  refused("./mlruns/1", DATABASE, /is relative to an unknown folder/);
  for (const root of [
    "file://elsewhere/data",
    "file:///a%2Fb",
    "s3://",
    "s3:///key",
    "s3://-/x",
    "s3://bucket/../other",
    "s3://bucket/a?versionId=1",
  ])
    refused(root, DATABASE, /names no bucket|is not a /);
});

test("a server's own files are asked for at that server only", () => {
  for (const root of [
    "mlflow-artifacts:/1/r/artifacts",
    "mlflow-artifacts://mlflow.example/1/r/artifacts",
    "mlflow-artifacts://mlflow.example:443/1/r/artifacts",
    "https://mlflow.example/base/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts",
  ])
    assert.equal(opened(root, SERVER).uri, "mlflow-artifacts:/1/r/artifacts");
  for (const root of [
    "mlflow-artifacts://evil.example/1",
    "mlflow-artifacts://mlflow.example:8443/1",
    "https://evil.example/base/api/2.0/mlflow-artifacts/artifacts/1",
    "http://mlflow.example/base/api/2.0/mlflow-artifacts/artifacts/1",
    "https://mlflow.example@evil.example/base/api/2.0/mlflow-artifacts/artifacts/1",
  ])
    refused(root, SERVER, /is on another server/);
  refused("https://mlflow.example/elsewhere", SERVER, /not a place for artifacts/);
  refused("mlflow-artifacts:/1/../../x", SERVER, /is not a valid path/);
  refused(
    "mlflow-artifacts:/1/r/artifacts",
    DATABASE,
    /Use that server's http\(s\) URI as trackingUri; or .* artifactUri/s,
  );
});

test("a server may name folders here only if it runs here or is allowed to", () => {
  for (const root of ["/data/x", "file:///data/x"]) {
    refused(root, SERVER, /allowLocal: true/);
    refused(root, "http://127.0.0.1.evil.example:5000", /allowLocal: true/);
    for (const uri of ["http://localhost:5000", "http://127.0.0.1:5000", "http://[::1]:5000"])
      assert.equal(opened(root, uri).uri, "file:///data/x");
    assert.equal(opened(root, SERVER, { allowLocal: true }).uri, "file:///data/x");
  }
  refused("./mlruns/1", "http://localhost:5000", /is relative to an unknown folder/);
});

test("a server may name buckets only to a program that was given them", () => {
  const root = "s3://bucket/1/r/artifacts";
  refused(root, SERVER, /Set buckets: \["bucket"\], or AWS_ACCESS_KEY_ID/);
  refused(root, "http://localhost:5000", /this program was not given access to it/);
  assert.equal(opened(root, SERVER, { buckets: ["bucket"] }).uri, root);
  assert.equal(opened(root, SERVER, { credentials: () => ({ accessKeyId: "a", secretAccessKey: "b" }) }).uri, root);
  for (const name of ["MLFLOW_S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"])
    assert.equal(opened(root, SERVER, {}, { [name]: "https://x" }).uri, root);
  refused(root, SERVER, /Set buckets: \["bucket"\]\./, { buckets: ["other"] }, { AWS_ACCESS_KEY_ID: "x" });
});

test("other kinds of roots need a registered repository", () => {
  for (const scheme of ["gs", "wasbs", "dbfs", "hdfs", "constructor"])
    refused(
      `${scheme}://x/y`,
      DATABASE,
      new RegExp(`is of a kind that is not supported.*registerArtifactRepository\\("${scheme}"`, "s"),
    );
  const repository: ArtifactRepository = {
    uri: "own:x",
    upload: async () => {},
    list: async () => [],
    read: () => Promise.reject(new Error("none")),
    close() {},
  };
  registerArtifactRepository("own", (root) => ({ ...repository, uri: root }));
  assert.equal(opened("own:anywhere", SERVER).uri, "own:anywhere");
  registerArtifactRepository("own", () => ({}) as never);
  assert.throws(() => opened("own:x", DATABASE), {
    code: "INVALID_CONFIG",
    message: /without upload, list, read, close/,
  });
  registerArtifactRepository("own", () => {
    throw new Error("no such thing");
  });
  refused("own:x", DATABASE, /cannot be used: no such thing/);
});

test("invalid and reserved schemes cannot be registered", () => {
  for (const scheme of ["s3", "file", "mlflow-artifacts", "S3", "x", "", 5]) {
    const register = (): void => registerArtifactRepository(scheme as string, () => ({}) as never);
    assert.throws(register, { code: "INVALID_OPTION" });
  }
  assert.throws(() => registerArtifactRepository("gs", 1 as never), {
    code: "INVALID_OPTION",
    message: /make must be a function/,
  });
});
