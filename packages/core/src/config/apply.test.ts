import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { configKey } from "@nacre/protocol";
import { config } from "@nacre/testkit/config-bench";
import { ConfigLog, content, durable, OPERATOR } from "@nacre/testkit/config-log";
import fc from "fast-check";
import type { ConfigCommand, GrayTarget } from "./commands.ts";
import { choose } from "./gray.ts";
import { betaTarget, tagTarget } from "./gray-rule.ts";

const name = fc.constantFrom(config("a"), config("b"), config("a", "g+%"), config("a", "g", "dev"));
const text = fc.constantFrom("one", "two", "three");
const GRAYS: readonly GrayTarget[] = [
  betaTarget("10.0.0.1"),
  tagTarget("blue"),
  { name: "p", rule: { type: "percentage", version: "1.0.0", expr: "50", priority: 5 } },
  { name: "l", rule: { type: "label", version: "1.0.0", expr: "zone=hz|sh", priority: 5 } },
];
const gray = fc.constantFrom(undefined, ...GRAYS);
const importId = fc.constantFrom("i", "j");
const md5 = text.map((one) => content(one).md5);
const fields = fc.constantFrom({}, { type: "yaml" as const }, { type: "json" as const, tags: ["x"] });

const commands: fc.Arbitrary<ConfigCommand> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ name, text, gray, fields, insertOnly: fc.boolean(), cas: fc.option(md5, { nil: undefined }) })
      .map(
        ({ text: one, gray: target, insertOnly, cas, ...rest }): ConfigCommand => ({
          type: "publishConfig",
          ...rest,
          ...(target && { gray: target }),
          content: content(one),
          terms: { ...(cas !== undefined && { expectedMd5: cas }), ...(insertOnly && { insertOnly }) },
          by: OPERATOR,
        }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.record({ names: fc.array(name, { maxLength: 3 }), gray }).map(
      ({ names, gray: target }): ConfigCommand => ({
        type: "removeConfigs",
        names,
        ...(target && { gray: target.name }),
        by: OPERATOR,
      }),
    ),
  },
  fc.record({ importId, items: fc.array(fc.record({ name, text, fields }), { maxLength: 3 }) }).map(
    ({ items, ...rest }): ConfigCommand => ({
      type: "stageConfigs",
      ...rest,
      items: items.map(({ text: one, ...item }) => ({ ...item, content: content(one) })),
    }),
  ),
  fc.record({
    type: fc.constant("commitConfigs" as const),
    importId,
    policy: fc.constantFrom("ABORT" as const, "SKIP" as const, "OVERWRITE" as const),
    by: fc.constant(OPERATOR),
  }),
  fc.record({ type: fc.constant("dropStaged" as const), importId }),
  fc.record({
    type: fc.constantFrom("createNamespace" as const, "updateNamespace" as const),
    id: fc.constantFrom("dev", "public"),
    name: text,
    description: text,
  }),
  fc.record({ type: fc.constant("deleteNamespace" as const), id: fc.constant("dev") }),
  fc.record({
    type: fc.constant("setCapacity" as const),
    scope: fc.constantFrom({ namespace: "public" }, { namespace: "dev" }, { group: "g" }),
    quota: fc.constantFrom(0, 1, 2, 50),
  }),
);
const options = fc.record({ enforceCapacity: fc.boolean(), namespaceQuota: fc.constantFrom(1, 2, 200) });

/** What readers are given, told in a dozen lines: texts by name, and of gray versions by name and gray. */
class Model {
  readonly texts = new Map<string, string>();
  staged = new Map<string, [key: string, text: string][]>();

  /** An accepted command. */
  apply(command: ConfigCommand): void {
    switch (command.type) {
      case "publishConfig":
        this.texts.set(at(configKey(command.name), command.gray?.name), command.content.text);
        return;
      case "removeConfigs":
        for (const one of command.names) this.texts.delete(at(configKey(one), command.gray));
        return;
      case "stageConfigs": {
        if (command.items.length === 0) return;
        const more = command.items.map((item): [string, string] => [configKey(item.name), item.content.text]);
        this.staged.set(command.importId, [...(this.staged.get(command.importId) ?? []), ...more]);
        return;
      }
      case "commitConfigs": {
        const items = this.staged.get(command.importId) ?? [];
        const before = new Map(this.texts);
        let clash = false;
        for (const [key, one] of items) {
          clash ||= this.texts.has(key);
          if (command.policy !== "SKIP" || !this.texts.has(key)) this.texts.set(key, one);
        }
        if (clash && command.policy === "ABORT") {
          this.texts.clear();
          for (const [key, one] of before) this.texts.set(key, one);
        }
        this.staged.delete(command.importId);
        return;
      }
      case "dropStaged":
        this.staged.delete(command.importId);
    }
  }
}

function at(key: string, grayName: string | undefined): string {
  return grayName === undefined ? key : `${key}#${grayName}`;
}

describe("any entries of the log", () => {
  test("leave what a model of them leaves, in memory and in the store", () => {
    fc.assert(
      fc.property(options, fc.array(commands, { maxLength: 40 }), (given, entries) => {
        const log = new ConfigLog(given);
        const model = new Model();
        for (const command of entries) {
          const before = durable(log.state);
          const { refused, effects, writes } = log.apply(command);
          if (refused === undefined) model.apply(command);
          else {
            assert.equal(effects.length, 1, "a refused entry has no other effect");
            assert.deepEqual(durable(log.state), before, "and changes nothing");
          }
          const ids = writes.flatMap((write) => (write.kind === "history" ? [write.nid] : []));
          assert.equal(new Set(ids).size, ids.length, "ids of history are unique");
        }
        assert.deepEqual(new Map([...log.store.texts].sort()), new Map([...model.texts].sort()));
        assert.deepEqual([...log.state.staged.keys()].sort(), [...model.staged.keys()].sort());
        for (const item of log.state.items.values()) {
          const formal = model.texts.get(item.key);
          assert.equal(item.formal?.md5, formal === undefined ? undefined : content(formal).md5, "G2 head and content");
          for (const held of item.grays)
            assert.equal(held.md5, content(model.texts.get(at(item.key, held.name)) ?? "").md5);
        }
      }),
      { numRuns: 300 },
    );
  });
  test("give the same state and the same effects on every member, and after a start", () => {
    fc.assert(
      fc.property(options, fc.array(commands, { maxLength: 40 }), fc.nat(40), (given, entries, stopAt) => {
        const one = new ConfigLog(given);
        const other = new ConfigLog(given);
        for (const [index, command] of entries.entries()) {
          const { effects } = one.apply(command);
          // Out of the log a command comes as JSON.
          const again = other.apply(JSON.parse(JSON.stringify(command)) as ConfigCommand);
          assert.deepEqual(again.effects, effects);
          if (index === stopAt) assert.deepEqual(durable(one.restarted()), durable(one.state));
        }
        assert.deepEqual(durable(other.state), durable(one.state));
        assert.deepEqual(durable(one.restarted()), durable(one.state));
      }),
      { numRuns: 150 },
    );
  });
  test("leave gray versions in the order in which they are tried (G4)", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...GRAYS], { minLength: 1 }), (targets) => {
        const log = new ConfigLog();
        for (const target of targets) log.publish(config(), target.name, { gray: target });
        const item = log.state.items.get(configKey(config()));
        const everything = { ClientIp: "10.0.0.1", "Vipserver-Tag": "blue", zone: "hz" };
        const first = ["beta", "tag_blue", "l"].find((one) => targets.some((target) => target.name === one));
        if (first !== undefined) assert.equal(choose(item, everything).gray?.name, first);
      }),
    );
  });
});
