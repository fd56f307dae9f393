import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { compilers } from "../support/compilers.js";
import { tempFolder } from "../support/folders.js";

const folder = tempFolder("editors");
symlinkSync(join(process.cwd(), "node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "package.json"), '{ "type": "module" }');

const program = `
import * as root from "${process.cwd()}/dist/esm/index.js";
import * as testing from "${process.cwd()}/dist/esm/testing/index.js";
import * as hooked from "${process.cwd()}/dist/esm/integrations/cls-hooked.js";
import { LogMetric, LogParam, LogTag, TrackedExperiment, TrackedRun, tracked, withRun, createTracker, defineExperiment } from "${process.cwd()}/dist/esm/index.js";
class Places {
  @LogMetric /*LogMetric*/ a() { return 1; }
  @LogMetric("loss") /*LogMetric*/ b() { return { loss: 1 }; }
  @LogMetric() /*LogMetric*/ c() { return 1; }
  @LogParam(["lr"]) /*LogParam*/ d(lr: number) {}
  @LogParam /*LogParam*/ e() {}
  @LogTag("x") /*LogTag*/ f() { return "x"; }
  @TrackedRun({ metrics: "loss" }) /*TrackedRun*/ g() { return { loss: 1 }; }
  @TrackedExperiment("Own") /*TrackedExperiment*/ h() {}
}
tracked((lr: number) => ({ loss: lr }), { metrics: (r) => r.loss }) /*tracked*/;
withRun({ metrics: "loss" }, () => ({ loss: 1 })) /*withRun*/;
createTracker({}) /*createTracker*/;
defineExperiment({ name: "x", metrics: {} }) /*defineExperiment*/;
tracked((lr: number) => ({ loss: lr }), { metrics: "loss", /*offers failOn*/ });
withRun({ /*offers foldKey*/ }, () => ({ loss: 1 }));
class Options {
  @LogMetric("loss", { /*offers everyN*/ }) a() { return { loss: 1 }; }
  @TrackedRun({ /*offers sample*/ }) b() {}
  @TrackedExperiment({ /*offers runName*/ }) c() {}
  @TrackedExperiment("Own", { /*offers params*/ }) d() {}
}
export { root, testing, hooked };
`;

/** How each one's text begins. */
const TEXTS: Readonly<Record<string, string>> = {
  LogMetric: "Logs numbers that the method returns",
  LogParam: "Logs arguments of the method",
  LogTag: "Sets tags from what the method returns",
  TrackedRun: "Opens a run for each call of the method",
  TrackedExperiment: "On a class: calls of its methods",
  tracked: "Returns a function that opens a run for each call",
  withRun: "Opens a run, calls `fn`",
  createTracker: "Creates a tracker",
  defineExperiment: "Defines what the runs of an experiment log",
};

// What the compiler's own interface gives, as far as it is asked here; the one that builds this has none.
interface Part {
  readonly text: string;
}
interface Tag {
  readonly name: string;
  readonly text?: readonly Part[];
}
interface QuickInfo {
  readonly displayParts: readonly Part[];
  readonly documentation: readonly Part[];
  readonly tags?: readonly Tag[];
}

// biome-ignore lint/suspicious/noExplicitAny: of the compiler only the few lines below are used
type Compiler = any;

const textOf = (parts: readonly Part[] | undefined): string => (parts ?? []).map(({ text }) => text).join("");

function languageService(ts: Compiler, file: string, legacy: boolean): Compiler {
  const { sys } = ts;
  return ts.createLanguageService({
    ...sys,
    useCaseSensitiveFileNames: () => sys.useCaseSensitiveFileNames,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (path: string) =>
      sys.fileExists(path) ? ts.ScriptSnapshot.fromString(sys.readFile(path)) : undefined,
    getCurrentDirectory: () => folder,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getCompilationSettings: () => ({
      strict: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      types: ["node"],
      skipLibCheck: true,
      experimentalDecorators: legacy,
    }),
  });
}

for (const version of ["6", "5.9"]) {
  for (const legacy of [false, true]) {
    test(`editors show each call's text (${version}, ${legacy ? "legacy" : "standard"})`, async () => {
      const ts = createRequire(import.meta.url)(String((await compilers()).get(version))) as Compiler;
      const file = join(folder, "program.ts");
      writeFileSync(file, program);
      const service = languageService(ts, file, legacy);
      const wrong = service.getSemanticDiagnostics(file) as { messageText: unknown }[];
      assert.deepEqual(
        wrong.map(({ messageText }) => messageText),
        [],
      );
      for (const [line, name] of [...program.matchAll(/^.*\/\*(\w+)\*\/.*$/gm)].map(
        ([text, found]) => [text, String(found)] as const,
      )) {
        const at = program.indexOf(line) + line.indexOf(name);
        const info = service.getQuickInfoAtPosition(file, at) as QuickInfo;
        const documentation = textOf(info.documentation);
        assert.ok(documentation.startsWith(String(TEXTS[name])), `${line}\n${documentation}`);
        const example = textOf(info.tags?.find((tag) => tag.name === "example")?.text);
        assert.match(example, /^```ts\n[\s\S]*\n```$/, line);
        if (/^[LT]/.test(name)) assert.match(example, new RegExp(`@${name}\\(`), line);
      }
      for (const { index, 1: name } of program.matchAll(/\/\*offers (\w+)\*\//g)) {
        const offered = service.getCompletionsAtPosition(file, index, {}) as
          | { entries: { name: string }[] }
          | undefined;
        const names = offered?.entries.map((entry) => entry.name) ?? [];
        assert.ok(names.includes(String(name)) && names.length < 25, `${name}: ${names.slice(0, 30)}`);
      }
    });
  }
}

test("editors cut off no example at a decorator", async () => {
  const ts = createRequire(import.meta.url)(String((await compilers()).get("5.9"))) as Compiler;
  const file = join(folder, "exports.ts");
  writeFileSync(file, program);
  const program_ = languageService(ts, file, false).getProgram();
  const checker = program_.getTypeChecker();
  const known = new Set(["default", "deprecated", "example", "experimental", "internal", "param", "returns", "throws"]);
  let examples = 0;
  const look = (symbol: Compiler, deep: boolean): void => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    for (const { name, text } of target.getJsDocTags(checker) as Tag[]) {
      assert.ok(known.has(name), `@${name} is no tag of ${symbol.name}: its example is cut off there`);
      if (name !== "example") continue;
      examples++;
      assert.match(textOf(text), /^(```ts\n[\s\S]*\n```|.+)$/, symbol.name); // one line needs no fence
    }
    if (deep) for (const member of target.members?.values() ?? []) look(member, false);
  };
  const declarations = program_
    .getSourceFiles()
    .filter((each: { fileName: string }) => each.fileName.startsWith(`${process.cwd()}/dist/`));
  for (const each of declarations)
    for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(each) ?? { exports: new Map() }))
      look(symbol, true);
  assert.ok(examples >= 20, `${examples} examples`);
});
