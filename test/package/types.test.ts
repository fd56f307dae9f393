import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { compilers } from "../support/compilers.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("types");

/** The folder of each supported TypeScript, by its version. */
const versions = ["7", "6", "5.9"];
let typescript: ReadonlyMap<string, string>;
before(async () => {
  typescript = await compilers();
  // The programs of test/types as a user has them, with the package as it is built.
  symlinkSync(join(process.cwd(), "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const name of readdirSync("test/types").filter((file) => file.endsWith(".ts")))
    writeFileSync(join(folder, name), programText(name));
});

const programText = (name: string): string =>
  readFileSync(join("test/types", name), "utf8").replace(
    /"(\.\.\/\.\.\/src\/index\.js|pulse-mlflow)"/,
    `"${process.cwd()}/dist/esm/index.js"`,
  );

/** Compiles programs; gives what the compiler says. */
function compile(version: string, flags: readonly string[], programs: readonly string[]): string {
  const args = [
    ...[
      join(typescript.get(version) ?? "", "bin/tsc"),
      ...(version === "5.9" ? [] : ["--ignoreConfig"]),
      "--noEmit",
      "--pretty",
      "false",
    ],
    ...["--target", "es2023", "--lib", "es2023,esnext.disposable", "--module", "nodenext", "--types", "node"],
    ...[...flags, ...programs.map((name) => `${name}.ts`)],
  ];
  return spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" }).stdout;
}

const dialects = { standard: [], legacy: ["--experimentalDecorators", "--emitDecoratorMetadata"] };
const programs = ["both", "generic", "paths", "schema", "wrong"];

for (const version of versions) {
  for (const [dialect, flags] of Object.entries(dialects)) {
    test(`TypeScript ${version}, ${dialect}: each mistake gets one clear message in place`, () => {
      const lines = programText("messages.ts").split("\n");
      const expected = new Map<number, RegExpExecArray>();
      lines.forEach((line, index) => {
        const says = /^ *\/\/ (\S+) says: (.*)$/.exec(line);
        if (says) expected.set(index + 2, says);
      });
      const strict = [
        "--strict",
        "--exactOptionalPropertyTypes",
        "--noUncheckedIndexedAccess",
        "--skipLibCheck",
        "false",
      ];
      // In the other programs what must compile does, and what must not does not.
      const said = compile(version, [...strict, ...flags], [...programs, dialect, "strict", "messages"]).split(
        /\n(?=\S)/,
      );
      const found = said.map(
        (text) => /^messages\.ts\((\d+),(\d+)\): ([\s\S]*)$/.exec(text.trimEnd()) ?? assert.fail(text),
      );
      const places = found.map(([, line]) => Number(line));
      assert.deepEqual(places, [...expected.keys()], said.join("\n"));
      for (const [whole, line, column, message] of found) {
        const [, blamed, texts] = expected.get(Number(line)) ?? [];
        assert.ok(
          lines[Number(line) - 1]?.slice(Number(column) - 1).startsWith(String(blamed)),
          `not ${blamed} is blamed:\n${whole}`,
        );
        let at = 0;
        for (const text of String(texts).split(" … ")) {
          at = String(message).indexOf(text, at);
          assert.ok(at >= 0, `it does not say ${text}:\n${whole}`);
        }
      }
    });

    test(`TypeScript ${version}, ${dialect}: programs compile without strictNullChecks`, () => {
      assert.equal(compile(version, ["--strict", "--strictNullChecks", "false", ...flags], [...programs, dialect]), "");
    });
  }
}

test("the declarations of every entry compile by themselves", () => {
  const exported = JSON.parse(readFileSync("package.json", "utf8")).exports as Record<
    string,
    Record<string, { types: string }>
  >;
  const entries = Object.values(exported).flatMap((entry) =>
    [entry["import"], entry["require"]].flatMap((way) => way?.types ?? []),
  );
  assert.ok(entries.length >= 6);
  entries.forEach((entry, i) => {
    writeFileSync(
      join(folder, `entry${i}.ts`),
      `export * from "${process.cwd()}/${entry.replace(/d\.(c?)ts$/, "$1js")}";\n`,
    );
  });
  const programs = entries.map((_, i) => `entry${i}`);
  for (const version of versions)
    assert.equal(
      compile(version, ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false"], programs),
      "",
    );
});

test("programs compile without strict", () => {
  for (const [dialect, flags] of Object.entries(dialects))
    assert.equal(compile("7", ["--strict", "false", ...flags], [...programs, dialect]), "");
});

/** Decorators that were called, as a library exports them. */
const EXPORTED = `import { defineExperiment, LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun, tracked } from "pulse-mlflow";
export function Timed(name: string) { return LogMetric(name, { prefix: "t/" }); }
export const [Job, Rate, Stage, Sweep] = [TrackedRun({ tags: { kind: "job" } }), LogParam("lr"), LogTag("stage"), TrackedExperiment("A")];
export const Schema = defineExperiment({ name: "S", metrics: { loss: {} } });
export const [Loss, InSchema, Bare] = [Schema.LogMetric("loss"), Schema.TrackedExperiment(), LogMetric()];
export const train = tracked((lr: number) => ({ loss: lr }), { metrics: "loss" });
`;

test("decorators and tracked functions can be exported with declarations", () => {
  const user = tempFolder("user", folder);
  mkdirSync(join(user, "node_modules"));
  symlinkSync(process.cwd(), join(user, "node_modules/pulse-mlflow"));
  symlinkSync(join(process.cwd(), "node_modules/@types"), join(user, "node_modules/@types"));
  writeFileSync(join(user, "package.json"), '{ "type": "module" }');
  writeFileSync(join(user, "exported.ts"), EXPORTED);
  for (const version of versions)
    for (const flags of Object.values(dialects)) {
      const args = [
        ...[
          join(typescript.get(version) ?? "", "bin/tsc"),
          ...(version === "5.9" ? [] : ["--ignoreConfig"]),
          "--declaration",
        ],
        ...[
          "--emitDeclarationOnly",
          "--preserveSymlinks",
          "--strict",
          "--target",
          "es2023",
          "--module",
          "nodenext",
          "--types",
          "node",
        ],
      ];
      const { stdout } = spawnSync(process.execPath, [...args, ...flags, "exported.ts"], {
        cwd: user,
        encoding: "utf8",
      });
      assert.equal(stdout, "", version);
      assert.match(
        readFileSync(join(user, "exported.d.ts"), "utf8"),
        /Timed\(name: string\): import\("pulse-mlflow"\)\.Applied</,
      );
    }
});
