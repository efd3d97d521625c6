import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type ConfigState, newConfig, step } from "@nacre/core/config";
import { FakeClock } from "@nacre/testkit/fake-clock";
import type { StoredConfig } from "../storage/config-store.ts";
import { Contents } from "./contents.ts";
import { contentOf } from "./sealing.ts";
import { Stored } from "./stored.ts";

const name = { namespace: "public", group: "g", dataId: "a" };
const by = { user: "", ip: "" };

/** A core that is ahead of a store, which takes what it is told to. */
function behind() {
  const clock = new FakeClock();
  const state: ConfigState = newConfig();
  const contents = new Contents({ bytesMax: 1000, read: async () => undefined });
  let held: StoredConfig | undefined;
  const stored = new Stored({
    state,
    contents,
    clock,
    store: () => ({ config: async () => held, gray: async () => undefined }),
  });
  const apply = (index: number, command: object): void => {
    step(state, { type: "apply", index, at: index, command: command as never }, index);
  };
  return {
    clock,
    stored,
    publish: (index: number, text: string) =>
      apply(index, { type: "publishConfig", name, content: contentOf(text), fields: {}, terms: {}, by }),
    remove: (index: number) => apply(index, { type: "removeConfigs", names: [name], by }),
    takes(revision: number, content: string) {
      held = { name, content, revision } as StoredConfig;
      contents.saved(revision);
    },
  };
}

describe("a configuration of the store", () => {
  test("is the newest one: who comes before the store has it waits", async () => {
    const { stored, publish, takes } = behind();
    publish(1, "one");
    takes(1, "one");
    assert.equal((await stored.config(name))?.content, "one");
    publish(2, "two");
    const read = stored.config(name);
    await turn();
    takes(2, "two");
    assert.equal((await read)?.content, "two");
  });

  test("is refused when the store does not take it, and not given as it was", async () => {
    const { clock, stored, publish, takes } = behind();
    publish(1, "one");
    takes(1, "one");
    publish(2, "two");
    const read = assert.rejects(stored.config(name), /has not taken the newest version yet/);
    await turn();
    clock.advance(1_000);
    await read;
    takes(2, "two");
    assert.equal((await stored.config(name))?.content, "two");
  });

  test("is gone when it was removed, whether the store knows or not", async () => {
    const { stored, publish, remove, takes } = behind();
    publish(1, "one");
    takes(1, "one");
    remove(2);
    assert.equal(await stored.config(name), undefined);
  });
});
