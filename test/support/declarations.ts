import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/**
 * Gives the declarations an entry leads to, file after file: what a user's compiler can see; without those of the
 * `others` that it leads to.
 */
export function declarations(root: string, entry: string, others: readonly string[]): string {
  const own = reached(root, entry);
  const common = others.filter((other) => other !== entry && own.has(other)).map((other) => reached(root, other));
  return [...own]
    .filter((file) => !common.some((files) => files.has(file)))
    .sort()
    .map(
      (file) =>
        `// ${file}\n${readFileSync(join(root, file), "utf8").replace(/\n?\/\/# sourceMappingURL=.*\n?/, "\n")}`,
    )
    .join("\n");
}

function reached(root: string, entry: string): Set<string> {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = readFileSync(join(root, file), "utf8");
    for (const [, path] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)\.js"/g))
      visit(normalize(join(dirname(file), `${path}.d.ts`)));
  };
  visit(entry);
  return seen;
}
