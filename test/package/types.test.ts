import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const folder = mkdtempSync(join(tmpdir(), "pulse-types-"));
after(() => rmSync(folder, { recursive: true }));
const tsc = (...args: string[]) => spawnSync(process.execPath, ["node_modules/typescript/bin/tsc", ...args], { encoding: "utf8" });

for (const [dialect, project] of [
  ["standard", "test/types/tsconfig.json"],
  ["legacy", "test/types/tsconfig.legacy.json"],
] as const) {
  test(`${dialect}: what must compile does, and what must not does not`, () => {
    const { status, stdout } = tsc("-p", project);
    assert.equal(status, 0, stdout);
  });
}

test("a wrong path is shown with the path and what is wrong with it", () => {
  symlinkSync(process.cwd(), join(folder, "package"));
  const file = join(folder, "wrong.ts");
  writeFileSync(
    file,
    `import { LogMetric, LogParam } from "./package/dist/esm/index.js";
     export class A {
       @LogMetric("final.los") m() { return { final: { loss: 1 } }; }
       @LogParam("1.nope") p(a: number, o: { lr: number }) { return a + o.lr; }
     }`,
  );
  for (const flags of [[], ["--experimentalDecorators"]]) {
    const { status, stdout } = tsc(
      "--ignoreConfig",
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--module",
      "nodenext",
      "--target",
      "es2023",
      ...flags,
      file,
    );
    assert.equal(status, 1, stdout);
    assert.match(stdout, /NotANumberInTheResult<"final\.los">/);
    assert.match(stdout, /NotAnArgument<"1\.nope">/);
  }
});
