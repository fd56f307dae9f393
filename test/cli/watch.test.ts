import assert from "node:assert/strict";
import { test } from "node:test";
import { watch } from "../../src/cli/watch.js";
import { PulseError } from "../../src/index.js";
import { fakeTerminal, unstyled } from "../support/terminal.js";

test("watch leaves no timer behind that would hold the process", async () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers(); // first of the tests here, whose timers it would count
  const read = async (): Promise<string[]> => {
    setImmediate(() => process.emit("SIGINT")); // during the pause
    return ["drawn"];
  };
  assert.equal(await watch(fakeTerminal({ columns: 80 }).terminal, read, 10_000), 0);
  assert.equal(timers(), before);
});

test("watch draws again, shows a problem and goes on, and ends on an interrupt", async () => {
  const away = new PulseError("STORE_UNAVAILABLE", "The server is away.");
  let rounds = 0;
  const { terminal, texts } = fakeTerminal({ columns: 80 });
  const read = async (): Promise<string[]> => {
    rounds++;
    if (rounds === 2) throw away;
    if (rounds === 4) process.emit("SIGINT");
    return [`round ${rounds}`];
  };
  assert.equal(await watch(terminal, read, 1), 0);
  const drawn = unstyled(texts.out).split("\x1b[H");
  assert.equal(drawn[1], "round 1\x1b[K\n\x1b[J");
  assert.match(drawn[2] ?? "", /The server is away\..*Trying again \.\.\..*\nround 1/);
  assert.ok(texts.out.endsWith("\x1b[?25h\x1b[?1049lround 3\n") || texts.out.endsWith("round 4\n"));
  const wrong = new PulseError("INVALID_FILTER", "What is this?");
  await assert.rejects(
    watch(terminal, () => Promise.reject(wrong), 1),
    wrong,
  );
  assert.equal(process.listenerCount("SIGINT"), 0);
});
