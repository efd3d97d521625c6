import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Progress } from "./progress.ts";

describe("the progress of a long command", () => {
  const told = (onTerminal: boolean) => {
    const lines: string[] = [];
    const clock = { ms: 0 };
    return {
      lines,
      clock,
      progress: new Progress(
        (text) => lines.push(text),
        onTerminal,
        () => clock.ms,
      ),
    };
  };

  test("counts each part for itself: its rate is not that of the parts before", () => {
    const { lines, clock, progress } = told(false);
    progress.begin("looking", 10);
    clock.ms = 60_000;
    for (let i = 0; i < 10; i++) progress.advance();
    progress.begin("copying", 10);
    for (let i = 0; i < 9; i++) progress.advance();
    clock.ms = 65_000;
    progress.advance();
    assert.deepEqual(lines, [
      "looking: 0 of 10, 0/s\n",
      "looking: 1 of 10, 0/s\n",
      "copying: 0 of 10, 0/s\n",
      "copying: 10 of 10, 2/s\n",
    ]);
  });

  test("of nothing is a bar that is empty", () => {
    const { lines, progress } = told(true);
    progress.begin("copying", 0);
    assert.deepEqual(lines, [`\r[${"-".repeat(30)}] copying: 0 of 0, 0/s `]);
  });
});
