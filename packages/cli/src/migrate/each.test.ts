import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { each } from "./each.ts";

async function* counted(count: number, taken: number[] = []): AsyncGenerator<number> {
  for (let item = 0; item < count; item++) {
    taken.push(item);
    yield item;
  }
}

describe("work on each of many items", () => {
  test("is done for as many at a time as it may, whoever is done taking the next", async () => {
    const held = Promise.withResolvers<void>();
    const seen: number[] = [];
    let atOnce = 0;
    let most = 0;
    await each(counted(20), 3, async (item) => {
      most = Math.max(most, ++atOnce);
      // One that takes long stops no other: it ends when all are begun.
      await (item === 0 ? held.promise : new Promise(setImmediate));
      seen.push(item);
      if (seen.length === 19) held.resolve();
      atOnce--;
    });
    assert.deepEqual([most, seen.length, seen.at(-1)], [3, 20, 0]);
  });

  test("ends with the first failure, of the work or of the items: nothing new is begun", async () => {
    const taken: number[] = [];
    const begun: number[] = [];
    const work = async (item: number): Promise<void> => {
      begun.push(item);
      if (item === 4) throw new Error("the fifth");
    };
    await assert.rejects(each(counted(100, taken), 2, work), /the fifth/);
    assert.ok(begun.length <= 6 && taken.length <= 7, `${begun} of ${taken}`);

    async function* failing(): AsyncGenerator<number> {
      yield 1;
      throw new Error("no more pages");
    }
    await assert.rejects(
      each(failing(), 2, async () => {}),
      /no more pages/,
    );
  });
});
