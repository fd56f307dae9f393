import assert from "node:assert/strict";
import { test } from "node:test";
import { artifactPath, checkedListing } from "../../src/artifacts/paths.js";

test("an artifact path loses doubled and closing slashes", () => {
  for (const [given, expected] of [
    ["model.pkl", "model.pkl"],
    ["a//b/", "a/b"],
    ["with spaces/émoji 🎉/100%.txt", "with spaces/émoji 🎉/100%.txt"],
    ["...", "..."],
    ["a..b/.hidden", "a..b/.hidden"],
    ["weights:0", "weights:0"],
    ["n".repeat(200), "n".repeat(200)],
  ] as const)
    assert.equal(artifactPath(given), expected);
});

test("a path that is none, or leads elsewhere, is refused with the reason", () => {
  for (const [given, expected] of [
    [undefined, /is not a string/],
    ["", /is empty/],
    ["//", /is absolute/],
    ["/etc/passwd", /is absolute/],
    ["\\\\host\\share", /is absolute/],
    ["C:\\windows", /is absolute/],
    ["c:x", /is absolute/],
    ["..", /segment/],
    ["a/../b", /segment/],
    ["./a", /segment/],
    ["a\\..\\..\\b", /segment/],
    ["a#b", /has a #/],
    ["a\0b", /control character/],
    ["a\nb", /control character/],
    ["a\ud800", /half a character/],
    ["x/".repeat(401), /longer than 800/],
    ["é".repeat(128), /more than 255 bytes/],
  ] as const)
    assert.throws(() => artifactPath(given), { code: "INVALID_VALUE", message: expected });
});

test("a listing is sorted, and odd sizes are dropped", () => {
  const listed = checkedListing("here", "a", [
    { name: "z", isDir: false, size: "12" },
    { name: "", isDir: true },
    { name: "b", isDir: true, size: 4 },
    { name: "c", isDir: false, size: -1 },
    { name: "d", isDir: false, size: Number.NaN },
  ]);
  assert.deepEqual(listed, [
    { path: "a/b", isDir: true, size: undefined },
    { path: "a/c", isDir: false, size: undefined },
    { path: "a/d", isDir: false, size: undefined },
    { path: "a/z", isDir: false, size: 12 },
  ]);
});

test("a listing with paths that lead elsewhere is refused", () => {
  for (const name of [
    "..",
    ".",
    "../x",
    "/etc/passwd",
    "a/b",
    "x\\..\\..\\y",
    "C:evil",
    "a\0",
    7,
    undefined,
    "n".repeat(2_000),
  ])
    assert.throws(() => checkedListing("here", "", [{ name, isDir: false }]), {
      code: "REJECTED",
      message: /is not in that folder/,
    });
});

test("a listing is refused beyond 100,000 entries", () => {
  function* endless() {
    for (let i = 0; ; i++) yield { name: `f${i}`, isDir: false };
  }
  assert.throws(() => checkedListing("here", "", endless()), { code: "REJECTED", message: /more than 100000 entries/ });
});
