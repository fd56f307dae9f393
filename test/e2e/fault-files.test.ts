import assert from "node:assert/strict";
import { test } from "node:test";
import { fileDifferences } from "./fault-files.js";
import type { DumpRun } from "./peer.js";
import type { ExpectedRun } from "./wide-model.js";

const FAILED = { "pulse.artifact_failed.a _.bin": "why" };

/** What is found wrong with a run that has logged `a 🎉.bin`. */
function found(
  files: Record<string, string>,
  tags: Record<string, string> = {},
  more: Partial<ExpectedRun> = {},
): string[] {
  return fileDifferences({ files, tags } as DumpRun, { files: { "a 🎉.bin": "new" }, ...more } as ExpectedRun);
}

test("the check finds missing, old and stray files, and excuses only a tagged loss", () => {
  assert.deepEqual(found({ "a 🎉.bin": "new" }), []);
  assert.match(found({}).join(), /^file a 🎉.bin: undefined instead of new$/);
  assert.match(found({ "a 🎉.bin": "old" }).join(), /old instead of new/);
  assert.match(
    found({ "a 🎉.bin": "new", "a 🎉.bin.part": "x" }).join(),
    /^file a 🎉.bin.part: x instead of undefined$/,
  );
  assert.match(found({ "a 🎉.bin": "new" }, FAILED).join(), /pulse.artifact_failed.*why/);
  assert.equal(found({}, FAILED).length, 2);
  assert.equal(found({}, {}, { mayFail: true }).length, 1);
  assert.deepEqual(found({}, FAILED, { mayFail: true }), []);
  assert.deepEqual(found({}, {}, { cut: new Set(["a 🎉.bin"]) }), []);
  assert.equal(found({}, {}, { cut: new Set(["b.bin"]) }).length, 1);
});
