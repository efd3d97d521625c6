import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HpackDecoder } from "../hpack/decoder.ts";
import { decoded } from "../hpack/encoding.fixture.ts";
import { Flag, FrameType, MAX_31, Setting } from "./protocol.ts";
import { Subject } from "./subject.fixture.ts";
import {
  frame,
  headers,
  PREFACE,
  ping,
  request,
  settings,
  settingsAck,
  TRAILERS,
  windowUpdate,
} from "./wire.fixture.ts";

describe("the connection preface (RFC 9113, section 3.4)", () => {
  test("a server greets at once with its SETTINGS and the window of the connection", () => {
    const subject = new Subject({ streamsMax: 7, streamWindowBytes: 70_000, connectionWindowBytes: 100_000 });
    const [own, update, ...more] = subject.frames();
    assert.equal(own?.type, FrameType.SETTINGS);
    const entries = new Map<number, number>();
    for (let at = 0; at < (own?.payload.length ?? 0); at += 6) {
      entries.set(own?.payload.readUInt16BE(at) ?? 0, own?.payload.readUInt32BE(at + 2) ?? 0);
    }
    assert.deepEqual(
      [...entries],
      [
        [Setting.INITIAL_WINDOW_SIZE, 70_000],
        [Setting.MAX_HEADER_LIST_SIZE, 16_384],
        [Setting.MAX_CONCURRENT_STREAMS, 7],
      ],
    );
    assert.equal(update?.payload.readUInt32BE(0), 100_000 - 65_535);
    assert.deepEqual(more, []);
  });

  test("a client begins with the preface and refuses pushes", () => {
    const subject = new Subject({}, { role: "client" });
    const bytes = Buffer.concat(subject.connection.sender.output.take());
    assert.deepEqual(bytes.subarray(0, PREFACE.length), PREFACE);
    assert.ok(bytes.includes(settings([Setting.ENABLE_PUSH, 0]).subarray(9)));
  });

  for (let size = 0; size < PREFACE.length; size++) {
    test(`a wrong byte at ${size} ends the connection as soon as it comes`, () => {
      const wrong = Buffer.from(PREFACE);
      wrong[size] = 0;
      const subject = new Subject();
      subject.receive(wrong.subarray(0, size));
      assert.equal(subject.failure, undefined);
      subject.receive(wrong.subarray(size, size + 1));
      assert.equal(subject.failure, "PROTOCOL_ERROR");
    });
  }

  for (const [name, first] of [
    ["PING", ping()],
    ["HEADERS", headers(1, request())],
    ["SETTINGS with ACK", settingsAck()],
    ["an unknown frame", frame(0x20, 0, 0)],
  ] as const) {
    test(`the first frame must be SETTINGS, not ${name}`, () => {
      const subject = new Subject();
      subject.receive(PREFACE, first);
      assert.equal(subject.failure, "PROTOCOL_ERROR");
    });
  }

  test("an HTTP/1 request is told so with GOAWAY", () => {
    const subject = new Subject();
    subject.sent();
    assert.deepEqual(subject.receive(Buffer.from("GET / HTTP/1.1\r\n\r\n")), ["GOAWAY 0 PROTOCOL_ERROR"]);
  });

  test("nothing is read or sent after a failure", () => {
    const subject = new Subject();
    subject.receive(Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    assert.deepEqual(subject.receive(PREFACE, settings(), ping()), []);
    assert.deepEqual(subject.tick(1e9), []);
    assert.equal(subject.connection.tickAt, Number.POSITIVE_INFINITY);
  });
});

describe("SETTINGS (RFC 9113, sections 6.5 and 6.5.2)", () => {
  test("each frame is confirmed, in order with other answers", () => {
    const subject = Subject.greeted();
    assert.deepEqual(subject.receive(settings(), ping("abcdefgh"), settings([3, 5])), [
      "SETTINGS ACK",
      "PING ACK abcdefgh",
      "SETTINGS ACK",
    ]);
  });

  for (const [id, value, expected] of [
    [Setting.ENABLE_PUSH, 0, undefined],
    [Setting.ENABLE_PUSH, 1, undefined],
    [Setting.ENABLE_PUSH, 2, "PROTOCOL_ERROR"],
    [Setting.INITIAL_WINDOW_SIZE, MAX_31, undefined],
    [Setting.INITIAL_WINDOW_SIZE, MAX_31 + 1, "FLOW_CONTROL_ERROR"],
    [Setting.MAX_FRAME_SIZE, 16_383, "PROTOCOL_ERROR"],
    [Setting.MAX_FRAME_SIZE, 16_384, undefined],
    [Setting.MAX_FRAME_SIZE, 2 ** 24 - 1, undefined],
    [Setting.MAX_FRAME_SIZE, 2 ** 24, "PROTOCOL_ERROR"],
    [Setting.HEADER_TABLE_SIZE, 2 ** 32 - 1, undefined],
    [Setting.MAX_CONCURRENT_STREAMS, 0, undefined],
    [Setting.MAX_HEADER_LIST_SIZE, 0, undefined],
    [0, 7, undefined],
    [0xffff, 2 ** 32 - 1, undefined],
  ] as const) {
    test(`setting ${id} of ${value} is ${expected ?? "taken"}`, () => {
      const subject = Subject.greeted();
      subject.receive(settings([id, value]));
      assert.equal(subject.failure, expected);
    });
  }

  test("a server may not allow pushes at all", () => {
    const subject = Subject.greeted({}, { role: "client" });
    subject.receive(settings([Setting.ENABLE_PUSH, 1]));
    assert.equal(subject.failure, "PROTOCOL_ERROR");
  });

  test("a confirmation is not answered", () => {
    assert.deepEqual(Subject.greeted().receive(settingsAck()), []);
  });

  test("thousands of windows in one frame count as the last of them", () => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()));
    const windows = Array.from({ length: 2730 }, (_, nth) => [Setting.INITIAL_WINDOW_SIZE, nth] as const);
    subject.receive(settings(...windows));
    assert.equal(subject.sendWindow(1), 2729);
    assert.equal(subject.connection.sender.initialWindow, 2729);
  });
});

describe("SETTINGS_HEADER_TABLE_SIZE (RFC 9113, section 4.3.1; RFC 7541, section 4.2)", () => {
  const blockOf = (subject: Subject): Buffer => {
    const sent = subject.frames().filter(({ type }) => type === FrameType.HEADERS);
    assert.equal(sent.length, 1);
    return sent[0]?.payload as Buffer;
  };

  for (const [what, values, confirmed] of [
    ["lowered", [100], true],
    ["lowered to nothing", [0], true],
    ["lowered and raised in one frame", [0, 4096], true],
    ["raised", [8192], false],
    ["the default", [4096], false],
  ] as const) {
    test(`${what}: the next block ${confirmed ? "begins with" : "has no"} size update, those after it have none`, () => {
      const subject = Subject.greeted();
      subject.receive(settings(...values.map((value) => [Setting.HEADER_TABLE_SIZE, value] as const)));
      subject.receive(headers(1, request()), headers(3, request()));
      const { connection } = subject;
      connection.headers(subject.stream(1), TRAILERS);
      const block = blockOf(subject);
      assert.equal(block[0] === 0x20, confirmed);
      assert.deepEqual(decoded(new HpackDecoder(), block), [["a", "b"]]);
      connection.headers(subject.stream(3), TRAILERS);
      assert.deepEqual(blockOf(subject), TRAILERS);
    });
  }

  test("is confirmed too when a whole answer leaves at once", () => {
    const subject = Subject.greeted();
    subject.receive(settings([Setting.HEADER_TABLE_SIZE, 0]), headers(1, request(), Flag.END_STREAM));
    subject.connection.respond(subject.stream(1), TRAILERS, Buffer.from("x"), TRAILERS, subject.now);
    const [head, content, end] = subject.frames();
    assert.deepEqual(head?.payload, Buffer.concat([Buffer.of(0x20), TRAILERS]));
    assert.equal(content?.payload.toString("latin1"), "\0\0\0\0\x01x");
    assert.deepEqual(end?.payload, TRAILERS);
  });
});

describe("SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.9.2)", () => {
  function answering(): Subject {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()));
    subject.connection.headers(subject.stream(1), TRAILERS);
    subject.sent();
    return subject;
  }
  const send = (subject: Subject, bytes: number): void => {
    subject.connection.data(subject.stream(1), Buffer.alloc(bytes), false, false, subject.now);
  };

  test("changes the windows of open streams by the difference, below zero too", () => {
    const subject = answering();
    send(subject, 1000);
    subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 10]));
    assert.equal(subject.sendWindow(1), 10 - 1000);
    send(subject, 5);
    assert.deepEqual(subject.sent(), [], "the window is negative");
    assert.deepEqual(subject.receive(windowUpdate(1, 990)), [], "and now it is empty");
    assert.deepEqual(subject.receive(windowUpdate(1, 1)), ["DATA 1 1 bytes"]);
    assert.deepEqual(subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 13])), ["SETTINGS ACK", "DATA 1 3 bytes"]);
  });

  test("is what later streams begin with", () => {
    const subject = answering();
    subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 10]), headers(3, request()));
    assert.equal(subject.sendWindow(3), 10);
  });

  test("does not change the window of the connection", () => {
    const subject = answering();
    subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 0]));
    assert.equal(subject.connection.sender.window, 65_535);
  });

  test("that lifts a window above 2^31 - 1 ends the connection", () => {
    const subject = answering();
    subject.receive(windowUpdate(1, MAX_31 - 65_535));
    assert.equal(subject.failure, undefined);
    subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 65_536]));
    assert.equal(subject.failure, "FLOW_CONTROL_ERROR");
  });
});
