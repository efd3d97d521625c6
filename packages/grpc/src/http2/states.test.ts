import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ErrorCode, Flag, FrameType } from "./protocol.ts";
import { Subject } from "./subject.fixture.ts";
import {
  continuation,
  data,
  frame,
  headers,
  lastHeaders,
  priority,
  request,
  rstStream,
  TRAILERS,
  windowUpdate,
  words,
} from "./wire.fixture.ts";

/** Where a frame may go wrong: stream 0, an even id, and the states of RFC 9113, section 5.1. */
type Place =
  | "stream 0"
  | "even id"
  | "idle"
  | "open"
  | "half-closed (remote)"
  | "half-closed (local)"
  | "closed by END_STREAM"
  | "closed by RST_STREAM of the peer"
  | "closed by RST_STREAM of ours";

type FrameName = keyof typeof FrameType | "UNKNOWN";

/** Brings a stream into a state. Only a client is ever half-closed (local): a server that has ended resets the rest. */
const PLACES: Record<Place, () => [subject: Subject, id: number]> = {
  "stream 0": () => [opened(), 0],
  "even id": () => [opened(), 2],
  idle: () => [Subject.greeted(), 1],
  open: () => [opened(), 1],
  "half-closed (remote)": () => {
    const subject = Subject.greeted();
    subject.receive(lastHeaders(1, request()));
    return [subject, 1];
  },
  "half-closed (local)": () => {
    const subject = Subject.greeted({}, { role: "client" });
    const stream = subject.connection.open(request(), "call");
    assert.ok(stream !== undefined);
    subject.connection.finish(stream);
    subject.receive(headers(1, RESPONSE));
    return [subject, 1];
  },
  "closed by END_STREAM": () => {
    const subject = Subject.greeted();
    subject.receive(lastHeaders(1, request()));
    subject.connection.headers(subject.stream(1), TRAILERS, true);
    return [subject, 1];
  },
  "closed by RST_STREAM of the peer": () => {
    const subject = opened();
    subject.receive(rstStream(1));
    return [subject, 1];
  },
  "closed by RST_STREAM of ours": () => {
    const subject = opened();
    subject.connection.reset(subject.stream(1), ErrorCode.CANCEL);
    return [subject, 1];
  },
};

const RESPONSE = Buffer.of(0x88);

const FRAMES: Record<FrameName, (id: number, block: Buffer) => Buffer> = {
  DATA: (id) => data(id, "x"),
  HEADERS: (id, block) => lastHeaders(id, block),
  PRIORITY: (id) => priority(id, 7),
  RST_STREAM: (id) => rstStream(id),
  SETTINGS: (id) => frame(FrameType.SETTINGS, 0, id),
  PUSH_PROMISE: (id) => frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, id, Buffer.concat([words(4), request()])),
  PING: (id) => frame(FrameType.PING, 0, id, Buffer.alloc(8)),
  GOAWAY: (id) => frame(FrameType.GOAWAY, 0, id, words(0, 0)),
  WINDOW_UPDATE: (id) => windowUpdate(id, 5),
  CONTINUATION: (id) => continuation(id, TRAILERS, Flag.END_HEADERS),
  UNKNOWN: (id) => frame(0x20, 0xff, id, Buffer.from("anything")),
};

function opened(): Subject {
  const subject = Subject.greeted();
  subject.receive(headers(1, request()));
  return subject;
}

const FAILS = "fails PROTOCOL_ERROR";
const IGNORED = "";

/** The same on every stream, whatever its state. */
const ON_STREAMS = {
  // RFC 9113, section 6.3: in any state.
  PRIORITY: IGNORED,
  // Section 6.5, 6.7 and 6.8: frames of the connection.
  SETTINGS: FAILS,
  PING: FAILS,
  GOAWAY: FAILS,
  // Section 6.6: a client never promises, and a server was told not to.
  PUSH_PROMISE: FAILS,
  // Section 6.10: only behind HEADERS or CONTINUATION without END_HEADERS.
  CONTINUATION: FAILS,
  // Section 5.5.
  UNKNOWN: IGNORED,
} satisfies Partial<Record<FrameName, string>>;

/** What is heard and what is answered. */
const OUTCOMES: Record<Place, Record<FrameName, string>> = {
  // Sections 6.1 to 6.10 say for each type whether it is about the connection, a stream or either.
  "stream 0": {
    ...ON_STREAMS,
    DATA: FAILS,
    HEADERS: FAILS,
    PRIORITY: FAILS,
    RST_STREAM: FAILS,
    SETTINGS: "SETTINGS ACK",
    PING: "PING ACK 00000000",
    GOAWAY: "goaway NO_ERROR ",
    WINDOW_UPDATE: IGNORED,
  },
  // Section 5.1.1: clients open odd ids, and this server opens none.
  "even id": { ...ON_STREAMS, DATA: FAILS, HEADERS: FAILS, RST_STREAM: FAILS, WINDOW_UPDATE: FAILS },
  // Section 5.1: anything but HEADERS and PRIORITY on an idle stream is a connection error.
  idle: { ...ON_STREAMS, DATA: FAILS, HEADERS: "head 1, ended 1", RST_STREAM: FAILS, WINDOW_UPDATE: FAILS },
  open: {
    ...ON_STREAMS,
    DATA: "data 1 x",
    HEADERS: "trailers 1, ended 1",
    RST_STREAM: "closed 1 CANCEL by peer",
    WINDOW_UPDATE: IGNORED,
  },
  // Section 5.1: a stream error STREAM_CLOSED for all but WINDOW_UPDATE, PRIORITY and RST_STREAM.
  "half-closed (remote)": {
    ...ON_STREAMS,
    DATA: "closed 1 STREAM_CLOSED, RST_STREAM 1 STREAM_CLOSED",
    HEADERS: "closed 1 STREAM_CLOSED, RST_STREAM 1 STREAM_CLOSED",
    RST_STREAM: "closed 1 CANCEL by peer",
    WINDOW_UPDATE: IGNORED,
  },
  "half-closed (local)": {
    ...ON_STREAMS,
    DATA: "data 1 x",
    HEADERS: "trailers 1, ended 1, closed 1 NO_ERROR by peer",
    RST_STREAM: "closed 1 CANCEL by peer",
    WINDOW_UPDATE: IGNORED,
  },
  // Section 5.1: HEADERS would open the stream again; WINDOW_UPDATE and RST_STREAM may have crossed its end.
  "closed by END_STREAM": {
    ...ON_STREAMS,
    DATA: "RST_STREAM 1 STREAM_CLOSED",
    HEADERS: "fails STREAM_CLOSED",
    RST_STREAM: IGNORED,
    WINDOW_UPDATE: IGNORED,
  },
  "closed by RST_STREAM of the peer": {
    ...ON_STREAMS,
    DATA: "RST_STREAM 1 STREAM_CLOSED",
    HEADERS: "fails STREAM_CLOSED",
    RST_STREAM: IGNORED,
    WINDOW_UPDATE: IGNORED,
  },
  // Section 5.1: what the peer sent before it read our RST_STREAM is no fault.
  "closed by RST_STREAM of ours": {
    ...ON_STREAMS,
    DATA: IGNORED,
    HEADERS: IGNORED,
    RST_STREAM: IGNORED,
    WINDOW_UPDATE: IGNORED,
  },
};

describe("a frame of each type in each state of its stream (RFC 9113, section 5.1)", () => {
  for (const [place, outcomes] of Object.entries(OUTCOMES) as [Place, Record<FrameName, string>][]) {
    for (const [name, expected] of Object.entries(outcomes) as [FrameName, string][]) {
      test(`${name}, ${place}: ${expected === IGNORED ? "ignored" : expected}`, () => {
        const [subject, id] = PLACES[place]();
        subject.sent();
        subject.news();
        const opens = place === "idle" || place === "even id" || place === "stream 0";
        const answers = subject.receive(FRAMES[name](id, opens ? request() : TRAILERS));
        assert.equal(outcome(subject, answers), expected);
      });
    }
  }
});

/** Payloads that are too short or too long for their type, and what they end. */
const WRONG_LENGTHS: Record<FrameName, readonly (readonly [size: number, flags: number, expected: string])[]> = {
  // Section 4.2: above SETTINGS_MAX_FRAME_SIZE. Section 6.1: padded, without room for the length of the padding.
  DATA: [
    [16_385, 0, "fails FRAME_SIZE_ERROR"],
    [0, Flag.PADDED, "fails FRAME_SIZE_ERROR"],
  ],
  // Section 4.2: too small to contain mandatory fields.
  HEADERS: [
    [16_385, Flag.END_HEADERS, "fails FRAME_SIZE_ERROR"],
    [0, Flag.END_HEADERS | Flag.PADDED, "fails FRAME_SIZE_ERROR"],
    [4, Flag.END_HEADERS | Flag.PRIORITY, "fails FRAME_SIZE_ERROR"],
    [5, Flag.END_HEADERS | Flag.PRIORITY | Flag.PADDED, "fails FRAME_SIZE_ERROR"],
  ],
  // Section 6.3 asks for a stream error at least; whoever cannot write five bytes is not trusted with more.
  PRIORITY: [
    [4, 0, "fails FRAME_SIZE_ERROR"],
    [6, 0, "fails FRAME_SIZE_ERROR"],
  ],
  // Section 6.4.
  RST_STREAM: [
    [3, 0, "fails FRAME_SIZE_ERROR"],
    [5, 0, "fails FRAME_SIZE_ERROR"],
  ],
  // Section 6.5.
  SETTINGS: [
    [5, 0, "fails FRAME_SIZE_ERROR"],
    [7, 0, "fails FRAME_SIZE_ERROR"],
    [6, Flag.ACK, "fails FRAME_SIZE_ERROR"],
    [16_385, 0, "fails FRAME_SIZE_ERROR"],
  ],
  PUSH_PROMISE: [[3, 0, FAILS]],
  // Section 6.7.
  PING: [
    [7, 0, "fails FRAME_SIZE_ERROR"],
    [9, Flag.ACK, "fails FRAME_SIZE_ERROR"],
  ],
  // Section 6.8.
  GOAWAY: [[7, 0, "fails FRAME_SIZE_ERROR"]],
  // Section 6.9.
  WINDOW_UPDATE: [
    [3, 0, "fails FRAME_SIZE_ERROR"],
    [5, 0, "fails FRAME_SIZE_ERROR"],
  ],
  CONTINUATION: [[16_385, 0, "fails FRAME_SIZE_ERROR"]],
  // Sections 4.1 and 4.2: ignored at any length that a frame may have.
  UNKNOWN: [
    [0, 0, IGNORED],
    [16_384, 0, IGNORED],
    [16_385, 0, "fails FRAME_SIZE_ERROR"],
  ],
};

const OF_CONNECTION = new Set<FrameName>(["SETTINGS", "PING", "GOAWAY"]);

describe("a frame of a wrong length (RFC 9113, section 4.2)", () => {
  for (const [name, rows] of Object.entries(WRONG_LENGTHS) as [FrameName, (typeof WRONG_LENGTHS)[FrameName]][]) {
    for (const [size, flags, expected] of rows) {
      test(`${name} of ${size} bytes, flags ${flags}: ${expected === IGNORED ? "ignored" : expected}`, () => {
        const subject = opened();
        subject.news();
        const type = name === "UNKNOWN" ? 0x20 : FrameType[name];
        const answers = subject.receive(frame(type, flags, OF_CONNECTION.has(name) ? 0 : 1, Buffer.alloc(size)));
        assert.equal(outcome(subject, answers), expected);
      });
    }
  }

  test("is known by its header: the payload of a frame above the limit is not waited for", () => {
    const subject = opened();
    subject.receive(frame(FrameType.DATA, 0, 1, Buffer.alloc(16_385)).subarray(0, 9));
    assert.equal(subject.failure, "FRAME_SIZE_ERROR");
  });
});

function outcome(subject: Subject, answers: string[]): string {
  const heard = subject.news();
  const { failure } = subject;
  if (failure === undefined) return [...heard, ...answers].join(", ").replaceAll("\0", "0");
  assert.match(answers.join(), /^GOAWAY [01] [A-Z_]+$/, "GOAWAY says why, and nothing else is answered");
  assert.ok(answers[0]?.endsWith(failure));
  for (const stream of subject.streams.values()) assert.ok(stream.closed, "no stream outlives its connection");
  return `fails ${failure}`;
}
