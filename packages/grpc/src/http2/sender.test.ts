import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ErrorCode, FrameType, Setting } from "./protocol.ts";
import { Subject } from "./subject.fixture.ts";
import { headers, lastHeaders, request, settings, TRAILERS, windowUpdate } from "./wire.fixture.ts";

/** Windows without end, and open streams 1, 3, 5 ... */
function server(streams: number, streamQueuedBytes = 1e6, windows = 2 ** 30): Subject {
  const subject = Subject.greeted({ streamQueuedBytes });
  subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, windows]), windowUpdate(0, 2 ** 30));
  for (let nth = 0; nth < streams; nth++) subject.receive(headers(1 + 2 * nth, request()));
  subject.sent();
  subject.news();
  return subject;
}

function send(subject: Subject, id: number, bytes: Uint8Array, prefixed = false): boolean {
  return subject.connection.data(subject.stream(id), bytes, prefixed, false, subject.now);
}

function contentOf(subject: Subject, id: number): Buffer {
  const own = subject.frames().filter(({ type, streamId }) => type === FrameType.DATA && streamId === id);
  return Buffer.concat(own.map(({ payload }) => payload));
}

describe("content (RFC 9113, section 4.2)", () => {
  test("leaves in frames of at most 16 KiB", () => {
    const subject = server(1);
    send(subject, 1, Buffer.alloc(40_000));
    assert.deepEqual(subject.sent(), ["DATA 1 16384 bytes", "DATA 1 16384 bytes", "DATA 1 7232 bytes"]);
  });

  for (const size of [0, 1, 4095, 4096, 4097, 16_379, 16_380, 50_000]) {
    test(`a message of ${size} bytes leaves behind its prefix, unchanged and not changing its buffer`, () => {
      const subject = server(2);
      const message = Buffer.from(Array.from({ length: size }, (_, at) => at % 251));
      const before = Buffer.from(message);
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(size, 1);
      send(subject, 1, message, true);
      send(subject, 3, message, true);
      const frames = subject.frames();
      for (const id of [1, 3]) {
        const parts = frames.filter(({ streamId }) => streamId === id).map(({ payload }) => payload);
        assert.deepEqual(Buffer.concat(parts), Buffer.concat([prefix, message]));
      }
      assert.deepEqual(message, before);
    });
  }

  test("the prefix of a message may be cut by windows of one byte", () => {
    const subject = server(1, 1e6, 0);
    subject.connection.data(subject.stream(1), Buffer.from("abc"), true, true, subject.now);
    const parts: string[] = [];
    for (let nth = 0; nth < 8; nth++) {
      subject.connection.receive(windowUpdate(1, 1), subject.now);
      parts.push(contentOf(subject, 1).toString("latin1"));
    }
    assert.deepEqual(parts, ["\x01", "\0", "\0", "\0", "\x03", "a", "b", "c"]);
  });

  test("one buffer that waits on several streams has on each the prefix that was asked for", () => {
    for (const size of [3, 20_000]) {
      const subject = server(4, 1e6, 0);
      const bytes = Buffer.alloc(size, 1);
      const orders = [
        { id: 1, prefixed: true, compressed: false },
        { id: 3, prefixed: true, compressed: true },
        { id: 5, prefixed: false, compressed: false },
        { id: 7, prefixed: true, compressed: false },
      ];
      for (const { id, prefixed, compressed } of orders) {
        subject.connection.data(subject.stream(id), bytes, prefixed, compressed, subject.now);
      }
      for (const { id, prefixed, compressed } of orders) {
        const prefix = Buffer.alloc(prefixed ? 5 : 0);
        if (prefixed) {
          prefix[0] = Number(compressed);
          prefix.writeUInt32BE(size, 1);
        }
        subject.connection.receive(windowUpdate(id, 30_000), subject.now);
        assert.deepEqual(contentOf(subject, id), Buffer.concat([prefix, bytes]));
      }
    }
  });

  test("of a large buffer that waits on several streams all but the first count as shared, as long as they wait", () => {
    const subject = server(3, 1e6, 1000);
    const { sender } = subject.connection;
    const bytes = Buffer.alloc(20_000);
    const shared: number[] = [];
    for (const id of [1, 3, 5]) {
      send(subject, id, bytes);
      shared.push(sender.sharedBytes);
    }
    subject.receive(windowUpdate(3, 5000));
    shared.push(sender.sharedBytes);
    subject.receive(windowUpdate(5, 19_000));
    shared.push(sender.sharedBytes);
    subject.connection.reset(subject.stream(3), ErrorCode.CANCEL);
    shared.push(sender.sharedBytes);
    assert.deepEqual(shared, [0, 19_000, 38_000, 33_000, 14_000, 0]);
    assert.equal(sender.queuedBytes, 19_000);
  });

  test("messages of one stream keep their order, whatever their size", () => {
    const subject = server(1, 1e6, 10_000);
    const messages = [3, 20_000, 0, 5000, 1].map((size, nth) => Buffer.alloc(size, nth + 1));
    for (const message of messages) send(subject, 1, message);
    subject.connection.finish(subject.stream(1), TRAILERS);
    const sent = [contentOf(subject, 1)];
    for (let nth = 0; nth < 20; nth++) {
      subject.connection.receive(windowUpdate(1, 1000), subject.now);
      const frames = subject.frames();
      sent.push(...frames.filter(({ type }) => type === FrameType.DATA).map(({ payload }) => payload));
      if (frames.at(-2)?.type === FrameType.HEADERS) assert.ok(nth === 15, "trailers are behind all content");
    }
    assert.deepEqual(Buffer.concat(sent), Buffer.concat(messages));
    assert.equal(subject.stream(1).closed, true);
  });

  test("control frames and other streams overtake what waits", () => {
    const subject = server(2, 1e6, 0);
    send(subject, 1, Buffer.from("a"));
    send(subject, 3, Buffer.from("b"));
    assert.deepEqual(subject.receive(windowUpdate(3, 1)), ["DATA 3 1 bytes"]);
  });
});

describe("turns", () => {
  test("streams with long queues take turns of 64 KiB, and short ones do not wait for them", () => {
    const subject = server(3);
    subject.connection.sender.backlogged = true;
    for (const id of [1, 3]) send(subject, id, Buffer.alloc(200_000));
    send(subject, 5, Buffer.from("short"));
    assert.deepEqual(subject.sent(), []);
    subject.connection.sender.backlogged = false;
    subject.connection.sender.pump(subject.now);
    const order: number[] = [];
    for (const { streamId } of subject.frames()) if (order.at(-1) !== streamId) order.push(streamId);
    assert.deepEqual(order.slice(0, 5), [1, 3, 5, 1, 3]);
  });

  test("a stream whose window is used up lets the others go on", () => {
    const subject = server(2, 1e6, 100_000);
    subject.connection.sender.backlogged = true;
    send(subject, 1, Buffer.alloc(150_000));
    send(subject, 3, Buffer.alloc(90_000));
    subject.connection.sender.backlogged = false;
    subject.connection.sender.pump(subject.now);
    assert.equal(subject.stream(3).queuedBytes, 0);
    assert.equal(subject.stream(1).queuedBytes, 50_000);
  });

  test("no more is gathered than a socket should take at once", () => {
    const subject = server(1);
    for (let nth = 0; nth < 100; nth++) send(subject, 1, Buffer.alloc(64 * 1024));
    const { sender } = subject.connection;
    assert.ok(sender.output.bytes < 400_000, `${sender.output.bytes}`);
    let bytes = 0;
    while (sender.output.bytes > 0) {
      bytes += contentOf(subject, 1).length;
      sender.pump(subject.now);
    }
    assert.equal(bytes, 100 * 64 * 1024);
  });

  test("memory that has been written to is let go with what was written", () => {
    const subject = server(1);
    send(subject, 1, Buffer.from("x"));
    const { output } = subject.connection.sender;
    assert.notEqual(output.memory.length, 0);
    output.take();
    assert.equal(output.memory.length, 0);
    send(subject, 1, Buffer.from("y"));
    assert.deepEqual(subject.sent(), ["DATA 1 1 bytes"]);
  });

  test("while the socket is full only content waits", () => {
    const subject = server(1);
    subject.connection.sender.backlogged = true;
    send(subject, 1, Buffer.from("x"));
    subject.connection.headers(subject.stream(1), TRAILERS);
    assert.deepEqual(subject.sent(), ["HEADERS 1"]);
    subject.connection.sender.backlogged = false;
    subject.connection.sender.pump(subject.now);
    assert.deepEqual(subject.sent(), ["DATA 1 1 bytes"]);
  });
});

describe("slow streams", () => {
  test("are told once when their queue has fallen below half, for each time it rose above the budget", () => {
    const subject = server(1, 100, 0);
    assert.equal(send(subject, 1, Buffer.alloc(100)), true, "at the budget");
    assert.equal(send(subject, 1, Buffer.alloc(1)), false, "above it");
    assert.equal(send(subject, 1, Buffer.alloc(1)), false);
    const news = [1, 51, 1, 48, 1].map((bytes) => {
      subject.receive(windowUpdate(1, bytes));
      return subject.news();
    });
    assert.deepEqual(news, [[], [], ["drained 1"], [], []]);
    assert.equal(send(subject, 1, Buffer.alloc(101)), false);
    subject.receive(windowUpdate(1, 101));
    assert.deepEqual(subject.news(), ["drained 1"]);
  });

  test("may be sent to while they are told", () => {
    const subject = server(1, 100, 0);
    let more = 3;
    subject.on.drained = () => {
      if (more-- > 0) send(subject, 1, Buffer.alloc(200));
    };
    send(subject, 1, Buffer.alloc(200));
    subject.receive(windowUpdate(1, 1000));
    assert.deepEqual(subject.news(), ["drained 1"], "what was sent left at once");
    assert.equal(subject.connection.sender.queuedBytes, 0);
  });

  test("are not told when they are closed", () => {
    const subject = server(1, 100, 0);
    send(subject, 1, Buffer.alloc(200));
    subject.connection.reset(subject.stream(1), ErrorCode.CANCEL);
    subject.receive(windowUpdate(1, 1000));
    assert.deepEqual(subject.news(), ["closed 1 CANCEL"]);
    assert.equal(subject.connection.sender.queuedBytes, 0);
  });
});

describe("the end of an answer", () => {
  test("before the end of the request is followed by RST_STREAM NO_ERROR (RFC 9113, section 8.1)", () => {
    const subject = server(1);
    subject.connection.respond(subject.stream(1), TRAILERS, Buffer.from("x"), TRAILERS, subject.now);
    assert.deepEqual(subject.sent(), ["HEADERS 1", "DATA 1 6 bytes", "HEADERS 1 END_STREAM", "RST_STREAM 1 NO_ERROR"]);
    assert.deepEqual(subject.news(), ["closed 1 NO_ERROR"]);
  });

  test("after it is the end of the stream", () => {
    const subject = server(0);
    subject.receive(lastHeaders(1, request()));
    subject.connection.headers(subject.stream(1), TRAILERS, true);
    assert.deepEqual(subject.sent(), ["HEADERS 1 END_STREAM"]);
  });

  test("is the end of what may be sent", () => {
    const subject = server(1, 1e6, 0);
    const { connection } = subject;
    const stream = subject.stream(1);
    send(subject, 1, Buffer.from("x"));
    connection.finish(stream, TRAILERS);
    connection.finish(stream, TRAILERS);
    assert.equal(send(subject, 1, Buffer.from("y")), false);
    connection.headers(stream, TRAILERS);
    connection.respond(stream, TRAILERS, Buffer.from("z"), TRAILERS, subject.now);
    assert.deepEqual(subject.sent(), []);
    assert.deepEqual(subject.receive(windowUpdate(1, 9)), [
      "DATA 1 1 bytes",
      "HEADERS 1 END_STREAM",
      "RST_STREAM 1 NO_ERROR",
    ]);
  });
});

describe("blocks above 16 KiB (RFC 9113, section 6.10)", () => {
  for (const size of [16_384, 16_385, 32_768, 32_769, 70_000]) {
    test(`of ${size} bytes leave in frames of 16 KiB, END_HEADERS on the last alone`, () => {
      const subject = server(1);
      const block = Buffer.from(Array.from({ length: size }, (_, at) => at % 7));
      subject.connection.headers(subject.stream(1), block, true);
      const frames = subject.frames().filter(({ type }) => type !== FrameType.RST_STREAM);
      assert.deepEqual(Buffer.concat(frames.map(({ payload }) => payload)), block);
      assert.deepEqual(
        frames.map(({ type, flags }) => [type, flags]),
        frames.map((_, nth) => [
          nth === 0 ? FrameType.HEADERS : FrameType.CONTINUATION,
          (nth === 0 ? 1 : 0) | (nth === frames.length - 1 ? 4 : 0),
        ]),
      );
      for (const { payload } of frames) assert.ok(payload.length <= 16_384);
    });
  }
});
