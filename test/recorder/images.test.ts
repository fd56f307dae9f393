// Images and figures that are logged as files.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import sharp from "sharp";
import { figureFile } from "../../src/run/files/figure.js";
import { tempFolder } from "../support/folders.js";
import { memory } from "../support/stored-files.js";

const folder = tempFolder("images");

const pixels = { width: 400, height: 200, data: Uint8Array.from({ length: 400 * 200 * 3 }, (_, i) => (i * 7) % 256) };

test("pixels become a readable PNG: grey, RGB, RGBA, integers and floats", async () => {
  const { tracker, bytes } = memory();
  tracker.withRun({}, (run) => {
    run.logImage(pixels, "rgb.png");
    run.logImage({ width: 2, height: 2, data: [0, 50, 100, 255] }, "grey.png");
    run.logImage({ width: 1, height: 1, data: new Float32Array([0, 0.5, 1, 1]) }, "float.png");
  });
  await tracker.flush();
  const raw = async (path: string) => sharp(bytes(path)).raw().toBuffer({ resolveWithObject: true });
  const { data, info } = await raw("rgb.png");
  assert.deepEqual([info.width, info.height, info.channels], [400, 200, 3]);
  assert.ok(data.equals(Buffer.from(pixels.data)));
  assert.deepEqual([...(await sharp(bytes("grey.png")).toColourspace("b-w").raw().toBuffer())], [0, 50, 100, 255]);
  assert.deepEqual([...(await raw("float.png")).data], [0, 128, 255, 255]);
});

test("images with a key appear in MLflow's grid: two files, a step and the tag", async () => {
  const { tracker, names, bytes, run: stored } = memory();
  const jpeg = await sharp({ create: { width: 600, height: 300, channels: 3, background: "red" } })
    .jpeg()
    .toBuffer();
  tracker.withRun({}, (run) => {
    run.logImage(pixels, { key: "digits/wrong" });
    run.logImage(jpeg, { key: "digits/wrong", timestamp: 1_700_000_000_000 });
    run.logImage({ toBuffer: async () => jpeg }, { key: "other", step: 7 });
  });
  await tracker.flush();
  const grid = names().map((name) =>
    /^images\/(.*)\+step\+(\d+)\+timestamp\+(\d+)\+[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.png|\+compressed\.webp)$/
      .exec(name)
      ?.slice(1),
  );
  assert.deepEqual(
    grid.map((found) => [found?.[0], found?.[1], found?.[3]]),
    ["digits~wrong 0", "digits~wrong 1", "other 7"].flatMap((each) =>
      ["+compressed.webp", ".png"].map((ending) => [...each.split(" "), ending]),
    ),
  );
  assert.ok(grid.some((found) => found?.[2] === "1700000000000"));
  for (const name of names().filter((each) => each.endsWith(".webp"))) {
    const { format, width } = await sharp(bytes(name)).metadata();
    assert.deepEqual([format, width], ["webp", 256], name);
  }
  assert.equal(stored().tags.get("mlflow.loggedImages"), "True");
});

test("a wrong image is reported", async () => {
  const { tracker, names, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logImage("x" as never, "a.png");
    run.logImage({ width: 2, height: 2, data: [1, 2, 3] }, "b.png");
    run.logImage({ width: 1, height: 1, data: [256] }, "c.png");
    run.logImage({ width: 1, height: 1, data: new Float64Array([1.5]) }, "d.png");
    run.logImage({ width: 1, height: 1, data: [1] }, "e.jpg");
    run.logImage(Buffer.from("text"), { key: "k" });
    run.logImage(pixels, { key: "50%" });
    run.logImage({ toBuffer: async () => "x" as never }, "f.png");
    run.logImage({ toBuffer: () => Promise.reject(new Error("no canvas")) }, "g.png");
  });
  await tracker.flush();
  assert.deepEqual(names(), []);
  const said = warnings.join("\n");
  for (const expected of [
    /logImage "a\.png" takes bytes or pixels, not a path: readFileSync\("x"\) gives bytes/,
    /2 x 2 pixels are 1, 3 or 4 values each, so 4, 12 or 16 in all; got 3/,
    /values are from 0 to 255; got 256/,
    /values are from 0 to 1 in a float array; got 1\.5/,
    /the name must end in \.png, got "e\.jpg"/,
    /must be a PNG, JPEG, GIF or WebP file/,
    /key must be letters, digits/,
    /toBuffer\(\) gave "x", not bytes/,
    /no canvas/,
  ])
    assert.match(said, expected);
});

test("a user's own images stay out of the folder that MLflow's grid reads", async () => {
  const { tracker, names, warnings } = memory();
  tracker.withRun({}, (run) => {
    run.logBytes(Buffer.from([1]), "images/mine.png");
    run.logText("x", "images/notes.txt");
    run.logBytes(Buffer.from([1]), "images/deeper/mine.png");
  });
  await tracker.flush();
  assert.deepEqual(names(), ["image-files/mine.png", "images/deeper/mine.png", "images/notes.txt"]);
  assert.match(warnings.join("\n"), /images\/mine\.png is stored as image-files\/mine\.png.*ARTIFACT_RENAMED/);
});

test("figures are JSON, or a page that loads nothing and cannot be broken out of", async () => {
  const { tracker, text, names, warnings } = memory();
  const plotly = {
    data: [{ x: new Float64Array([1, 2]), y: [3, Number.NaN] }],
    layout: { title: { text: "</script><script>alert(1)</script>" } },
  };
  tracker.withRun({}, (run) => {
    run.logFigure(plotly, "plot.json");
    run.logFigure(plotly, "plot.html");
    run.logFigure({ mark: "bar", data: { values: [] }, encoding: {} }, "vega.html");
    run.logFigure('<svg xmlns="http://www.w3.org/2000/svg"></svg>', "a.svg");
    run.logFigure("<p>", "page.html");
    for (const [figure, path] of [[{ foo: 1 }, "b.json"], ["text", "b.svg"], [plotly, "b.png"]] as const) run.logFigure(figure, path); // biome-ignore format: one line
  });
  await tracker.flush();
  assert.deepEqual(names(), ["a.svg", "page.html", "plot.html", "plot.json", "vega.json"]);
  assert.deepEqual(JSON.parse(text("plot.json") ?? "").data, [{ x: [1, 2], y: [3, null] }]);
  const page = text("plot.html") ?? "";
  assert.ok(page.length > 1_000_000 && page.startsWith("<!doctype html>"));
  assert.equal(page.split("</script>").length, 3); // Plotly's and the one that shows the figure
  assert.doesNotMatch(page, /<script[^>]+src|<link/);
  assert.match(page, /Plotly\.newPlot\("figure", \{/);
  assert.match(
    warnings.join("\n"),
    /a page needs vega, vega-lite, vega-embed; the figure is stored as vega\.json.*PACKAGE_MISSING/,
  );
  assert.match(warnings.join("\n"), /a figure of Plotly .* is needed; got \{"foo":1\}/);
});

test("a Vega-Lite page holds its three packages in order", () => {
  const place = tempFolder("vega", folder);
  for (const name of ["vega", "vega-lite", "vega-embed"])
    writeFileSync(join(place, `${name}.min.js`), `/* ${name} </script> */`);
  const { text, path, missing } = figureFile(
    { $schema: "https://vega.github.io/schema/vega-lite/v6.json" },
    "v.html",
    JSON.stringify,
    () => join(place, "index.js"),
  );
  assert.deepEqual([path, missing], ["v.html", undefined]);
  assert.deepEqual(text.match(/\/\* [\w-]+ <\\\/script> \*\/|vegaEmbed\("#figure", \{.*\}\);/g)?.length, 4);
});

test("an unreadable file gets a tag, and image bytes that are none a warning", async () => {
  const { tracker, run, warnings, names } = memory();
  interface Row {
    digit: number;
  }
  const rows: Row[] = [{ digit: 1 }];
  interface Columns {
    digit: number[];
  }
  const columns: Columns = { digit: [2, 3] };
  tracker.withRun({}, (run) => {
    run.logArtifact("/nope/m.bin", "models");
    run.logImage(new Uint8Array([1, 2, 3]), "odd.png");
    run.logTable(rows, "t.json");
    run.logTable(columns, "t.json");
  });
  await tracker.flush();
  assert.match(run().tags.get("pulse.artifact_failed.models/m.bin") ?? "", /\/nope\/m\.bin does not exist/);
  assert.match(
    warnings.join("\n"),
    /logImage "odd\.png": the bytes are not a PNG, JPEG, GIF or WebP file; they are stored unchanged/,
  );
  assert.deepEqual(names(), ["odd.png", "t.json"]);
});
