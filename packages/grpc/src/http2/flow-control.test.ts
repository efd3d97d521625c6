import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ErrorCode, Flag, MAX_31, Setting } from "./protocol.ts";
import { Subject } from "./subject.fixture.ts";
import {
  data,
  headers,
  lastData,
  paddedData,
  request,
  rstStream,
  settings,
  TRAILERS,
  windowUpdate,
} from "./wire.fixture.ts";

const KIB16 = 16_384;

/** A server with one open stream; windows as given, content not taken unless the test does. */
function server(streamWindowBytes: number, connectionWindowBytes: number, takes = false): Subject {
  const subject = Subject.greeted({ streamWindowBytes, connectionWindowBytes });
  subject.takes = takes;
  subject.receive(headers(1, request()), headers(3, request()));
  subject.news();
  return subject;
}

describe("what a peer may send (RFC 9113, sections 5.2 and 6.9)", () => {
  test("the window of a stream may be used to its last byte, and one more ends the stream", () => {
    const subject = server(100, 1e6);
    assert.deepEqual(subject.receive(data(1, Buffer.alloc(100))), []);
    assert.deepEqual(subject.receive(data(1, "x")), ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
    assert.deepEqual(subject.receive(data(3, Buffer.alloc(100))), [], "another stream goes on");
  });

  test("the window of the connection may be used to its last byte, and one more ends the connection", () => {
    const subject = server(1e6, 65_535);
    for (let nth = 0; nth < 3; nth++) subject.receive(data(1, Buffer.alloc(KIB16)));
    subject.receive(data(3, Buffer.alloc(KIB16 - 1)));
    assert.equal(subject.failure, undefined);
    subject.receive(data(3, "x"));
    assert.equal(subject.failure, "FLOW_CONTROL_ERROR");
  });

  test("empty frames need no window", () => {
    const subject = server(100, 1e6);
    subject.receive(data(1, Buffer.alloc(100)));
    assert.deepEqual(subject.receive(lastData(1, "")), []);
    assert.equal(subject.news().at(-1), "ended 1");
  });

  test("padding and its length count (section 6.1)", () => {
    const subject = server(100, 1e6);
    subject.receive(paddedData(1, Buffer.alloc(80), 19));
    assert.equal(subject.stream(1).receiveWindow, 0);
    assert.equal(subject.news().length, 1);
    assert.deepEqual(subject.receive(data(1, "x")), ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
  });

  test("padding is taken at once, since no application will", () => {
    const subject = server(200, 1e6);
    assert.deepEqual(subject.receive(paddedData(1, Buffer.from("x"), 98)), [], "below half of the window");
    assert.deepEqual(subject.receive(paddedData(1, Buffer.alloc(0), 0)), ["WINDOW_UPDATE 1 100"]);
  });

  test("padding longer than its frame is a connection error (section 6.1)", () => {
    const subject = server(200, 1e6);
    const wrong = paddedData(1, Buffer.from("x"), 5);
    wrong[9] = 7;
    subject.receive(wrong);
    assert.equal(subject.failure, "PROTOCOL_ERROR");
  });

  test("padding as long as its frame is none", () => {
    const subject = server(200, 1e6);
    subject.receive(paddedData(1, Buffer.alloc(0), 5));
    assert.equal(subject.failure, undefined);
    assert.deepEqual(subject.news(), []);
  });
});

describe("window updates for the peer (RFC 9113, section 6.9)", () => {
  test("come when half of a stream's window has been taken, for all of that", () => {
    const subject = server(100, 1e6);
    subject.receive(data(1, Buffer.alloc(60)));
    const { connection } = subject;
    connection.taken(subject.stream(1), 49);
    assert.deepEqual(subject.sent(), []);
    connection.taken(subject.stream(1), 11);
    assert.deepEqual(subject.sent(), ["WINDOW_UPDATE 1 60"]);
    assert.equal(subject.stream(1).receiveWindow, 100);
  });

  test("come for the connection by the same rule, over all streams", () => {
    const subject = server(1e6, 100_000);
    for (const id of [1, 3]) for (let nth = 0; nth < 2; nth++) subject.receive(data(id, Buffer.alloc(KIB16)));
    subject.connection.taken(subject.stream(1), 2 * KIB16);
    assert.deepEqual(subject.sent(), []);
    subject.connection.taken(subject.stream(3), 2 * KIB16);
    assert.deepEqual(subject.sent(), [`WINDOW_UPDATE 0 ${4 * KIB16}`]);
  });

  test("do not come for a stream that the peer has ended", () => {
    const subject = server(100, 1e6);
    subject.receive(lastData(1, Buffer.alloc(60)));
    subject.connection.taken(subject.stream(1), 60);
    assert.deepEqual(subject.sent(), []);
  });

  for (const [what, end] of [
    ["was reset by the peer", (subject: Subject) => void subject.receive(rstStream(1))],
    ["was reset here", (subject: Subject) => subject.connection.reset(subject.stream(1), ErrorCode.CANCEL)],
  ] as const) {
    test(`come for the connection, when content is taken of a stream that ${what}`, () => {
      const subject = server(100_000, 65_535);
      for (let nth = 0; nth < 3; nth++) subject.receive(data(1, Buffer.alloc(KIB16)));
      end(subject);
      subject.sent();
      subject.connection.taken(subject.stream(1), 3 * KIB16);
      assert.deepEqual(subject.sent(), [`WINDOW_UPDATE 0 ${3 * KIB16}`]);
    });
  }

  test("come for content of streams that are gone: it counts, and nobody else takes it (section 5.1)", () => {
    const subject = server(1e6, 65_535);
    subject.connection.reset(subject.stream(1), ErrorCode.CANCEL);
    subject.sent();
    const late = [1, 2].flatMap(() => subject.receive(data(1, Buffer.alloc(KIB16))));
    assert.deepEqual(late, [`WINDOW_UPDATE 0 ${2 * KIB16}`]);
  });

  test("come for the rest of a frame whose stream was closed while it arrived", () => {
    const subject = server(1e6, 65_535);
    const whole = Buffer.concat([1, 2].map(() => data(1, Buffer.alloc(KIB16))));
    subject.receive(whole.subarray(0, 100));
    subject.connection.taken(subject.stream(1), 91);
    subject.connection.reset(subject.stream(1), ErrorCode.CANCEL);
    subject.sent();
    assert.deepEqual(subject.receive(whole.subarray(100)), [`WINDOW_UPDATE 0 ${2 * KIB16}`]);
  });
});

describe("what this side may send (RFC 9113, section 6.9.1)", () => {
  function sending(bytes: number): Subject {
    const subject = server(1e6, 1e6);
    subject.connection.headers(subject.stream(1), TRAILERS);
    subject.sent();
    subject.connection.data(subject.stream(1), Buffer.alloc(bytes), false, false, subject.now);
    return subject;
  }

  test("ends with the window of the stream, and goes on with it", () => {
    const subject = sending(65_536);
    subject.receive(windowUpdate(0, 100));
    assert.equal(subject.connection.sender.queuedBytes, 1);
    assert.deepEqual(subject.receive(windowUpdate(1, 1)), ["DATA 1 1 bytes"]);
  });

  test("ends with the window of the connection, and goes on with it", () => {
    const subject = sending(65_536);
    subject.receive(windowUpdate(1, 100));
    assert.equal(subject.connection.sender.queuedBytes, 1);
    assert.deepEqual(subject.receive(windowUpdate(0, 1)), ["DATA 1 1 bytes"]);
  });

  for (const [what, size, send] of [
    [
      "a whole answer",
      3000,
      (subject: Subject, id: number, content: Buffer) =>
        subject.connection.respond(subject.stream(id), TRAILERS, content, TRAILERS, subject.now),
    ],
    [
      "a message that was framed for others",
      30_000,
      (subject: Subject, id: number, content: Buffer) =>
        subject.connection.data(subject.stream(id), content, true, false, subject.now),
    ],
  ] as const) {
    const content = Buffer.alloc(size);
    // Two others get it first: from the second on it is framed once for all.
    const prepare = (): void => {
      for (let nth = 0; nth < 2; nth++) send(server(1e6, 1e6), 1, content);
    };

    test(`${what} keeps to the window of its stream`, () => {
      prepare();
      const subject = server(1e6, 1e6);
      subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, size + 4]));
      send(subject, 1, content);
      assert.deepEqual([subject.sendWindow(1), subject.stream(1).queuedBytes], [0, 1]);
      subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, size + 5]));
      prepare();
      send(subject, 3, content);
      assert.deepEqual([subject.sendWindow(3), subject.stream(3).queuedBytes], [0, 0]);
    });

    test(`${what} keeps to the window of the connection`, () => {
      const subject = server(1e6, 1e6);
      subject.connection.data(subject.stream(3), Buffer.alloc(65_535 - size - 4), false, false, subject.now);
      prepare();
      send(subject, 1, content);
      assert.deepEqual([subject.connection.sender.window, subject.connection.sender.queuedBytes], [0, 1]);
    });
  }

  test("empty frames, heads and trailers need no window (section 6.9)", () => {
    const subject = sending(65_535);
    subject.sent();
    subject.connection.finish(subject.stream(1), TRAILERS);
    assert.deepEqual(subject.sent(), ["HEADERS 1 END_STREAM", "RST_STREAM 1 NO_ERROR"]);
    subject.connection.headers(subject.stream(3), TRAILERS);
    subject.connection.finish(subject.stream(3));
    assert.deepEqual(subject.sent(), ["HEADERS 3", "DATA 3 0 bytes END_STREAM", "RST_STREAM 3 NO_ERROR"]);
  });

  for (const [bytes, id, expected] of [
    [MAX_31 - 65_535, 1, []],
    [MAX_31 - 65_534, 1, ["RST_STREAM 1 FLOW_CONTROL_ERROR"]],
    [MAX_31 - 65_535, 0, []],
    [MAX_31 - 65_534, 0, ["GOAWAY 3 FLOW_CONTROL_ERROR"]],
    [0, 1, ["RST_STREAM 1 PROTOCOL_ERROR"]],
    [0, 0, ["GOAWAY 3 PROTOCOL_ERROR"]],
  ] as const) {
    test(`a window update of ${bytes} on stream ${id}: ${expected.join() || "taken"}`, () => {
      const subject = server(1e6, 1e6);
      assert.deepEqual(subject.receive(windowUpdate(id, bytes)), expected);
    });
  }

  test("the reserved bit of a window update is ignored (section 6.9)", () => {
    const subject = server(1e6, 1e6);
    assert.deepEqual(subject.receive(windowUpdate(1, 2 ** 31 + 5)), []);
    assert.equal(subject.sendWindow(1), 65_540);
  });

  test("the reserved bit of a stream id is ignored (section 4.1)", () => {
    const subject = server(1e6, 1e6);
    const bytes = data(1, "x", Flag.END_STREAM);
    bytes.writeUInt8(0x80, 5);
    subject.receive(bytes);
    assert.deepEqual(subject.news(), ["data 1 x", "ended 1"]);
  });
});
