// Builds the package twice with plain `tsc`: ES modules into dist/esm, CommonJS into dist/cjs.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));

rmSync(`${root}dist`, { recursive: true, force: true });
// Without maps: the sources they point into are not in the package.
for (const project of ["tsconfig.json", "tsconfig.cjs.json"]) {
  const { status } = spawnSync(process.execPath, [tsc, "-p", project, "--sourceMap", "false", "--declarationMap", "false"], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
writeFileSync(`${root}dist/cjs/package.json`, `${JSON.stringify({ type: "commonjs" })}\n`);

// `require` is found differently in the two formats, and `import.meta` does not compile in one of them: there is a file
// for each, and each build's `#require` is pointed at its own. (An `imports` map would need a second one in dist/cjs.)
for (const [format, file] of [
  ["esm", "require.mjs"],
  ["cjs", "require.cjs"],
]) {
  for (const [user, up] of [
    ["stores/sql/driver.js", "../../"],
    ["capture/sketch.js", "../"],
  ]) {
    const path = `${root}dist/${format}/${user}`;
    const text = readFileSync(path, "utf8");
    if (!text.includes('"#require"')) throw new Error(`${path} no longer imports "#require".`);
    writeFileSync(path, text.replace('"#require"', `"${up}${file}"`));
  }
}
