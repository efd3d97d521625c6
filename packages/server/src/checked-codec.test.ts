import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_CONFIG_OPTIONS, isConfigCommand, newConfig, step as stepConfig } from "@nacre/core/config";
import { newNaming, step as stepNaming } from "@nacre/core/naming";
import { RegistryError } from "@nacre/protocol";
import { configCommand, namingCommand } from "@nacre/testkit/durable-commands";
import { Random } from "@nacre/testkit/random";
import fc from "fast-check";
import { checkedCodec } from "./checked-codec.ts";
import type { AnyCommand } from "./state-machine.ts";
import { MalformedCommand, UnknownKind } from "./storage/port.ts";

const codec = checkedCodec<AnyCommand>();
const AT = Date.UTC(2026, 1, 1);

/** The cores that commands of the log come to. */
class Cores {
  readonly #config = newConfig(DEFAULT_CONFIG_OPTIONS);
  readonly #naming = newNaming({}, 1, 0);
  #index = 0;

  apply(command: AnyCommand): void {
    const entry = { type: "apply", index: ++this.#index, at: AT + this.#index } as const;
    if (isConfigCommand(command)) stepConfig(this.#config, { ...entry, command }, this.#index);
    else stepNaming(this.#naming, { ...entry, command }, this.#index);
  }
}

/** A command as a log may hold it: some part of a good one is something else. */
function spoilt(value: unknown, path: readonly number[], by: unknown): unknown {
  const [at, ...rest] = path;
  if (at === undefined || typeof value !== "object" || value === null) return by;
  const names = Object.keys(value);
  const name = names[at % Math.max(1, names.length)];
  if (name === undefined) return by;
  const changed = spoilt((value as Record<string, unknown>)[name], rest, by);
  if (Array.isArray(value)) return value.map((one, place) => (String(place) === name ? changed : one));
  return { ...value, [name]: changed };
}

/** As the log would hold it, or undefined where no codec can write it. */
function bytesOf(command: unknown): Buffer {
  return Buffer.from(JSON.stringify(command) ?? "");
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    assert.ok(thrown instanceof RegistryError);
    assert.equal(thrown.failure, "invalidParameter");
    return thrown.message;
  }
  return assert.fail("it is refused");
}

describe("a command that is proposed", () => {
  const name = { namespace: "public", group: "g", dataId: "d" };
  const by = { user: "", ip: "" };

  test("is refused with the field and its rule", () => {
    const content = { text: "a", md5: "", bytes: "1", encryptedDataKey: "" };
    const publish = { type: "publishConfig", name, content, fields: {}, terms: {}, by };
    assert.equal(
      refusal(() => codec.encode(publish as unknown as AnyCommand)),
      "field 'content.bytes' of a command publishConfig must be a whole number from 0 to 9007199254740991",
    );
    const remove = { type: "removeConfigs", names: [name, { ...name, group: null }], by };
    assert.equal(
      refusal(() => codec.encode(remove as unknown as AnyCommand)),
      "field 'names[1].group' of a command removeConfigs must be text",
    );
    assert.equal(
      refusal(() => codec.encode({ type: "setSwitch", entry: "check" } as unknown as AnyCommand)),
      "field 'value' of a command setSwitch must be text",
    );
  });

  test("is refused when this version does not know its kind", () => {
    assert.equal(
      refusal(() => codec.encode({ type: "mergeConfigs" } as unknown as AnyCommand)),
      "a command of the kind 'mergeConfigs' is not known to this version",
    );
  });

  test("goes into the log as it is when it is what its kind is", () => {
    const random = new Random(1);
    for (let at = 0; at < 500; at++) {
      const command = random.chance(0.5) ? configCommand(random) : namingCommand(random);
      assert.deepEqual(codec.decode(codec.encode(command)), JSON.parse(JSON.stringify(command)));
    }
  });
});

describe("a command of the log", () => {
  test("of a kind that a later version has is told from one that no version writes", () => {
    assert.throws(() => codec.decode(bytesOf({ type: "mergeConfigs", items: 1 })), UnknownKind);
    const later = Buffer.concat([bytesOf({ type: "mergeConfigs" }), Buffer.from("\n[1]\nx")]);
    assert.throws(() => codec.decode(later), UnknownKind, "whatever it goes on with");
    assert.throws(() => codec.decode(bytesOf({ type: "setSwitch", entry: 1 })), MalformedCommand);
  });

  test("is applied by the cores without an exception, or does not come to them", () => {
    const cores = new Cores();
    const part = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.constantFrom<unknown>("", "__proto__", "public", -1, 1e308, {}, [], [{}], null, { toString: null }),
    );
    const path = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 4 });
    let applied = 0;
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.tuple(path, part), { maxLength: 2 }), (seed, faults) => {
        const random = new Random(seed + 1);
        const good: unknown = random.chance(0.5) ? configCommand(random) : namingCommand(random);
        const command = faults.reduce((value, [at, by]) => spoilt(value, at, by), good);
        let read: AnyCommand;
        try {
          read = codec.decode(codec.encode(command as AnyCommand));
        } catch {
          return;
        }
        cores.apply(read);
        applied++;
      }),
      { numRuns: 5_000 },
    );
    assert.ok(applied > 1_000, "many of them are still commands");
  });

  test("is any JSON at all, and any bytes, and throws nothing but what tells why", () => {
    const known = (run: () => unknown) => {
      try {
        run();
      } catch (thrown) {
        const isTold = thrown instanceof UnknownKind || thrown instanceof MalformedCommand;
        assert.ok(isTold || /cannot be read/.test((thrown as Error).message), String(thrown));
      }
    };
    fc.assert(fc.property(fc.jsonValue(), (value) => known(() => codec.decode(bytesOf(value)))));
    fc.assert(fc.property(fc.uint8Array(), (bytes) => known(() => codec.decode(bytes))));
  });
});
