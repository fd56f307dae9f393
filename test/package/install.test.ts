import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, normalize } from "node:path";
import { before, test } from "node:test";
import { compilers } from "../support/compilers.js";
import { query } from "../support/database.js";
import { tempFolder } from "../support/folders.js";

const root = process.cwd();
const folder = tempFolder("install");
let tarball = "";

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}\n${stdout}\n${stderr}`);
  return stdout;
}

// The built package as a user gets it, unpacked into an otherwise empty project; its optional driver is linked from
// here.
before(() => {
  run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder, "--loglevel=error"], root);
  tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "");
  mkdirSync(join(folder, "node_modules"));
  run("tar", ["-xzf", tarball, "-C", join(folder, "node_modules")], folder);
  run("mv", ["package", "pulse-mlflow"], join(folder, "node_modules"));
  symlinkSync(join(root, "node_modules/@photostructure"), join(folder, "node_modules/@photostructure"));
});

const tsc = (...args: string[]): string =>
  run(
    process.execPath,
    [
      join(root, "node_modules/typescript/bin/tsc"),
      "--ignoreConfig",
      "--strict",
      "--target",
      "es2022",
      "--types",
      "node",
      "--typeRoots",
      join(root, "node_modules/@types"),
      ...args,
    ],
    folder,
  );

const program = (name: string): string => `
import { flush, LogMetric, TrackedExperiment } from "pulse-mlflow";
@TrackedExperiment("Installed", { params: { run_type: "${name}" } })
class Learner {
  @LogMetric
  async evaluate(scale: number): Promise<{ loss: number }> { return { loss: scale / 2 }; }
}
new Learner().evaluate(4).then(() => flush());
`;

test("the tarball holds only the builds, sources and texts, in under 1.5 MB", () => {
  const names = run("tar", ["-tzf", tarball], folder).trim().split("\n");
  const odd = names.filter(
    (name) =>
      !/^package\/(dist\/parts\/(\w+\.cjs|LICENSES\.md)|dist\/(esm|cjs)\/.*\.(js|mjs|cjs|d\.[mc]?ts|js\.map|cjs\.map)|src\/.*\.[mc]?ts|dist\/cjs\/package\.json|package\.json|docs\/[\w-]+\.md|README\.md|LICENSE|CHANGELOG\.md)$/.test(
        name,
      ),
  );
  assert.deepEqual(odd, []);
  assert.ok(statSync(tarball).size < 1_500_000, `${statSync(tarball).size} bytes`);
});

for (const [dialect, flags] of [
  ["standard", []],
  ["legacy", ["--experimentalDecorators", "--emitDecoratorMetadata"]],
] as const) {
  for (const [format, module] of [
    ["ESM", ["--module", "nodenext"]],
    ["CommonJS", ["--module", "commonjs", "--moduleResolution", "bundler"]],
  ] as const) {
    test(`an installed package works in ${format}, ${dialect} dialect`, () => {
      const project = join(folder, `${dialect}-${format}`);
      mkdirSync(project);
      writeFileSync(join(project, "package.json"), JSON.stringify({ type: format === "ESM" ? "module" : "commonjs" }));
      writeFileSync(join(project, "main.ts"), program(`${dialect} ${format}`));
      tsc(...module, ...flags, join(project, "main.ts"));
      run(process.execPath, ["main.js"], project);
      const rows = query(
        join(project, "mlflow.db"),
        "SELECT status, m.key, m.value, p.value AS kind FROM runs JOIN metrics m USING (run_uuid) JOIN params p USING (run_uuid)",
      );
      assert.deepEqual(rows, [{ status: "FINISHED", key: "loss", value: 2, kind: `${dialect} ${format}` }]);
    });
  }
}

for (const [format, name, load] of [
  ["esm", "maps.mjs", 'import { createTracker } from "pulse-mlflow";'],
  ["cjs", "maps.cjs", 'const { createTracker } = require("pulse-mlflow");'],
]) {
  test(`source maps lead into src, and stored stacks have no frame of it (${format})`, () => {
    const code = `${load}
      const tracker = createTracker({ trackingUri: "sqlite:///maps-${format}.db" });
      try { tracker.withRun({ typo: 1 }, () => {}); } catch (error) { console.log(error.stack); }
      try { tracker.withRun({}, () => { throw new TypeError("mine"); }); } catch {}
      tracker.shutdown();`;
    writeFileSync(join(folder, String(name)), code);
    const stack = run(process.execPath, ["--enable-source-maps", String(name)], folder);
    for (const [, path, line] of stack.matchAll(/pulse-mlflow[\\/](src[\\/]\S+\.ts):(\d+):/g)) {
      const source = readFileSync(join(folder, "node_modules/pulse-mlflow", String(path)), "utf8").split("\n");
      assert.match(source[Number(line) - 1] ?? "", /\w\(|throw/, `${path}:${line}`);
    }
    assert.match(stack, /node_modules[\\/]pulse-mlflow[\\/]src[\\/]base[\\/]wrong-input\.ts:/);
    // In a folder whose URL is not its path
    const other = join(folder, `ma ps-${format}`);
    cpSync(join(folder, "node_modules/pulse-mlflow"), join(other, "node_modules/pulse-mlflow"), { recursive: true });
    writeFileSync(join(other, String(name)), code.replace("sqlite:///", "sqlite:///../"));
    run(process.execPath, ["--enable-source-maps", String(name)], other);
    const stored = query(join(folder, `maps-${format}.db`), "SELECT value FROM tags WHERE key = 'error.stack'");
    assert.equal(stored.length, 2);
    for (const { value } of stored) assert.doesNotMatch(String(value), /node_modules.pulse-mlflow/);
    const [row] = query(join(folder, `maps-${format}.db`), "SELECT value FROM tags WHERE key = 'error.stack'");
    assert.match(String(row?.["value"]), /TypeError: mine\n +at /);
    assert.doesNotMatch(String(row?.["value"]), /node_modules.pulse-mlflow/);
  });
}

/** The section of the README in which a first program is written, compiled and run. */
function firstRun(): string {
  const readme = readFileSync(join(folder, "node_modules/pulse-mlflow/README.md"), "utf8");
  return /^## Your first run[\s\S]*?(?=^###? )/m.exec(readme)?.[0] ?? "";
}

/** What the blocks of this language hold. */
const blocks = (language: string, text: string): string[] =>
  [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map(([, code]) => String(code));

const ERROR = /SyntaxError: Invalid or unexpected token/;

for (const version of ["5.9", "6", "7"])
  test(`the README's first run works word for word with TypeScript ${version}`, async () => {
    const readme = readFileSync(join(folder, "node_modules/pulse-mlflow/README.md"), "utf8");
    const [install = "", build = "", look = "", ...others] = blocks("sh", firstRun());
    const [tsconfig = ""] = blocks("json", firstRun());
    assert.deepEqual(others, []);
    const [init = "", ...installs] = install.trim().split("\n");
    assert.deepEqual(installs, ["npm install pulse-mlflow", "npm install --save-dev typescript @types/node"]);

    const project = join(folder, `first-${version}`);
    mkdirSync(join(project, "node_modules/.bin"), { recursive: true });
    const sh = (command: string) => spawnSync(command, { cwd: project, encoding: "utf8", shell: true });
    const must = (command: string): string => {
      const { status, stdout, stderr } = sh(command);
      assert.equal(status, 0, `${command}\n${stdout}\n${stderr}`);
      return stdout;
    };
    must(init);
    // What the two lines would install.
    symlinkSync(join(root, "node_modules/@types"), join(project, "node_modules/@types"));
    const compiler = (await compilers()).get(version) ?? "";
    symlinkSync(compiler, join(project, "node_modules/typescript"));
    symlinkSync("../typescript/bin/tsc", join(project, "node_modules/.bin/tsc"));
    assert.ok(must("npx tsc --version").includes(`Version ${version}`));

    writeFileSync(join(project, "first.ts"), blocks("ts", readme)[0] ?? "");
    writeFileSync(join(project, "tsconfig.json"), tsconfig);
    const said = must(build);
    assert.match(
      said,
      /^Logged \{ avg_confidence: 0\.98, avg_fragility: 0\.02 \} as a run of experiment PulseMetaLearning into mlflow\.db/,
    );
    const rows = query(
      join(project, "mlflow.db"),
      `SELECT experiment_id, e.name, status, (SELECT count(*) FROM params p WHERE p.run_uuid = r.run_uuid) AS params,
         (SELECT count(*) FROM metrics m WHERE m.run_uuid = r.run_uuid) AS metrics FROM runs r JOIN experiments e USING (experiment_id)`,
    );
    const [, id] =
      /^ *http:\/\/127\.0\.0\.1:5000\/#\/experiments\/(\d+)\/runs\?workflowType=machine_learning$/m.exec(said) ?? [];
    assert.deepEqual(rows, [
      { experiment_id: Number(id), name: "PulseMetaLearning", status: "FINISHED", params: 3, metrics: 2 },
    ]);
    const [command] = /mlflow ui .*/.exec(said) ?? [];
    assert.ok(look.includes(`\n${command} `), "it is looked at as the program says");
    assert.match(look, /^npx pulse-mlflow runs /);
    assert.match(
      must(`node "${join(folder, "node_modules/pulse-mlflow/dist/esm/cli/main.js")}" runs`),
      /avg_confidence +avg_fragility\n.* FINISHED .* 0\.98 +0\.02\n1 run\n/,
    );

    // What `tsc --init` writes compiles, and what comes out no Node parses.
    rmSync(join(project, "tsconfig.json"));
    must("npx tsc --init && npx tsc");
    assert.match(sh("node first.js").stderr, ERROR);
    assert.match(firstRun(), ERROR);
    const [, wrong = "", right = ""] = /`("target": ".*?")`, make it `(".*?")`/.exec(firstRun()) ?? [];
    const written = readFileSync(join(project, "tsconfig.json"), "utf8");
    assert.ok(written.includes(wrong));
    writeFileSync(join(project, "tsconfig.json"), written.replace(wrong, `"target": ${right}`));
    assert.match(must(build), /^Logged /);
  });

test("every link in the README and docs leads to a file in the package", () => {
  const base = join(folder, "node_modules/pulse-mlflow");
  const texts = ["README.md", ...readdirSync(join(base, "docs")).map((name) => `docs/${name}`)];
  /** The anchors that a page has: GitHub's way of making them of headings. */
  const anchors = (path: string): Set<string> => {
    const headings = withoutCode(readFileSync(join(base, path), "utf8")).matchAll(/^#+ (.*)$/gm);
    const found = new Set<string>();
    for (const [, heading] of headings) {
      const anchor = String(heading)
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
        .replaceAll(" ", "-");
      let unique = anchor;
      for (let n = 1; found.has(unique); n++) unique = `${anchor}-${n}`;
      found.add(unique);
    }
    return found;
  };
  const dead: string[] = [];
  let followed = 0;
  for (const text of texts) {
    const links = withoutCode(readFileSync(join(base, text), "utf8")).matchAll(/\]\(([^)\s]+)\)/g);
    for (const [, link = ""] of links) {
      if (/^https:\/\//.test(link)) continue;
      followed++;
      const [path, anchor] = link.split("#");
      const target = path === "" ? text : normalize(join(text, "..", String(path)));
      if (!existsSync(join(base, target)) || (anchor !== undefined && !anchors(target).has(anchor)))
        dead.push(`${text}: ${link}`);
    }
  }
  assert.deepEqual(dead, []);
  assert.ok(followed >= 30, `${followed} links`);
});

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, "");

test("the package says where it comes from and where to report bugs", () => {
  const { repository, bugs, homepage } = JSON.parse(
    readFileSync(join(folder, "node_modules/pulse-mlflow/package.json"), "utf8"),
  );
  const home = "https://github.com/pulse-mlflow/pulse-mlflow";
  assert.deepEqual([repository.url, bugs, homepage], [`git+${home}.git`, `${home}/issues`, `${home}#readme`]);
});

test("the ESM and the CommonJS copy of one process share runs and plans", () => {
  const script = join(folder, "both.mjs");
  writeFileSync(
    script,
    `import { createRequire } from "node:module";
     import { createTracker, currentRun, LogMetric } from "pulse-mlflow";
     const cjs = createRequire(import.meta.url)("pulse-mlflow");
     if (cjs.currentRun === currentRun) throw new Error("one copy only: nothing is tested");
     createTracker({ trackingUri: "null:" }).withRun({}, (run) => {
       if (cjs.currentRun() !== run) throw new Error("the run is not shared");
       cjs.withRun({}, (child) => child.logMetric("m", 1)); // a run of one copy below a run of the other
       cjs.startRun().end();
     });
     const fn = () => 1;
     const once = LogMetric({}, "fn", { value: fn }).value;
     if (cjs.LogMetric("x")({}, "fn", { value: once }).value !== once) throw new Error("plans are not shared");
     try { cjs.requireRun(); } catch (error) { if (!(error instanceof (await import("pulse-mlflow")).PulseError)) throw new Error("errors are not shared"); }`,
  );
  run(process.execPath, [script], folder);
});

test("the command line is there", () => {
  const { bin } = JSON.parse(readFileSync(join(folder, "node_modules/pulse-mlflow/package.json"), "utf8"));
  const program = join(folder, "node_modules/pulse-mlflow", bin["pulse-mlflow"]);
  assert.match(readFileSync(program, "utf8"), /^#!\/usr\/bin\/env node\n/);
  assert.match(run(process.execPath, [program, "--version"], folder), /^\d+\.\d+\.\d+\n$/);
  const { XDG_STATE_HOME: before } = process.env;
  process.env["XDG_STATE_HOME"] = join(folder, "state"); // other tests leave something in theirs
  try {
    assert.match(run(process.execPath, [program, "doctor"], folder), /Nothing to do/);
  } finally {
    process.env["XDG_STATE_HOME"] = before;
  }
});

test("publint and attw find nothing", () => {
  run(process.execPath, [join(root, "node_modules/publint/src/cli.js"), "run", tarball, "--strict"], folder);
  run(process.execPath, [join(root, "node_modules/@arethetypeswrong/cli/dist/index.js"), tarball], folder);
});

test("importing the package loads no SQLite driver and no framework", () => {
  const script = join(folder, "light.mjs");
  writeFileSync(
    script,
    `const before = new Set(process.moduleLoadList);
     await import("pulse-mlflow");
     const native = process.report.getReport().sharedObjects.filter((name) => name.endsWith(".node"));
     if (native.length > 0) throw new Error(native.join());
     const loaded = process.moduleLoadList.filter((name) => !before.has(name) && /sqlite|http|undici|worker/i.test(name));
     if (loaded.length > 0) throw new Error(loaded.join());`,
  );
  run(process.execPath, [script], folder);
});
