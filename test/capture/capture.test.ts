import assert from "node:assert/strict";
import { test } from "node:test";
import { cutText, sanitizeKey } from "../../src/base/text/keys.js";
import { isSecretKey, redactText } from "../../src/base/text/redact.js";
import { valueText } from "../../src/base/text/value-text.js";
import { compileMetrics } from "../../src/capture/metrics.js";
import { readParameters } from "../../src/capture/parameter-names.js";
import type { LogMetricOptions, Selector } from "../../src/capture/selector.js";

type Point = [key: string, value: unknown, step?: unknown];

function captured(selector: Selector | undefined, result: unknown, options: LogMetricOptions = {}): Point[] {
  const points: Point[] = [];
  const limits: string[] = [];
  compileMetrics(selector, options, "method")(result, [], {
    metric: (key, value, step) => void points.push(step === undefined ? [key, value] : [key, value, step]),
    lost: () => undefined,
    limited: (what) => void limits.push(what),
  });
  if (limits.length > 0) points.push(["limited", limits.join()]);
  return points;
}

test("bare: a scalar takes the method's name, numeric leaves take dotted paths", () => {
  assert.deepEqual(captured(undefined, 3), [["method", 3]]);
  assert.deepEqual(captured(undefined, 5n), [["method", 5n]]);
  assert.deepEqual(captured(undefined, true), [["method", true]]);
  for (const nothing of [
    "text",
    undefined,
    null,
    Symbol("x"),
    () => 1,
    new Date(),
    new (class A {
      n = 1;
    })(),
  ]) {
    assert.deepEqual(captured(undefined, nothing), []);
  }
  assert.deepEqual(captured(undefined, { a: 1, b: { c: 2, d: { e: 3, f: { deeper: 4 } } }, s: "x", l: [1, 2] }), [
    ["a", 1],
    ["b.c", 2],
    ["b.d.e", 3],
  ]);
});

test("bare: getters, inherited fields and hidden fields are never read", () => {
  const result = Object.create(
    { inherited: 1 },
    { hidden: { value: 2, enumerable: false }, own: { value: 3, enumerable: true } },
  );
  assert.deepEqual(captured(undefined, result), []); // not written as { … }
  const withGetter = {
    get trap(): number {
      throw new Error("run");
    },
    ok: 1,
  };
  assert.deepEqual(captured(undefined, withGetter), [["ok", 1]]);
});

test("bare: a list gives one step per element, and huge or circular values are bounded", () => {
  assert.deepEqual(captured(undefined, [1, 2]), [
    ["method", 1],
    ["method", 2],
  ]);
  assert.deepEqual(captured(undefined, [{ loss: 1 }, { loss: 2 }]), [
    ["loss", 1],
    ["loss", 2],
  ]);
  assert.deepEqual(captured(undefined, Float32Array.of(0.5, 1)), [
    ["method", 0.5],
    ["method", 1],
  ]);
  const long = captured(undefined, new Array(10_005).fill(1));
  assert.equal(long.length, 10_001);
  assert.deepEqual(long.at(-1), ["limited", "only the first 10000 of 10005 elements"]);
  const circular: Record<string, unknown> = { a: 1 };
  circular["self"] = circular;
  assert.deepEqual(
    captured(undefined, circular).map(([key]) => key),
    ["a", "self.a", "self.self.a"],
  );
  const wide = captured(undefined, Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${i}`, i])));
  assert.equal(wide.length, 51);
});

test("a path picks one field, also of each element of a list", () => {
  const result = { final: { loss: 1 }, losses: [3, 2], "a.b": 9, missing: undefined, text: "x" };
  assert.deepEqual(captured("final.loss", result), [["final.loss", 1]]);
  assert.deepEqual(captured("losses", result), [
    ["losses", 3],
    ["losses", 2],
  ]);
  assert.deepEqual(captured("losses.1", result), [["losses.1", 2]]);
  assert.deepEqual(captured("a.b", result), [["a.b", 9]]);
  for (const absent of ["nope", "final.nope.deeper", "missing", "text"]) assert.deepEqual(captured(absent, result), []);
  assert.deepEqual(captured("loss", [{ loss: 1 }, { loss: 2 }]), [
    ["loss", 1],
    ["loss", 2],
  ]);
  assert.deepEqual(captured("any_key", 4), [["any_key", 4]]);
});

test("selectors can be lists, records and functions", () => {
  const result = { a: 1, b: { c: 2 } };
  assert.deepEqual(captured(["a", "b.c"], result), [
    ["a", 1],
    ["b.c", 2],
  ]);
  assert.deepEqual(captured({ loss: "b.c", twice: (r: typeof result) => r.a * 2 }, result), [
    ["loss", 2],
    ["twice", 2],
  ]);
  assert.deepEqual(
    captured((r: typeof result) => r.a + 1, result),
    [["method", 2]],
  );
  assert.deepEqual(
    captured((r: typeof result) => ({ sum: r.a + r.b.c }), result),
    [["sum", 3]],
  );
});

test("options: prefix, step by path or function, when, nonFinite", () => {
  assert.deepEqual(captured("loss", { loss: 1, epoch: 7 }, { prefix: "train/", step: "epoch" }), [
    ["train/loss", 1, 7],
  ]);
  assert.deepEqual(
    captured(
      "loss",
      [
        { loss: 1, epoch: 7 },
        { loss: 2, epoch: 9 },
      ],
      { step: "epoch" },
    ),
    [
      ["loss", 1, 7],
      ["loss", 2, 9],
    ],
  );
  assert.deepEqual(captured("loss", { loss: 1 }, { step: (r: { loss: number }) => r.loss + 1 }), [["loss", 1, 2]]);
  assert.deepEqual(captured("loss", { loss: 1 }, { when: (r: { loss: number }) => r.loss > 1 }), []);
  assert.deepEqual(captured(undefined, { a: Number.NaN, b: 1 }, { nonFinite: "skip" }), [["b", 1]]);
  assert.deepEqual(captured(undefined, { a: Number.POSITIVE_INFINITY }), [["a", Number.POSITIVE_INFINITY]]);
});

test("invalid keys are mended for MLflow, and valid ones stay", () => {
  for (const key of ["loss", "train/loss", "ümlaut", "日本", "a b:c.d-e_f", "a/b"]) assert.equal(sanitizeKey(key), key);
  assert.equal(sanitizeKey("acc@5 (%)"), "acc_5 ___");
  assert.equal(sanitizeKey("/a//b/./../c/"), "a/b/__/c");
  assert.equal(sanitizeKey("..dots"), "__dots");
  assert.equal(sanitizeKey(""), "_");
  assert.equal(sanitizeKey("\uD800x"), "_x");
  const long = sanitizeKey("k".repeat(300));
  assert.equal(long.length, 250);
  assert.notEqual(long, sanitizeKey(`${"k".repeat(299)}j`));
  assert.equal(cutText("x".repeat(20), 20), "x".repeat(20));
  assert.match(cutText("x".repeat(30), 20), /^x{8}\.\.\.#[0-9a-f]{8}$/);
});

test("parameter names come from the function's text, with their positions", () => {
  const names = (fn: unknown): unknown => readParameters(fn as () => unknown).names;
  assert.deepEqual(
    names((lr: number, epochs = 3) => lr + epochs),
    ["lr", "epochs"],
  );
  assert.deepEqual(names(new Function("x = (1, 2)", "{ p, q } = {}", "...rest", "return x")), ["x", null, "rest"]);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text of a template
  assert.deepEqual(names(new Function("a /* , b ) */", "c = '),('", "d = `${')'},`", "return a")), ["a", "c", "d"]);
  assert.deepEqual(
    names(async function* (one: number, [two]: number[], three: number) {
      yield [one, two, three];
    }),
    ["one", null, "three"],
  );
  assert.deepEqual(
    names(
      {
        "odd (name)"(a: number) {
          return a;
        },
      }["odd (name)"],
    ),
    ["a"],
  );
  const computed = "x";
  assert.deepEqual(
    names(
      {
        [`${computed}(`](a: number) {
          return a;
        },
      }["x("],
    ),
    ["a"],
  );
  assert.deepEqual(names(Math.max), null);
  assert.deepEqual(names((() => 1).bind(null)), null);
  assert.deepEqual(names(new Function("return x => x")()), ["x"]);
  assert.deepEqual(
    names(() => 1),
    [],
  );
});

test("secrets are found by key and by shape, and look-alikes stay", () => {
  const text = "a1B2c3D4";
  for (const key of [
    "token",
    "apiKey",
    "API_KEY",
    "db.password",
    "AWS_SECRET_ACCESS_KEY",
    "authToken",
    "client-secret",
  ])
    assert.equal(isSecretKey(key, text), true, key);
  for (const key of ["tokens", "tokenizer", "max_tokens", "key", "monkey", "secretary", "author"])
    assert.equal(isSecretKey(key, text), false, key);
  assert.equal(redactText("see https://me:pw@host/x"), "see https://[redacted]@host/x");
  assert.equal(redactText(`Bearer ${"a1".repeat(12)}`), "[redacted]");
  assert.equal(redactText(`id AKIA${"A".repeat(16)} end`), "id [redacted] end");
  assert.equal(redactText("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc"), "[redacted]");
  assert.equal(redactText("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"), "[redacted]");
  assert.equal(redactText("tokenizer=bert https://host/a@b sk-learn"), "tokenizer=bert https://host/a@b sk-learn");
});

test("values become text: scalars by String(), objects as bounded JSON without secrets", () => {
  assert.equal(valueText("a", 1.5, true), "1.5");
  assert.equal(valueText("a", null, true), "null");
  assert.equal(valueText("token", 42, true), "42");
  assert.equal(valueText("password", "abc", true), "[redacted]");
  assert.equal(
    valueText("a", { lr: 1, password: "x", big: 1n, nan: Number.NaN }, true),
    '{"lr":1,"password":"[redacted]","big":"1","nan":"NaN"}',
  );
  assert.equal(valueText("a", new Date(0), true), "1970-01-01T00:00:00.000Z");
  assert.equal(valueText("a", new URL("https://host/x"), true), "https://host/x");
  assert.equal(valueText("a", /x+/g, true), "/x+/g");
  const shown = { map: new Map([["k", 1]]), set: new Set([1]), list: Float32Array.of(0.5) };
  assert.equal(valueText("a", shown, true), '{"map":{"k":1},"set":[1],"list":[0.5]}');
  const circular: Record<string, unknown> = { a: [1] };
  circular["self"] = circular;
  assert.equal(valueText("a", circular, true), '{"a":[1],"self":"[circular]"}');
  assert.ok(valueText("a", { long: "x".repeat(10_000_000), next: "y" }, true).length < 200_000);
  const shared = { x: 1 };
  assert.equal(valueText("a", { one: shared, two: shared }, true), '{"one":{"x":1},"two":{"x":1}}');
});

test("parameter names are read beside regular expressions, rest and minified text", () => {
  // biome-ignore-start lint/suspicious/noExplicitAny: their text is what counts
  const of = (fn: any) => readParameters(fn);
  const text = (text: string) => of(new Function(`return (${text})`)());
  assert.deepEqual(text("function (text, sep = /,/, limit = 5, ...q) {}").names, ["text", "sep", "limit", "q"]);
  assert.deepEqual(text(`(a, sep = /["(\\/]/g, quote = /'/, half = 4 / 2, last) => 1`).names, [
    "a",
    "sep",
    "quote",
    "half",
    "last",
  ]);
  assert.equal(text("(a, ...rest) => 1").rest, true);
  for (const [code, minified] of [
    ["(e,t)=>1", true],
    ["function(e,{lr:t},n){}", true],
    ["function (_0, _1) {}", true],
    ["(x, y) => 1", false],
    ["(w, h, { lr }) => 1", false],
    ["e=>1", false],
    ["(lr,epochs)=>1", false],
  ] as const)
    assert.equal(text(code).minified, minified, code);
  // biome-ignore-end lint/suspicious/noExplicitAny: likewise
});
