import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Complaints } from "./complaints.ts";

const PATH = "/test/Fail";

describe("what a method threw, when the application does not ask", () => {
  test("is one line: what, where, and how to hear of each", () => {
    const line = new Complaints().line(new TypeError("two\nlines\u001b[31m"), PATH, 0);
    assert.match(
      String(line),
      /^@nacre\/grpc: the method \/test\/Fail threw TypeError: two lines \[31m at .*complaints\.test\.ts:\d+:\d+\)?; options\.onError hears of each$/,
    );
  });

  test("is said once a minute for each method, with how often it was left unsaid", () => {
    const complaints = new Complaints();
    const said = (path: string, now: number): string | undefined =>
      complaints.line("no", path, now)?.replace(/^.*threw |; options.*$/g, "");
    assert.equal(said(PATH, 0), "no");
    assert.equal(said("/test/Other", 1), "no");
    for (let nth = 1; nth <= 1000; nth++) assert.equal(said(PATH, nth), undefined);
    assert.equal(said(PATH, 59_999), undefined);
    assert.equal(said(PATH, 60_000), "no (and 1001 times since the line before)");
    assert.equal(said(PATH, 120_000), "no");
  });

  test("may be anything, of any length", () => {
    const hostile = {
      toString(): string {
        throw new Error("not even that");
      },
    };
    assert.match(String(new Complaints().line(hostile, PATH, 0)), /threw something that has no text;/);
    assert.ok(String(new Complaints().line("x".repeat(1e6), PATH, 0)).length < 700);
  });
});
