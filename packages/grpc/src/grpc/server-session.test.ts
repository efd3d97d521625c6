import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { ConnectionFailure, ErrorCode, Setting } from "../http2/protocol.ts";
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
import type { CallListener, Methods, ServerCall } from "./call.ts";
import type { GrpcLimits } from "./limits.ts";
import { PartialBytes } from "./message-reader.ts";
import { Metadata } from "./metadata.ts";
import { messagesOf, Noted, never, SessionSubject } from "./session.fixture.ts";
import { Status, StatusError } from "./status.ts";

const PATH = "/a.B/C";
const echo: Methods = { [PATH]: { type: "unary", handle: (own) => own } };

function unary(
  handle: Extract<Methods[string], { type: "unary" }>["handle"],
  limits: Partial<GrpcLimits> = {},
): SessionSubject {
  return new SessionSubject({ [PATH]: { type: "unary", handle } }, limits);
}

function streaming(limits: Partial<GrpcLimits> = {}, gzip = false): [SessionSubject, Noted] {
  const noted = new Noted();
  return [new SessionSubject({ [PATH]: noted.method }, limits, gzip), noted];
}

describe("a unary call (gRPC over HTTP/2, Requests and Responses)", () => {
  test("is answered by head, message and trailers", () => {
    const answer = new SessionSubject(echo).call(1, message("hello"));
    assert.deepEqual(answer.blocks, [{ ":status": "200", "content-type": "application/grpc" }, { "grpc-status": "0" }]);
    assert.deepEqual(messagesOf(answer.content), [[0, Buffer.from("hello")]]);
    assert.equal(answer.ended, true);
    assert.equal(answer.reset, undefined);
  });

  test("is answered once its request has ended, not before", () => {
    const subject = new SessionSubject(echo).receive(headers(1, request()), data(1, message("hello")));
    assert.deepEqual(subject.answer(1).blocks, []);
    subject.receive(lastData(1, ""));
    assert.equal(subject.status(1)[0], "0");
  });

  test("may end its request with trailers, which mean nothing", () => {
    const subject = new SessionSubject(echo);
    subject.receive(headers(1, request()), data(1, message("hello")), lastHeaders(1, TRAILERS));
    assert.equal(subject.status(1)[0], "0");
  });

  test("without a message is an INVALID_ARGUMENT", () => {
    const subject = new SessionSubject(echo).receive(lastHeaders(1, request()));
    assert.equal(subject.status(1)[0], String(Status.INVALID_ARGUMENT));
    assert.equal(subject.answer(1).blocks.length, 1, "a status alone is one block: Trailers-Only");
  });

  test("with two messages is an UNIMPLEMENTED, as soon as the second is there", () => {
    const subject = new SessionSubject(echo);
    subject.receive(headers(1, request()), data(1, Buffer.concat([message("a"), message("b")])));
    assert.equal(subject.status(1)[0], String(Status.UNIMPLEMENTED));
    assert.equal(subject.answer(1).reset, ErrorCode.NO_ERROR);
    assert.equal(subject.partial.used, 0);
  });

  test("that ends inside a message is an INTERNAL", () => {
    const subject = new SessionSubject(echo);
    subject.call(1, message("hello").subarray(0, 7));
    assert.equal(subject.status(1)[0], String(Status.INTERNAL));
    assert.equal(subject.partial.used, 0);
  });

  test("may be answered later", async () => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const subject = unary(() => promise);
    subject.call(1, message("a"));
    assert.deepEqual(subject.answer(1).blocks, []);
    const wrote = subject.wrote;
    resolve(Buffer.from("later"));
    await promise;
    assert.ok(subject.wrote > wrote, "the shell is told that there is something to write");
    assert.deepEqual(messagesOf(subject.read().answer(1).content), [[0, Buffer.from("later")]]);
  });

  test("that was cancelled takes no answer any more", async () => {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    const subject = unary(() => promise);
    subject.call(1, message("a"));
    subject.receive(rstStream(1));
    resolve(Buffer.from("later"));
    await promise;
    assert.deepEqual(subject.read().answer(1).blocks, []);
  });

  for (const [what, thrown, status, text] of [
    ["a StatusError", new StatusError(Status.NOT_FOUND, "no such thing"), Status.NOT_FOUND, "no such thing"],
    ["anything else", new Error("secret"), Status.INTERNAL, "the server failed to handle this call"],
  ] as const) {
    test(`whose method throws ${what} ends with ${status}`, () => {
      const subject = unary(() => {
        throw thrown;
      });
      subject.call(1, message("a"));
      assert.deepEqual(subject.status(1), [String(status), text]);
      assert.equal(subject.errors.length, thrown instanceof StatusError ? 0 : 1);
    });

    test(`whose method rejects with ${what} ends with ${status}`, async () => {
      const subject = unary(() => Promise.reject(thrown));
      subject.call(1, message("a"));
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(subject.read().status(1), [String(status), text]);
    });
  }

  for (const [what, answer] of [
    ["nothing", undefined],
    ["text", "text"],
    ["a promise of nothing", Promise.resolve(undefined)],
    ["memory that is no bytes", new ArrayBuffer(4)],
  ] as const) {
    test(`whose method answers with ${what} ends with INTERNAL, and says what was expected`, async () => {
      const subject = unary(() => answer as never);
      subject.call(1, message("a"));
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(subject.read().status(1)[0], String(Status.INTERNAL));
      assert.match(String(subject.errors[0]), /^TypeError: a message is bytes/);
    });
  }

  test("whose method promises bytes in another way than by a Promise is answered", async () => {
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    const subject = unary(() => ({ then: (resolve: (bytes: Uint8Array) => void) => resolve(message("b")) }) as never);
    subject.call(1, message("a"));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(subject.read().status(1)[0], "0");
  });

  test("whose method fails with trailers that are none ends all the same", () => {
    const subject = unary(() => {
      throw new StatusError(Status.NOT_FOUND, "no such thing", { trailers: { a: "b" } as never });
    });
    subject.call(1, message("a"));
    assert.equal(subject.status(1)[0], String(Status.INTERNAL));
    assert.equal(subject.errors.length, 1);
  });

  test("to a path that nobody serves is an UNIMPLEMENTED", () => {
    const subject = new SessionSubject(echo);
    subject.call(1, message("a"), { ":path": "/a.B/D" });
    assert.deepEqual(subject.status(1), [String(Status.UNIMPLEMENTED), "there is no method /a.B/D"]);
    subject.call(3, message("a"), { ":path": "constructor" });
    assert.equal(subject.status(3)[0], String(Status.UNIMPLEMENTED));
  });

  test("that cannot be served has little of what it sent sent back: a few octets can stand for thousands", () => {
    const subject = new SessionSubject(echo);
    subject.call(1, message("a"), { ":path": `/${"x".repeat(5000)}` });
    assert.equal(subject.status(1)[1], `there is no method /${"x".repeat(99)}...`);
    subject.call(3, message("a"), { "grpc-timeout": "1".repeat(5000) });
    assert.match(subject.status(3)[1] ?? "", /^grpc-timeout '1{100}\.\.\.' is not up to eight digits/);
  });

  test("with more metadata than allowed is a RESOURCE_EXHAUSTED, also when its content type is what was left out", () => {
    const subject = new SessionSubject(echo, { headerListBytesMax: 500 });
    subject.call(1, message("a"), { more: "x".repeat(500) });
    assert.equal(subject.status(1)[0], String(Status.RESOURCE_EXHAUSTED));
    subject.call(3, message("a"), { ":path": `/${"x".repeat(500)}` });
    assert.equal(subject.status(3)[0], String(Status.RESOURCE_EXHAUSTED));
  });

  test("goes on until its answer has left, though the client says NO_ERROR", () => {
    const [subject, noted] = streaming();
    subject.receive(settings([4, 0]), headers(1, request()));
    noted.call?.send(Buffer.from("a"));
    noted.call?.end();
    subject.receive(rstStream(1, ErrorCode.NO_ERROR));
    assert.deepEqual(noted.heard, ["open", "closed cancelled"]);
  });
});

describe("whoever does not speak gRPC reads why, in HTTP", () => {
  for (const [changes, status] of [
    [{ ":method": "GET" }, "405"],
    [{ ":method": "PUT" }, "405"],
    [{ "content-type": "text/plain" }, "415"],
    [{ "content-type": undefined }, "415"],
    [{ "content-type": "application/grpcx" }, "415"],
  ] as const) {
    test(`${JSON.stringify(changes)}: ${status}`, () => {
      const answer = new SessionSubject(echo).call(1, message("a"), changes);
      assert.equal(answer.blocks[0]?.[":status"], status);
      assert.equal(answer.blocks[0]?.["content-length"], String(answer.content.length));
      assert.ok(answer.content.length > 20 && answer.ended);
    });
  }

  test("HEAD has no content", () => {
    const answer = new SessionSubject(echo).call(1, message("a"), { ":method": "HEAD" });
    assert.equal(answer.content.length, 0);
    assert.equal(answer.ended, true);
  });

  for (const type of ["application/grpc+proto", "application/grpc;charset=utf-8"]) {
    test(`${type} is gRPC`, () => {
      const subject = new SessionSubject(echo);
      subject.call(1, message("a"), { "content-type": type });
      assert.equal(subject.status(1)[0], "0");
    });
  }
});

describe("deadlines (gRPC over HTTP/2, Timeout)", () => {
  test("end a unary call that is being answered", () => {
    const subject = unary(() => new Promise(() => {}));
    subject.call(1, message("a"), { "grpc-timeout": "100m" });
    assert.equal(subject.session.tickAt, subject.now + 100);
    assert.equal(subject.tick(99).answer(1).ended, false);
    subject.tick(1);
    assert.equal(subject.status(1)[0], String(Status.DEADLINE_EXCEEDED));
    assert.equal(subject.session.tickAt, Number.POSITIVE_INFINITY);
  });

  test("end a unary call whose request never ends", () => {
    for (const content of [[], [data(1, message("a"))], [data(1, message("a").subarray(0, 3))]]) {
      const subject = new SessionSubject(echo);
      subject.receive(headers(1, request({ "grpc-timeout": "100m" })), ...content);
      subject.tick(100);
      assert.equal(subject.status(1)[0], String(Status.DEADLINE_EXCEEDED));
      assert.equal(subject.session.partial.used, 0);
    }
  });

  test("end a stream, which is told why", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request({ "grpc-timeout": "1S" })));
    assert.equal(noted.call?.deadlineAt, subject.now + 1000);
    subject.tick(1000);
    assert.deepEqual(noted.heard, ["open", "closed deadline"]);
    assert.equal(subject.status(1)[0], String(Status.DEADLINE_EXCEEDED));
  });

  test("wake for the earliest that is left", () => {
    const [subject] = streaming();
    const at = subject.now;
    subject.receive(headers(1, request({ "grpc-timeout": "300m" })), headers(3, request({ "grpc-timeout": "100m" })));
    subject.tick(100);
    assert.equal(subject.session.tickAt, at + 300);
  });

  test("that are no timeout end the call", () => {
    const subject = new SessionSubject(echo);
    subject.call(1, message("a"), { "grpc-timeout": "1 S" });
    assert.equal(subject.status(1)[0], String(Status.INTERNAL));
  });

  test("are none without the field", () => {
    const [, noted] = ((): [SessionSubject, Noted] => {
      const pair = streaming();
      pair[0].receive(headers(1, request()));
      return pair;
    })();
    assert.equal(noted.call?.deadlineAt, Number.POSITIVE_INFINITY);
  });
});

describe("a mistake of a method", () => {
  const MISTAKES: Readonly<Record<string, readonly [act: (call: ServerCall) => unknown, rule: RegExp]>> = {
    "a status that is none": [(call) => call.end(99 as Status), /a status is one of Status, 0 to 16, not 99/],
    "a text that is none": [(call) => call.end(Status.ABORTED, 12 as never), /text, not number/],
    "trailers that are none": [(call) => call.end(Status.OK, "", { a: "b" } as never), /trailers: .*new Metadata/],
    "metadata that is none": [(call) => call.sendMetadata({ a: "b" } as never), /initial metadata: .*new Metadata/],
    "a message that is none": [(call) => call.send("text" as never), /a message is bytes/],
    "a listener that is none": [() => undefined, /returns at once an object with a function 'message'/],
    "a promise of a listener": [() => Promise.resolve({ message() {} }), /not a promise/],
    "a StatusError of no status": [
      () => {
        throw new StatusError(-1 as Status, "below");
      },
      /a status is one of Status/,
    ],
  };
  for (const [what, [act, rule]] of Object.entries(MISTAKES)) {
    test(`${what}: its call ends with INTERNAL, its author is told the rule, and other calls go on`, () => {
      const open = (call: ServerCall): CallListener => act(call) as CallListener;
      const subject = new SessionSubject({ "/test/Wrong": { type: "stream", open }, ...echo });
      subject.receive(headers(1, request({ ":path": "/test/Wrong" })));
      assert.equal(subject.status(1)[0], String(Status.INTERNAL));
      assert.match(String(subject.errors[0]), rule);
      subject.call(3, message("still here"));
      assert.equal(subject.status(3)[0], "0");
    });
  }
});

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

describe("what a session holds for its peer", () => {
  const held = (subject: SessionSubject): number => subject.session.heldBytes;

  test("is something for each open call, and its metadata once for all calls that share it", () => {
    const [subject] = streaming();
    assert.equal(held(subject), 0);
    const large = request({ a: "x".repeat(5000) });
    subject.receive(headers(1, large));
    const first = held(subject);
    assert.ok(first > 5000);
    subject.receive(headers(3, large));
    const second = held(subject) - first;
    assert.ok(second > 0 && second < 3000);
    subject.receive(headers(5, request({ a: "y".repeat(5000) })));
    assert.ok(held(subject) - first - second > 5000);
    subject.receive(rstStream(1));
    assert.ok(held(subject) > first, "the other call still has the metadata");
    subject.receive(rstStream(3), rstStream(5));
    assert.equal(held(subject), 0);
  });

  test("are parts of messages, and content of calls that are paused", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()));
    const call = held(subject);
    subject.receive(data(1, message(Buffer.alloc(3000)).subarray(0, 2000)));
    assert.equal(held(subject) - call, subject.partial.used);
    subject.receive(data(1, Buffer.alloc(1005)));
    noted.call?.pause();
    subject.receive(data(1, Buffer.alloc(700)));
    assert.equal(held(subject) - call, 700);
    subject.receive(rstStream(1));
    assert.equal(held(subject), 0);
  });

  test("is nothing once the connection has ended: who frees memory must see it, or ends all others too", () => {
    const [subject, noted] = streaming();
    subject.receive(headers(1, request()));
    noted.call?.pause();
    subject.receive(data(1, Buffer.alloc(700)));
    subject.session.connection.fail(new ConnectionFailure(ErrorCode.ENHANCE_YOUR_CALM, "too much"));
    assert.equal(held(subject), 0);
  });

  test("are answers that wait, a message that goes to many once", () => {
    const calls: ServerCall[] = [];
    const open = (call: ServerCall) => {
      calls.push(call);
      return { message() {} };
    };
    const own = new SessionSubject({ [PATH]: { type: "stream", open } });
    own.receive(settings([Setting.INITIAL_WINDOW_SIZE, 0]), headers(1, request()), headers(3, request()));
    const before = held(own);
    const notice = Buffer.alloc(10_000);
    for (const call of calls) call.send(notice);
    assert.equal(held(own) - before, 10_005);
    calls[0]?.send(Buffer.alloc(10_000));
    assert.equal(held(own) - before, 20_010);
    own.receive(windowUpdate(1, 30_000), windowUpdate(3, 30_000));
    assert.equal(held(own), before);
  });
});

describe("messages that have come in part", () => {
  const LIMITS = { partialBytesMax: 3000, partialMs: 500 };
  const half = (size: number): Buffer => message(Buffer.alloc(size)).subarray(0, size);

  test("are bounded over all calls of a connection", () => {
    const [subject] = streaming(LIMITS);
    subject.receive(headers(1, request()), data(1, half(2000)), headers(3, request()), data(3, half(2000)));
    assert.deepEqual(subject.status(3)[0], String(Status.RESOURCE_EXHAUSTED));
    assert.equal(subject.answer(1).ended, false);
    assert.equal(subject.partial.used, 2005);
    subject.receive(data(1, Buffer.alloc(5)));
    assert.equal(subject.partial.used, 0);
  });

  test("are bounded over all connections", () => {
    const all = new PartialBytes(3000);
    const one = new SessionSubject(echo, {}, false, all).receive(headers(1, request()), data(1, half(2000)));
    const other = new SessionSubject(echo, {}, false, all).receive(headers(1, request()), data(1, half(2000)));
    assert.equal(other.status(1)[0], String(Status.RESOURCE_EXHAUSTED));
    one.session.connection.lost("TCP is gone");
    other.receive(headers(3, request()), data(3, half(2000)));
    assert.equal(other.answer(3).ended, false);
    other.receive(rstStream(3));
    assert.equal(all.used, 0);
  });

  test("whole ones count too, as long as a unary request has not ended", () => {
    const subject = unary((own) => own, LIMITS);
    subject.receive(headers(1, request()), data(1, message(Buffer.alloc(2000))));
    subject.receive(headers(3, request()), data(3, message(Buffer.alloc(2000))));
    assert.equal(subject.status(3)[0], String(Status.RESOURCE_EXHAUSTED));
    assert.equal(subject.partial.used, 2000);
    subject.receive(lastData(1, ""));
    assert.equal(subject.status(1)[0], "0");
    assert.equal(subject.partial.used, 0);
  });

  test("a small one that waits does not keep the memory that it came in", () => {
    const given: Buffer[] = [];
    const subject = unary((own) => {
      given.push(own);
      return own;
    });
    subject.receive(headers(1, request()), data(1, message("small")), Buffer.alloc(0));
    subject.receive(
      headers(3, request()),
      data(3, message("small")),
      ...Array.from({ length: 4 }, () => data(3, "")),
      lastData(1, ""),
    );
    const bulk = data(7, Buffer.alloc(16_000));
    subject.receive(
      headers(5, request()),
      data(5, message("small")),
      headers(7, request({ ":path": "/x" })),
      bulk,
      bulk,
    );
    subject.receive(lastData(5, ""));
    assert.ok((given.at(-1)?.buffer.byteLength ?? 0) <= 20_000, `${given.at(-1)?.buffer.byteLength}`);
  });

  test("end their call when the rest does not come in time", () => {
    const [subject, noted] = streaming(LIMITS);
    subject.receive(headers(1, request()), data(1, half(100)));
    assert.equal(subject.session.tickAt, subject.now + 500);
    subject.tick(400).receive(data(1, "x"));
    subject.tick(499);
    assert.equal(subject.answer(1).ended, false);
    subject.tick(1);
    assert.equal(subject.status(1)[0], String(Status.CANCELLED));
    assert.equal(noted.heard.at(-1), "closed completed");
    assert.equal(subject.partial.used, 0);
  });

  test("of thousands of calls do not have all of them walked over for each", () => {
    const [subject] = streaming({ ...LIMITS, partialBytesMax: 2 ** 30 });
    for (let nth = 0; nth < 2000; nth++) {
      subject.receive(headers(1 + 2 * nth, request()), data(1 + 2 * nth, half(10)));
      subject.now += 0.01;
    }
    let walks = 0;
    while (subject.session.connection.streams.size > 0) {
      subject.tick(subject.session.tickAt - subject.now);
      walks++;
    }
    assert.ok(walks < 200, `${walks} walks`);
  });

  test("end their call also when only the end of a unary request is missing", () => {
    const subject = unary((own) => own, LIMITS);
    subject.receive(headers(1, request()), data(1, message("whole")));
    subject.tick(500);
    assert.equal(subject.status(1)[0], String(Status.CANCELLED));
    assert.equal(subject.partial.used, 0);
  });

  test("end their call also when nothing but the head of a unary request has come", () => {
    const subject = new SessionSubject(echo, LIMITS);
    subject.receive(headers(1, request()));
    assert.equal(subject.session.tickAt, subject.now + 500);
    subject.tick(499).receive(data(1, message("a")));
    subject.tick(499);
    assert.equal(subject.answer(1).ended, false, "the message came in between");
    subject.tick(1);
    assert.equal(subject.status(1)[0], String(Status.CANCELLED));
  });

  test("do not end a unary call whose request is complete, however long its answer takes", () => {
    const subject = unary(() => never, LIMITS);
    subject.call(1, message("a"));
    subject.tick(10_000);
    assert.equal(subject.answer(1).ended, false);
  });

  test("end what is no gRPC, too", () => {
    const subject = new SessionSubject(echo, LIMITS);
    subject.receive(headers(1, request({ ":method": "PUT" })));
    subject.tick(499);
    assert.equal(subject.answer(1).reset, undefined);
    subject.tick(1);
    assert.equal(subject.answer(1).reset, ErrorCode.CANCEL);
  });

  test("are freed at the end of their call, though its status still waits for a window", () => {
    const [subject, noted] = streaming(LIMITS);
    subject.receive(settings([4, 0]), headers(1, request()), data(1, half(2000)));
    noted.call?.send(Buffer.from("waits"));
    noted.call?.end();
    assert.equal(subject.partial.used, 0);
  });
});

describe("message limits (gRPC over HTTP/2, Length-Prefixed-Message)", () => {
  test("a message as long as allowed is taken, a longer one is refused by its prefix", () => {
    const subject = new SessionSubject(echo, { messageBytesMax: 10 });
    subject.call(1, message(Buffer.alloc(10)));
    assert.equal(subject.status(1)[0], "0");
    subject.receive(headers(3, request()), data(3, message(Buffer.alloc(11)).subarray(0, 5)));
    assert.equal(subject.status(3)[0], String(Status.RESOURCE_EXHAUSTED));
  });

  test("a flag that is neither 0 nor 1 is an INTERNAL", () => {
    const subject = new SessionSubject(echo);
    subject.call(1, message("a", 2));
    assert.equal(subject.status(1)[0], String(Status.INTERNAL));
  });
});

describe("a client that makes us hold much", () => {
  const MUCH = 2 * 1024 * 1024;

  test("is read after others while it does: by answers that it makes no room for", () => {
    const subject = new SessionSubject({ [PATH]: { type: "unary", handle: () => Buffer.alloc(MUCH) } });
    subject.receive(settings([4, 0]), headers(1, request()), lastData(1, message("")));
    assert.ok(subject.session.isCostly(subject.now));
    subject.receive(settings([4, MUCH + 5]));
    assert.ok(!subject.session.isCostly(subject.now));
  });

  test("is read after others while it does: by heads of calls that it leaves open", () => {
    const [subject] = streaming();
    const calls = Array.from({ length: 200 }, (_, nth) => 1 + 2 * nth);
    for (const id of calls) subject.receive(headers(id, request({ "x-large": `${id}${"x".repeat(15_000)}` })));
    subject.now += 60_000;
    assert.ok(subject.session.isCostly(subject.now));
    for (const id of calls) subject.receive(rstStream(id));
    subject.now += 60_000;
    assert.ok(!subject.session.isCostly(subject.now));
  });

  test("is none when it has many calls open and nothing special to them", () => {
    const [subject] = streaming();
    for (let nth = 0; nth < 5000; nth++) subject.receive(headers(1 + 2 * nth, request()));
    assert.ok(!subject.session.isCostly(subject.now));
  });
});

describe("compression (gRPC over HTTP/2, Message-Encoding)", () => {
  const GZIP = { "grpc-encoding": "gzip" };
  const server = (gzip: boolean): SessionSubject => new SessionSubject(echo, { messageBytesMax: 100_000 }, gzip);

  test("a compressed message is taken where gzip is on", () => {
    const subject = server(true);
    subject.call(1, message(gzipSync("hello"), 1), GZIP);
    assert.equal(String(messagesOf(subject.answer(1).content)[0]?.[1]), "hello");
  });

  test("a plain message may come in a compressed call", () => {
    const subject = server(true);
    subject.call(1, message("hello"), GZIP);
    assert.equal(subject.status(1)[0], "0");
  });

  for (const [what, gzip, changes] of [
    ["where gzip is off", false, GZIP],
    ["in a call of no encoding", true, {}],
    ["in a call of another encoding", true, { "grpc-encoding": "snappy" }],
  ] as const) {
    test(`a compressed message is an UNIMPLEMENTED ${what}`, () => {
      const subject = server(gzip);
      subject.call(1, message(gzipSync("hello"), 1), changes);
      assert.equal(subject.status(1)[0], String(Status.UNIMPLEMENTED));
    });
  }

  test("the limit holds for what a message becomes, not for what came", () => {
    const subject = server(true);
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    assert.ok(bomb.length < 100_000);
    subject.call(1, message(bomb, 1), GZIP);
    assert.equal(subject.status(1)[0], String(Status.RESOURCE_EXHAUSTED));
  });

  for (const [what, packed] of [
    ["that fit", gzipSync(Buffer.alloc(100_000))],
    ["over the limit", gzipSync(Buffer.alloc(10_000_000))],
  ] as const) {
    test(`messages ${what} that are unpacked make others be read first when they are many`, () => {
      const subject = server(true);
      for (let nth = 0; nth < 5; nth++) subject.call(1 + 2 * nth, message(packed, 1), GZIP);
      assert.ok(!subject.session.isCostly(subject.now));
      subject.call(11, message(packed, 1), GZIP);
      assert.ok(subject.session.isCostly(subject.now));
    });
  }

  test("what is no gzip is an INTERNAL", () => {
    const subject = server(true);
    subject.call(1, message("hello", 1), GZIP);
    assert.equal(subject.status(1)[0], String(Status.INTERNAL));
    subject.call(3, message("", 1), GZIP);
    assert.equal(subject.status(3)[0], String(Status.INTERNAL));
  });

  test("long answers are compressed for clients that take it, short ones and others are not", () => {
    const accepts = { "grpc-accept-encoding": "identity,deflate, gzip" };
    const long = Buffer.alloc(5000, "a");
    const subject = server(true);
    const [compressed] = messagesOf(subject.call(1, message(long), accepts).content);
    assert.equal(compressed?.[0], 1);
    assert.deepEqual(gunzipSync(compressed?.[1] ?? ""), long);
    assert.equal(subject.answer(1).blocks[0]?.["grpc-encoding"], "gzip");
    assert.equal(messagesOf(subject.call(3, message("short"), accepts).content)[0]?.[0], 0);
    assert.equal(messagesOf(subject.call(5, message(long)).content)[0]?.[0], 0);
    const off = server(false).call(1, message(long), accepts);
    assert.equal(messagesOf(off.content)[0]?.[0], 0);
    assert.equal(off.blocks[0]?.["grpc-encoding"], undefined);
  });
});

describe("metadata of a request", () => {
  test("is all fields but those of gRPC itself; bytes come with or without padding, or joined by commas", () => {
    const [subject, noted] = streaming();
    const fields = { "user-agent": "a", "grpc-timeout": "1S", "x-bin": "AP8=,AQ", "y-bin": "AAE", "grpc-tags": "t" };
    subject.receive(headers(1, request(fields)));
    assert.deepEqual(
      [...(noted.call?.metadata ?? [])],
      [
        ["user-agent", "a"],
        ["x-bin", Buffer.of(0, 255)],
        ["x-bin", Buffer.of(1)],
        ["y-bin", Buffer.of(0, 1)],
        ["grpc-tags", "t"],
      ],
    );
  });
});

describe("a status message (gRPC over HTTP/2, Status-Message)", () => {
  for (const [text, encoded] of [
    ["plain ~ text", "plain ~ text"],
    ["50%", "50%25"],
    ["a\nb\tc", "a%0Ab%09c"],
    ["gr\u00fc\u00df \u{1f980}", "gr%C3%BC%C3%9F %F0%9F%A6%80"],
    ["\u007f\0", "%7F%00"],
    ["\ud800", "%EF%BF%BD"],
  ] as const) {
    test(`${JSON.stringify(text)} is sent as ${encoded}`, () => {
      const subject = unary(() => {
        throw new StatusError(Status.UNKNOWN, text);
      });
      subject.call(1, message("a"));
      assert.deepEqual(subject.status(1), ["2", encoded]);
    });
  }
});
