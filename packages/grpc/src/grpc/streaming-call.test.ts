import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  data,
  headers,
  lastData,
  lastHeaders,
  message,
  request,
  rstStream,
  settings,
  TRAILERS,
  windowUpdate,
} from "../http2/wire.fixture.ts";
import { Metadata } from "./metadata.ts";
import { echo, messagesOf, Noted, PATH, SessionSubject, streaming, unary } from "./session.fixture.ts";
import { Status } from "./status.ts";

describe("a streaming call", () => {
  test("hears its messages as they come and the end behind them, and answers as it likes", () => {
    const [subject, noted] = streaming();
    noted.onMessage = (call, own) => void call.send(own);
    noted.onHalfClosed = (call) => call.end(Status.OK, "", new Metadata().add("after", "all"));
    subject.receive(headers(1, request()), data(1, Buffer.concat([message("a"), message("b")])));
    assert.deepEqual(noted.heard, ["open", "message a", "message b"]);
    assert.deepEqual(subject.answer(1).blocks.length, 1);
    subject.receive(lastData(1, message("c")));
    assert.deepEqual(noted.heard.slice(3), ["message c", "half-closed", "closed completed"]);
    assert.deepEqual(
      messagesOf(subject.answer(1).content).map(([, own]) => String(own)),
      ["a", "b", "c"],
    );
    assert.deepEqual(subject.answer(1).blocks[1], { "grpc-status": "0", after: "all" });
  });

  test("may end early: what still comes is used up, the peer's windows filled again", () => {
    const [subject, noted] = streaming({ streamWindowBytes: 100_000, connectionWindowBytes: 100_000 });
    noted.onMessage = (call) => call.end(Status.ABORTED, "no more");
    subject.receive(headers(1, request()), data(1, Buffer.concat([message("a"), message("b")])));
    assert.deepEqual(noted.heard, ["open", "message a", "closed completed"]);
    assert.deepEqual(subject.status(1), ["10", "no more"]);
    for (let nth = 0; nth < 20; nth++) subject.receive(data(1, Buffer.alloc(16_000)));
    assert.equal(subject.session.connection.failure, undefined);
  });

  test("is told why it was closed", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()), rstStream(1));
    subject.receive(headers(3, request()), headers(3, TRAILERS));
    subject.receive(headers(5, request()));
    subject.session.connection.lost("TCP is gone");
    assert.deepEqual(noted.heard, ["open", "closed cancelled", "open", "closed error", "open", "closed connection"]);
  });

  test("can do nothing after its end, and nothing throws", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()), rstStream(1));
    const { call } = noted;
    assert.equal(call?.ended, true);
    assert.equal(call?.send(Buffer.from("x")), false);
    call?.sendMetadata();
    call?.end();
    call?.pause();
    call?.resume();
    assert.deepEqual(subject.read().answer(1).blocks, []);
  });

  test("sends metadata when it is told to, before the first message otherwise, and once", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()));
    noted.call?.sendMetadata(new Metadata().add("a", "1").add("b-bin", Buffer.of(0, 255)));
    noted.call?.sendMetadata(new Metadata().add("a", "2"));
    noted.call?.send(Buffer.from("x"));
    noted.call?.end();
    const [head, trailers, ...more] = subject.read().answer(1).blocks;
    assert.deepEqual([head?.a, head?.["b-bin"], trailers?.["grpc-status"], more.length], ["1", "AP8", "0", 0]);
  });

  for (const [what, act] of [
    ["open", () => {}],
    ["message", (noted: Noted) => (noted.onMessage = fail)],
    ["halfClosed", (noted: Noted) => (noted.onHalfClosed = fail)],
    ["drained", (noted: Noted) => (noted.onDrained = fail)],
  ] as const) {
    test(`whose ${what} throws ends with INTERNAL, and no other call hears of it`, () => {
      const noted = new Noted();
      act(noted);
      const open = what === "open" ? fail : noted.method.open;
      const subject = new SessionSubject(
        { [PATH]: { type: "stream", open }, "/other": echo[PATH] as never },
        { streamQueuedBytes: 1 },
      );
      subject.receive(settings([4, 0]), headers(1, request()));
      noted.call?.send(Buffer.from("xx"));
      subject.receive(settings([4, 100]), lastData(1, message("a")));
      assert.equal(subject.status(1)[0], String(Status.INTERNAL));
      assert.equal(subject.errors.length, 1);
      subject.call(3, message("a"), { ":path": "/other" });
      assert.equal(subject.status(3)[0], "0");
    });
  }

  test("cannot send what is no bytes: the connection would lose count of what it has queued", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()));
    for (const wrong of ["text", new ArrayBuffer(4), null, { length: 4 }]) {
      assert.throws(() => noted.call?.send(wrong as never), { name: "TypeError", message: /is bytes/ });
    }
    assert.equal(subject.session.connection.sender.queuedBytes, 0);
    noted.call?.send(Buffer.from("b"));
    assert.deepEqual(messagesOf(subject.read().answer(1).content), [[0, Buffer.from("b")]]);
  });

  test("is drained once its queue is short again", () => {
    const [subject, noted] = streaming({ streamQueuedBytes: 100 });
    subject.receive(settings([4, 0]), headers(1, request()));
    assert.equal(noted.call?.send(Buffer.alloc(200)), false);
    assert.equal(noted.call?.queuedBytes, 205);
    subject.receive(windowUpdate(1, 1000));
    assert.deepEqual(noted.heard, ["open", "drained"]);
  });
});

function fail(): never {
  throw new Error("a fault of the application");
}

describe("a paused call", () => {
  const paused = (): [SessionSubject, Noted] => {
    const [subject, noted] = streaming({ streamWindowBytes: 100, connectionWindowBytes: 65_535 });
    subject.receive(headers(1, request()));
    noted.onMessage = (call) => call.pause();
    return [subject, noted];
  };

  test("hears one message after the other, then the end, each when it goes on", () => {
    const [subject, noted] = paused();
    subject.receive(data(1, Buffer.concat([message("a"), message("b")])), lastData(1, message("c")));
    for (let nth = 0; nth < 3; nth++) noted.call?.resume();
    assert.deepEqual(noted.heard, ["open", "message a", "message b", "message c", "half-closed"]);
  });

  test("hears the end once, however often it pauses after it", () => {
    const [subject, noted] = paused();
    subject.receive(lastHeaders(1, TRAILERS));
    noted.call?.pause();
    noted.call?.resume();
    assert.deepEqual(noted.heard, ["open", "half-closed"]);
  });

  test("hears the end behind all messages, though it goes on while it hears one", () => {
    const [subject, noted] = paused();
    subject.receive(data(1, Buffer.concat(["a", "b", "c"].map((text) => message(text)))), lastData(1, message("d")));
    noted.onMessage = (call) => {
      call.pause();
      call.resume();
    };
    noted.call?.resume();
    assert.deepEqual(noted.heard, ["open", "message a", "message b", "message c", "message d", "half-closed"]);
  });

  test("keeps the peer's window of its stream from filling, until it goes on", () => {
    const [subject, noted] = paused();
    subject.receive(data(1, message("a")), data(1, message(Buffer.alloc(80))));
    const stream = subject.session.connection.streams.get(1);
    assert.equal(stream?.receiveWindow, 100 - 6 - 85);
    noted.onMessage = () => {};
    noted.call?.resume();
    assert.equal(stream?.receiveWindow, 100);
  });

  test("gives the window of the connection back when it is closed", () => {
    const [subject, noted] = streaming({ streamWindowBytes: 30_000, connectionWindowBytes: 65_535 });
    noted.onMessage = (call) => call.pause();
    for (let id = 1; id < 40; id += 2) {
      subject.receive(headers(id, request()), data(id, message("a")), data(id, Buffer.alloc(16_000)), rstStream(id));
    }
    assert.equal(subject.session.connection.failure, undefined);
  });

  test("holds what comes byte by byte in one run of memory, unchanged under messages that were given", () => {
    const noted = new Noted();
    const subject = new SessionSubject({ [PATH]: noted.method }, {});
    subject.receive(headers(1, request()));
    const given: Buffer[] = [];
    noted.onMessage = (call, own) => {
      given.push(own);
      call.pause();
    };
    noted.call?.pause();
    const content = Buffer.concat(Array.from({ length: 600 }, (_, nth) => message(String(nth))));
    for (const [at, byte] of content.entries()) {
      subject.receive(data(1, Buffer.of(byte)));
      if (at % 50 === 0) noted.call?.resume();
    }
    for (let nth = 0; nth < 600; nth++) noted.call?.resume();
    assert.deepEqual(
      given.map(String),
      Array.from({ length: 600 }, (_, nth) => String(nth)),
    );
    assert.ok(new Set(given.map(({ buffer }) => buffer)).size < 20);
  });

  test("a unary call may pause while it is being answered, without hearing its request again", () => {
    let count = 0;
    const subject = unary((own, call) => {
      count++;
      call.pause();
      call.resume();
      return own;
    });
    subject.call(1, message("a"));
    assert.deepEqual([count, subject.status(1)[0]], [1, "0"]);
  });
});
