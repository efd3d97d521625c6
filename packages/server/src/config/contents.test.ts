import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ConfigState, findItem, type Item, newConfig, step } from "@nacre/core/config";
import { Contents } from "./contents.ts";
import { contentOf } from "./sealing.ts";

const BY = { user: "", ip: "" };
const nameOf = (dataId: string) => ({ namespace: "public", group: "g", dataId });

/** Contents over a real core and a store that answers when the test says so. */
class Harness {
  readonly state: ConfigState = newConfig();
  readonly stored = new Map<string, string>();
  readonly contents: Contents;
  reads = 0;
  /** Reads wait while it is set. */
  gate: Promise<void> | undefined;
  #index = 0;

  constructor(bytesMax = 1000) {
    this.contents = new Contents({
      bytesMax,
      read: async ({ dataId }) => {
        this.reads++;
        const text = this.stored.get(dataId);
        await this.gate;
        return text;
      },
    });
  }

  /** Applies a publish. @returns its index, which is not saved yet. */
  publish(dataId: string, text: string): number {
    const index = ++this.#index;
    const name = nameOf(dataId);
    const content = contentOf(text);
    step(
      this.state,
      {
        type: "apply",
        index,
        at: index,
        command: { type: "publishConfig", name, content, fields: {}, terms: {}, by: BY },
      },
      index,
    );
    this.contents.put(this.item(dataId).key, undefined, index, content);
    return index;
  }

  /** Publishes, and has it in the store alone. */
  store(dataId: string, text: string): void {
    const index = this.publish(dataId, text);
    this.contents.drop(this.item(dataId).key, undefined);
    this.save(dataId, text, index);
  }

  save(dataId: string, text: string, index: number): void {
    this.stored.set(dataId, text);
    this.contents.saved(index);
  }

  item(dataId: string): Item {
    return findItem(this.state, nameOf(dataId)) as Item;
  }

  peek(dataId: string): string | undefined {
    const item = this.item(dataId);
    assert.ok(item.formal);
    return this.contents.peek(item, item.formal, undefined)?.text;
  }

  async read(dataId: string): Promise<string | undefined> {
    const item = this.item(dataId);
    assert.ok(item.formal);
    return (await this.contents.read(item, item.formal, undefined))?.text;
  }
}

describe("contents in memory", () => {
  test("hold what was just written, whatever the bound, until the store has it", () => {
    const harness = new Harness(10);
    const long = "x".repeat(100);
    const index = harness.publish("a", long);
    harness.publish("b", long);
    assert.deepEqual([harness.peek("a"), harness.contents.bytes], [long, 200]);
    harness.save("a", long, index);
    assert.deepEqual([harness.peek("a"), harness.peek("b"), harness.contents.bytes], [undefined, long, 100]);
  });

  test("are of the revision asked for: an older one is not found", () => {
    const harness = new Harness();
    harness.publish("a", "one");
    const before = harness.item("a").formal;
    harness.publish("a", "two");
    assert.ok(before);
    assert.equal(harness.contents.peek(harness.item("a"), before, undefined), undefined);
    assert.deepEqual([harness.peek("a"), harness.contents.bytes, harness.contents.size], ["two", 3, 1]);
  });

  test("stay as written anew when the save of the older revision comes in", () => {
    const harness = new Harness(0);
    const first = harness.publish("a", "one");
    harness.publish("a", "two");
    harness.save("a", "one", first);
    assert.equal(harness.peek("a"), "two");
  });

  test("are read from the store once, however many ask at the same time and after", async () => {
    const harness = new Harness();
    harness.store("a", "text");
    assert.equal(harness.peek("a"), undefined);
    assert.deepEqual(await Promise.all([harness.read("a"), harness.read("a"), harness.read("a")]), [
      "text",
      "text",
      "text",
    ]);
    assert.deepEqual([harness.peek("a"), harness.reads], ["text", 1]);
  });

  test("let the least recently used go when there is no more room, answers around them included", async () => {
    const harness = new Harness(30);
    for (const dataId of ["a", "b", "c"]) {
      harness.store(dataId, dataId.repeat(10));
      await harness.read(dataId);
    }
    assert.ok(harness.peek("a"));
    harness.store("d", "d".repeat(10));
    await harness.read("d");
    assert.deepEqual(
      ["a", "b", "c", "d"].map((dataId) => harness.peek(dataId) !== undefined),
      [true, false, true, true],
    );
    const item = harness.item("d");
    assert.ok(item.formal);
    const held = harness.contents.peek(item, item.formal, undefined);
    assert.ok(held);
    harness.contents.keepAnswer(held, new Uint8Array(15));
    assert.deepEqual([harness.contents.bytes, harness.contents.size, harness.contents.counts.evictions], [25, 1, 3]);
    harness.contents.drop(item.key, undefined);
    assert.deepEqual([harness.contents.bytes, harness.contents.size], [0, 0]);
  });

  test("do not keep what changed while it was read", async () => {
    const harness = new Harness();
    harness.store("a", "old");
    const { promise, resolve } = Promise.withResolvers<void>();
    harness.gate = promise;
    const reading = harness.read("a");
    harness.publish("a", "new");
    resolve();
    assert.equal(await reading, "old", "the reader is to ask again");
    assert.deepEqual([harness.peek("a"), harness.contents.bytes], ["new", 3]);
  });

  test("wait for the store when only the entry that is being saved knows them, as with a committed import", async () => {
    const harness = new Harness();
    harness.store("a", "old");
    const index = harness.publish("a", "promoted");
    harness.contents.drop(harness.item("a").key, undefined);
    const reading = harness.read("a");
    assert.equal(harness.reads, 0);
    harness.save("a", "promoted", index);
    assert.equal(await reading, "promoted");
  });

  test("are gone when the store is another one, those that it did not hold yet included", async () => {
    const harness = new Harness();
    harness.save("a", "saved", harness.publish("a", "saved"));
    harness.publish("b", "waiting");
    harness.contents.replaced(2);
    assert.deepEqual([harness.peek("a"), harness.peek("b")], [undefined, undefined]);
    assert.deepEqual([harness.contents.bytes, harness.contents.size], [0, 0]);
    harness.stored.set("b", "of the new store");
    assert.equal(await harness.read("b"), "of the new store");
  });

  test("wait for the other store no longer, and for what comes after it anew", async () => {
    const harness = new Harness();
    const index = harness.publish("a", "promoted");
    harness.contents.drop(harness.item("a").key, undefined);
    const reading = harness.read("a");
    harness.stored.set("a", "replaced");
    harness.contents.saved(0);
    assert.equal(harness.reads, 0);
    harness.contents.replaced(index - 1);
    assert.equal(await reading, "replaced");
    const again = harness.read("a");
    assert.equal(harness.reads, 1, "an entry behind the new state is not in its store yet");
    harness.save("a", "promoted", index);
    assert.equal(await again, "promoted");
  });

  test("of one revision are read again when they are those of another log", async () => {
    const harness = new Harness();
    harness.store("a", "old");
    const { promise, resolve } = Promise.withResolvers<void>();
    harness.gate = promise;
    const reading = harness.read("a");
    const item = harness.item("a");
    assert.ok(item.formal);
    item.formal = { ...item.formal, md5: contentOf("new").md5 };
    harness.contents.replaced(1);
    harness.gate = undefined;
    harness.stored.set("a", "new");
    assert.equal(await harness.read("a"), "new");
    resolve();
    await reading;
    assert.equal(harness.peek("a"), "new");
  });
});
