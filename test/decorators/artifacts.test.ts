// What decorated methods return becomes files, as the selector says.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { LogArtifact, LogMetric, TrackedExperiment, TrackedRun } from "../../src/index.js";
import { createTestTracker, type TestRun } from "../../src/testing/index.js";
import { tempFolder } from "../support/folders.js";

// biome-ignore lint/suspicious/noExplicitAny: what no compiler would let through
type Any = any;

const folder = tempFolder("log-artifact");

const files = ({ artifacts }: TestRun): Record<string, string> =>
  Object.fromEntries(Object.entries(artifacts).map(([path, bytes]) => [path, Buffer.from(bytes).toString()]));

test("a result of any kind of content becomes the file", async () => {
  const tracker = createTestTracker();
  const weights = join(folder, "weights.bin");
  writeFileSync(weights, "weights");
  mkdirSync(join(folder, "out"), { recursive: true });
  writeFileSync(join(folder, "out", "a.txt"), "a");
  @TrackedExperiment("Files")
  class Learner {
    @LogArtifact("report.md")
    async text(): Promise<string> {
      return "# Report";
    }
    @LogArtifact("bytes.bin")
    bytes(): Uint8Array {
      return new Uint8Array([104, 105]);
    }
    @LogArtifact("blob.txt")
    blob(): Blob {
      return new Blob(["blob"]);
    }
    @LogArtifact("stream.txt")
    stream(): Readable {
      return Readable.from(["str", "eam"]);
    }
    @LogArtifact("model/w.bin")
    file(): { path: string } {
      return { path: weights };
    }
    @LogArtifact("all")
    folder(): { path: string } {
      return { path: join(folder, "out") };
    }
    @LogArtifact("config.json")
    object(): object {
      return { lr: 0.1 };
    }
    @LogArtifact("config.yaml")
    yaml(): { lr: number; on: string } {
      return { lr: 0.1, on: "no" };
    }
    @LogArtifact("none.txt")
    none(): string | null {
      return null;
    }
  }
  await tracker.run(async () => {
    const learner = new Learner();
    assert.equal(await learner.text(), "# Report");
    learner.bytes();
    learner.blob();
    learner.stream();
    learner.file();
    learner.folder();
    learner.object();
    learner.yaml();
    learner.none();
  });
  await tracker.flush();
  assert.deepEqual(Object.assign({}, ...tracker.runs.map(files)), {
    "report.md": "# Report",
    "bytes.bin": "hi",
    "blob.txt": "blob",
    "stream.txt": "stream",
    "model/w.bin": "weights",
    "all/a.txt": "a",
    "config.json": '{\n  "lr": 0.1\n}',
    "config.yaml": 'lr: 0.1\n"on": "no"\n',
  });
  assert.deepEqual(tracker.warnings, []);
});

test("a record picks by path and function, and each yield has its step in the name", async () => {
  const tracker = createTestTracker();
  class Learner {
    @TrackedRun
    @LogMetric("loss")
    @LogArtifact({
      "confusion.json": "eval.confusion",
      "epoch-{step}.txt": ({ loss }) => `loss ${loss}`,
      "missing.txt": "note?",
    })
    *train(): Generator<{ loss: number; eval: { confusion: number[][] }; note?: string }, void, void> {
      for (const loss of [3, 2]) yield { loss, eval: { confusion: [[loss]] } };
    }
  }
  tracker.run(() => [...new Learner().train()]);
  await tracker.flush();
  assert.deepEqual(tracker.runs.map(files), [
    { "confusion.json": JSON.stringify([[2]], undefined, 2), "epoch-0.txt": "loss 3", "epoch-1.txt": "loss 2" },
  ]);
  assert.deepEqual(tracker.warnings, []);
});

test("tracked, withRun and @TrackedRun take it as an option", async () => {
  const tracker = createTestTracker();
  const report = tracker.tracked((name: string) => ({ text: `# ${name}` }), {
    artifacts: { "report.md": "text", "name.txt": (_, [name]) => name },
  });
  report("a");
  tracker.withRun({ artifacts: "whole.json" }, () => ({ a: 1 }));
  class Learner {
    @TrackedRun({ artifacts: "t.txt" })
    text(): string {
      return "t";
    }
  }
  tracker.run(() => new Learner().text());
  await tracker.flush();
  assert.deepEqual(tracker.runs.map(files), [
    { "name.txt": "a", "report.md": "# a" },
    { "whole.json": '{\n  "a": 1\n}' },
    { "t.txt": "t" },
  ]);
});

test("wrong content, paths and functions are reported, and the call goes on", async () => {
  const tracker = createTestTracker();
  @TrackedExperiment("Files")
  class Learner {
    @LogArtifact("report.md" as Any)
    number(): unknown {
      return 3;
    }
    @LogArtifact("report.md" as Any)
    undefined(): unknown {
      return undefined;
    }
    @LogArtifact({ "a.txt": "txet" } as Any)
    path(): unknown {
      return { text: "x" };
    }
    @LogArtifact({
      "a.txt": () => {
        throw new Error("no report");
      },
      "b.txt": () => "there all the same",
    })
    fails(): number {
      return 7;
    }
    @TrackedRun({ artifacts: "../up.txt" })
    up(): string {
      return "x";
    }
    @LogArtifact({ "a.txt": async () => "late" })
    late(): number {
      return 1;
    }
  }
  tracker.run(() => {
    const learner = new Learner();
    learner.number();
    learner.undefined();
    learner.path();
    assert.equal(learner.fails(), 7);
    learner.up();
    learner.late();
  });
  await tracker.flush();
  assert.deepEqual(tracker.runs.map(files), [{}, {}, {}, { "b.txt": "there all the same" }, {}, {}]);
  const said = tracker.warnings.join("\n");
  for (const expected of [
    /Learner\.number: "report\.md" needs a string, bytes, a Blob, a stream or \{ path \}, .*; got a number/,
    /Learner\.undefined: there is nothing to store as "report\.md": the method returned undefined/,
    /Learner\.path: artifact path "txet" found nothing; the result has text\. Did you mean "text"/,
    /Learner\.fails: capturing artifacts failed: no report/,
    /Artifact path "\.\.\/up\.txt" has a segment/,
    /Learner\.late: the function for "a\.txt"/,
  ])
    assert.match(said, expected);
});

test("invalid selectors are refused where they are written", () => {
  const wrong = [undefined, "", {}, ["a"], 3, { "a.txt": 3 }, { "": "a" }, () => "x"];
  for (const selector of wrong)
    assert.throws(() => LogArtifact(selector as Any), { code: "INVALID_OPTION" }, String(selector));
  for (const [selector, why] of [
    ["../notes.md", /; got "\.\.\/notes\.md", which has a segment "\." or "\.\."\.$/],
    [
      { "a.txt": "a", "/b.txt": "b" },
      /; got "\/b\.txt", which is absolute; it must be relative to the run's artifacts\.$/,
    ],
    ["run#1.md", /; got "run#1\.md", which has a #/],
  ] as const)
    assert.throws(() => LogArtifact(selector), { code: "INVALID_OPTION", message: why });
  class Bare {}
  assert.throws(() => (LogArtifact as Any)(Bare.prototype, "train", { value: () => 1 }), {
    message: /LogArtifact needs the name of the file/,
  });
  const tracker = createTestTracker();
  for (const artifacts of wrong.slice(1))
    assert.throws(() => tracker.tracked(() => 1, { artifacts } as Any), { code: "INVALID_OPTION" });
});
