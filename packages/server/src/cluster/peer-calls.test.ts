import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { everyPage, readAnswer } from "./peer-calls.ts";

describe("answers of other members", () => {
  test("are read with what they must have", () => {
    assert.deepEqual(readAnswer("naming.write", {}), {});
    const beat = { known: true, intervalMs: 5_000 };
    assert.deepEqual(readAnswer("naming.write", { beat, more: 1 }), { beat });
    const load = { address: "10.0.0.2:8848", ready: true, connections: { all: 3, sdk: 2 }, load: 0.5, cpu: 0 };
    assert.deepEqual(readAnswer("loader.load", load), load);
  });

  test("of another shape are a fault of the server, not of the one who asked", () => {
    for (const wrong of [{ beat: "often" }, null, []])
      assert.throws(() => readAnswer("naming.write", wrong), {
        failure: "serverError",
        message: "a member answered call 'naming.write' in another shape",
      });
  });
});

describe("a long answer", () => {
  const pages = [["a", "b"], ["c"], ["d"]];
  const ask = async (from: string | undefined) => {
    const at = Number(from ?? 0);
    return { items: pages[at] ?? [], next: at + 1 < pages.length ? String(at + 1) : undefined };
  };

  test("comes in pages, up to a bound", async () => {
    assert.deepEqual(await everyPage(ask, 100), { items: ["a", "b", "c", "d"], complete: true });
    assert.deepEqual(await everyPage(ask, 3), { items: ["a", "b", "c"], complete: false });
  });

  test("is given up when it does not get on", async () => {
    assert.deepEqual(await everyPage(async () => ({ items: ["a"], next: "1" }), 100), {
      items: ["a", "a"],
      complete: false,
    });
  });
});
