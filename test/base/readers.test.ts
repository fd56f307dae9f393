import assert from "node:assert/strict";
import { test } from "node:test";
import { ObjectStoreError } from "../../src/artifacts/object-store-error.js";
import { forReaders, MlflowError, PulseError } from "../../src/base/errors.js";

test("readers get no advice of programs that record, but that of object stores", () => {
  for (const code of [
    "UNAUTHORIZED",
    "FORBIDDEN",
    "NO_MLFLOW",
    "DISK_FULL",
    "TLS_FAILED",
    "STORE_UNAVAILABLE",
  ] as const) {
    const { message } = forReaders(new PulseError(code, "It failed.")) as PulseError;
    assert.match(message, /^It failed\./, code);
    assert.doesNotMatch(message, /recording goes on|delivered|written afterwards/i, code);
  }
  const s3 = forReaders(new ObjectStoreError("UNAUTHORIZED", "S3 said no.")) as PulseError;
  assert.match(s3.message, /^S3 said no\. Check the credentials for S3 .* and the clock\.$/);
  const refused = forReaders(new MlflowError("SERVER_ERROR", "Taken.", "BAD_REQUEST", 400, "taken"), "REJECTED");
  assert.ok(refused instanceof MlflowError);
  assert.deepEqual([refused.code, refused.message, refused.httpStatus], ["REJECTED", "Taken.", 400]);
  const plain = new PulseError("INVALID_FILTER", "Wrong.");
  assert.equal(forReaders(plain), plain);
});
