import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { message } from "../http2/wire.fixture.ts";
import { HeldContent } from "./held-content.ts";
import { MessageReader, PartialBytes } from "./message-reader.ts";
import { Status, StatusError } from "./status.ts";

const messages = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 });
const cuts = fc.array(fc.nat(), { maxLength: 20 });

/** The content in pieces, each in memory of its own. */
function piecesOf(content: Buffer, at: readonly number[]): Buffer[] {
  const borders = [0, ...at.map((cut) => cut % (content.length + 1)).sort((a, b) => a - b), content.length];
  return borders.slice(1).map((end, nth) => Buffer.from(content.subarray(borders[nth], end)));
}

describe("messages in content (gRPC over HTTP/2, Length-Prefixed-Message)", () => {
  test("are the same however the content is cut", () => {
    fc.assert(
      fc.property(messages, cuts, (sent, at) => {
        const shared = new PartialBytes(10_000);
        const reader = new MessageReader(3000, false, shared);
        const read: Buffer[] = [];
        for (const piece of piecesOf(Buffer.concat(sent.map((own) => message(own))), at)) {
          const end = reader.read(piece, 0, piece.length, 0, (own) => read.push(own) > 0);
          assert.equal(end, piece.length);
        }
        assert.deepEqual(
          read.map(String),
          sent.map((own) => String(Buffer.from(own))),
        );
        assert.equal(reader.isPartial, false);
        assert.equal(shared.used, 0);
      }),
    );
  });

  test("are the same when whoever takes them stops now and then", () => {
    fc.assert(
      fc.property(messages, cuts, fc.infiniteStream(fc.boolean()), (sent, at, stops) => {
        const reader = new MessageReader(3000, false, new PartialBytes(10_000));
        const read: Buffer[] = [];
        const deliver = (own: Buffer): boolean => {
          read.push(own);
          return stops.next().value === true;
        };
        for (const piece of piecesOf(Buffer.concat(sent.map((own) => message(own))), at)) {
          for (let from = 0; from < piece.length; ) {
            const next = reader.read(piece, from, piece.length, 0, deliver);
            assert.ok(next > from, "it goes on");
            from = next;
          }
        }
        assert.deepEqual(
          read.map(String),
          sent.map((own) => String(Buffer.from(own))),
        );
      }),
    );
  });

  test("that lie whole in what came are views of it; others are memory of their own", () => {
    const reader = new MessageReader(3000, false, new PartialBytes(10_000));
    const content = Buffer.concat([message("whole"), message("in two")]);
    const read: Buffer[] = [];
    reader.read(content, 0, 15, 0, (own) => read.push(own) > 0);
    reader.read(content, 15, content.length, 0, (own) => read.push(own) > 0);
    assert.deepEqual(read.map(String), ["whole", "in two"]);
    assert.equal(read[0]?.buffer, content.buffer);
    assert.notEqual(read[1]?.buffer, content.buffer);
  });

  test("take memory as they come, not as they announce themselves", () => {
    const shared = new PartialBytes(1e9);
    const reader = new MessageReader(1e8, false, shared);
    const whole = message(Buffer.alloc(1_000_000));
    reader.read(whole, 0, 5, 0, () => true);
    assert.ok(shared.used <= 1024);
    for (let at = 5; at < whole.length; at += 1000) {
      reader.read(whole, at, Math.min(at + 1000, whole.length), 0, () => true);
      assert.ok(shared.used <= 2 * (at + 1000), `${shared.used} for ${at}`);
    }
    assert.equal(shared.used, 0);
  });

  test("hold nothing any more of what they have outgrown", () => {
    const size = 8 * 2 ** 20;
    const content = message(Buffer.alloc(size));
    const reader = new MessageReader(size, false, new PartialBytes(2 * size));
    const used = (): number => process.memoryUsage().arrayBuffers;
    const before = used();
    let most = 0;
    for (let at = 0; at < content.length; at += 16_384) {
      reader.read(content, at, Math.min(at + 16_384, content.length), 0, () => true);
      most = Math.max(most, used() - before);
    }
    assert.ok(most < 1.25 * size, `${most} bytes are held for a message of ${size}`);
  });
});

describe("a bound on what has come in part", () => {
  test("holds for its own holder and for the one around it, and nothing is taken when either is full", () => {
    const all = new PartialBytes(100);
    const [one, other] = [new PartialBytes(80, all), new PartialBytes(80, all)];
    assert.equal(one.take(81), false);
    assert.equal(one.take(80), true);
    assert.equal(other.take(21), false);
    assert.deepEqual([one.used, other.used, all.used], [80, 0, 80]);
    assert.equal(other.take(20), true);
    one.free(80);
    assert.deepEqual([one.used, other.used, all.used], [0, 20, 20]);
    assert.throws(
      () => one.demand(81),
      new StatusError(
        Status.RESOURCE_EXHAUSTED,
        textOf(() => one.demand(81)),
      ),
    );
  });
});

function textOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

describe("content of a paused call", () => {
  test("is read in the order in which it came, and what was read of it never changes", () => {
    const step = fc.oneof(fc.record({ add: fc.uint8Array({ maxLength: 2000 }) }), fc.record({ read: fc.nat(3000) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const held = new HeldContent();
        const added: Buffer[] = [];
        const views: [view: Buffer, then: string][] = [];
        for (const own of steps) {
          if ("add" in own) {
            held.add(Buffer.from(own.add), 0, own.add.length);
            added.push(Buffer.from(own.add));
          } else {
            const view = held.bytes.subarray(held.start, Math.min(held.start + own.read, held.end));
            held.start += view.length;
            views.push([view, view.toString("latin1")]);
          }
        }
        for (const [view, then] of views) assert.equal(view.toString("latin1"), then);
        const left = held.bytes.subarray(held.start, held.end);
        assert.deepEqual(Buffer.concat([...views.map(([view]) => view), left]), Buffer.concat(added));
      }),
    );
  });
});
