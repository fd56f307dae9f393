import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PulseError } from "../../base/errors.js";
import { locate } from "../../base/loading.js";
import { shownValue } from "../../base/wrong-input.js";

/** The library that draws a figure. "Vega" includes Vega-Lite. */
type Library = "Plotly" | "Vega";

/** The packages whose browser builds a page embeds, in this order, with the names of the files. */
const PACKAGES: Readonly<Record<Library, readonly (readonly [name: string, file: string])[]>> = {
  Plotly: [["plotly.js-dist-min", "plotly.min.js"]],
  Vega: [
    ["vega", "vega.min.js"],
    ["vega-lite", "vega-lite.min.js"],
    ["vega-embed", "vega-embed.min.js"],
  ],
};

/** The statement that draws the figure in its page. */
const SHOWN: Readonly<Record<Library, (json: string) => string>> = {
  Plotly: (json) => `Plotly.newPlot("figure", ${json});`,
  Vega: (json) => `vegaEmbed("#figure", ${json});`,
};

/** A figure as a file. */
export interface FigureFile {
  readonly path: string;
  readonly text: string;
  /** Packages that are missing, so that the page asked for could not be made. */
  readonly missing?: readonly string[] | undefined;
}

/**
 * Converts a figure to a file: text unchanged (`.svg`, `.html`), an object as JSON or as a self-contained page
 * (`.html`). `json` serializes a value.
 * @throws PulseError `INVALID_VALUE` when it is not a figure, or not of the kind that the name asks for.
 */
export function figureFile(
  figure: object | string,
  path: string,
  json: (value: unknown) => string,
  find: typeof locate = locate,
): FigureFile {
  const ending = /\.(html|svg|json)$/i.exec(path)?.[1]?.toLowerCase();
  const wrong = (what: string): PulseError => new PulseError("INVALID_VALUE", `logFigure: ${what}.`);
  if (typeof figure === "string") {
    if (ending === "svg" ? /<svg[\s>]/i.test(figure) : ending === "html" && figure.includes("<"))
      return { path, text: figure };
    throw wrong(
      `a text must be SVG for a name that ends in .svg, or HTML for one in .html; got ${shownValue(figure)} for ${shownValue(path)}`,
    );
  }
  const library = typeof figure === "object" && figure !== null ? libraryOf(figure) : undefined;
  if (library === undefined)
    throw wrong(
      `a figure of Plotly ({ data, layout }), a specification of Vega-Lite or a text is needed; got ${shownValue(figure)}`,
    );
  if (ending !== "html" && ending !== "json")
    throw wrong(`an object becomes a file that ends in .html or .json; got ${shownValue(path)}`);
  const text = json(figure);
  if (ending === "json") return { path, text };
  const scripts = PACKAGES[library].map(([name, file]) => ({ name, script: scriptOf(find, name, file) }));
  const missing = scripts.flatMap(({ name, script }) => (script === undefined ? [name] : []));
  if (missing.length > 0) return { path: path.replace(/html$/i, "json"), text, missing };
  return {
    path,
    text: pageOf(
      scripts.map(({ script }) => script as string),
      SHOWN[library](inScript(text)),
    ),
  };
}

function libraryOf(figure: object): Library | undefined {
  const { $schema, data, mark, layer, concat, hconcat, vconcat, spec } = figure as Record<string, unknown>;
  if (typeof $schema === "string") return $schema.includes("vega") ? "Vega" : undefined;
  if ([mark, layer, concat, hconcat, vconcat, spec].some((part) => part !== undefined)) return "Vega";
  return Array.isArray(data) ? "Plotly" : undefined;
}

const scripts = new Map<string, string>();

/** Returns a package's browser build; undefined if the package is not installed. */
function scriptOf(find: typeof locate, name: string, file: string): string | undefined {
  try {
    const path = join(dirname(find(name)), file);
    const script = scripts.get(path) ?? readFileSync(path, "utf8");
    scripts.set(path, script);
    return script;
  } catch {
    return undefined;
  }
}

/** Returns a self-contained page. */
function pageOf(scripts: readonly string[], show: string): string {
  const tags = [...scripts.map((script) => script.replace(/<\/(?=script)/gi, "<\\/")), show].map(
    (script) => `<script>${script}</script>`,
  );
  return `<!doctype html>\n<html><head><meta charset="utf-8"></head><body><div id="figure"></div>\n${tags.join("\n")}\n</body></html>\n`;
}

/** Escapes JSON for use in a script, so that nothing in it ends the script. */
const inScript = (json: string): string =>
  json.replaceAll("<", "\\u003c").replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
