// Test runners that compile by themselves: each program becomes a test file.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { swcOptions } from "./compilers.mjs";
import { tool } from "./install.mjs";

const write = (folder, name, text) => writeFileSync(join(folder, name), text);

/** The matchers in the hands of a real runner. */
const matchers = (imports) => `${imports}
import { createTestTracker, pulseMatchers } from "pulse-mlflow/testing";
expect.extend(pulseMatchers);
test("matchers", () => {
  const tracker = createTestTracker();
  tracker.withRun({ runName: "trial", params: { lr: 0.1 } }, (run) => {
    run.logMetric("loss", 0.5);
    run.logText("# Report", "report.md");
  });
  expect(tracker).toHaveLoggedArtifact("report.md", { text: "# Report" });
  expect(tracker).not.toHaveLoggedArtifact("report.txt");
  expect(tracker).toHaveLoggedMetric("loss", { near: 0.5, steps: [0] });
  expect(tracker).not.toHaveLoggedMetric("accuracy");
  expect(tracker.onlyRun).toHaveRun({ status: "FINISHED", params: { lr: 0.1 } });
  expect(() => expect(tracker).toHaveRun({ status: "FAILED" })).toThrow(/trial \\(FINISHED\\): status is 'FINISHED'/);
  expect(tracker.snapshot()).toEqual([expect.objectContaining({ name: "trial", metrics: { loss: [[0, 0.5]] }, children: [] })]);
});
`;

const plugins = {
  plain: () => "",
  swc: (dialect) =>
    `oxc: false, plugins: [swc.vite({ ...${JSON.stringify(swcOptions(dialect))}, tsconfigFile: false })],`,
  esbuild: () => `oxc: false, plugins: [{
    name: "esbuild",
    transform: (code, id) => /\\.ts$/.test(id) && esbuild.transform(code, { loader: "ts", target: "es2022", sourcefile: id, tsconfigRaw: tsconfig }),
  }],`,
};

/** Writes the test files and the settings of Vitest; its arguments. */
export const vitest =
  (plugin) =>
  ({ folder, dialect, programs }) => {
    for (const program of programs) {
      write(
        folder,
        `${program}.test.ts`,
        `import { test } from "vitest"; import { done } from "./${program}.js"; test("${program}", () => done);`,
      );
    }
    write(folder, "matchers.test.ts", matchers('import { expect, test } from "vitest";'));
    write(
      folder,
      "vitest.config.mjs",
      `import { readFileSync } from "node:fs";
import * as esbuild from "esbuild";
import swc from "unplugin-swc";
const tsconfig = readFileSync(new URL("tsconfig.json", import.meta.url), "utf8");
export default { ${plugins[plugin](dialect)} test: { include: ["*.test.ts"] } };`,
    );
    return [tool("vitest/vitest.mjs"), "run", "--root", folder];
  };

/** Likewise for Jest, whose modules are CommonJS. */
export const jest = ({ folder, dialect, programs }) => {
  for (const program of programs) {
    write(folder, `${program}.test.ts`, `import { done } from "./${program}"; test("${program}", () => done);`);
  }
  write(folder, "matchers.test.ts", matchers(""));
  const options = {
    transform: { "\\.ts$": ["@swc/jest", swcOptions(dialect)] },
    cacheDirectory: join(folder, "cache"),
    watchman: false,
  };
  write(folder, "jest.config.json", JSON.stringify(options));
  return [tool("jest/bin/jest.js"), "--runInBand", "--config", join(folder, "jest.config.json")];
};
