import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { lazy } from "./lazy.ts";

function counted(load: (time: number) => Promise<string>) {
  let times = 0;
  return { get: lazy(() => load(++times)), times: () => times };
}

describe("what is loaded with its first use", () => {
  test("is not loaded before, and once for all who ask", async () => {
    const { get, times } = counted(async (time) => `load ${time}`);
    assert.equal(times(), 0);
    assert.deepEqual(await Promise.all([get(), get()]), ["load 1", "load 1"]);
    assert.equal(await get(), "load 1");
    assert.equal(times(), 1);
  });

  test("tells all who wait that a load failed, and loads again for who asks next", async () => {
    const { get, times } = counted(async (time) => {
      if (time === 1) throw new Error("too many open files");
      return `load ${time}`;
    });
    const failed = await Promise.allSettled([get(), get()]);
    assert.deepEqual(
      failed.map((one) => one.status === "rejected" && (one.reason as Error).message),
      ["too many open files", "too many open files"],
    );
    assert.equal(await get(), "load 2");
    assert.equal(times(), 2);
  });
});
