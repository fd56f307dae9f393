import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/**
 * Gives the declarations an entry leads to, file after file: what a user's compiler can see; without those that `other`
 * leads to as well.
 */
export function declarations(root: string, entry: string, other?: string): string {
  const common = other === undefined ? new Set<string>() : reached(root, other);
  return [...reached(root, entry)]
    .filter((file) => !common.has(file))
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
