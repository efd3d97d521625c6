import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { table, timeText, widthOf } from "./table.ts";

describe("a table", () => {
  test("aligns columns by what a terminal shows: two columns for East Asian characters, none for combining ones", () => {
    assert.deepEqual(["abc", "配置", "ｱ", "e\u0301", "🚀"].map(widthOf), [3, 4, 1, 1, 2]);
    assert.equal(
      table(
        ["名", "N"],
        [
          ["配置中心", 1],
          ["a", 22],
        ],
      ),
      "名        N\n配置中心  1\na         22\n",
    );
  });

  test("shows control characters as blanks, so that a name cannot steer the terminal", () => {
    assert.equal(table(["A"], [["x\u001b[2Jy\nz"]]), "A\nx [2Jy z\n");
  });

  test("leaves an unknown time blank", () => {
    assert.equal(timeText(undefined), "");
    assert.match(timeText(0), /^19(69|70)-\d\d-\d\d \d\d:\d\d:\d\d$/);
  });
});
