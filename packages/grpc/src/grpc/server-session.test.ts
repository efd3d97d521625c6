import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { ErrorCode } from "../http2/protocol.ts";
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
} from "../http2/wire.fixture.ts";
import type { CallListener, ServerCall } from "./call.ts";
import { echo, messagesOf, type Noted, SessionSubject, streaming, unary } from "./session.fixture.ts";
import { Status, StatusError } from "./status.ts";

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
