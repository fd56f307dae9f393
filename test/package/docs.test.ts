import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folders.js";

const root = process.cwd();
const folder = tempFolder("docs");

/**
 * Every TypeScript block of the README and the guides, and every `@example` of a docstring, as a program of its own.
 */
function examples(dialect: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of ["README.md", ...readdirSync("docs").map((name) => `docs/${name}`)])
    for (const [, only, code] of readFileSync(file, "utf8").matchAll(/```ts(?: (\w+))?\n([\s\S]*?)```/g))
      if (only === undefined || only === dialect)
        found.set(`${file.replace(/\W/g, "-")}-${found.size + 1}`, String(code));
  for (const file of readdirSync("src", { recursive: true }).map(String)) {
    if (!file.endsWith(".ts")) continue;
    for (const [, comment] of readFileSync(join("src", file), "utf8").matchAll(/@example\n([\s\S]*?)\*\//g)) {
      const text = String(comment).replace(/^ *\*( |$)/gm, "");
      const code = /^```ts\n([\s\S]*)```\s*$/.exec(text)?.[1] ?? text;
      found.set(`${file.replace(/\W/g, "-")}-${found.size + 1}`, `${preamble(code)}${code}`);
    }
  }
  return found;
}

/** Docstrings leave out what stands around them: imports of this package, and a thing or two they talk about. */
function preamble(code: string): string {
  const entry = readFileSync("dist/esm/index.js", "utf8");
  const names = [...entry.matchAll(/export ?\{([^}]*)\}/g)]
    .flatMap(([, list]) => String(list).split(","))
    .map((name) => name.trim());
  const used = names.filter((name) => name !== "" && new RegExp(`(?<!\\.)\\b${name}\\b`).test(code));
  const context = [
    /\brun\./.test(code) && !/\brun\b[^.]*=>|run = /.test(code)
      ? 'import { startRun as open } from "pulse-mlflow";\nconst run = open();'
      : "",
    /\b(writeFileSync|mkdirSync)\b/.test(code) && !code.includes("node:fs")
      ? 'import { mkdirSync, writeFileSync } from "node:fs";'
      : "",
    /\bsocket\b/.test(code) ? 'import { EventEmitter } from "node:events";\nconst socket = new EventEmitter();' : "",
  ];
  const imports = used.length > 0 ? `import { ${used.join(", ")} } from "pulse-mlflow";\n` : "";
  return `${imports}${context.join("\n")}\n`;
}

for (const [dialect, flags] of [
  ["standard", []],
  ["legacy", ["--experimentalDecorators"]],
] as const) {
  test(`every example of README, cookbook and docstrings compiles and runs (${dialect})`, () => {
    const programs = examples(dialect);
    assert.ok(programs.size >= 40, `${programs.size} examples`);
    const project = join(folder, dialect);
    mkdirSync(join(project, "node_modules"), { recursive: true });
    symlinkSync(root, join(project, "node_modules/pulse-mlflow"));
    for (const scope of ["@nestjs", "@opentelemetry"]) mkdirSync(join(project, "node_modules", scope));
    for (const name of [
      "cls-hooked",
      "reflect-metadata",
      "@opentelemetry/api",
      "rxjs",
      "@nestjs/common",
      "@nestjs/core",
    ])
      symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
    writeFileSync(join(project, "package.json"), '{ "type": "module" }');
    const files = [...programs].map(([name, code]) => {
      writeFileSync(join(project, `${name}.ts`), `${code}\nexport {};\n`);
      return join(project, `${name}.ts`);
    });
    const tsc = spawnSync(
      process.execPath,
      [
        ...[
          join(root, "node_modules/typescript/bin/tsc"),
          "--ignoreConfig",
          "--strict",
          "--skipLibCheck",
          "--target",
          "es2022",
        ],
        ...[
          "--lib",
          "es2022,esnext.disposable",
          "--module",
          "nodenext",
          "--types",
          "node",
          "--typeRoots",
          join(root, "node_modules/@types"),
        ],
        ...[...flags, ...files],
      ],
      { cwd: project, encoding: "utf8" },
    );
    assert.equal(tsc.status, 0, tsc.stdout);
    for (const file of files) {
      const { status, stderr } = spawnSync(process.execPath, [file.replace(/\.ts$/, ".js")], {
        cwd: project,
        encoding: "utf8",
      });
      assert.equal(status, 0, `${file}\n${stderr}`);
      assert.equal(stderr, "", file);
    }
  });
}

test("the README is short: what it is, two minutes, and where to read on", () => {
  const words = readFileSync("README.md", "utf8").split(/\s+/).length;
  assert.ok(words <= 1_300, `${words} words`);
});
