import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigWrite, Content } from "@nacre/core/config";
import { configName, contentOf, putConfig, putGray } from "@nacre/testkit/config-store-suite";
import { neverReplaced, type RegisterCommand, RegisterMachine, type RegisterResult } from "@nacre/testkit/log-suite";
import type { RowWrite } from "../storage/port.ts";
import { carriedCodec, endPayload, openPayload, writePayload } from "./carried.ts";
import { type ReplicatedMachine, replicatedMachine, type Settled } from "./machine.ts";

const put = (key: string, value: string): RegisterCommand => ({ type: "put", key, value });

class Subject {
  readonly inner = new RegisterMachine();
  readonly told: number[] = [];
  readonly machine: ReplicatedMachine<RegisterCommand, RegisterResult> = replicatedMachine<
    RegisterCommand,
    RegisterResult
  >(this.inner, (index) => this.told.push(index));
  /** As a store would have them. */
  readonly rows = new Map<string, RowWrite>();

  payload(index: number, at: number, payload: Buffer): Settled<RegisterResult> {
    const command = this.machine.codec?.decode(payload);
    assert.ok(command !== undefined);
    const applied = this.machine.apply({ index, at, command });
    assert.ok(applied.ok);
    for (const row of [...applied.rows, ...(this.machine.sliceRows?.() ?? [])]) {
      if (row.value === undefined) this.rows.delete(`${row.kind} ${row.key}`);
      else this.rows.set(`${row.kind} ${row.key}`, row);
    }
    return applied.result;
  }

  open(index: number, member: string, life: number, at = 1000) {
    return this.payload(index, at, openPayload(member, life));
  }

  write(index: number, member: string, life: number, number: number, command = put("key", `${number}`), at = 1000) {
    const bytes = Buffer.from(JSON.stringify(command));
    return this.payload(index, at, writePayload({ member, life, number, low: 1 }, bytes));
  }

  /** What a start from these rows makes. */
  reopened(): Subject {
    const next = new Subject();
    for (const { kind, key, value } of this.rows.values()) next.machine.load({ kind, key, value: value ?? "" });
    for (const [key, row] of this.rows) next.rows.set(key, row);
    return next;
  }
}

/** What one entry that makes this write leads to. */
function hashOf(write: ConfigWrite): number | undefined {
  const machine = replicatedMachine<ConfigWrite, undefined>(
    {
      load() {},
      apply: ({ command }) => ({ ok: true, result: undefined, rows: [], configs: [command] }),
      replace: neverReplaced,
    },
    () => {},
  );
  for (const index of [1, 1000]) machine.apply({ index, at: 1, command: { type: "plain", command: write } });
  return machine.hashes[0]?.[1];
}

const admission = (settled: Settled<RegisterResult>) => (settled.type === "write" ? settled.admission : settled.type);

describe("the machine behind the table of sessions", () => {
  test("applies a number once, also after a start, and nothing of a life that is over", () => {
    let subject = new Subject();
    subject.open(1, "a", 1);
    assert.equal(admission(subject.write(2, "a", 1, 1)), "apply");
    assert.equal(admission(subject.write(3, "a", 1, 1)), "repeat");
    subject = subject.reopened();
    assert.equal(admission(subject.write(4, "a", 1, 1)), "repeat");
    assert.equal(admission(subject.write(5, "a", 1, 3)), "apply");
    subject.open(6, "a", 2);
    assert.equal(admission(subject.write(7, "a", 1, 4)), "ended");
    assert.equal(admission(subject.reopened().write(8, "a", 1, 4)), "ended");
    assert.equal(subject.inner.registers.get("key"), "3");
    subject.payload(9, 1000, endPayload("a"));
    assert.equal(admission(subject.reopened().write(10, "a", 2, 1)), "ended", "it has left");
  });

  test("never gives the features a time before that of an earlier entry", () => {
    let subject = new Subject();
    subject.open(1, "a", 1, 5000);
    subject = subject.reopened();
    subject.write(2, "a", 1, 1, put("key", "1"), 4000);
    subject.write(3, "a", 1, 2, put("key", "2"), 6000);
    assert.deepEqual(
      subject.inner.entries.map(({ at }) => at),
      [5000, 6000],
    );
  });

  test("has equal hashes for equal entries, whoever was started in between, and another one for another outcome", () => {
    const run = (restarts: boolean, odd = "odd") => {
      let subject = new Subject();
      subject.open(1, "a", 1);
      for (let index = 2; index <= 2005; index++) {
        if (restarts && index % 400 === 0) subject = subject.reopened();
        const command = put(`key-${index % 10}`, index === 1500 ? odd : "value");
        subject.write(index, "a", 1, index, command);
      }
      return subject.machine.hashes;
    };
    const [first, second] = run(false);
    assert.equal(first?.[0], 1000);
    assert.equal(second?.[0], 2000);
    assert.deepEqual(run(true), [first, second]);
    const [same, other] = run(false, "even");
    assert.deepEqual(same, first);
    assert.notDeepEqual(other, second);
  });

  test("hashes contents wholly, wherever an entry writes them", () => {
    const name = configName("a");
    const long = "x".repeat(1000);
    const stage = (content: Content): ConfigWrite => ({
      kind: "stage",
      importId: "import",
      position: 0,
      item: { name, content, fields: {} },
    });
    const gray = { name: "beta", rule: { type: "beta", version: "1.0.0", expr: "10.0.0.9", priority: 9 } };
    const heads = contentOf(long);
    const hashes = [`${long}a`, `${long}b`].flatMap((text) => {
      const content = { ...heads, text };
      return [{ ...putConfig(name, ""), content }, { ...putGray(name, gray, ""), content }, stage(content)].map(
        (write) => hashOf(write),
      );
    });
    assert.equal(new Set(hashes).size, hashes.length);
    assert.equal(hashOf(stage(heads)), hashOf(stage({ ...heads })), "equal for equal writes");
  });

  test("takes the sessions of another state along with its rows", async () => {
    const [from, to] = [new Subject(), new Subject()];
    from.open(1, "a", 1);
    from.write(2, "a", 1, 1);
    to.open(1, "b", 1);
    const replacing = to.machine.replace();
    for (const { kind, key, value } of from.rows.values()) replacing.row({ kind, key, value: value ?? "" });
    assert.equal(to.machine.sessions.newest.has("b"), true, "nothing shows before the end");
    await replacing.finish(2, () => {});
    assert.equal(admission(to.write(3, "a", 1, 1)), "repeat");
    assert.equal(to.machine.sessions.newest.has("b"), false);
  });

  test("keeps a session in a row that does not grow with what was applied in order", () => {
    const subject = new Subject();
    subject.open(1, "a", 1);
    for (let number = 1; number <= 500; number++) subject.write(number + 1, "a", 1, number);
    assert.match(subject.rows.get("raft session/a")?.value ?? "", /"ranges":\[\[1,500\]\]/);
  });
});

describe("what an entry carries", () => {
  test("is a head and the command as it is, without a zero byte", () => {
    const stamp = { member: "an id\nof \u0000 any kind", life: 7, number: 8, low: 3 };
    const payload = writePayload(stamp, Buffer.from(JSON.stringify(put("key", "value"))));
    assert.equal(payload.includes(0), false);
    const codec = carriedCodec<RegisterCommand>(undefined);
    assert.deepEqual(codec.decode(payload), { type: "write", stamp, command: put("key", "value") });
    assert.deepEqual(codec.decode(openPayload("a", 3)), { type: "open", member: "a", life: 3 });
    assert.deepEqual(codec.decode(endPayload("a")), { type: "end", member: "a" });
    const plain = Buffer.from(JSON.stringify(put("key", "value")));
    assert.deepEqual(codec.decode(plain), { type: "plain", command: put("key", "value") });
  });
});
