import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigCommand, Content } from "@nacre/core/config";
import fc from "fast-check";
import { commandCodec, decodeCommand, encodeCommand } from "./command-codec.ts";

const by = { user: "user", ip: "10.0.0.1" };
const name = { namespace: "public", group: "group", dataId: "a.yaml" };
const content = (text: string): Content => ({ text, md5: "md5", bytes: 3, encryptedDataKey: "" });
const publish = (text: string): ConfigCommand => ({
  type: "publishConfig",
  name,
  content: content(text),
  fields: { tags: ["one"], description: "two\nlines" },
  terms: {},
  by,
});
const stage = (texts: readonly string[]): ConfigCommand => ({
  type: "stageConfigs",
  importId: "import",
  items: texts.map((text) => ({ name, content: content(text), fields: {} })),
});

describe("commands in the log", () => {
  for (const text of ["", "text", "a\r\nb\n", "\0", "a\0\0b", "配置：中文", "🦪", "\uFFFD\u00FF", '{"a":"\\u0000"}']) {
    test(`carry ${JSON.stringify(text)} as it is`, () => {
      assert.deepEqual(decodeCommand(encodeCommand(publish(text))), publish(text));
      assert.deepEqual(decodeCommand(encodeCommand(stage([text, "", text]))), stage([text, "", text]));
    });
  }

  test("carry any content as it is, without a zero byte", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (texts) => {
        const command = stage(texts);
        const payload = encodeCommand(command);
        assert.ok(!payload.includes(0));
        assert.deepEqual(decodeCommand(payload), command);
      }),
    );
  });

  test("replace half a surrogate pair, as its MD5 does", () => {
    assert.deepEqual(decodeCommand(encodeCommand(publish("a\uD800b"))), publish("a\uFFFDb"));
  });

  test("need no more than some bytes besides the content, so that 10 MiB fit", () => {
    const text = '"\n'.repeat(5 * 1024 * 1024);
    const payload = encodeCommand(publish(text));
    assert.ok(payload.length < text.length + 500);
    const command = decodeCommand<Extract<ConfigCommand, { type: "publishConfig" }>>(payload);
    assert.ok(command.content.text === text);
  });

  test("of other kinds are JSON", () => {
    const { encode, decode } = commandCodec<{ type: string; text: string }>();
    const command = { type: "other", text: "content\0" };
    assert.equal(Buffer.from(encode(command)).toString(), JSON.stringify(command));
    assert.deepEqual(decode(encode(command)), command);
  });
});

describe("a payload that is none of ours", () => {
  test("gives a command or one kind of error, never anything else", () => {
    const good = Buffer.from(encodeCommand(stage(["one", "two\0", "三"])));
    const bytes = fc.oneof(
      fc.uint8Array(),
      fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
        const changed = Buffer.from(good);
        changed[at] = byte;
        return changed;
      }),
      fc.nat(good.length - 1).map((length) => good.subarray(0, length)),
      fc.json().map((json) => Buffer.from(`{"type":"stageConfigs","items":${json}}\n[1]\na`)),
      fc.json().map((json) => Buffer.from(`{"type":"stageConfigs","items":${json}}\n[]\n`)),
      fc.json().map((json) => Buffer.from(`${json}\n${json}\n`)),
    );
    fc.assert(
      fc.property(bytes, (payload) => {
        try {
          assert.equal(typeof decodeCommand(payload).type, "string");
        } catch (thrown) {
          assert.ok(thrown instanceof Error);
          assert.match(thrown.message, /^a command of the log cannot be read: /);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("that ends early or has bytes too many is refused", () => {
    const good = encodeCommand(publish("content"));
    assert.throws(() => decodeCommand(good.subarray(0, -1)), /the size of its contents is damaged/);
    assert.throws(() => decodeCommand(Buffer.concat([good, Buffer.from("a")])), /the size of its contents is damaged/);
    assert.throws(() => decodeCommand(Buffer.from("{")), /its JSON is damaged/);
  });
});
