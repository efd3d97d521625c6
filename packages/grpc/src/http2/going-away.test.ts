import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConnectionFailure, ErrorCode, Flag, FrameType, MAX_31, Setting } from "./protocol.ts";
import { Subject } from "./subject.fixture.ts";
import {
  continuation,
  data,
  frame,
  goaway,
  headers,
  lastData,
  lastHeaders,
  ping,
  request,
  rstStream,
  settings,
  TRAILERS,
  windowUpdate,
} from "./wire.fixture.ts";

const DRAIN = "nacrebye";

function draining(): Subject {
  const subject = Subject.greeted();
  subject.receive(headers(1, request()));
  subject.news();
  subject.connection.shutdown(subject.now);
  return subject;
}

describe("a server that goes away (RFC 9113, section 6.8)", () => {
  test("first asks for no more streams, with a ping to learn when that was read", () => {
    const subject = draining();
    assert.deepEqual(subject.sent(), [`GOAWAY ${MAX_31} NO_ERROR`, `PING ${DRAIN}`]);
    assert.equal(subject.connection.goingAway, true);
    assert.equal(subject.connection.finished, false);
  });

  test("serves what crosses that, and names the last stream when the ping is answered", () => {
    const subject = draining();
    subject.sent();
    const answers = subject.receive(headers(3, request()), ping(DRAIN, Flag.ACK));
    assert.deepEqual(subject.news(), ["head 3"]);
    assert.deepEqual(answers, ["GOAWAY 3 NO_ERROR"]);
  });

  test("names the last stream after a second all the same", () => {
    const subject = draining();
    subject.sent();
    assert.equal(subject.connection.tickAt, subject.now + 1000);
    assert.deepEqual(subject.tick(999), []);
    assert.equal(subject.connection.tickAt, subject.now + 1);
    assert.deepEqual(subject.tick(1), ["GOAWAY 1 NO_ERROR"]);
    assert.deepEqual(subject.receive(ping(DRAIN, Flag.ACK)), [], "once");
  });

  test("is asked twice and says it once", () => {
    const subject = draining();
    subject.connection.shutdown(subject.now);
    subject.sent();
    subject.receive(ping(DRAIN, Flag.ACK));
    subject.connection.shutdown(subject.now);
    assert.deepEqual(subject.sent(), []);
  });

  test("is not told by another ping that its message was read", () => {
    const subject = draining();
    subject.sent();
    assert.deepEqual(subject.receive(ping("otherone", Flag.ACK)), []);
    assert.deepEqual(subject.receive(ping(DRAIN)), [`PING ACK ${DRAIN}`]);
  });

  test("ignores streams above the last one, their frames too, and finishes those below", () => {
    const subject = draining();
    subject.receive(ping(DRAIN, Flag.ACK));
    const answers = subject.receive(
      headers(3, request()),
      data(3, "x"),
      windowUpdate(3, 5),
      lastHeaders(3, TRAILERS),
      rstStream(5),
    );
    assert.deepEqual(answers, []);
    assert.deepEqual(subject.news(), []);
    subject.receive(lastData(1, "x"));
    assert.deepEqual(subject.news(), ["data 1 x", "ended 1"]);
    assert.equal(subject.connection.finished, false);
    subject.connection.headers(subject.stream(1), TRAILERS, true);
    assert.equal(subject.connection.finished, true);
  });

  test("without streams finishes when the last one is named", () => {
    const subject = Subject.greeted();
    subject.connection.shutdown(subject.now);
    assert.equal(subject.connection.finished, false);
    subject.receive(ping(DRAIN, Flag.ACK));
    assert.equal(subject.connection.finished, true);
  });
});

describe("a peer that goes away (RFC 9113, section 6.8)", () => {
  test("is served on what it has begun", () => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()), goaway(0, ErrorCode.NO_ERROR, "bye"), lastData(1, "x"));
    assert.deepEqual(subject.news(), ["head 1", "goaway NO_ERROR bye", "data 1 x", "ended 1"]);
    assert.equal(subject.connection.goingAway, true);
  });

  test("has our streams above its last id closed with REFUSED_STREAM, and gets no more", () => {
    const subject = Subject.greeted({}, { role: "client" });
    const { connection } = subject;
    for (let nth = 0; nth < 3; nth++) connection.open(request(), "call");
    subject.receive(goaway(3, ErrorCode.NO_ERROR, "bye"));
    assert.deepEqual(subject.news(), ["closed 5 REFUSED_STREAM by peer", "goaway NO_ERROR bye"]);
    assert.equal(connection.open(request(), "call"), undefined);
    assert.deepEqual(
      [...connection.streams.values()].map(({ id }) => id),
      [1, 3],
    );
  });
});

describe("a connection that fails (RFC 9113, section 5.4.1)", () => {
  test("names the last stream it has seen, closes every stream once, and writes nothing behind GOAWAY", () => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()), headers(3, request()));
    subject.news();
    subject.on.closed = (stream) => {
      // An application that tells all others when one has gone.
      for (const other of subject.streams.values()) {
        if (other === stream) continue;
        subject.connection.headers(other, TRAILERS);
        subject.connection.data(other, Buffer.from("gone"), true, false, subject.now);
        subject.connection.finish(other, TRAILERS);
        subject.connection.reset(other, ErrorCode.CANCEL);
        subject.connection.taken(other, 1e7);
      }
    };
    subject.connection.shutdown(subject.now);
    subject.sent();
    assert.deepEqual(subject.receive(rstStream(0)), ["GOAWAY 3 PROTOCOL_ERROR"]);
    assert.deepEqual(subject.news(), ["closed 1 PROTOCOL_ERROR", "closed 3 PROTOCOL_ERROR"]);
    assert.equal(subject.connection.sender.queuedBytes, 0);
    assert.equal(subject.connection.tickAt, Number.POSITIVE_INFINITY);
  });

  test("reads nothing more, though it fails while content is told", () => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()));
    subject.news();
    subject.on.data = () => subject.connection.fail(new ConnectionFailure(ErrorCode.INTERNAL_ERROR, "a fault"));
    subject.receive(data(1, "x"), headers(3, request()), ping());
    assert.deepEqual(subject.news(), ["data 1 x", "closed 1 INTERNAL_ERROR"]);
    assert.equal(subject.connection.streams.size, 0);
  });

  test("at a tick leaves no wake-up behind, whatever else was due", () => {
    const subject = Subject.greeted({ headerBlockMs: 500 });
    subject.receive(frame(FrameType.HEADERS, 0, 1, request()));
    subject.connection.shutdown(subject.now);
    subject.sent();
    assert.deepEqual(subject.tick(500), ["GOAWAY 0 ENHANCE_YOUR_CALM"]);
    assert.equal(subject.connection.tickAt, Number.POSITIVE_INFINITY);
    assert.deepEqual(subject.tick(500), []);
  });

  test("through what its application does at a tick leaves none either", () => {
    const subject = Subject.greeted({ stalledMs: 100, queuedBytesMax: 50 });
    subject.receive(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1, request()), headers(3, request()));
    subject.connection.data(subject.stream(1), Buffer.alloc(10), false, false, subject.now);
    subject.connection.finish(subject.stream(1), TRAILERS);
    subject.on.closed = () => {
      subject.connection.data(subject.stream(3), Buffer.alloc(100), false, false, subject.now);
    };
    subject.tick(100);
    assert.equal(subject.failure, "ENHANCE_YOUR_CALM");
    assert.equal(subject.connection.tickAt, Number.POSITIVE_INFINITY);
  });

  test("says no more than 256 bytes of the reason", () => {
    const subject = Subject.greeted();
    subject.connection.fail(new ConnectionFailure(ErrorCode.INTERNAL_ERROR, "x".repeat(1000)));
    const [last] = subject.frames();
    assert.equal(last?.payload.length, 8 + 256);
  });

  test("whose TCP has ended closes its streams by the peer", () => {
    const subject = Subject.greeted();
    subject.receive(headers(1, request()), frame(FrameType.HEADERS, 0, 3, request()));
    subject.news();
    subject.connection.lost("it was reset");
    assert.deepEqual(subject.news(), ["closed 1 CANCEL by peer"]);
    assert.deepEqual(subject.sent(), []);
    assert.equal(subject.connection.failure?.message, "it was reset");
    assert.deepEqual(subject.receive(continuation(3, Buffer.alloc(0), Flag.END_HEADERS)), []);
  });
});

describe("PING (RFC 9113, section 6.7)", () => {
  test("is answered with its own bytes", () => {
    assert.deepEqual(Subject.greeted().receive(ping("abcdefgh")), ["PING ACK abcdefgh"]);
  });

  test("an answer is not answered", () => {
    assert.deepEqual(Subject.greeted().receive(ping("abcdefgh", Flag.ACK)), []);
  });
});

describe("keepalive", () => {
  const alive = (): Subject => {
    const subject = Subject.greeted({}, { keepAlive: { idleMs: 100, timeoutMs: 30 } });
    subject.sent();
    return subject;
  };

  test("pings after silence, and ends a connection from which nothing comes then", () => {
    const subject = alive();
    assert.deepEqual(subject.tick(99), []);
    assert.equal(subject.connection.tickAt, subject.now + 1);
    assert.deepEqual(subject.tick(1), ["PING nacrekal"]);
    assert.equal(subject.connection.tickAt, subject.now + 30);
    assert.deepEqual(subject.tick(29), [], "one ping only");
    assert.deepEqual(subject.tick(1), ["GOAWAY 0 NO_ERROR"]);
    assert.match(subject.connection.failure?.message ?? "", /keepalive/);
  });

  test("takes any byte as a sign of life", () => {
    const subject = alive();
    subject.tick(100);
    subject.now += 29;
    subject.receive(Buffer.of(0));
    assert.deepEqual(subject.tick(99), []);
    assert.equal(subject.failure, undefined);
    assert.deepEqual(subject.tick(1), ["PING nacrekal"]);
  });

  test("takes for one what came and waits to be read", () => {
    const subject = alive();
    subject.tick(100);
    subject.now += 29;
    subject.connection.heard(subject.now);
    assert.deepEqual(subject.tick(1), []);
    assert.equal(subject.failure, undefined);
  });

  test("does not ping whoever talks", () => {
    const subject = alive();
    for (let nth = 0; nth < 5; nth++) {
      subject.now += 60;
      subject.receive(frame(0x20, 0, 0));
      assert.deepEqual(subject.tick(0), []);
    }
  });
});
