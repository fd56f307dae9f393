import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import type { Metric } from "../../src/base/entities.js";
import type { ArtifactRepository } from "../../src/contracts/artifact-repository.js";
import type { Outcome, RunChange } from "../../src/contracts/tracking-store.js";
import { createTracker } from "../../src/index.js";
import { Meta, metaText } from "../../src/stores/mlruns/meta.js";
import { MlrunsStore } from "../../src/stores/mlruns/mlruns-store.js";
import { change, newRun, point, start } from "../../src/testing/contract-change.js";
import { contentOf } from "../support/contents.js";
import { tempFolder } from "../support/folders.js";
import { filesIn, metaIn, readRun, runFolders } from "../support/mlruns.js";
import { collectWarnings } from "../support/warnings.js";

const folder = tempFolder("mlruns");
let places = 0;

const clock = { now: Date.now, id: () => "", random: Math.random };

/** A store on a folder of its own, with one open run. */
function fresh(more: Partial<RunChange> = {}) {
  const root = join(folder, `place ${++places}`, "mlruns");
  const store = new MlrunsStore(root, { clock });
  const id = newRun();
  const apply = (changes: Partial<RunChange>, of = store): Outcome => of.applySync([change(id, changes)])[0] as Outcome;
  assert.equal(apply({ create: start(), ...more }).kind, "done");
  const run = runFolders(root).find((each) => basename(each) === id) ?? "";
  return { root, store, id, apply, run, read: () => readRun(root, id), again: () => new MlrunsStore(root, { clock }) };
}

const m = (count: number, from = 0): Metric[] =>
  Array.from({ length: count }, (_, i) => point("m", from + i, from + i, 2_000 + from + i));
const steps = (metrics: readonly (readonly [number, number, number])[] = []): number[] => metrics.map(([step]) => step);

test("the files are those that MLflow writes, in their places", () => {
  const { root, id, run } = fresh({
    metrics: [
      point("loss", 0.5, 0),
      point("train/loss", Number.NaN, 1),
      point("loss", Number.POSITIVE_INFINITY, 1),
      point("loss", -0, 2),
    ],
    params: [{ key: "a/b", value: "1\n" }],
    tags: [{ key: "t", value: "é" }],
    end: { status: "FAILED", endTime: 3_000 },
  });
  const experiment = join(run, "..");
  assert.match(basename(experiment), /^[1-9]\d{17}$/);
  assert.deepEqual(readdirSync(root).sort(), [".trash", "0", basename(experiment)].sort());
  assert.deepEqual(filesIn(join(run, "metrics")), {
    loss: "2000 0.5 0\n2000 inf 1\n2000 0 2\n",
    "train/loss": "2000 nan 1\n",
  });
  assert.deepEqual(filesIn(join(run, "params")), { "a/b": "1\n" });
  assert.equal(readFileSync(join(run, "tags", "t"), "utf8"), "é");
  assert.deepEqual(readdirSync(run).sort(), ["artifacts", "meta.yaml", "metrics", "params", "tags"]);
  const meta = metaIn(run);
  assert.deepEqual(
    [
      meta["run_id"],
      meta["run_uuid"],
      meta["status"],
      meta["end_time"],
      meta["lifecycle_stage"],
      meta["source_type"],
      meta["tags"],
    ],
    [id, id, 4, 3_000, "active", 4, []],
  );
  assert.equal(metaIn(experiment)["experiment_id"], basename(experiment));
  assert.equal(metaIn(join(root, "0"))["name"], "Default");
});

describe("each point is there once, whatever has become of the file since", () => {
  test("repeated points are not added, even after the end or by another store", () => {
    const { apply, again, read } = fresh({ metrics: m(10) });
    apply({ metrics: m(10, 5), end: { status: "FINISHED", endTime: 9_000 } });
    for (const store of [again(), undefined]) {
      assert.equal(apply({ metrics: m(15) }, store).kind, "done");
      assert.deepEqual(
        steps(read()?.metrics["m"]),
        m(15).map(({ step }) => step),
      );
    }
  });

  test("unordered points are all there, and duplicates in one change count once", () => {
    const { apply, read } = fresh({ metrics: m(3, 10) });
    const mixed = [...m(3), ...m(3), ...m(3, 10), point("m", 5, 11, 2_011), point("m", 5, 11, 1_000)];
    for (let again = 0; again < 2; again++) apply({ metrics: mixed });
    assert.deepEqual(
      steps(read()?.metrics["m"]).sort((a, b) => a - b),
      [0, 1, 2, 10, 11, 11, 11, 12],
    );
  });

  test("points that another program added are seen, in Python's spelling too", () => {
    const { apply, run } = fresh({ metrics: m(1) });
    appendFileSync(
      join(run, "metrics", "m"),
      "2001 1.0 1\n2002 1e-05 2\n2003 nan 3\n2004 Infinity 4\n2005 7.0\n2006 8 5 name d1\n",
    );
    const theirs = [
      point("m", 1, 1, 2_001),
      point("m", 1e-5, 2, 2_002),
      point("m", Number.NaN, 3, 2_003),
      point("m", Number.POSITIVE_INFINITY, 4, 2_004),
    ];
    const before = readFileSync(join(run, "metrics", "m"), "utf8");
    apply({ metrics: [...theirs, point("m", 7, 0, 2_005), point("m", 8, 0, 2_006)] });
    assert.equal(readFileSync(join(run, "metrics", "m"), "utf8"), before);
  });

  test("half a line stays so without new points, and the next point mends it", () => {
    const { run, again, apply, read } = fresh({ metrics: m(3) });
    appendFileSync(join(run, "metrics", "m"), "2003 3");
    const store = again();
    apply({ metrics: m(3) }, store);
    apply({ metrics: m(5) }, store);
    assert.deepEqual(steps(read()?.metrics["m"]), [0, 1, 2, 3, 4]);
  });

  test("two stores that write one metric in turns store each point once", () => {
    const { again, apply, read } = fresh();
    const stores = [again(), again()];
    for (let i = 0; i < 20; i++) apply({ metrics: m(3, i) }, stores[i % 2]);
    assert.deepEqual(
      steps(read()?.metrics["m"]),
      m(22).map(({ step }) => step),
    );
  });

  for (const [torn, left] of [
    ["2005 5 5", 0],
    ["2005 5", 0],
    ["20", 0],
    ["2099 9 9", 1],
    ["2099 9", 0],
    ["garbage", 0],
  ] as const)
    test(`half a line, ${JSON.stringify(torn)}, is mended by the next writer`, () => {
      const { run, again, apply, read } = fresh({ metrics: m(5) });
      appendFileSync(join(run, "metrics", "m"), torn);
      apply({ metrics: m(5) }, again()); // nothing of it is new: nothing is touched
      assert.ok(readFileSync(join(run, "metrics", "m"), "utf8").endsWith(torn));
      apply({ metrics: m(7) }, again());
      const found = steps(read()?.metrics["m"]).sort((a, b) => a - b);
      assert.deepEqual(found, left === 1 ? [0, 1, 2, 3, 4, 5, 6, 9] : [0, 1, 2, 3, 4, 5, 6]);
    });
});

test("a killed program's unfinished creation is completed", () => {
  const { root, store, id, run } = fresh({ metrics: m(3), params: [{ key: "lr", value: "0.125" }] });
  rmSync(join(run, "meta.yaml"));
  writeFileSync(join(run, "params", "lr"), "0.1");
  appendFileSync(join(run, "metrics", "m"), "20");
  writeFileSync(join(run, `.pulse-${"a".repeat(16)}${"0".repeat(8)}${"0".repeat(8)}.tmp`), "left");
  assert.equal(store.applySync([change(id, { metrics: m(1) })])[0]?.kind, "rejected", "without its file it is no run");
  const whole = change(id, {
    create: start(),
    attempted: true,
    metrics: m(5),
    params: [{ key: "lr", value: "0.125" }],
  });
  assert.equal(new MlrunsStore(root, { clock }).applySync([whole])[0]?.kind, "done");
  const read = readRun(root, id);
  assert.deepEqual([steps(read?.metrics["m"]), read?.params], [[0, 1, 2, 3, 4], { lr: "0.125" }]);
});

describe("keys that cannot be file names get another one, which a tag explains", () => {
  test("a key beside one that begins with it", () => {
    const { apply, read, run } = fresh({
      metrics: [point("loss/train", 1, 0)],
      params: [{ key: "p", value: "1" }],
      tags: [{ key: "t/u", value: "1" }],
    });
    const late = {
      metrics: [point("loss", 2, 0)],
      params: [{ key: "p/q", value: "2" }],
      tags: [{ key: "t", value: "3" }],
    };
    for (let again = 0; again < 2; again++) assert.equal(apply(late).kind, "done");
    const { metrics, params, tags } = read() ?? assert.fail();
    const mended = Object.keys(metrics).find((key) => /^loss_[0-9a-f]{8}$/.test(key)) ?? "";
    assert.deepEqual(metrics[mended], [[0, 2_000, 2]]);
    assert.equal(tags[`pulse.key.${mended}`], "loss");
    assert.deepEqual(Object.values(params), ["1", "2"]);
    assert.ok(Object.keys(tags).some((key) => /^t_[0-9a-f]{8}$/.test(key)));
    assert.equal(apply({ params: [{ key: "p/q", value: "other" }] }).kind, "conflict");
    assert.equal(existsSync(join(run, "metrics", "loss", "train")), true);
  });

  test("a key longer than names may be", () => {
    const long = "日".repeat(240);
    const { read } = fresh({ metrics: [point(long, 1, 0)], params: [{ key: `a/${long}`, value: "1" }] });
    const [key = ""] = Object.keys(read()?.metrics ?? {});
    assert.match(key, /^日{66}_[0-9a-f]{8}$/);
    assert.equal(read()?.tags[`pulse.key.${key}`], long);
  });

  test("a key of characters of four bytes", () => {
    const long = "𠀀".repeat(100);
    const { read, apply } = fresh();
    const outcome = apply({ metrics: [point(long, 1, 0)] });
    assert.ok(outcome.kind === "done" && outcome.refused === undefined);
    const [key = ""] = Object.keys(read()?.metrics ?? {});
    assert.equal(read()?.tags[`pulse.key.${key}`], long);
  });

  test("a key that leads out of the run and an invalid point are refused alone", () => {
    const { apply, read, root } = fresh();
    for (const key of ["../x", "/x", "a/../../x", "a//b", "", "nul\0"]) {
      const outcome = apply({
        metrics: [point(key, 1, 0), point("good", 1, 0)],
        params: [{ key, value: "1" }],
        tags: [{ key, value: "1" }],
      });
      assert.ok(outcome.kind === "done");
      assert.deepEqual(outcome.refused?.map(({ what, error }) => [what, error.code]), [["param", "INVALID_KEY"], ["tag", "INVALID_KEY"], ["metric", "INVALID_KEY"]], key); // biome-ignore format: three pairs
    }
    const outcome = apply({ metrics: [{ ...point("good", 1, 1), timestamp: 1.5 }] });
    assert.ok(outcome.kind === "done" && outcome.refused?.[0]?.error.code === "INVALID_VALUE");
    assert.deepEqual(Object.keys(read()?.metrics ?? {}), ["good"]);
    assert.deepEqual(
      Object.keys(filesIn(join(root, ".."))).filter((path) => basename(path) === "x"),
      [],
    );
  });
});

describe("foreign files are neither followed nor waited for", () => {
  test("links and pipes in the place of files", () => {
    const { run, apply, read } = fresh();
    const outside = join(folder, `outside ${places}`);
    writeFileSync(outside, "mine");
    symlinkSync(outside, join(run, "metrics", "link"));
    execFileSync("mkfifo", [join(run, "metrics", "pipe")]);
    const outcome = apply({ metrics: [point("link", 1, 0), point("pipe", 1, 0), point("good", 1, 0)] });
    assert.ok(outcome.kind === "done");
    assert.deepEqual(outcome.refused?.map(({ key, error }) => [key, error.code]), [["link", "REJECTED"], ["pipe", "REJECTED"]]); // biome-ignore format: two pairs
    assert.equal(readFileSync(outside, "utf8"), "mine");
    rmSync(join(run, "metrics", "pipe"));
    rmSync(join(run, "metrics", "link"));
    assert.deepEqual(Object.keys(read()?.metrics ?? {}), ["good"]);
  });

  for (const [what, text] of [
    [
      "a bomb of aliases",
      `a: &a [x,x,x,x,x,x,x,x,x]\n${"bcdefghi"
        .split("")
        .map((name, i) => `${name}: &${name} [${`*${"abcdefgh"[i]},`.repeat(9)}]`)
        .join("\n")}\nname: *i\n`,
    ],
    ["a tag of Python's", "!!python/object/apply:os.system ['touch /tmp/owned']\n"],
    ["a field with a tag", "name: !!python/object/apply:os.system ['x']\nartifact_location: y\n"],
    ["a huge one", `name: ${"x".repeat(1_000_000)}\n`],
    ["a deep one", `name: ${"[".repeat(100_000)}`],
    ["one that is empty", ""],
    ["no YAML", "{ name: [\n"],
    ["a list", "- a\n- b\n"],
    ["twice the same field", "name: a\nname: b\n"],
  ] as const)
    test(`an experiment whose file is ${what} is skipped and holds nothing up`, () => {
      const { root, store } = fresh();
      mkdirSync(join(root, "123456789012345678"));
      writeFileSync(join(root, "123456789012345678", "meta.yaml"), text);
      utimesSync(join(root, "123456789012345678", "meta.yaml"), 1, 1); // nobody is writing it any more
      const [outcome] = store.applySync([change(newRun(), { experiment: { name: "another" }, create: start() })]);
      assert.equal(outcome?.kind, "done");
    });

  test("a run with an unreadable file is set aside once nobody can be writing it", () => {
    const { run, again, apply } = fresh();
    writeFileSync(join(run, "meta.yaml"), "");
    const first = apply({ metrics: m(1) }, again());
    assert.equal(first.kind, "retry");
    execFileSync("touch", ["-d", "2020-01-01", join(run, "meta.yaml")]);
    const later = apply({ metrics: m(1) }, again());
    assert.ok(later.kind === "rejected");
    assert.ok(
      later.error.message.includes(join(run, "meta.yaml")) && later.error.message.includes("it is empty"),
      later.error.message,
    );
  });
});

describe("a problem of one item, run or experiment holds up nothing else", () => {
  test("a link to nowhere in the place of a param or a folder", () => {
    const { run, apply } = fresh();
    symlinkSync("/nowhere/at/all", join(run, "params", "p"));
    symlinkSync("/nowhere/at/all", join(run, "metrics", "out"));
    symlinkSync(folder, join(run, "tags", "out"));
    const outcome = apply({
      params: [{ key: "p", value: "1" }],
      metrics: [point("out/x", 1, 0), point("good", 1, 0)],
      tags: [{ key: "out/x", value: "1" }],
    });
    assert.ok(outcome.kind === "done");
    assert.deepEqual(outcome.refused?.map(({ what, key }) => `${what} ${key}`).sort(), [
      "metric out/x",
      "param p",
      "tag out/x",
    ]);
    assert.equal(existsSync(join(folder, "x")), false);
  });

  test("tags of an experiment that cannot be written", () => {
    const { store, root } = fresh();
    const tags = [{ key: "team", value: "a" }, { key: "team/lead", value: "b" }, { key: "../x", value: "c" }]; // biome-ignore format: three tags
    for (const experiment of [
      { name: "tagged", tags },
      { name: "tagged the other way", tags: tags.toReversed() },
    ]) {
      const [outcome] = store.applySync([change(newRun(), { experiment, create: start() })]);
      assert.equal(outcome?.kind, "done");
      const place = readdirSync(root).map((name) => join(root, name)).find((each) => existsSync(join(each, "meta.yaml")) && metaIn(each)["name"] === experiment.name); // biome-ignore format: one search
      assert.deepEqual(Object.values(filesIn(join(place ?? "", "tags"))).sort(), ["a", "b"]);
    }
  });

  test("an experiment that is closed to us, among others", () => {
    const { root, store } = fresh();
    const closed = join(root, "111111111111111111");
    mkdirSync(closed, { mode: 0o700 });
    writeFileSync(join(closed, "meta.yaml"), "name: closed\n", { mode: 0o600 });
    const isRoot = process.getuid?.() === 0;
    if (!isRoot) chmodSync(closed, 0o000);
    for (const each of [root, join(root, ".."), folder]) chmodSync(each, 0o777);
    if (isRoot) process.seteuid?.(65_534);
    try {
      const [outcome] = store.applySync([change(newRun(), { experiment: { name: "brand new" }, create: start() })]);
      assert.equal(outcome?.kind, "done", JSON.stringify(outcome));
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(folder, 0o700);
      if (!isRoot) chmodSync(closed, 0o700);
    }
  });

  test("an invalid metric file when a dead program's run is ended", () => {
    const { run, apply, read } = fresh({ metrics: m(2, 5) });
    writeFileSync(join(run, "metrics", "odd"), "x".repeat(10_000));
    assert.equal(apply({ end: { status: "FAILED", endTime: 1_500, ifRunning: true } }).kind, "done");
    rmSync(join(run, "metrics", "odd"));
    assert.deepEqual([read()?.status, read()?.endTime], ["FAILED", 2_006]);
  });
});

test("an experiment being written right now is waited for, not made again", () => {
  const { root, store } = fresh();
  const theirs = join(root, "222222222222222222");
  mkdirSync(theirs);
  writeFileSync(join(theirs, "meta.yaml"), "");
  const wanted = change(newRun(), { experiment: { name: "theirs" }, create: start() });
  assert.equal(store.applySync([wanted])[0]?.kind, "retry");
  writeFileSync(
    join(theirs, "meta.yaml"),
    "name: theirs\nexperiment_id: '222222222222222222'\nlifecycle_stage: active\n",
  );
  const [outcome] = store.applySync([wanted]);
  assert.equal(outcome?.kind === "done" && outcome.ids?.experimentId, "222222222222222222");
});

test("a repeated creation finds its run in a renamed or deleted experiment", () => {
  for (const [was, is] of [
    ['"Contract"', '"renamed"'],
    ['"active"', '"deleted"'],
  ] as const) {
    // biome-ignore format: two changes
    const { run, apply, again } = fresh({ metrics: m(1) });
    const meta = join(run, "..", "meta.yaml");
    writeFileSync(meta, readFileSync(meta, "utf8").replace(was, is));
    writeFileSync(join(run, "tags", "mlflow.user"), "somebody else");
    assert.equal(apply({ create: start(), attempted: true, metrics: m(2) }, again()).kind, "done");
    assert.equal(runFolders(join(run, "..", "..")).length, 1);
    assert.deepEqual(filesIn(join(run, "metrics"))["m"]?.split("\n").length, 3);
    assert.equal(readFileSync(join(run, "tags", "mlflow.user"), "utf8"), "somebody else");
  }
});

test("a run made and ended for a dead program ends no earlier than its last point", () => {
  const { read } = fresh({ metrics: m(2, 5), end: { status: "FAILED", endTime: 1_500, ifRunning: true } });
  assert.equal(read()?.endTime, 2_006);
});

test("the next program removes what killed ones left unfinished, folders too", () => {
  const { run, apply, again } = fresh();
  const dead = (name: string): string => join(run, `.pulse-${name.repeat(16)}${"0".repeat(16)}.tmp`);
  mkdirSync(dead("a"));
  writeFileSync(join(dead("a"), "meta.yaml"), "");
  writeFileSync(dead("b"), "");
  for (const each of [dead("a"), dead("b")]) utimesSync(each, 1, 1);
  apply({ metrics: m(1) }, again());
  assert.deepEqual(
    readdirSync(run).filter((name) => name.startsWith(".pulse")),
    [],
  );
});

test("a foreign file keeps the fields we do not know", () => {
  const text = `artifact_uri: file:///a
end_time: null
experiment_id: '7' # a comment
run_name: "yes"
status: 1
tags: []
workspace: default
x_int: 012
`;
  const meta = new Meta(text);
  assert.deepEqual(
    [meta.text("run_name"), meta.number("status"), meta.text("end_time"), meta.text("tags")],
    ["yes", 1, undefined, undefined],
  );
  assert.equal(
    meta.with({ status: 3, end_time: 5 }),
    text.replace("status: 1", "status: 3").replace("end_time: null", "end_time: 5"),
  );
  const odd = 'no: "x"\t\u0085\u2028 \u{1f600} \ud800';
  assert.equal(
    new Meta(metaText({ name: odd })).text("name"),
    (odd as string & { toWellFormed(): string }).toWellFormed(),
  );
});

test("plain files, pipes and copies among the experiments are ignored", () => {
  const { root, run, apply } = fresh();
  for (const name of ["LICENSE", "Makefile", "123"]) writeFileSync(join(root, name), "x");
  symlinkSync("itself", join(root, "itself"));
  symlinkSync(join(root, "LICENSE"), join(root, "link"));
  execFileSync("mkfifo", [join(root, "pipe")]);
  cpSync(join(run, ".."), join(root, "0-backup"), { recursive: true });
  const store = new MlrunsStore(root, { clock });
  for (const name of ["Contract", "brand new"]) {
    const id = newRun();
    const [outcome] = store.applySync([change(id, { experiment: { name }, create: start() })]);
    assert.equal(outcome?.kind, "done", JSON.stringify(outcome));
    assert.equal(existsSync(join(root, "0-backup", id)), false);
  }
  assert.equal(apply({ metrics: m(1) }).kind, "done");
});

test("a late file creates nothing where its run was moved, removed or deleted", async () => {
  const { store, run, id } = fresh();
  const place = store.artifactsOf({ runId: id, experimentId: "" }) as ArtifactRepository;
  await place.upload("first.txt", contentOf("x"));
  assert.equal(readFileSync(join(run, "artifacts", "first.txt"), "utf8"), "x");
  const meta = readFileSync(join(run, "meta.yaml"), "utf8");
  writeFileSync(join(run, "meta.yaml"), meta.replace('lifecycle_stage: "active"', 'lifecycle_stage: "deleted"'));
  await assert.rejects(place.upload("late.txt", contentOf("x")), { code: "RUN_DELETED" });
  renameSync(join(run, ".."), join(run, "..", "..", ".trash", basename(join(run, ".."))));
  await assert.rejects(place.upload("late.txt", contentOf("x")), { code: "RUN_NOT_FOUND" });
  assert.equal(existsSync(join(run, "..")), false);
});

test("moved, removed or replaced runs and experiments are found or reported missing", () => {
  const { root, apply, store, run, read } = fresh({ metrics: m(1) });
  const experiment = join(run, "..");
  renameSync(experiment, join(root, ".trash", basename(experiment)));
  assert.equal(apply({ metrics: m(2) }).kind, "done", "the run's own file does not say that it was deleted");
  assert.equal(existsSync(experiment), false, "nothing is made in the old place");
  renameSync(join(root, ".trash", basename(experiment)), experiment);
  assert.deepEqual(steps(read()?.metrics["m"]), [0, 1]);
  rmSync(run, { recursive: true });
  const gone = apply({ metrics: m(3) });
  assert.equal(gone.kind === "rejected" && gone.error.code, "RUN_NOT_FOUND");
  rmSync(root, { recursive: true });
  assert.equal(apply({ create: start(), metrics: m(1) }, store).kind, "done");
  assert.deepEqual(steps(read()?.metrics["m"]), [0]);
  assert.equal(metaIn(join(root, "0"))["name"], "Default");
});

test("a deleted or missing experiment is reported, and no id may be a path", () => {
  const { root, store, run } = fresh();
  const experiment = join(run, "..");
  writeFileSync(
    join(experiment, "meta.yaml"),
    readFileSync(join(experiment, "meta.yaml"), "utf8").replace('"active"', '"deleted"'),
  );
  renameSync(experiment, join(root, ".trash", basename(experiment)));
  const codeOf = (of: RunChange["experiment"]): unknown => {
    const [outcome] = store.applySync([change(newRun(), { experiment: of, create: start() })]);
    return outcome?.kind === "rejected" ? outcome.error.code : outcome?.kind;
  };
  assert.equal(codeOf({ name: "Contract" }), "EXPERIMENT_DELETED");
  assert.equal(codeOf({ id: basename(experiment) }), "EXPERIMENT_DELETED");
  for (const id of ["..", "../..", ".trash", "", "a/b", "123"])
    assert.equal(codeOf({ id }), "EXPERIMENT_NOT_FOUND", id);
  for (const id of ["..", "../x", ".trash", "a/b"]) {
    const [outcome] = store.applySync([change(id, { metrics: m(1) })]);
    assert.equal(outcome?.kind === "rejected" && outcome.error.code, "RUN_NOT_FOUND", id);
  }
});

test("an unusable root counts as away, says why and works once mended", async () => {
  const place = join(folder, `file ${++places}`);
  writeFileSync(place, "no folder");
  const { logger, warnings: said } = collectWarnings();
  const tracker = createTracker({
    trackingUri: place,
    durability: "memory",
    exitTimeoutMs: 200,
    logger,
  });
  tracker.startRun({ runName: "waits" }).end();
  await tracker.flush({ timeoutMs: 300 });
  assert.match(said.join("\n"), /cannot be written.*NOT_WRITABLE/s);
  rmSync(place);
  await tracker.shutdown();
  assert.equal(runFolders(place).length, 1);
});

test("runs of another user are closed to us and wait apart from others", () => {
  const { root, run, apply, store } = fresh();
  const isRoot = process.getuid?.() === 0; // who may write everywhere
  for (const each of [root, join(run, ".."), folder]) chmodSync(each, 0o777);
  for (const each of ["metrics", "tags", "params", "."]) chmodSync(join(run, each), 0o555);
  if (isRoot) process.seteuid?.(65_534);
  try {
    assert.equal(apply({ metrics: m(1) }).kind, "denied");
    assert.equal(store.applySync([change(newRun(), { create: start() })])[0]?.kind, "done");
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
  for (const each of [".", "metrics", "tags", "params"]) chmodSync(join(run, each), 0o755);
  chmodSync(folder, 0o700);
});

test("files have the umask's mode, like MLflow's", () => {
  const { run } = fresh({ params: [{ key: "a", value: "1" }] });
  const mask = process.umask();
  for (const path of ["meta.yaml", "params/a", "tags/mlflow.runName"])
    assert.equal(statSync(join(run, path)).mode & 0o777, 0o666 & ~mask, path);
});
